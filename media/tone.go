package media

import (
	"bytes"
	"math"
	"sync"
	"time"

	"cabline/media/g711"
)

// Tones of the Russian network, rendered once.
var (
	ringback = sync.OnceValue(func() Clip { return Tone("ringback", []float64{425}, time.Second, 4*time.Second) })
	busy     = sync.OnceValue(func() Clip {
		return Tone("busy", []float64{425}, 350*time.Millisecond, 350*time.Millisecond)
	})
)

// Ringback is one period of the tone a caller hears while the other phone rings.
func Ringback() Clip { return ringback() }

// Busy is one period of the engaged tone.
func Busy() Clip { return busy() }

const (
	toneLevel = 0.2   // of full scale, all frequencies together: some -11 dBm0
	toneRamp  = 0.005 // seconds of rise and fall: a hard edge clicks
)

// Tone is the sum of sines, in Hz, sounding for the first duration of the
// cadence, silent for the second, and so on: one period, to be repeated.
func Tone(name string, hz []float64, cadence ...time.Duration) Clip {
	clip := Clip{Name: name}
	for i, d := range cadence {
		if i%2 == 1 {
			clip.ALaw = append(clip.ALaw, Silence(d).ALaw...)
			continue
		}
		clip.ALaw = appendSines(clip.ALaw, hz, d)
	}
	return clip
}

// Silence is a clip of nothing.
func Silence(d time.Duration) Clip {
	return Clip{Name: "silence", ALaw: bytes.Repeat([]byte{g711.SilenceALaw}, samples(d))}
}

func samples(d time.Duration) int { return int(d * Rate / time.Second) }

func appendSines(to []byte, hz []float64, d time.Duration) []byte {
	n := samples(d)
	level := toneLevel * math.MaxInt16 / float64(max(len(hz), 1))
	for i := range n {
		edge := float64(min(i, n-1-i)) / (toneRamp * Rate)
		var sum float64
		for _, f := range hz {
			sum += math.Sin(2 * math.Pi * f * float64(i) / Rate)
		}
		to = append(to, g711.EncodeALaw(int16(sum*level*min(edge, 1))))
	}
	return to
}
