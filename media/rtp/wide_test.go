package rtp

import (
	"strings"
	"testing"

	"cabline/media"
	"cabline/media/g711"
	"cabline/media/g722"
)

// wideOf is a sound of G.711 packets in G.722, as a phone that has it says it.
func (f *phone) wide(hz float64, frames int) {
	f.t.Helper()
	var e g722.Encoder
	for k := range frames {
		payload := make([]byte, 160)
		for i := range payload {
			payload[i] = e.Encode(sample(hz, k*160+i))
		}
		f.say(payload, 160)
	}
}

// heardWide is the G.722 heard so far, linear.
func (f *phone) heardWide() (samples []int16) {
	var d g722.Decoder
	for _, p := range f.all() {
		if p.PayloadType == 9 {
			for _, b := range p.Payload {
				samples = append(samples, d.Decode(b))
			}
		}
	}
	return samples
}

func openWide(t *testing.T, r *Relay, codecs ...media.Codec) *Port {
	t.Helper()
	p, err := r.Open(Options{Bind: loopback, Codecs: codecs})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestG722PassesThroughBetweenLegsThatBothHaveIt(t *testing.T) {
	onBothWires(t, Config{}, func(t *testing.T, r *Relay) {
		a, b := newPhone(t), newPhone(t)
		pa, pb := openWide(t, r, media.G722, media.PCMA), openWide(t, r, media.G722, media.PCMA)
		a.call(pa, "8 9 0")
		b.call(pb, "9 8")
		media.Cross(pa, pb)
		for i := range 50 { // what no decoder makes of itself
			a.say([]byte(strings.Repeat(string(rune('a'+i%26)), 160)), 160)
		}
		until(t, "b heard all", func() bool { return len(b.all()) == 50 })
		for i, p := range b.all() {
			if want := strings.Repeat(string(rune('a'+i%26)), 160); p.PayloadType != 9 || string(p.Payload) != want {
				t.Fatalf("packet %d is of type %d: %.20q", i, p.PayloadType, p.Payload)
			}
		}
	})
}

func TestALegOfG722HearsAndIsHeardByEverybody(t *testing.T) {
	onBothWires(t, Config{}, func(t *testing.T, r *Relay) {
		for _, law := range []string{"8", "0"} {
			a, b := newPhone(t), newPhone(t)
			pa, pb := openWide(t, r, media.G722, media.PCMA, media.PCMU), openPort(t, r, LatchFirst)
			a.call(pa, "9 8 101")
			b.call(pb, law)
			media.Cross(pa, pb)
			a.wide(440, 50)
			b.hum(1000, 50)
			until(t, "both heard all", func() bool { return len(a.all()) == 50 && len(b.all()) == 50 })
			if p := power(b.sound()[800:], 440); p < 0.95 {
				t.Errorf("of what b heard %.2f is a's 440 Hz", p)
			}
			if p := power(a.heardWide()[800:], 1000); p < 0.95 {
				t.Errorf("of what a heard %.2f is b's 1000 Hz", p)
			}
			a.press('7')
			if keys := pressed(t, pa, 1); keys != "7" {
				t.Errorf("a pressed %q", keys)
			}
			media.Cross(pa, pb)()
			before := len(a.all())
			if err := pa.Play(t.Context(), media.Speech{media.Tone("prompt", []float64{700}, media.FrameTime*50)}); err != nil {
				t.Fatal(err)
			}
			until(t, "a heard the prompt", func() bool { return len(a.all()) == before+50 })
			if p := power(a.heardWide()[before*160+800:], 700); p < 0.95 {
				t.Errorf("of the prompt %.2f is its tone", p)
			}
		}
	})
}

func TestKeysInTheSoundOfG722AreDigits(t *testing.T) {
	onBothWires(t, Config{}, func(t *testing.T, r *Relay) {
		a, p := newPhone(t), openWide(t, r, media.G722)
		a.call(p, "9")
		var e g722.Encoder
		turn := func(alaw []byte) []byte {
			for i, b := range alaw {
				alaw[i] = e.Encode(g711.DecodeALaw(b))
			}
			return alaw
		}
		for _, hz := range [][]float64{{770, 1336}, {697, 1209}} {
			sound := turn(append(media.Tone("", hz, 5*media.FrameTime).ALaw, media.Silence(5*media.FrameTime).ALaw...))
			for len(sound) > 0 {
				a.say(sound[:160], 160)
				sound = sound[160:]
			}
		}
		if keys := pressed(t, p, 2); keys != "51" {
			t.Errorf("keys are %q", keys)
		}
	})
}

func TestTheBestOfOurCodecsIsChosen(t *testing.T) {
	for _, tt := range []struct {
		name          string
		ours          []media.Codec
		offer, chosen string
		offered       string
	}{
		{"by default A-law, though G.722 comes first", nil, "9 0 8", "8", "8 0"},
		{"G.722 where it is wanted first", []media.Codec{media.G722, media.PCMA}, "8 9", "9", "9 8"},
		{"G.722 where it is all the party has", []media.Codec{media.PCMA, media.G722}, "9", "9", "8 9"},
		{"µ-law before A-law", []media.Codec{media.PCMU, media.PCMA}, "8 0", "0", "0 8"},
	} {
		p := noCall(t, "127.0.0.1")
		p.talk.begin(Options{Advertise: loopback, Codecs: tt.ours})
		offer, err := p.Offer()
		if err != nil || !strings.Contains(string(offer), "RTP/AVP "+tt.offered+" 101\r\n") {
			t.Errorf("%s: we offer\n%s %v", tt.name, offer, err)
		}
		answer, err := p.Answer([]byte(lines("m=audio 4000 RTP/AVP " + tt.offer)))
		if err != nil || !strings.Contains(string(answer), "RTP/AVP "+tt.chosen+"\r\n") {
			t.Errorf("%s: we answer\n%s %v", tt.name, answer, err)
		}
	}
}

func TestTurningAPacketInTheRelayDoesNotAllocate(t *testing.T) {
	onBothWires(t, Config{}, func(t *testing.T, r *Relay) {
		a, b := newPhone(t), newPhone(t)
		pa, pb := openWide(t, r, media.G722), openPort(t, r, LatchFirst)
		a.call(pa, "9")
		b.call(pb, "0")
		media.Cross(pa, pb)
		perPacket(t, a, b, pa, pb)
	})
}
