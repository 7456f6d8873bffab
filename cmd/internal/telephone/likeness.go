package telephone

import (
	"bytes"
	"math"
	"time"

	"github.com/zaf/g711"

	"cabline/media"
)

// Likeness is how much of a speech was said, from 0 to 1, to an ear behind a
// jitter buffer, which stretches and squeezes what it plays to stay in time.
// missing are the long clips of which less than half was said.
func (r Recording) Likeness(what ...media.Clip) (share float64, missing []string) {
	var speech []byte
	for _, clip := range what {
		speech = append(speech, clip.ALaw...)
	}
	if len(r.ALaw) < len(speech) { // it may have only begun
		r.ALaw = append(r.ALaw[:len(r.ALaw):len(r.ALaw)], bytes.Repeat([]byte{quiet}, len(speech)-len(r.ALaw))...)
	}
	heard := r.pieces(speech)
	all, good, begin := 0, 0, 0
	for _, clip := range what {
		own, found := 0, 0
		for at := (begin + piece - 1) / piece * piece; at+piece <= begin+len(clip.ALaw); at += piece {
			if power(speech[at:at+piece]) < audible*audible {
				continue
			}
			if own++; heard[at/piece] {
				found++
			}
		}
		if own >= 4 && 2*found < own {
			missing = append(missing, clip.Name)
		}
		all, good, begin = all+own, good+found, begin+len(clip.ALaw)
	}
	return float64(good) / float64(max(all, 1)), missing
}

const piece = rate / 5 // 200 ms, in samples

// pieces tells which pieces of a speech were heard. It begins where most of the
// speech fits best and follows it forwards and backwards: each piece is a little
// before or after the place where its neighbour makes it expected.
func (r Recording) pieces(speech []byte) []bool {
	const (
		astray = 2 * rate / 5 // a busy machine stops for that long
		alike  = 0.6          // correlation; other words reach some 0.4 in so short a piece
	)
	heard := make([]bool, len(speech)/piece)
	near := func(n, shift, astray int) (int, float64) {
		from := max(n*piece+shift-astray, 0)
		part := r.ALaw[min(from, len(r.ALaw)):min(max((n+1)*piece+shift+astray, 0), len(r.ALaw))]
		at, score := listen(part).best(speech[n*piece : (n+1)*piece])
		return from + at - n*piece, score
	}
	begin, _ := listen(r.ALaw).best(speech)
	anchor, most := 0, 0.0
	for n := range heard {
		if _, score := near(n, begin, 0); score > most {
			anchor, most = n, score
		}
	}
	for _, step := range []int{1, -1} {
		for n, shift := anchor, begin; n >= 0 && n < len(heard); n += step {
			if there, score := near(n, shift, astray); score >= alike {
				heard[n], shift = true, there
			}
		}
	}
	return heard
}

// Keys are the keys whose tones sound in a recording (ITU-T Q.23): a browser
// plays an RFC 4733 event as its tones. Shorter than 40 ms is no key.
func (r Recording) Keys() string {
	const window = rate / 50 // 20 ms
	var keys []byte
	last, run := byte(0), time.Duration(0)
	for at := 0; at+window <= len(r.ALaw); at += window {
		key := keyIn(r.ALaw[at : at+window])
		if key != last {
			last, run = key, 0
		}
		if run += 20 * time.Millisecond; key != 0 && run == 40*time.Millisecond {
			keys = append(keys, key)
		}
	}
	return string(keys)
}

var (
	rows    = []float64{697, 770, 852, 941}
	columns = []float64{1209, 1336, 1477, 1633}
)

// layout is the keys, row by row.
const layout = "123A456B789C*0#D"

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
	return layout[4*row+column]
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
