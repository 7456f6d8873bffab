package media_test

import (
	"math"

	"cabline/media/g711"
)

// power is the share of one frequency in a piece of A-law, 0 to 1 (Goertzel).
func power(alaw []byte, hz float64) float64 {
	var re, im, all float64
	for i, b := range alaw {
		s := float64(g711.DecodeALaw(b))
		w := 2 * math.Pi * hz * float64(i) / 8000
		re, im, all = re+s*math.Cos(w), im+s*math.Sin(w), all+s*s
	}
	if all == 0 {
		return 0
	}
	return 2 * (re*re + im*im) / (float64(len(alaw)) * all)
}
