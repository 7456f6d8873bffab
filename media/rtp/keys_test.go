package rtp

import (
	"strings"
	"sync"
	"testing"

	"cabline/media"
	"cabline/media/dtmf"
)

// told is the keys a port told by INFO.
type told struct {
	mu   sync.Mutex
	keys string
}

func (i *told) press(d media.Digit) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.keys += string(rune(d))
}

func (i *told) all() string {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.keys
}

// detected is the keys in a sound.
func detected(sound []int16) (keys string) {
	for d := new(dtmf.Detector); len(sound) > 0; {
		var key byte
		if key, sound = d.Hear(sound); key != 0 {
			keys += string(rune(key))
		}
	}
	return keys
}

// Each way in which a key comes from one party, and each in which it goes to
// the other.
func TestKeysGoFromAnyWayToAnyOtherOnce(t *testing.T) {
	from := map[string]func(a *phone, p *Port){
		"an event":          func(a *phone, _ *Port) { a.press('7') },
		"INFO":              func(_ *phone, p *Port) { p.Heard('7') },
		"tones":             func(a *phone, _ *Port) { a.tones('7', 5) },
		"an event and INFO": func(a *phone, p *Port) { a.press('7'); p.Heard('7') },
	}
	to := map[string]func(t *testing.T, b *phone, i *told) (heard string, over bool){
		"an event": func(t *testing.T, b *phone, _ *told) (string, bool) {
			keys := keysOf(t, b.all(), 101)
			return keys, keys != ""
		},
		"INFO": func(_ *testing.T, _ *phone, i *told) (string, bool) { return i.all(), i.all() != "" },
		"tones": func(_ *testing.T, b *phone, _ *told) (string, bool) {
			sound := b.sound()
			return detected(sound), len(sound) >= 9*160
		},
	}
	onBothWires(t, Config{}, func(t *testing.T, r *Relay) {
		for came, press := range from {
			for goes, heard := range to {
				t.Run(came+" becomes "+goes, func(t *testing.T) {
					a, b, i := newPhone(t), newPhone(t), new(told)
					keys := KeysAuto
					if came == "tones" {
						keys = KeysInBand
					}
					pa, err := r.Open(Options{Bind: loopback, Keys: keys})
					if err != nil {
						t.Fatal(err)
					}
					pb := openPort(t, r, LatchFirst)
					a.call(pa, "8 101")
					if goes == "tones" {
						b.call(pb, "8")
					} else {
						b.call(pb, "8 101")
					}
					if goes == "INFO" {
						pb.TellKeys(i.press)
					}
					media.Cross(pa, pb)
					press(a, pa)
					if keys := pressed(t, pa, 1); keys != "7" {
						t.Errorf("the digit is %q", keys)
					}
					var got string
					until(t, "the key arrived", func() (over bool) { got, over = heard(t, b, i); return over })
					until(t, "the key was over", func() bool { return !pb.pressing.Busy() })
					if got != "7" || len(pa.Digits()) > 0 {
						t.Errorf("heard %q, %d digits more", got, len(pa.Digits()))
					}
					if n := len(keysOf(t, b.all(), 101)); goes == "INFO" && n > 0 {
						t.Errorf("%d events besides", n)
					}
				})
			}
		}
	})
}

func TestInBandMeansThatNoEventsAreAgreedOn(t *testing.T) {
	for _, tt := range []struct {
		keys Keys
		has  bool
	}{{KeysAuto, true}, {KeysEvents, true}, {KeysInBand, false}} {
		p := noCall(t, "127.0.0.1")
		p.keys = tt.keys
		offer, err := p.Offer()
		if err != nil {
			t.Fatal(err)
		}
		answer, err := p.Answer([]byte(lines("m=audio 4000 RTP/AVP 0 101", "a=rtpmap:101 telephone-event/8000")))
		if err != nil {
			t.Fatal(err)
		}
		for what, sdp := range map[string][]byte{"offer": offer, "answer": answer} {
			if strings.Contains(string(sdp), "telephone-event") != tt.has {
				t.Errorf("keys %d, %s:\n%s", tt.keys, what, sdp)
			}
		}
		if p.KeysInSound() == tt.has || p.rx.kinds[0] != mulaw {
			t.Errorf("keys %d: tones are %v, payload type 0 is %d", tt.keys, p.KeysInSound(), p.rx.kinds[0])
		}
	}
}
