package media_test

import (
	"testing"
	"testing/synctest"
	"time"

	"cabline/media"
	"cabline/media/dtmf"
)

func TestAKeyStillDownWhenSomebodyElseListensIsNotPassedOn(t *testing.T) {
	r, now := new(media.DigitReceiver), time.Now()
	event := func(key byte, stamp uint32) bool {
		p := media.Packet{Buf: make([]byte, 16), Start: 12, Event: true, Source: 1, Time: stamp}
		dtmf.Event{Key: key}.Put(p.Payload())
		now = now.Add(frame)
		return r.Event(&p, now)
	}
	for range 2 {
		if !event('1', 100) {
			t.Fatal("a key was not passed on")
		}
	}
	r.Moved()
	for range 2 {
		if event('1', 100) {
			t.Error("the rest of the key went to who listens now")
		}
	}
	if !event('2', 2000) {
		t.Error("the next key was not passed on")
	}
}

// told is one key arriving at a DigitReceiver.
type told struct {
	after  time.Duration
	key    byte
	info   bool   // by SIP INFO; else an event …
	source uint32 // … of this source
	stamp  uint32 // … begun then
}

func TestEachPressIsOneDigit(t *testing.T) {
	const second = time.Second
	for _, tt := range []struct {
		name string
		told []told
		want string
	}{
		{"the packets of an event are one digit", []told{{0, '1', false, 1, 100}, {frame, '1', false, 1, 100}, {frame, '1', false, 1, 100}}, "1"},
		{"the same key twice is two", []told{{0, '1', false, 1, 100}, {frame, '1', false, 1, 1060}}, "11"},
		{"a late packet of the event before is none", []told{{0, '1', false, 1, 100}, {frame, '2', false, 1, 1060}, {0, '1', false, 1, 100}}, "12"},
		{"another source begins anew", []told{{0, '1', false, 1, 90000}, {second, '1', false, 2, 100}}, "11"},
		{"a source that counts from elsewhere begins anew", []told{{0, '1', false, 1, 900000}, {second, '1', false, 1, 100}}, "11"},
		{"timestamps wrap", []told{{0, '1', false, 1, 0xffffff00}, {second, '2', false, 1, 0x100}}, "12"},
		{"a first event at timestamp 0 counts", []told{{0, '1', false, 0, 0}}, "1"},
		{"the same recording of a key, played again, is another press", []told{{0, '5', false, 1, 100}, {frame, '5', false, 1, 100}, {2 * second, '5', false, 1, 100}}, "55"},
		{"a recording that begins earlier is another press", []told{{0, '9', false, 1, 4096}, {3 * second, '0', false, 1, 96}}, "90"},
		{"a key held for long is one", []told{{0, '9', false, 1, 100}, {second * 9 / 10, '9', false, 1, 100}, {second * 9 / 10, '9', false, 1, 100}}, "9"},
		{"INFO alone", []told{{0, '1', true, 0, 0}, {100 * time.Millisecond, '1', true, 0, 0}}, "11"},
		{"INFO beside an event is one", []told{{0, '1', false, 1, 100}, {frame, '1', true, 0, 0}}, "1"},
		{"an event beside INFO is one", []told{{0, '1', true, 0, 0}, {frame, '1', false, 1, 100}, {frame, '1', false, 1, 100}}, "1"},
		{"a quick double press told both ways is two", []told{{0, '1', false, 1, 100}, {frame, '1', true, 0, 0}, {6 * frame, '1', false, 1, 1300}, {frame, '1', true, 0, 0}}, "11"},
		{"the same key by the other way much later is another", []told{{0, '1', false, 1, 100}, {second, '1', true, 0, 0}}, "11"},
		{"another key by the other way is another", []told{{0, '1', false, 1, 100}, {frame, '2', true, 0, 0}}, "12"},
		{"what is no key is none", []told{{0, 'x', true, 0, 0}, {0, 0, true, 0, 0}}, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r, now := new(media.DigitReceiver), time.Now()
			for _, k := range tt.told {
				now = now.Add(k.after)
				if k.info {
					r.Info(media.Digit(k.key), now)
					continue
				}
				p := media.Packet{Buf: make([]byte, 16), Start: 12, Event: true, Source: k.source, Time: k.stamp}
				dtmf.Event{Key: k.key}.Put(p.Payload())
				r.Event(&p, now)
			}
			var got string
			for len(r.Digits()) > 0 {
				got += string(rune(<-r.Digits()))
			}
			if got != tt.want {
				t.Errorf("%q", got)
			}
		})
	}
	if new(media.DigitReceiver).Event(&media.Packet{Buf: make([]byte, 13), Start: 12}, time.Now()) {
		t.Error("an event of one byte was taken")
	}
}

