package g711_test

import (
	"testing"

	"cabline/media/g711"
)

// abs of a difference of samples.
func apart(a, b int16) int {
	return max(int(a)-int(b), int(b)-int(a))
}

func TestSamplesComeBackWithinTheirStep(t *testing.T) {
	for s := -32768; s < 32768; s++ {
		step := 40 + max(s, -s)/16 // half a step of the segment; the µ-law clips at 32635
		if got := g711.DecodeALaw(g711.EncodeALaw(int16(s))); apart(got, int16(s)) > step {
			t.Fatalf("A-law %d comes back as %d", s, got)
		}
		if got := g711.DecodeMuLaw(g711.EncodeMuLaw(int16(s))); apart(got, int16(s)) > step {
			t.Fatalf("µ-law %d comes back as %d", s, got)
		}
	}
}

func TestOneLawBecomesTheOtherInPlace(t *testing.T) {
	var b [256]byte
	for i := range b {
		b[i] = byte(i)
	}
	g711.ToMuLaw(b[:])
	for i, v := range b {
		if a, m := g711.DecodeALaw(byte(i)), g711.DecodeMuLaw(v); apart(a, m) > 40+max(int(a), -int(a))/16 {
			t.Errorf("A-law %#x, %d, becomes µ-law %#x, %d", i, a, v, m)
		}
	}
	g711.ToALaw(b[:])
	for i, v := range b {
		if a, back := g711.DecodeALaw(byte(i)), g711.DecodeALaw(v); apart(a, back) > 40+max(int(a), -int(a))/16 {
			t.Errorf("A-law %#x, %d, comes back as %#x, %d", i, a, v, back)
		}
	}
}

func TestSilenceIsSilent(t *testing.T) {
	if a, m := g711.DecodeALaw(g711.SilenceALaw), g711.DecodeMuLaw(g711.SilenceMuLaw); apart(a, 0) > 8 || m != 0 {
		t.Error(a, m)
	}
}

func TestNothingIsAllocated(t *testing.T) {
	b := make([]byte, 160)
	if n := testing.AllocsPerRun(100, func() { g711.ToMuLaw(b); g711.ToALaw(b) }); n > 0 {
		t.Error(n)
	}
}

func BenchmarkToMuLaw(b *testing.B) {
	frame := make([]byte, 160)
	for b.Loop() {
		g711.ToMuLaw(frame)
	}
}
