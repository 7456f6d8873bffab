//go:build opus

package media

import (
	"bytes"
	"fmt"
	"math"
	"testing"
	"time"

	"cabline/media/dtmf"
	"cabline/media/g711"
)

// talker says A-law in packets as a source does.
type talker struct{ seq, time int }

// packet is the next one, of so many samples of a sound.
func (s *talker) packet(size int, sound func(n int) int16) *Packet {
	b := make([]byte, HeaderSize+size, HeaderSize+size+64)
	for i := range size {
		b[HeaderSize+i] = g711.EncodeALaw(sound(s.time + i))
	}
	p := &Packet{Buf: b, Start: HeaderSize, Source: 7, Seq: uint16(s.seq), Time: uint32(s.time)}
	s.seq, s.time = s.seq+1, s.time+size
	return p
}

func hum(hz float64) func(int) int16 {
	return func(n int) int16 { return int16(8000 * math.Sin(2*math.Pi*hz*float64(n)/Rate)) }
}

// kept is a packet for longer than it is lent.
func kept(p *Packet) *Packet {
	own := *p
	own.Buf = append(make([]byte, 0, len(p.Buf)+64), p.Buf...)
	return &own
}

// inOpus is so many packets of a tone in Opus.
func inOpus(t testing.TB, packets, size int, hz float64) (said []*Packet) {
	t.Helper()
	var s talker
	var to Transcoder
	for range packets {
		to.Turn(s.packet(size, hum(hz)), Opus, func(p *Packet) { said = append(said, kept(p)) })
	}
	return said
}

func TestASoundIsTheSameThroughOpus(t *testing.T) {
	for _, size := range []int{40, 80, 160, 192, 240, 400, 480, 960} { // packets of the source
		for _, way := range [][]Codec{{Opus, PCMA}, {PCMU, Opus, PCMU, PCMA}, {G722, Opus, PCMA}, {Opus, G722, PCMA}} {
			t.Run(fmt.Sprint(size, way), func(t *testing.T) {
				turners := make([]Transcoder, len(way))
				var heard []byte
				last := -1
				var turn func(i int) func(*Packet)
				turn = func(i int) func(*Packet) {
					return func(p *Packet) {
						if i > 0 && p.Codec != way[i-1] {
							t.Errorf("%v, not %v", p.Codec, way[i-1])
						}
						if i < len(way) {
							turners[i].Turn(p, way[i], turn(i+1))
							return
						}
						if last >= 0 && int(p.Time) != last {
							t.Errorf("at %d, not %d", p.Time, last)
						}
						last = int(p.Time) + len(p.Payload())
						heard = append(heard, p.Payload()...)
					}
				}
				var s talker
				for s.time < 9600 {
					turn(0)(s.packet(size, hum(440)))
				}
				if len(heard) < 9600-960 {
					t.Fatalf("%d samples are heard", len(heard))
				}
				if share := powerOf(heard[1600:], 440); share < 0.95 {
					t.Errorf("%.3f of it is the tone", share)
				}
			})
		}
	}
}

func TestOpusIsOfTheLengthThePartyAsksFor(t *testing.T) {
	for asked, want := range map[time.Duration]int{10: 80, 20: 160, 30: 160, 40: 320, 50: 160, 60: 480, 120: 160} {
		var to Transcoder
		to.Length(asked*time.Millisecond, Opus)
		var s talker
		n := 0
		for range 48 {
			to.Turn(s.packet(160, hum(440)), Opus, func(p *Packet) {
				if n++; p.Samples() != want {
					t.Errorf("asked for %d ms, %d samples", asked, p.Samples())
				}
			})
		}
		if n != 48*160/want {
			t.Errorf("asked for %d ms, %d packets", asked, n)
		}
	}
}