// held is a key that is down for so many frames, told as RFC 4733 §2.5.1.3 has it,
// in segments of so many ticks at most, at a clock of so many ticks a frame.
func held(key byte, frames int, ticks uint32, say func(p *media.Packet, e dtmf.Event)) {
	begun, marker := uint32(5000), true
	for i := range frames {
		now := 5000 + uint32(i+1)*ticks
		for { // the segments that are full
			p := media.Packet{Buf: make([]byte, 16), Start: 12, Event: true, Marker: marker, Source: 1, Time: begun * 160 / ticks, Seq: uint16(i)}
			e := dtmf.Event{Key: key, End: i == frames-1, Duration: uint16(min(now-begun, 0xffff))}
			e.Put(p.Payload())
			dtmf.Rescale(p.Payload(), int(ticks)*50, media.Rate)
			marker = false
			say(&p, e)
			if now-begun < 0xffff {
				break
			}
			begun += 0xffff
		}
	}
}

func TestAHeldKeyIsOnePress(t *testing.T) {
	for name, ticks := range map[string]uint32{"by a clock of 8000": 160, "by a clock of 48000": 960} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, c *media.Clock) {
				var l listener
				r, s := new(media.DigitReceiver), media.DigitSender{Clock: c, Say: l.WriteRTP}
				press := func(passed func(p *media.Packet)) {
					held('5', 1000, ticks, func(p *media.Packet, _ dtmf.Event) {
						if r.Event(p, time.Now()) {
							passed(p)
						}
						s.Lets(p)
						time.Sleep(media.FrameTime)
					})
				}
				segments, stamp, long, marked := 0, uint32(0), 0, 0
				press(func(p *media.Packet) {
					e, _ := dtmf.Parse(p.Payload())
					if segments == 0 || p.Time != stamp {
						segments, stamp = segments+1, p.Time
					}
					if long = max(long, int(e.Duration)); p.Marker {
						marked++
					}
				})
				if segments != 3 || long < 0xfff0 || marked != 1 { // of 20 s
					t.Errorf("passed on in %d segments of %d at most, %d marked", segments, long, marked)
				}
				time.Sleep(2 * time.Second)
				if n := len(r.Digits()); n != 1 {
					t.Errorf("%d presses", n)
				}
				marks := 0
				for _, h := range l.all() {
					if h.Marker {
						marks++
					}
				}
				if marks != 1 {
					t.Errorf("%d presses were told on", marks)
				}
				if press(func(*media.Packet) {}); len(r.Digits()) != 2 {
					t.Error("the next press of the key is none")
				}
			})
		})
	}
}

// A sender that marks nothing presses a key twice, and the ends are lost.
func TestTwoShortPressesAreNotOneThatIsHeld(t *testing.T) {
	r, now := new(media.DigitReceiver), time.Now()
	for _, stamp := range []uint32{1000, 1800} {
		for i := range 5 {
			p := media.Packet{Buf: make([]byte, 16), Start: 12, Event: true, Source: 1, Time: stamp}
			dtmf.Event{Key: '5', Duration: 160 * uint16(i+1)}.Put(p.Payload())
			now = now.Add(media.FrameTime)
			r.Event(&p, now)
		}
	}
	if n := len(r.Digits()); n != 2 {
		t.Errorf("%d presses", n)
	}
}

