package telephone

import (
	"context"
	"fmt"
	"math"
	"sort"
	"time"

	"github.com/zaf/g711"

	"cabline/media"
)

// Since is the part that came from a moment on.
func (r Recording) Since(t time.Time) Recording { return r.from(r.at(t)) }

// Until is the part that came up to a moment.
func (r Recording) Until(t time.Time) Recording {
	return Recording{Start: r.Start, ALaw: r.ALaw[:r.at(t)], came: r.came[:r.before(t)]}
}

// Last is the end of it, so long or less.
func (r Recording) Last(d time.Duration) Recording { return r.from(max(len(r.ALaw)-samples(d), 0)) }

// at is the first sample that came at a moment or later.
func (r Recording) at(t time.Time) int {
	if r.came == nil {
		return min(max(samples(t.Sub(r.Start)), 0), len(r.ALaw))
	}
	if next := r.before(t); next < len(r.came) {
		return r.came[next].sample
	}
	return len(r.ALaw)
}

// before is how many packets came before a moment.
func (r Recording) before(t time.Time) int {
	return sort.Search(len(r.came), func(i int) bool { return !r.came[i].at.Before(t) })
}

// from is the part from a sample on.
func (r Recording) from(cut int) Recording {
	part := Recording{Start: r.Start.Add(moment(cut)), ALaw: r.ALaw[cut:]}
	for _, a := range r.came {
		if a.sample >= cut {
			part.came = append(part.came, arrival{a.at, a.sample - cut})
		}
	}
	if len(part.came) > 0 {
		part.Start = part.came[0].at
	}
	return part
}

// Length is how long it sounds.
func (r Recording) Length() time.Duration { return time.Duration(len(r.ALaw)) * time.Second / rate }

// Windows of 200 ms tell tones apart that are 5 Hz from each other: all
// frequencies that are multiples of 5 are orthogonal in them, 425 Hz of a
// ringback and 440 Hz of a party among them.
const (
	toneWindow = rate / 5
	toneHop    = toneWindow / 2
	audible    = 100 // mean amplitude of 32768; some -50 dB
)

// Tone is how much of the recording is that tone and little else, from 0 to 1.
// The frequency is in Hz, a multiple of 5.
func (r Recording) Tone(hz int) float64 {
	windows, with := 0, 0
	for at := 0; at+toneWindow <= len(r.ALaw); at += toneHop {
		windows++
		if hasTone(r.ALaw[at:at+toneWindow], hz) {
			with++
		}
	}
	return float64(with) / float64(max(windows, 1))
}

// Hears waits until the party has heard that tone, and little else, for a whole
// second from now on.
func (c *Call) Hears(ctx context.Context, hz int) error {
	asked := time.Now()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		last := c.Heard().Since(asked).Last(time.Second)
		if last.Length() >= time.Second-20*time.Millisecond && last.Tone(hz) == 1 {
			return nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("%d Hz are not heard: %.0f%% of the last %s, %.0f%% silence: %w", hz, 100*last.Tone(hz), last.Length(),
				100*last.Silence(), context.Cause(ctx))
		}
	}
}

// Silence is how much of the recording is silence, from 0 to 1.
func (r Recording) Silence() float64 {
	windows, silent := 0, 0
	for at := 0; at+frameSize <= len(r.ALaw); at += frameSize {
		windows++
		if power(r.ALaw[at:at+frameSize]) < audible*audible {
			silent++
		}
	}
	return float64(silent) / float64(max(windows, 1))
}

// hasTone asks Goertzel's filter how much of a window's energy is at hz.
func hasTone(window []byte, hz int) bool {
	step := 2 * math.Pi * float64(hz) / rate
	k := 2 * math.Cos(step)
	var s1, s2 float64
	for _, b := range window {
		s1, s2 = float64(g711.DecodeAlawFrame(b))+k*s1-s2, s1
	}
	n := float64(len(window))
	tone := (s1*s1 + s2*s2 - k*s1*s2) * 2 / (n * n) // mean square of the sine
	total := power(window)
	return total > audible*audible && tone > 0.8*total
}

func power(window []byte) (mean float64) {
	for _, b := range window {
		v := float64(g711.DecodeAlawFrame(b))
		mean += v * v
	}
	return mean / float64(len(window))
}

// Said is a clip that was found in a recording.
type Said struct {
	Clip  string
	At    time.Duration // from the recording's start
	Until time.Duration
	Score float64 // 1: every sample as it should be
}

const (
	match  = 0.8 // correlation from which a clip counts as said; different words reach some 0.3
	maxGap = 200 * time.Millisecond
)

// Speech proves that the clips were said: each whole, in this order, with
// nothing as long as a word between one and the next. A clip of silence is only
// a longer gap.
func (r Recording) Speech(clips ...media.Clip) (said []Said, err error) {
	gap := time.Duration(0)
	for _, clip := range clips {
		if power(clip.ALaw) < audible*audible/4 {
			gap += clip.Duration()
			continue
		}
		from, part := 0, r.ALaw
		if len(said) > 0 {
			end := said[len(said)-1].Until
			from = samples(end) - frameSize
			part = r.ALaw[from:min(samples(end+gap+maxGap)+len(clip.ALaw), len(r.ALaw))]
		}
		at, score := listen(part).first(clip.ALaw)
		if score < match {
			best, bestScore := listen(r.ALaw).best(clip.ALaw)
			return said, fmt.Errorf("clip %q was not said after %v (best match there %.2f; anywhere %.2f, at %s)",
				clip.Name, said, score, bestScore, moment(best))
		}
		said = append(said, Said{clip.Name, moment(from + at), moment(from + at + len(clip.ALaw)), score})
		gap = 0
	}
	return said, nil
}

// Contains tells whether a clip was said at all.
func (r Recording) Contains(clip media.Clip) bool {
	_, score := listen(r.ALaw).best(clip.ALaw)
	return score >= match
}

func samples(d time.Duration) int { return int(d * rate / time.Second) }

func moment(sample int) time.Duration { return time.Duration(sample) * time.Second / rate }
