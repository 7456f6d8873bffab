package main

import (
	"math"
	"testing"
)

// hum is a voice-like sound of so many hertz, with silence around it.
func hum(hz, silence, seconds float64) sound {
	const rate = 16000
	s := sound{rate, make([]float64, int((2*silence+seconds)*rate))}
	for i := range int(seconds * rate) {
		t := float64(i) / rate
		s.samples[int(silence*rate)+i] = 0.3*math.Sin(2*math.Pi*hz*t) + 0.2*math.Sin(4*math.Pi*hz*t)
	}
	return s
}

func TestACutDropsSilenceAndHasSoftEdges(t *testing.T) {
	s := hum(120, 0.5, 0.4).cut(0.48, 0.93, true, true)
	if d := s.seconds(); d < 0.39 || d > 0.45 {
		t.Errorf("0.4 s of sound became %.3f s", d)
	}
	for _, edge := range []float64{s.samples[0], s.samples[len(s.samples)-1]} {
		if math.Abs(edge) > 0.001 {
			t.Errorf("an edge is at %f", edge)
		}
	}
}

func TestACutBetweenWordsKeepsToItsTimes(t *testing.T) {
	if d := hum(120, 0, 1).cut(0.2, 0.5, false, false).seconds(); math.Abs(d-0.3) > 0.001 {
		t.Errorf("0.3 s became %.3f s", d)
	}
}

func TestThePitchOfAVoiceIsMeasured(t *testing.T) {
	for _, hz := range []float64{90, 120, 180} {
		if got := hum(hz, 0.2, 0.5).pitch(); math.Abs(got-hz) > hz*0.03 {
			t.Errorf("%.0f Hz were measured as %.0f", hz, got)
		}
	}
	if got := (sound{16000, make([]float64, 16000)}).pitch(); got != 0 {
		t.Errorf("silence has a pitch of %.0f Hz", got)
	}
}

func TestWordsAreSpelledForTheSynthesiser(t *testing.T) {
	v := voice{Spelled: map[string]string{"ноль": "н+оль", "о": "+о", "бэ эм вэ": "бэ эм в+э"}}
	for _, c := range []struct{ rule, text, want string }{
		{"punctuation stays", "Ноль, два.", "н+оль, два."},
		{"a whole text comes before its words", "Бэ эм вэ", "бэ эм в+э"},
		{"a letter alone has its name", "О", "+о"},
		{"a preposition of one letter is no letter's name", "о два", "о два"},
		{"a dash is a space", "пять–семь", "пять семь"},
	} {
		t.Run(c.rule, func(t *testing.T) {
			if got := v.spell(c.text); got != c.want {
				t.Errorf("%q is spelled %q, want %q", c.text, got, c.want)
			}
		})
	}
}

func TestVoicesAreReadable(t *testing.T) {
	for _, lang := range []string{"ru", "en"} {
		if v, err := loadVoice(lang); err != nil || v.Voice == "" {
			t.Errorf("%s: %+v, %v", lang, v.Voice, err)
		}
	}
}
