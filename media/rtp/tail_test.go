package rtp

import (
	"encoding/binary"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"cabline/media"
)

// line is one port of ours in call after call, in a time of the test's own.
type line struct {
	t     *testing.T
	relay *Relay
	o     Options
	port  *Port
	ear   lastWord
	now   time.Time
}

// lastWord is what was heard last.
type lastWord string

func (w *lastWord) WriteRTP(p *media.Packet) { *w = lastWord(p.Payload()) }

func newLine(t *testing.T, o Options) *line {
	t.Helper()
	clock := media.NewClock()
	r, err := Listen(Config{Ports: freePair(t), Clock: clock})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close(); clock.Close() })
	o.Bind = loopback
	return &line{t: t, relay: r, o: o, now: time.Now()}
}

// call ends the call there is, and begins the next, of a party whose SDP names a
// port of 127.0.0.9.
func (l *line) call(named uint16) {
	l.t.Helper()
	if l.port != nil {
		_ = l.port.Close()
	}
	var err error
	if l.port, err = l.relay.Open(l.o); err != nil {
		l.t.Fatal(err)
	}
	formats := "8 101"
	if slices.Contains(l.o.Codecs, media.Opus) {
		formats = "111 101\r\na=rtpmap:111 opus/48000/2"
	}
	if _, err := l.port.Answer([]byte(lines("m=audio " + strconv.Itoa(int(named)) + " RTP/AVP " + formats + "\r\na=rtpmap:101 telephone-event/8000"))); err != nil {
		l.t.Fatal(err)
	}
	l.port.Plug(&l.ear)
}

// stream is what a phone sends, and from where.
type stream struct {
	from   netip.AddrPort
	source uint32
	seq    uint16
	stamp  uint32
	step   uint32
	kind   byte // payload type
}

func newStream(port uint16) *stream {
	return &stream{from: netip.AddrPortFrom(netip.MustParseAddr("127.0.0.9"), port), source: 0x5eed, seq: 65000, stamp: 0xfffff000, step: 160, kind: 8}
}

// pass has the phone's clock run on while nothing of it reaches us: sent says
// whether it speaks meanwhile.
func (l *line) pass(d time.Duration, s *stream, sent bool) {
	frames := uint32(d / media.FrameTime)
	l.now = l.now.Add(d)
	s.stamp += frames * s.step
	if sent {
		s.seq += uint16(frames)
	}
}

// hears has a packet arrive, so much later than it should, and says whether it is
// heard: by what is in it.
func (l *line) hears(s *stream, later time.Duration, says string) bool {
	b := append([]byte{0x80, s.kind, 11: 0}, says...)
	binary.BigEndian.PutUint16(b[2:], s.seq)
	binary.BigEndian.PutUint32(b[4:], s.stamp)
	binary.BigEndian.PutUint32(b[8:], s.source)
	l.ear = ""
	l.port.receive(b, s.from, l.now.Add(later))
	if s.kind == 101 {
		select {
		case <-l.port.Digits():
			return true
		default:
		}
	}
	return l.ear == lastWord(says)
}

// says has packets arrive, one after the other, and counts those that are heard.
func (l *line) says(s *stream, packets int, says string) (heard int) {
	for range packets {
		if l.hears(s, 0, says) {
			heard++
		}
		l.pass(media.FrameTime, s, true)
	}
	return heard
}

// bothWays runs a test for a phone that sends from where its SDP says and for one
// behind a NAT, with each latching.
func bothWays(t *testing.T, f func(t *testing.T, l *line, named uint16)) {
	for name, latching := range map[string]Latching{"first": LatchFirst, "always": LatchAlways} {
		for who, named := range map[string]uint16{"named": 4000, "behind a NAT": 4100} {
			t.Run(name+", "+who, func(t *testing.T) { f(t, newLine(t, Options{Latching: latching}), named) })
		}
	}
}