// What a party who takes no events hears of another's events: each key once, in
// tones, also when a recording of one is played again.
func TestEventsArePressedInTonesWhereNoneAreTaken(t *testing.T) {
	inBubble(t, func(t *testing.T, c *media.Clock) {
		var l listener
		s := &media.DigitSender{Clock: c, Say: l.WriteRTP}
		event := func(key byte, stamp uint32) {
			p := media.Packet{Buf: make([]byte, 16), Start: 12, Event: true, Source: 1, Time: stamp}
			dtmf.Event{Key: key}.Put(p.Payload())
			if s.Lets(&p) {
				t.Error("an event went to a party who takes none")
			}
		}
		for range 5 {
			event('5', 100)
			time.Sleep(media.FrameTime)
		}
		if audio := (media.Packet{Buf: make([]byte, 172), Start: 12}); s.Lets(&audio) {
			t.Error("somebody spoke while the key was pressed")
		}
		time.Sleep(2 * time.Second)
		event('5', 100) // the same recording
		event('5', 100)
		time.Sleep(2 * time.Second)
		begun := 0
		for _, h := range l.all() {
			if h.Event {
				t.Error("an event was said")
			}
			if h.Marker {
				begun++
			}
		}
		if begun != 2 {
			t.Errorf("%d keys sounded, want 2", begun)
		}
		s.UseEvents(true)
		p := media.Packet{Buf: make([]byte, 40), Start: 12, Event: true}
		if !s.Lets(&p) || len(p.Payload()) != dtmf.PayloadSize {
			t.Errorf("an event of %d bytes passes", len(p.Payload()))
		}
	})
}

func TestKeysAreSentOneAfterAnother(t *testing.T) {
	inBubble(t, func(t *testing.T, c *media.Clock) {
		var l listener
		s := &media.DigitSender{Clock: c, Say: l.WriteRTP}
		s.Send('x')
		if s.Busy() {
			t.Error("busy with what is no key")
		}
		s.UseEvents(true)
		s.Send('1')
		s.Send('2')
		time.Sleep(300 * time.Millisecond)
		s.UseEvents(false) // of the next
		s.Send('3')
		if !s.Busy() {
			t.Error("not busy")
		}
		time.Sleep(400 * time.Millisecond)
		if s.Busy() {
			t.Error("still busy")
		}
		heard := l.all()
		if len(heard) != 7+7+10 {
			t.Fatalf("%d packets", len(heard))
		}
		for i, h := range heard {
			first := heard[min(i/7, 2)*7]
			if h.Source != first.Source || h.Marker != (h.Seq == 0) || h.Event != (i < 14) {
				t.Errorf("packet %d: %+v", i, h.Packet)
			}
			if h.Event && h.Time != 0 || !h.Event && h.Time != 160*uint32(h.Seq) {
				t.Errorf("packet %d has timestamp %d", i, h.Time)
			}
		}
		if gap := heard[7].at.Sub(heard[0].at); gap != 200*time.Millisecond {
			t.Errorf("the second key came %v after the first", gap)
		}
	})
}

func TestTooManyKeysAreDropped(t *testing.T) {
	inBubble(t, func(t *testing.T, c *media.Clock) {
		var l listener
		s := &media.DigitSender{Clock: c, Say: l.WriteRTP}
		s.UseEvents(true)
		for range 1000 {
			s.Send('1')
		}
		time.Sleep(time.Minute)
		if n := len(l.all()); n != 32*7 {
			t.Errorf("%d packets", n)
		}
	})
}

func TestAClosedDigitSenderIsSilent(t *testing.T) {
	inBubble(t, func(t *testing.T, c *media.Clock) {
		var l listener
		s := &media.DigitSender{Clock: c, Say: l.WriteRTP}
		s.Close()
		s.Send('1')
		s = &media.DigitSender{Clock: c, Say: l.WriteRTP}
		s.Send('1')
		synctest.Wait()
		time.Sleep(50 * time.Millisecond)
		s.Close()
		before := len(l.all())
		time.Sleep(time.Second)
		if after := len(l.all()); after != before || before == 0 {
			t.Errorf("%d packets, then %d more", before, after-before)
		}
	})
}