func TestWhatIsLostOfOpusIsMadeUp(t *testing.T) {
	said := inOpus(t, 50, 160, 440)
	broken := func(b []byte) func(int, *Packet) *Packet {
		return func(_ int, p *Packet) *Packet {
			p.Buf = append(p.Buf[:p.Start], b...)
			return p
		}
	}
	for _, tt := range []struct {
		name string
		from int                            // the packets which something happens to
		to   int                            // … up to this one
		what func(i int, p *Packet) *Packet // nil: lost
		want int                            // packets heard
	}{
		{"one is lost", 20, 21, func(int, *Packet) *Packet { return nil }, 50},
		{"three are lost", 20, 23, func(int, *Packet) *Packet { return nil }, 50},
		{"ten are lost", 20, 30, func(int, *Packet) *Packet { return nil }, 40},
		{"one is broken", 20, 21, broken([]byte{0xff, 0xff, 1}), 50},
		{"one is empty, a pause", 20, 21, broken([]byte{1 << 3}), 50},
		{"one is far too long", 20, 21, broken(bytes.Repeat([]byte{0xff}, 1400)), 50},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var to Transcoder
			var heard []*Packet
			for i, p := range said {
				if p = kept(p); i >= tt.from && i < tt.to {
					if p = tt.what(i, p); p == nil {
						continue
					}
				}
				to.Turn(p, PCMA, func(p *Packet) { heard = append(heard, kept(p)) })
			}
			if len(heard) != tt.want {
				t.Fatalf("%d packets are heard, want %d", len(heard), tt.want)
			}
			for i, p := range heard {
				if tt.want == len(said) && (p.Seq != said[i].Seq || p.Time != said[i].Time || len(p.Payload()) != 160) {
					t.Errorf("packet %d is %d at %d of %d octets", i, p.Seq, p.Time, len(p.Payload()))
				}
			}
			if share := powerOf(heard[len(heard)-1].Payload(), 440); share < 0.9 {
				t.Errorf("in the end %.2f is the tone", share)
			}
		})
	}
}

func TestALatePacketOfOpusIsNotHeardTwice(t *testing.T) {
	said := inOpus(t, 10, 160, 440)
	said[4], said[5] = said[5], said[4]
	var to Transcoder
	var seqs []uint16
	for _, p := range append(said, said[9]) {
		to.Turn(kept(p), PCMU, func(p *Packet) { seqs = append(seqs, p.Seq) })
	}
	if fmt.Sprint(seqs) != "[0 1 2 3 4 5 6 7 8 9]" {
		t.Errorf("heard are %v", seqs)
	}
}

func TestAPauseOfOpusIsNotMadeUp(t *testing.T) {
	said := inOpus(t, 20, 160, 440)
	var to Transcoder
	n := 0
	for i, p := range said {
		if i >= 10 { // as with DTX: time has passed, no packet is missing
			p.Time += 4000
		}
		to.Turn(p, PCMA, func(*Packet) { n++ })
	}
	if n != 20 {
		t.Errorf("%d packets are heard", n)
	}
}

func TestTurningOpusDoesNotAllocate(t *testing.T) {
	var in, out Transcoder
	var s talker
	p := s.packet(160, hum(440))
	sound := bytes.Clone(p.Payload())
	none := func(*Packet) {}
	back := func(p *Packet) { out.Turn(p, PCMA, none) }
	buf := p.Buf
	if n := testing.AllocsPerRun(100, func() {
		p.Buf, p.Start, p.Codec = buf, HeaderSize, PCMA
		copy(p.Payload(), sound)
		p.Seq++
		p.Time += 160
		in.Turn(p, Opus, back)
	}); n > 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestAMutedMicrophoneIsKnownInOpus(t *testing.T) {
	for name, tt := range map[string]struct {
		sound func(int) int16
		mute  bool
	}{
		"silence": {func(int) int16 { return 0 }, true},
		"a voice": {hum(300), false},
	} {
		var to Transcoder
		var r Reception
		var s talker
		for range 300 {
			to.Turn(s.packet(160, tt.sound), Opus, func(p *Packet) {
				r.Take(p, time.Now())
				r.Sound(p)
			})
		}
		var stats Stats
		r.Fill(&stats)
		if stats.Mute() != tt.mute {
			t.Errorf("%s: mute is %v: %d of %d", name, stats.Mute(), stats.Soundless, stats.Sampled)
		}
	}
}

func TestKeysInTheSoundOfOpusAreDigits(t *testing.T) {
	var to Transcoder
	var s talker
	r := new(DigitReceiver)
	r.Inband(true)
	for _, key := range []byte("159#") {
		for frame := range 12 {
			first := s.time - 160*frame
			sound := func(n int) int16 {
				if frame >= 5 {
					return 0
				}
				return dtmf.Tones(key, n-first)
			}
			to.Turn(s.packet(160, sound), Opus, func(p *Packet) { r.Audio(p, time.Now()) })
		}
	}
	var keys []byte
	for len(r.Digits()) > 0 {
		keys = append(keys, byte(<-r.Digits()))
	}
	if string(keys) != "159#" {
		t.Errorf("keys are %q", keys)
	}
}

func TestAMachinesGreetingIsKnownInOpus(t *testing.T) {
	var to Transcoder
	var s talker
	g := NewGreeting()
	for range 30 {
		to.Turn(s.packet(160, hum(1000)), Opus, g.WriteRTP)
	}
	if !g.Machine() {
		t.Error("the beep is not heard")
	}
}