func TestAPhoneThatNeverHadOurByeIsRefusedForAsLongAsItSpeaks(t *testing.T) {
	for _, gap := range []time.Duration{0, media.FrameTime, 900 * time.Millisecond, 5 * time.Second, 50 * time.Second, 20 * time.Minute, 3 * time.Hour} {
		for _, codec := range []media.Codec{media.PCMA, media.Opus} {
			bothWays(t, func(t *testing.T, l *line, named uint16) {
				tail := newStream(4000)
				if codec == media.Opus {
					l.o.Codecs, tail.kind, tail.step = []media.Codec{media.Opus}, 111, 960
				}
				l.call(named)
				if l.says(tail, 100, "former") != 100 {
					t.Fatal("the former call was not heard")
				}
				for next := range uint16(3) { // other people, on the same port
					fast := gap / 1500 // its clock
					l.pass(gap+fast, tail, true)
					l.now = l.now.Add(-fast)
					l.call(4200 + 2*next)
					other := newStream(4300 + 2*next) // behind a NAT, too
					other.source, other.kind, other.step = 7, tail.kind, tail.step
					for n := range 2000 { // 40 seconds
						later := rand.N(200 * time.Millisecond)
						if n%500 > 450 {
							later = time.Second - time.Duration(n%500-450)*media.FrameTime // the network stood still
						}
						if n%7 != 0 && l.hears(tail, later, "former") {
							t.Fatalf("packet %d of the former call was heard %v after it, in call %d", n, gap, next)
						}
						l.pass(media.FrameTime, tail, true)
						if n > 10 && !l.hears(other, 0, "new") {
							t.Fatalf("packet %d of the new call was not heard", n)
						}
						other.seq, other.stamp = other.seq+1, other.stamp+other.step
					}
				}
			})
		}
	}
}

func TestATailThatLeavesOutSilenceAndPressesKeysIsNotHeard(t *testing.T) {
	bothWays(t, func(t *testing.T, l *line, named uint16) {
		tail := newStream(4000)
		l.call(named)
		l.says(tail, 100, "former")
		l.call(4200)
		for _, silence := range []time.Duration{2 * time.Second, 40 * time.Second, 10 * time.Second, 50 * time.Second} {
			l.pass(silence, tail, false)
			if n := l.says(tail, 30, "former"); n > 0 {
				t.Fatalf("%d packets were heard after %v of silence", n, silence)
			}
			key := *tail // held for five seconds; its timestamp stands still
			key.kind = 101
			for n := range 250 {
				duration := 160 * (n + 1)
				if l.hears(&key, 0, string([]byte{9, byte(n / 249 << 7), byte(duration >> 8), byte(duration)})) {
					t.Fatal("a key of the former call was heard")
				}
				key.seq++
				l.pass(media.FrameTime, tail, true)
			}
		}
	})
}

func TestWhatWasUnderWayAtTheEndOfACallIsNotHeardInTheNextOfTheSamePhone(t *testing.T) {
	bothWays(t, func(t *testing.T, l *line, named uint16) {
		s := newStream(4000)
		l.call(named)
		l.says(s, 100, "former")
		l.call(named)
		tail := *s
		for n := range 20 { // they come at once, and the third before the second
			tail.seq, tail.stamp = s.seq+uint16(n^1), s.stamp+uint32(n^1)*160
			if l.hears(&tail, time.Second, "former") {
				t.Fatalf("packet %d was heard", n)
			}
		}
		s.seq, s.stamp = 17, 4711
		if n := l.says(s, 100, "new"); n != 100 {
			t.Errorf("of 100 packets of the new call %d were heard", n)
		}
	})
}

