package telephone

import (
	"math"
	"math/cmplx"

	"github.com/zaf/g711"
)

// ear compares clips with a recording by normalised cross-correlation. The
// products of all positions come from one multiplication of spectra.
type ear struct {
	size     int          // of the transform, a power of two
	spectrum []complex128 // of the recording
	energy   []float64    // energy[i] is that of the first i samples
}

func listen(alaw []byte) *ear {
	e := &ear{size: 2, energy: make([]float64, len(alaw)+1)}
	for e.size < len(alaw) { // places where a clip fits in never wrap around
		e.size *= 2
	}
	e.spectrum = make([]complex128, e.size)
	for i, b := range alaw {
		v := float64(g711.DecodeAlawFrame(b))
		e.spectrum[i] = complex(v, 0)
		e.energy[i+1] = e.energy[i] + v*v
	}
	transform(e.spectrum, false)
	return e
}

// scores is the correlation at each place where the clip fits in.
func (e *ear) scores(clip []byte) []float64 {
	places := len(e.energy) - len(clip)
	if places <= 0 || len(clip) == 0 {
		return nil
	}
	c := make([]complex128, e.size)
	own := 0.0
	for i, b := range clip {
		v := float64(g711.DecodeAlawFrame(b))
		c[i] = complex(v, 0)
		own += v * v
	}
	transform(c, false)
	for i := range c {
		c[i] = e.spectrum[i] * cmplx.Conj(c[i])
	}
	transform(c, true)
	scores := make([]float64, places)
	floor := float64(len(clip)) * audible * audible / 16 // so that near silence is like nothing
	for i := range scores {
		there := e.energy[i+len(clip)] - e.energy[i]
		scores[i] = real(c[i]) / math.Sqrt((own+floor)*(there+floor))
	}
	return scores
}

// first is the first place where the clip was said; or, where it was not, the
// best place.
func (e *ear) first(clip []byte) (at int, score float64) {
	for i, s := range e.scores(clip) {
		if s > score {
			at, score = i, s
		}
		if score >= match && i > at+frameSize { // past the peak
			break
		}
	}
	return at, score
}

// best is the best place anywhere.
func (e *ear) best(clip []byte) (at int, score float64) {
	for i, s := range e.scores(clip) {
		if s > score {
			at, score = i, s
		}
	}
	return at, score
}

// transform is the fast Fourier transform in place, by Cooley and Tukey's
// radix 2; back includes the division by the size.
func transform(x []complex128, back bool) {
	n := len(x)
	for i, j := 1, 0; i < n; i++ { // bit reversal
		bit := n >> 1
		for ; j&bit != 0; bit >>= 1 {
			j ^= bit
		}
		if j ^= bit; i < j {
			x[i], x[j] = x[j], x[i]
		}
	}
	sign := -2 * math.Pi
	if back {
		sign = -sign
	}
	for span := 2; span <= n; span *= 2 {
		half := span / 2
		roots := make([]complex128, half)
		for k := range roots {
			roots[k] = cmplx.Rect(1, sign*float64(k)/float64(span))
		}
		for block := 0; block < n; block += span {
			for k, root := range roots {
				a, b := x[block+k], x[block+k+half]*root
				x[block+k], x[block+k+half] = a+b, a-b
			}
		}
	}
	if back {
		for i := range x {
			x[i] /= complex(float64(n), 0)
		}
	}
}
