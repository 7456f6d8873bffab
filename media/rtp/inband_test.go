package rtp

import (
	"testing"

	"cabline/media"
	"cabline/media/dtmf"
	"cabline/media/g711"
)

// tones says packets of a key in the sound, then as many of silence.
func (f *phone) tones(key byte, packets int) {
	f.t.Helper()
	for i := range 2 * packets {
		payload := make([]byte, 160)
		for k := range payload {
			var s int16
			if i < packets {
				s = dtmf.Tones(key, i*160+k)
			}
			if payload[k] = g711.EncodeALaw(s); f.packet.PayloadType == 0 {
				payload[k] = g711.EncodeMuLaw(s)
			}
		}
		f.say(payload, 160)
	}
}

func TestKeysInTheSoundAreDigitsWhereThereIsNoOtherWay(t *testing.T) {
	onBothWires(t, Config{}, func(t *testing.T, r *Relay) {
		for _, law := range []string{"8", "0"} {
			a := newPhone(t)
			p, err := r.Open(Options{Bind: loopback})
			if err != nil {
				t.Fatal(err)
			}
			a.call(p, law)
			for _, key := range []byte("1#") {
				a.tones(key, 4)
			}
			if keys := pressed(t, p, 2); keys != "1#" {
				t.Errorf("keys are %q", keys)
			}
			p.Heard('#') // told by INFO too
			until(t, "all was heard", func() bool { return p.Stats().Received == 16 })
			if n := len(p.Digits()); n > 0 {
				t.Errorf("%d more keys", n)
			}
		}
		for _, tt := range []struct {
			name, formats string
			keys          Keys
			want          int
		}{
			{"auto and telephone-event is agreed on", "8 101", KeysAuto, 0},
			{"rfc4733", "8", KeysEvents, 0},
			{"inband, though telephone-event is offered", "8 101", KeysInBand, 1},
		} {
			a := newPhone(t)
			p, err := r.Open(Options{Bind: loopback, Keys: tt.keys})
			if err != nil {
				t.Fatal(err)
			}
			a.call(p, tt.formats)
			a.tones('1', 4)
			until(t, "all was heard", func() bool { return p.Stats().Received == 8 })
			if n := len(p.Digits()); n != tt.want {
				t.Errorf("%s: %d keys heard", tt.name, n)
			}
		}
	})
}

func TestKeysInTheSoundAreEventsToWhoTakesThem(t *testing.T) {
	onBothWires(t, Config{}, func(t *testing.T, r *Relay) {
		for name, takes := range map[string]bool{"8 101": true, "8": false} {
			a, b, pb := newPhone(t), newPhone(t), openPort(t, r, LatchFirst)
			pa, err := r.Open(Options{Bind: loopback})
			if err != nil {
				t.Fatal(err)
			}
			a.call(pa, "8")
			b.call(pb, name)
			media.Cross(pa, pb)
			a.tones('5', 4)
			until(t, "a was heard", func() bool { return pa.Stats().Received == 8 })
			until(t, "the key was over", func() bool { return !pb.pressing.Busy() })
			a.hum(440, 1)
			audio := func() (n int) {
				for _, p := range b.all() {
					if p.PayloadType == 8 {
						n++
					}
				}
				return n
			}
			if !takes {
				until(t, "b heard the sound whole", func() bool { return audio() == 9 })
				if got := tonesOf(b.sound()[:640]); got != "5" {
					t.Errorf("b heard the tones of %q", got)
				}
				continue
			}
			until(t, "b heard the key", func() bool { return len(b.all())-audio() == 7 })
			if keys := keysOf(t, b.all(), 101); keys != "5" {
				t.Errorf("b heard the keys %q", keys)
			}
			// A key of 100 ms takes the place of the sound, the packet too in which it
			// was found: what was said before is less than 40 ms.
			if n := audio(); n > 2 {
				t.Errorf("b heard %d packets of the tones besides", n)
			}
		}
	})
}