func TestAPhoneWhoseSourceNeverChangesIsHeardFromTheBeginningOfItsNextCall(t *testing.T) {
	for name, tt := range map[string]struct {
		rest   time.Duration // from one call to the next
		begins func(s *stream)
		missed int // packets, at most, of the new call
	}{
		"new numbers, at once":                                {0, func(s *stream) { s.seq, s.stamp = 4711, 0x12345678 }, 0},
		"new numbers, in the same second":                     {700 * time.Millisecond, func(s *stream) { s.seq, s.stamp = 4711, 0x12345678 }, 0},
		"new numbers, a day after":                            {24 * time.Hour, func(s *stream) { s.seq, s.stamp = 4711, 0x12345678 }, 0},
		"from zero, in the same second":                       {700 * time.Millisecond, func(s *stream) { s.seq, s.stamp = 0, 0 }, 0},
		"from zero, later":                                    {time.Minute, func(s *stream) { s.seq, s.stamp = 0, 0 }, 0},
		"goes on counting where it stood, in the same second": {700 * time.Millisecond, func(*stream) {}, 120},
		"goes on counting where it stood, later":              {4 * time.Second, func(*stream) {}, 0},
		"… an hour later":                                     {time.Hour, func(*stream) {}, 0},
		"its clock goes on, its sequence numbers are new": {2 * time.Minute, func(s *stream) {
			s.seq, s.stamp = 4711, s.stamp+2*60*8000
		}, 0},
		"its clock goes on, its sequence numbers from where they stood": {2 * time.Minute, func(s *stream) {
			s.stamp += 2 * 60 * 8000
		}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			bothWays(t, func(t *testing.T, l *line, named uint16) {
				s := newStream(4000)
				s.seq, s.stamp = 0, 0
				for call := range 4 {
					l.call(named)
					missed := 0
					if call > 0 {
						missed = tt.missed
					}
					if n := l.says(s, 1000, "new"); n < 1000-missed {
						t.Fatalf("call %d: of 1000 packets %d were heard", call, n)
					}
					l.now = l.now.Add(tt.rest)
					tt.begins(s)
				}
			})
		})
	}
}

// It would not give its address for a new call while the former used it.
func TestAPhoneThatNamesTheSameAddressForItsNextCallIsHeardThereWhateverItCounts(t *testing.T) {
	l := newLine(t, Options{})
	s := newStream(4000) // a gateway's, which never stops
	for range 3 {
		l.call(4000)
		if n := l.says(s, 100, "new"); n != 100 {
			t.Errorf("of 100 packets of the new call %d were heard", n)
		}
		l.pass(late, s, true)
	}
}

// An encrypted call knows its party by the key, whatever its numbers.
func TestAnEncryptedPhoneIsHeardFromTheBeginningWhateverItCounts(t *testing.T) {
	onBothWires(t, Config{Ports: freePair(t)}, func(t *testing.T, r *Relay) {
		f := newPhone(t)
		f.srtp = SRTPRequired
		for range 3 {
			p, err := r.Open(Options{Bind: loopback, SRTP: SRTPRequired})
			if err != nil {
				t.Fatal(err)
			}
			var ear catcher
			p.Plug(&ear)
			f.secured(p, newCrypto(1, suites[0]), "8 101")
			for range 10 {
				f.say([]byte("sound"), 160)
			}
			until(t, "all was heard", func() bool { return strings.Join(ear.all(), "") == strings.Repeat("sound", 10) })
			_ = p.Close()
		}
	})
}

// A refused call in between must not make us forget who speaks on.
func TestACallThatWasNeverAgreedOnForgetsNobody(t *testing.T) {
	l := newLine(t, Options{})
	tail := newStream(4000)
	l.call(4100)
	l.says(tail, 10, "former")
	_ = l.port.Close()
	p, err := l.relay.Open(l.o)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.Offer(); err != nil {
		t.Fatal(err)
	}
	_ = p.Close()
	l.pass(10*time.Second, tail, true)
	l.call(4200)
	if n := l.says(tail, 10, "former"); n > 0 {
		t.Errorf("%d packets of the former call were heard", n)
	}
}
