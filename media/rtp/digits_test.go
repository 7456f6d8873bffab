package rtp

import (
	"math"
	"testing"
	"time"

	"github.com/pion/rtp"

	"cabline/media"
	"cabline/media/dtmf"
	"cabline/media/g711"
)

// press says the packets of a key as a telephone does, those whose number is
// wanted; all when none is named.
func (f *phone) press(key byte, wanted ...int) {
	f.t.Helper()
	audio := f.packet.PayloadType
	defer func() { f.packet.PayloadType = audio }()
	f.packet.PayloadType = 101
	f.packet.Marker = true
	for i := range 7 {
		var b [4]byte
		dtmf.Event{Key: key, End: i >= 4, Volume: 10, Duration: uint16(160 * min(i+1, 5))}.Put(b[:])
		sent := len(wanted) == 0
		for _, n := range wanted {
			sent = sent || n == i
		}
		if sent {
			f.say(b[:], 0)
		} else {
			f.packet.SequenceNumber++ // lost
		}
	}
	f.packet.Timestamp += 1600
}

// pressed reads so many keys.
func pressed(t *testing.T, p *Port, n int) (keys string) {
	t.Helper()
	timeout := time.After(time.Minute)
	for len(keys) < n {
		select {
		case d := <-p.Digits():
			keys += string(rune(d))
		case <-timeout:
			t.Fatalf("%d keys of %d: %q", len(keys), n, keys)
		}
	}
	return keys
}

func TestAKeyIsOneDigitAndPassesOn(t *testing.T) {
	onBothWires(t, Config{}, func(t *testing.T, r *Relay) {
		a, b := newPhone(t), newPhone(t)
		pa, pb := openPort(t, r, LatchFirst), openPort(t, r, LatchFirst)
		a.call(pa, "8 101")
		b.call(pb, "8 96")
		media.Cross(pa, pb)
		a.hum(440, 3)
		a.press('1')
		a.press('1')
		a.press('#', 5) // all but one packet of the end are lost
		a.press('7', 0) // all but the first are lost
		a.hum(440, 3)
		if keys := pressed(t, pa, 4); keys != "11#7" {
			t.Errorf("keys are %q", keys)
		}
		until(t, "b heard all", func() bool { return len(b.all()) == 3+7+7+1+1+3 })
		var keys string
		var stamp uint32
		for _, p := range b.all() {
			if p.PayloadType != 96 {
				continue
			}
			e, ok := dtmf.Parse(p.Payload)
			if !ok || len(p.Payload) != 4 {
				t.Errorf("event % x", p.Payload)
			}
			if p.Timestamp != stamp {
				keys, stamp = keys+string(rune(e.Key)), p.Timestamp
			}
		}
		if keys != "11#7" {
			t.Errorf("b heard the keys %q", keys)
		}
		if len(pb.Digits()) > 0 {
			t.Error("what b was told counts as b's keys")
		}
	})
}

func TestWhatIsNoKeyIsNotPassedOn(t *testing.T) {
	onBothWires(t, Config{}, func(t *testing.T, r *Relay) {
		a, b := newPhone(t), newPhone(t)
		pa, pb := openPort(t, r, LatchFirst), openPort(t, r, LatchFirst)
		a.call(pa, "8 101")
		b.call(pb, "8 101")
		media.Cross(pa, pb)
		a.packet.PayloadType = 101
		a.say([]byte{16, 0x8a, 3, 32}, 160) // hook flash
		a.say([]byte{1}, 160)
		a.packet.PayloadType = 8
		a.say([]byte("sound"), 160)
		until(t, "b heard the sound", func() bool { return len(b.all()) == 1 })
		if len(pa.Digits()) > 0 {
			t.Error("a digit")
		}
	})
}

func TestDigitsDropWhenNobodyReadsThem(t *testing.T) {
	onBothWires(t, Config{}, func(t *testing.T, r *Relay) {
		a := newPhone(t)
		p := openPort(t, r, LatchFirst)
		a.call(p, "8 101")
		for range 100 {
			a.press('5', 0)
		}
		until(t, "all were taken", func() bool { return p.Stats().Received == 100 })
		if n := len(p.Digits()); n != cap(p.Digits()) {
			t.Errorf("%d digits wait", n)
		}
	})
}

// keysOf reads the events a phone heard and checks their form.
func keysOf(t *testing.T, heard []rtp.Packet, payloadType uint8) (keys string) {
	t.Helper()
	n, ends := 0, 0
	for i, p := range heard {
		if p.PayloadType != payloadType {
			continue
		}
		e, _ := dtmf.Parse(p.Payload)
		if p.Marker {
			keys, n, ends = keys+string(rune(e.Key)), 0, 0
		} else if p.Timestamp != heard[i-1].Timestamp {
			t.Errorf("timestamp %d in an event of %d", p.Timestamp, heard[i-1].Timestamp)
		}
		n++
		if e.End {
			ends++
		}
		if want := uint16(160 * min(n, 5)); e.Duration != want || n > 7 || e.End != (n >= 5) {
			t.Errorf("packet %d of an event: %+v", n, e)
		}
		if n == 7 && ends != 3 {
			t.Errorf("%d ends", ends)
		}
	}
	return keys
}

