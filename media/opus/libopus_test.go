//go:build opus

package opus_test

import (
	"bytes"
	"math"
	"testing"

	"cabline/media/opus"
)

// sine is a tone of so many samples.
func sine(hz, size float64, n int) []int16 {
	samples := make([]int16, n)
	for i := range samples {
		samples[i] = int16(size * math.Sin(2*math.Pi*hz*float64(i)/opus.Rate))
	}
	return samples
}

// share is how much of a sound is one frequency (Goertzel).
func share(samples []int16, hz float64) float64 {
	var re, im, all float64
	for i, s := range samples {
		w := 2 * math.Pi * hz * float64(i) / opus.Rate
		re, im, all = re+float64(s)*math.Cos(w), im+float64(s)*math.Sin(w), all+float64(s)*float64(s)
	}
	return 2 * (re*re + im*im) / (float64(len(samples)) * all)
}

// strength is the mean square of a sound.
func strength(samples []int16) (sum float64) {
	for _, s := range samples {
		sum += float64(s) * float64(s)
	}
	return sum / float64(len(samples))
}

// packets is a sound in packets of so many samples.
func packets(t testing.TB, sound []int16, size int) (all [][]byte) {
	t.Helper()
	var e opus.Encoder
	for ; len(sound) >= size; sound = sound[size:] {
		packet := e.Encode(sound[:size])
		if n := opus.Samples(packet); n != size {
			t.Fatalf("a packet of %d samples has %d", size, n)
		}
		all = append(all, bytes.Clone(packet))
	}
	return all
}

func TestWhatIsSaidIsHeard(t *testing.T) {
	for _, size := range []int{80, 160, 320, 480} {
		for _, hz := range []float64{300, 440, 1000, 2500} {
			var d opus.Decoder
			var heard []int16
			for _, p := range packets(t, sine(hz, 8000, 9600), size) {
				heard = append(heard, d.Decode(p)...)
			}
			if len(heard) != 9600 {
				t.Fatalf("%d samples are heard", len(heard))
			}
			if s, n := share(heard[1600:], hz), strength(heard[1600:]); s < 0.95 || n < 16e6 || n > 64e6 {
				t.Errorf("in packets of %d samples %.2f of what is heard is the %g Hz, its strength %.0f", size, s, hz, n)
			}
		}
	}
}

func TestALostPacketIsMadeUp(t *testing.T) {
	sound := append(sine(440, 8000, 1600), sine(1000, 8000, 1600)...) // the first of 1000 Hz is lost
	said := packets(t, sound, 160)
	for _, tt := range []struct {
		name string
		next []byte
		hz   float64
	}{
		{"of what the next one says again", said[11], 1000},
		{"of what was before it", nil, 440},
		{"of what was before it, though the next is broken", []byte{0xff, 0xff}, 440},
	} {
		var d opus.Decoder
		for _, p := range said[:10] {
			d.Decode(p)
		}
		made := d.Conceal(160, tt.next)
		if len(made) != 160 {
			t.Fatalf("%s: %d samples", tt.name, len(made))
		}
		// The first half is still of what was before: a coder lags some 6 ms.
		if late := made[80:]; share(late, tt.hz) < 0.8 || strength(late) < 8e6 {
			t.Errorf("%s: %.2f of it is %g Hz, its strength %.0f", tt.name, share(late, tt.hz), tt.hz, strength(late))
		}
		d.Decode(said[11])
		d.Decode(said[12])
		if heard := d.Decode(said[13]); share(heard, 1000) < 0.9 {
			t.Errorf("%s: what follows is %.2f of the tone", tt.name, share(heard, 1000))
		}
	}
}

func TestWhatIsNoPacketIsNotHeard(t *testing.T) {
	var d opus.Decoder
	for _, b := range [][]byte{nil, {}, {3}, {3, 0}, {0xff, 0xff}, bytes.Repeat([]byte{0xff}, 2000), {2, 0xff, 0xff}} {
		if heard := d.Decode(b); heard != nil {
			t.Errorf("% .10x are heard as %d samples", b, len(heard))
		}
	}
	for _, n := range []int{-1, 0, 1, 961, 1 << 30} {
		if heard := d.Conceal(n, nil); heard != nil {
			t.Errorf("%d samples are made up as %d", n, len(heard))
		}
	}
	var e opus.Encoder
	for _, n := range []int{0, 1, 159, 240, 961, 5000} {
		if said := e.Encode(make([]int16, n)); said != nil {
			t.Errorf("%d samples are said in %d bytes", n, len(said))
		}
	}
	if heard := d.Decode([]byte{1 << 3}); len(heard) != 160 { // a pause (DTX)
		t.Errorf("a pause is heard as %d samples", len(heard))
	}
}

func TestCodingDoesNotAllocate(t *testing.T) {
	var e opus.Encoder
	var d opus.Decoder
	frame := sine(440, 8000, 160)
	if n := testing.AllocsPerRun(100, func() { d.Decode(e.Encode(frame)) }); n > 0 {
		t.Errorf("%v allocations", n)
	}
}

func FuzzDecode(f *testing.F) {
	for _, p := range packets(f, sine(440, 8000, 1600), 160)[:3] {
		f.Add(p, p[:len(p)/2], 160)
	}
	f.Add([]byte{0xf8, 0xff, 0xfe}, []byte{1 << 3}, 960)
	f.Add([]byte{28<<3 | 7, 48 | 0x40, 200, 1}, []byte{3<<3 | 1, 1, 2}, 20)
	f.Fuzz(func(t *testing.T, a, b []byte, lost int) {
		var d opus.Decoder
		for _, p := range [][]byte{a, b, a} {
			if heard := d.Decode(p); heard != nil && len(heard) != opus.Samples(p) {
				t.Fatalf("% .10x are %d samples and heard as %d", p, opus.Samples(p), len(heard))
			}
			if made := d.Conceal(lost, p); made != nil && len(made) != lost {
				t.Fatalf("%d samples are made up as %d", lost, len(made))
			}
		}
	})
}

func BenchmarkDecode(b *testing.B) {
	said := packets(b, sine(440, 8000, 1600), 160)
	var d opus.Decoder
	for b.Loop() {
		d.Decode(said[9])
	}
}

func BenchmarkEncode(b *testing.B) {
	frame := sine(440, 8000, 160)
	var e opus.Encoder
	for b.Loop() {
		e.Encode(frame)
	}
}
