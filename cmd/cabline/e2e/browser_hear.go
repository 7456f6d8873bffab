package e2e

import (
	"math"
	"time"

	"github.com/zaf/g711"

	"cabline/media"
)

// Likeness is how much of a speech was said, from 0 to 1, to an ear behind a
// jitter buffer, which stretches and squeezes what it plays to stay in time: it
// is looked for in pieces, each a little before or after its place.
func (r Recording) Likeness(what ...media.Clip) float64 {
	const (
		piece  = rate / 5
		astray = rate / 5
		alike  = 0.6 // correlation; other words reach some 0.4 in so short a piece
	)
	var speech []byte
	for _, clip := range what {
		speech = append(speech, clip.ALaw...)
	}
	if len(speech) > len(r.ALaw) {
		return 0
	}
	begin, _ := listen(r.ALaw).best(speech)
	pieces, found := 0, 0
	for at := 0; at+piece <= len(speech); at += piece {
		if power(speech[at:at+piece]) < audible*audible {
			continue
		}
		pieces++
		near := r.ALaw[max(begin+at-astray, 0):min(begin+at+piece+astray, len(r.ALaw))]
		if _, score := listen(near).best(speech[at : at+piece]); score >= alike {
			found++
		}
	}
	return float64(found) / float64(max(pieces, 1))
}

// Keys are the keys whose tones sound in a recording (ITU-T Q.23): a browser
// plays an RFC 4733 event as its tones. Shorter than 60 ms is no key.
func (r Recording) Keys() string {
	const window = rate / 50 // 20 ms
	var keys []byte
	last, run := byte(0), time.Duration(0)
	for at := 0; at+window <= len(r.ALaw); at += window {
		key := keyIn(r.ALaw[at : at+window])
		if key != last {
			last, run = key, 0
		}
		if run += 20 * time.Millisecond; key != 0 && run == 60*time.Millisecond {
			keys = append(keys, key)
		}
	}
	return string(keys)
}

var (
	rows    = []float64{697, 770, 852, 941}
	columns = []float64{1209, 1336, 1477, 1633}
)

// keyIn is the key whose two tones are nearly all of a window, or 0.
func keyIn(window []byte) byte {
	total := power(window)
	if total < audible*audible {
		return 0
	}
	low, row := strongest(window, rows)
	high, column := strongest(window, columns)
	if low < 0.2*total || high < 0.2*total || low+high < 0.7*total {
		return 0
	}
	return "123A456B789C*0#D"[4*row+column]
}

// strongest is which of some frequencies a window has most of, and its mean
// square.
func strongest(window []byte, all []float64) (most float64, which int) {
	for i, hz := range all {
		var re, im float64
		for n, b := range window {
			v, phase := float64(g711.DecodeAlawFrame(b)), 2*math.Pi*hz*float64(n)/rate
			re += v * math.Cos(phase)
			im += v * math.Sin(phase)
		}
		n := float64(len(window))
		if square := 2 * (re*re + im*im) / (n * n); square > most {
			most, which = square, i
		}
	}
	return most, which
}
