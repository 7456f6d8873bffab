package media

import (
	"math"
	"time"
)

// The E-model of ITU-T G.107 with the defaults of all that can not be measured
// here. Echo is taken to be cancelled, losses to fall at random.
const (
	unimpaired = 93.2 // R of G.711 without loss or delay (G.107 §7.7)

	// How well G.711 stands losses (Bpl of G.113 appendix I): with concealment, as
	// every browser and gateway does it. Without, it would be 4.3.
	concealed = 25.1

	// A receiver's jitter buffer holds some multiple of the mean jitter, within
	// the bounds that are usual.
	bufferJitters = 4
	minBuffer     = 40 * time.Millisecond
	maxBuffer     = 120 * time.Millisecond
)

// MOS is how people would rate what comes from the party on the way to us, from
// 1 (bad) to 4.41 (as good as G.711 can be): losses, and the delay with a usual
// jitter buffer. 0: nothing has come.
func (s Stats) MOS() float64 {
	if s.Received == 0 {
		return 0
	}
	return mos(float64(s.Lost)/float64(s.Received+s.Lost), s.delay(s.Jitter), concealed)
}

// PeerMOS is how people would rate what the party hears of us, by its reports.
// 0: it has sent none.
func (s Stats) PeerMOS() float64 {
	if s.PeerExpected == 0 {
		return 0
	}
	return mos(float64(s.PeerLost)/float64(s.PeerExpected), s.delay(s.PeerJitter), concealed)
}

// delay is the time from mouth to ear on one leg.
func (s Stats) delay(jitter time.Duration) time.Duration {
	return s.RoundTrip/2 + FrameTime + min(max(bufferJitters*jitter, minBuffer), maxBuffer)
}

// mos is the rating for a share of packets lost and a delay from mouth to ear,
// for a codec of no impairment of its own that stands losses so well.
func mos(loss float64, delay time.Duration, robustness float64) float64 {
	return opinion(unimpaired - delayImpairment(delay) - lossImpairment(min(loss, 1), robustness))
}

// lossImpairment is Ie-eff for Ie of 0 and random losses (G.107 §7.5).
func lossImpairment(loss, robustness float64) float64 {
	percent := 100 * loss
	return 95 * percent / (percent + robustness)
}

// delayImpairment is Idd (G.107 §7.4): up to 100 ms nobody notices.
func delayImpairment(delay time.Duration) float64 {
	x := math.Log2(float64(delay) / float64(100*time.Millisecond))
	if x <= 0 {
		return 0
	}
	bend := func(x float64) float64 { return math.Pow(1+math.Pow(x, 6), 1.0/6) }
	return 25 * (bend(x) - 3*bend(x/3) + 2)
}

// opinion is the MOS of a rating R (G.107 annex B).
func opinion(r float64) float64 {
	r = min(max(r, 0), 100)
	return max(1, 1+0.035*r+r*(r-60)*(100-r)*7e-6)
}