func TestKeysSentQuicklyQueueUpAsEvents(t *testing.T) {
	onBothWires(t, Config{}, func(t *testing.T, r *Relay) {
		a, b := newPhone(t), newPhone(t)
		pa, pb := openPort(t, r, LatchFirst), openPort(t, r, LatchFirst)
		a.call(pa, "8 101")
		b.call(pb, "8 126")
		media.Cross(pa, pb)
		for _, key := range "42 #" { // a space is no key
			pb.SendDigit(media.Digit(key))
		}
		pb.WriteRTP(&media.Packet{Buf: make([]byte, 172, 236), Start: 12}) // not while a key is pressed
		until(t, "b heard the keys", func() bool { return len(b.all()) == 3*7 })
		until(t, "the keys were over", func() bool { return !pb.pressing.Busy() })
		last := b.all()[20]
		a.hum(440, 1)
		until(t, "b heard a again", func() bool { return len(b.all()) == 3*7+1 })
		if keys := keysOf(t, b.all()[:21], 126); keys != "42#" {
			t.Errorf("b heard the keys %q", keys)
		}
		if p := b.all()[21]; p.SequenceNumber != last.SequenceNumber+1 || p.Timestamp-last.Timestamp < 800 {
			t.Errorf("after the event %v comes %v", last.Header, p.Header)
		}
	})
}

// tonesOf is the key whose tones are in a piece of sound.
func tonesOf(sound []int16) (keys string) {
	for _, key := range "0123456789*#ABCD" {
		var tones []int16
		for i := range 800 {
			tones = append(tones, dtmf.Tones(byte(key), i))
		}
		var ab, aa, bb float64
		for i, s := range sound {
			a, b := float64(s), float64(tones[i])
			ab, aa, bb = ab+a*b, aa+a*a, bb+b*b
		}
		if ab/math.Sqrt(aa*bb) > 0.95 {
			keys += string(key)
		}
	}
	return keys
}

func TestAPartyWithoutEventsHearsTones(t *testing.T) {
	onBothWires(t, Config{}, func(t *testing.T, r *Relay) {
		a, b := newPhone(t), newPhone(t)
		pa, pb := openPort(t, r, LatchFirst), openPort(t, r, LatchFirst)
		a.call(pa, "8 101")
		b.call(pb, "0")
		media.Cross(pa, pb)
		a.press('5') // an event that comes from the other party
		until(t, "b heard the first", func() bool { return len(b.all()) == 10 })
		pb.SendDigit('#')
		until(t, "b heard both", func() bool { return len(b.all()) == 20 })
		sound := b.sound()
		for i, want := range []string{"5", "#"} {
			if got := tonesOf(sound[1600*i:][:800]); got != want {
				t.Errorf("b heard the tones of %q, not %q", got, want)
			}
			for _, s := range sound[1600*i+800:][:800] {
				if s > 8 || s < -8 {
					t.Fatal("no silence after the tones")
				}
			}
		}
	})
}

func TestAKeyByINFOCountsOnceAndPassesOn(t *testing.T) {
	onBothWires(t, Config{}, func(t *testing.T, r *Relay) {
		a, b := newPhone(t), newPhone(t)
		pa, pb := openPort(t, r, LatchFirst), openPort(t, r, LatchFirst)
		a.call(pa, "8 101")
		b.call(pb, "8 101")
		media.Cross(pa, pb)
		pa.Heard('3')
		if keys := pressed(t, pa, 1); keys != "3" {
			t.Errorf("key %q", keys)
		}
		until(t, "b heard the key", func() bool { return len(b.all()) == 7 })
		if keys := keysOf(t, b.all(), 101); keys != "3" {
			t.Errorf("b heard the keys %q", keys)
		}
		a.press('9')
		until(t, "the key came", func() bool { return len(pa.Digits()) == 1 })
		pa.Heard('9') // the same press, told twice
		pa.Heard('x')
		if keys := pressed(t, pa, 1); keys != "9" || len(pa.Digits()) > 0 {
			t.Errorf("key %q and %d more", keys, len(pa.Digits()))
		}
		pa.Plug(new(catcher))
		pa.Heard('4') // passed to no port: there is none
		if keys := pressed(t, pa, 1); keys != "4" {
			t.Errorf("key %q", keys)
		}
	})
}

func TestTonesStayTonesInMuLaw(t *testing.T) {
	var sound []int16
	for i := range 800 {
		b := []byte{g711.EncodeALaw(dtmf.Tones('8', i))}
		g711.ToMuLaw(b)
		sound = append(sound, g711.DecodeMuLaw(b[0]))
	}
	if got := tonesOf(sound); got != "8" {
		t.Errorf("%q", got)
	}
}
