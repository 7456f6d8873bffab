package g722_test

import (
	"bytes"
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
	"testing"

	"cabline/internal/lacking"
	"cabline/media/g722"
)

// sine is a second of a tone.
func sine(hz, size float64) []int16 {
	samples := make([]int16, 8000)
	for i := range samples {
		samples[i] = int16(size * math.Sin(2*math.Pi*hz*float64(i)/8000))
	}
	return samples
}

// strength is the amplitude of a tone in a sound, and of all the rest.
func strength(samples []int16, hz float64) (tone, rest float64) {
	var re, im, all float64
	for i, s := range samples {
		w := 2 * math.Pi * hz * float64(i) / 8000
		re, im, all = re+float64(s)*math.Cos(w), im+float64(s)*math.Sin(w), all+float64(s)*float64(s)
	}
	n := float64(len(samples))
	tone = 2 * math.Hypot(re, im) / n
	return tone, math.Sqrt(max(0, 2*(all/n-tone*tone/2)))
}

func TestWhatIsSaidIsHeard(t *testing.T) {
	for _, hz := range []float64{200, 440, 1000, 2000, 3300} {
		for _, size := range []float64{300, 3000, 30000} {
			var e g722.Encoder
			var d g722.Decoder
			var out []int16
			for _, s := range sine(hz, size) {
				out = append(out, d.Decode(e.Encode(s)))
			}
			tone, rest := strength(out[800:], hz)
			if tone < 0.9*size || tone > 1.1*size || rest > 0.1*size {
				t.Errorf("%g Hz of %g is heard with %.0f, beside %.0f", hz, size, tone, rest)
			}
		}
	}
}

// The fixture is FFmpeg's: `ffmpeg -f lavfi -i sine=frequency=1000:sample_rate=16000:duration=1 -f g722 1000.g722`,
// a sine of an eighth of full scale.
func TestWhatAnotherEncoderSaidIsHeard(t *testing.T) {
	b, err := os.ReadFile("testdata/1000.g722")
	if err != nil {
		t.Fatal(err)
	}
	var d g722.Decoder
	var out []int16
	for _, c := range b {
		out = append(out, d.Decode(c))
	}
	if tone, rest := strength(out[800:], 1000); tone < 3900 || tone > 4300 || rest > 100 {
		t.Errorf("the tone is heard with %.0f of 4096, beside %.0f", tone, rest)
	}
}

func TestAnotherDecoderHearsWhatIsSaid(t *testing.T) {
	ffmpeg := lacking.Command(t, "ffmpeg")
	var e g722.Encoder
	var said []byte
	for _, s := range sine(1000, 8000) {
		said = append(said, e.Encode(s))
	}
	c := exec.Command(ffmpeg, "-v", "error", "-f", "g722", "-i", "-", "-ar", "8000", "-f", "s16le", "-")
	c.Stdin = bytes.NewReader(said)
	raw, err := c.Output()
	if err != nil {
		t.Fatal(err)
	}
	var out []int16
	for ; len(raw) > 1; raw = raw[2:] {
		out = append(out, int16(uint16(raw[0])|uint16(raw[1])<<8))
	}
	if tone, rest := strength(out[800:7200], 1000); tone < 7600 || tone > 8400 || rest > 200 {
		t.Errorf("the tone is heard with %.0f of 8000, beside %.0f", tone, rest)
	}
}

func TestNoiseAndLossesDoNotEndIt(t *testing.T) {
	dice := rand.New(rand.NewPCG(1, 2))
	var d g722.Decoder
	for range 100_000 {
		d.Decode(byte(dice.Uint32()))
	}
	var e g722.Encoder
	var out []int16
	for i, s := range sine(440, 4000) {
		if c := e.Encode(s); i/160%10 != 0 { // each tenth packet is lost
			out = append(out, d.Decode(c))
		}
	}
	if tone, _ := strength(out[5760:7056], 440); tone < 3500 || tone > 4500 {
		t.Errorf("the tone is heard with %.0f of 4000", tone)
	}
}

func BenchmarkDecode(b *testing.B) {
	var e g722.Encoder
	said := make([]byte, 160)
	for i, s := range sine(440, 4000)[:160] {
		said[i] = e.Encode(s)
	}
	var d g722.Decoder
	for b.Loop() {
		for _, c := range said {
			d.Decode(c)
		}
	}
}

func BenchmarkEncode(b *testing.B) {
	frame := sine(440, 4000)[:160]
	var e g722.Encoder
	for b.Loop() {
		for _, s := range frame {
			e.Encode(s)
		}
	}
}
