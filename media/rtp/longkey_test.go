package rtp

import (
	"fmt"
	"testing"

	"cabline/media"
	"cabline/media/dtmf"
	"cabline/media/g711"
	"cabline/media/g722"
)

// longKey is 100 ms of silence after so many samples, a key of 500 ms, 200 ms of
// silence and a tone of 200 ms.
func longKey(late int) (sound []int16) {
	sound = make([]int16, 800+late)
	for i := range 4000 {
		sound = append(sound, dtmf.Tones('5', i))
	}
	sound = append(sound, make([]int16, 1600)...)
	for i := range 1600 {
		sound = append(sound, sample(440, i))
	}
	return sound
}

// tonal is how many samples of a sound are loud, or between such.
func tonal(sound []int16) (n int) {
	quiet := 0
	for _, s := range sound {
		if quiet++; s > 500 || s < -500 {
			n, quiet = n+min(quiet, 8), 0
		}
	}
	return n
}

func TestALongKeyInTheSoundIsOneKeyToWhoTakesItOtherwise(t *testing.T) {
	to := map[string]func(t *testing.T, b *phone, pb *Port) (keys func() string){
		"an event": func(t *testing.T, b *phone, _ *Port) func() string {
			return func() string { return keysOf(t, b.all(), 101) }
		},
		"INFO": func(_ *testing.T, _ *phone, pb *Port) func() string {
			i := new(told)
			pb.TellKeys(i.press)
			return i.all
		},
	}
	onBothWires(t, Config{}, func(t *testing.T, r *Relay) {
		for _, tt := range []struct {
			codec  media.Codec
			encode func(int16) byte
			late   int
		}{
			{media.PCMA, g711.EncodeALaw, 0}, {media.PCMA, g711.EncodeALaw, 140}, // the longest until it is found
			{media.PCMU, g711.EncodeMuLaw, 50}, {media.G722, new(g722.Encoder).Encode, 100},
		} {
			for goes, begin := range to {
				t.Run(fmt.Sprintf("of %v to %s, %d samples late", tt.codec, goes, tt.late), func(t *testing.T) {
					a, b, pb := newPhone(t), newPhone(t), openPort(t, r, LatchFirst)
					pa, err := r.Open(Options{Bind: loopback, Keys: KeysInBand, Codecs: []media.Codec{tt.codec}})
					if err != nil {
						t.Fatal(err)
					}
					a.call(pa, fmt.Sprint(tt.codec.PayloadType()))
					b.call(pb, "8 101")
					keys := begin(t, b, pb)
					media.Cross(pa, pb)
					for sound := longKey(tt.late); len(sound) >= 160; sound = sound[160:] {
						payload := make([]byte, 160)
						for i := range payload {
							payload[i] = tt.encode(sound[i])
						}
						received := pa.Stats().Received
						a.say(payload, 160)
						until(t, "it was heard", func() bool { return pa.Stats().Received == received+1 })
						// The event goes by the clock and this key by the test: the event is over
						// long before it.
						until(t, "the event was over", func() bool { return !pb.pressing.Busy() })
					}
					until(t, "the key arrived", func() bool { return keys() != "" })
					until(t, "b heard all", func() bool { s := b.sound(); return len(s) > 1600 && power(s[len(s)-1280:], 440) > 0.95 })
					if got := keys(); got != "5" {
						t.Errorf("the keys are %q", got)
					}
					heard := b.sound()
					if got, n := detected(heard), tonal(heard[:len(heard)-1600]); got != "" || n > 280 { // 25 ms, and G.722 rings on
						t.Errorf("b heard %d ms of tones, and takes them for %q", n/8, got)
					}
					if got := pressed(t, pa, 1); got != "5" || len(pa.Digits()) > 0 {
						t.Errorf("the digit is %q, and %d more", got, len(pa.Digits()))
					}
				})
			}
		}
	})
}

func TestALongKeyInTheSoundIsHeardWholeByWhoHasNoOther(t *testing.T) {
	onBothWires(t, Config{}, func(t *testing.T, r *Relay) {
		a, b, pb := newPhone(t), newPhone(t), openPort(t, r, LatchFirst)
		pa, err := r.Open(Options{Bind: loopback, Keys: KeysInBand})
		if err != nil {
			t.Fatal(err)
		}
		a.call(pa, "8")
		b.call(pb, "8")
		media.Cross(pa, pb)
		a.tones('5', 25)
		until(t, "b heard all", func() bool { return len(b.all()) == 50 })
		if n := tonal(b.sound()); n < 3900 {
			t.Errorf("b heard %d ms of the tones", n/8)
		}
	})
}
