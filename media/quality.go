package media

import (
	"math"
	"time"
)

// The E-model of ITU-T G.107 with the defaults of all that can not be measured
// here. Echo is taken to be cancelled, losses to fall at random.
const (
	unimpaired = 93.2 // R of G.711 without loss or delay (G.107 §7.7)

	// A receiver's jitter buffer holds some multiple of the mean jitter, within
	// the bounds that are usual.
	bufferJitters = 4
	minBuffer     = 40 * time.Millisecond
	maxBuffer     = 120 * time.Millisecond
)

// coding is what a codec does to the sound.
type coding struct {
	impairment float64 // Ie, of the codec itself
	robustness float64 // Bpl, how well it stands losses
}

var (
	// G.711 of G.113 appendix I, with concealment, as every browser and gateway
	// does it; without, the robustness would be 4.3. G.722 has no figures on this
	// scale, which is of 3.1 kHz, and is rated by these.
	concealed = coding{0, 25.1}
	// Opus has none of the ITU-T's at all. These are of measurements published for
	// narrowband at 11 kbit/s, which is less than anybody sends here: wider sound
	// is better than they say, and so is one whose losses are said again (FEC).
	opusCoding = coding{2, 16}
)

// codingOf is that of a codec by its name in SDP.
func codingOf(name string) coding {
	if name == Opus.String() {
		return opusCoding
	}
	return concealed
}

// MOS is how people would rate what comes from the party on the way to us, from
// 1 (bad) to 4.41 (as good as G.711 can be), the whole call through: the codec,
// what was lost or came too late for a usual jitter buffer, and the delay with
// that buffer. 0: nothing has come.
func (s Stats) MOS() float64 {
	if s.Received == 0 {
		return 0
	}
	return mos(s.Loss(), s.delay(s.Jitter), codingOf(s.Codec))
}

// Loss is the share of the party's packets that nobody hears: lost, or too late
// for a usual jitter buffer.
func (s Stats) Loss() float64 {
	return float64(s.Lost+s.TooLate) / float64(max(1, s.Received+s.Lost))
}

// PeerMOS is how people would rate what the party hears of us, by its reports,
// which do not tell what came too late for it. 0: it has sent none.
func (s Stats) PeerMOS() float64 {
	if s.PeerExpected == 0 {
		return 0
	}
	return mos(float64(s.PeerLost)/float64(s.PeerExpected), s.delay(s.PeerJitter), codingOf(s.Codec))
}

// delay is the time from mouth to ear on one leg.
func (s Stats) delay(jitter time.Duration) time.Duration {
	return s.RoundTrip/2 + FrameTime + min(max(bufferJitters*jitter, minBuffer), maxBuffer)
}

// mos is the rating for a share of packets lost and a delay from mouth to ear.
func mos(loss float64, delay time.Duration, by coding) float64 {
	return opinion(unimpaired - delayImpairment(delay) - by.lossImpairment(min(loss, 1)))
}

// lossImpairment is Ie-eff, for random losses (G.107 §7.5).
func (c coding) lossImpairment(loss float64) float64 {
	percent := 100 * loss
	return c.impairment + (95-c.impairment)*percent/(percent+c.robustness)
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
