package main

import (
	"math"
	"slices"
)

// A voice cut from recordings says the same word better in one sentence than
// in another. So every word of the grammar is said within several, and the
// take is kept whose speed and pitch are nearest to the usual ones: words from
// different sentences then fit together.
const (
	middlePhone = 0.085 // seconds a phone takes in the middle of a phrase
	lastPhone   = 0.105 // and at its end
	pitchWeight = 0.15  // a semitone off against a speed that is off e times
)

// choose keeps the best take of each recording, in the order of the first ones.
func choose(takes []take, clips []sound) []int {
	pitches := map[bool][]float64{}
	for i := range takes {
		takes[i].pitch = clips[i].pitch()
		if p := takes[i].pitch; p > 0 {
			pitches[takes[i].last()] = append(pitches[takes[i].last()], p)
		}
	}
	usual := map[bool]float64{false: median(pitches[false]), true: median(pitches[true])}
	best := map[string]int{}
	var order []string
	for i, t := range takes {
		now, ok := best[t.Name]
		if !ok {
			order = append(order, t.Name)
		}
		if !ok || strangeness(t, clips[i], usual) < strangeness(takes[now], clips[now], usual) {
			best[t.Name] = i
		}
	}
	chosen := make([]int, len(order))
	for i, name := range order {
		chosen[i] = best[name]
	}
	return chosen
}

// strangeness is how far a take is from the usual: 0 is best.
func strangeness(t take, s sound, usual map[bool]float64) float64 {
	phone := middlePhone
	if t.last() {
		phone = lastPhone
	}
	off := math.Abs(math.Log(s.seconds() / (phone * float64(t.phones))))
	if p := t.pitch; p > 0 {
		off += pitchWeight * math.Abs(12*math.Log2(p/usual[t.last()]))
	}
	return off
}

// pitch is the median of the voice's pitch, in hertz; 0: nothing is voiced.
func (s sound) pitch() float64 {
	const longest, lowest, highest = 0.04, 65.0, 280.0
	window, step := int(longest*float64(s.rate)), s.rate/100
	var found []float64
	for i := 0; i+2*window <= len(s.samples); i += step {
		if p := s.period(i, window, int(float64(s.rate)/highest), int(float64(s.rate)/lowest)); p > 0 {
			found = append(found, float64(s.rate)/float64(p))
		}
	}
	return median(found)
}

// period is the lag, in samples, at which a stretch is most like itself; 0 when
// it is not like itself at all.
func (s sound) period(at, window, shortest, longest int) int {
	best, lag := 0.6, 0 // a correlation below is noise
	for n := shortest; n <= longest; n++ {
		var both, a, b float64
		for i := at; i < at+window; i += 2 { // every second sample tells enough
			x, y := s.samples[i], s.samples[i+n]
			both, a, b = both+x*y, a+x*x, b+y*y
		}
		if a < 0.01 {
			return 0
		}
		if r := both / math.Sqrt(a*b); r > best+0.02 { // the shortest of equals: no octave down
			best, lag = r, n
		}
	}
	return lag
}

func median(all []float64) float64 {
	if len(all) == 0 {
		return 0
	}
	slices.Sort(all)
	return all[len(all)/2]
}
