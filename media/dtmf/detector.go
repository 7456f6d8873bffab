package dtmf

import "math"

// Detector finds keys in the sound of a party (ITU-T Q.24). It looks at blocks
// of 102 samples, 12.75 ms, with Goertzel's filters: short enough that two
// whole ones lie in 40 ms of tones wherever these begin, and in 50 ms of pause;
// long enough to tell the frequencies apart. The zero value is ready. It has
// one user at a time.
//
// The second harmonic of a low tone lies among the high ones and tells nothing;
// a voice's goes into minShare.
type Detector struct {
	block [blockSize]float64
	n     int

	before byte // what the block before shows
	key    byte // pressed; 0: none
	misses int  // blocks without it
}

const (
	rate      = 8000
	blockSize = 102
	// A press begins with two blocks that show its key and ends with three that
	// do not: a break of 10 ms, which is no end, spoils two, and a lost packet one.
	endBlocks = 3
)

// What a block must be to show a key. Levels are mean squares of samples, the
// others are relative. Tones at the edge of what Q.24 demands, 1.5 % off and in
// noise 15 dB below them, read worse than they are: the figures in brackets are
// the worst that was measured.
const (
	minLevel        = 809 * 809 / 2 // each tone: -29 dBm0
	maxTwist        = 14            // 11.5 dB: the low tone is louder by 8 (10.8)
	maxReverseTwist = 4.5           // 6.5 dB: the high tone is louder by 4 (5.6)
	minShare        = 0.8           // of both tones in the block's power (0.85)
	minOverHarmonic = 10            // of the high tone over its second harmonic (16)
)

// Hear takes samples, 8000 a second, up to the one at which a press is certain,
// and returns its key with the samples after it; 0 and nothing when there is
// none.
func (d *Detector) Hear(samples []int16) (key byte, rest []int16) {
	for i, s := range samples {
		d.block[d.n] = float64(s)
		if d.n++; d.n == blockSize {
			d.n = 0
			if key := d.look(); key != 0 {
				return key, samples[i+1:]
			}
		}
	}
	return 0, nil
}

// Pause tells that nothing was heard for a while: what is pressed after it is
// another press.
func (d *Detector) Pause() { d.n, d.key, d.before = 0, 0, 0 }

// Down says whether a key is down, or may be: its press is not yet certain, or
// its end is not. In speech that is once in some minutes, for a moment.
func (d *Detector) Down() bool { return d.key != 0 || d.before != 0 }

// look takes a whole block.
func (d *Detector) look() (begun byte) {
	now, before := read(&d.block), d.before
	d.before = now
	switch {
	case now != 0 && now == d.key:
		d.misses = 0
	case now != 0 && now == before:
		d.key, d.misses = now, 0
		return now
	default:
		if d.misses++; d.misses == endBlocks {
			d.key = 0
		}
	}
	return 0
}

// read is the key which a block shows; 0: none.
func read(block *[blockSize]float64) byte {
	var all float64
	for _, s := range block {
		all += s * s
	}
	if all /= blockSize; all < 2*minLevel {
		return 0 // most blocks of most calls
	}
	row, column := rows.strongest(block), columns.strongest(block)
	l, h := row.level(block), column.level(block)
	if l < minLevel || h < minLevel ||
		l > h*maxTwist || h > l*maxReverseTwist ||
		l+h < all*minShare ||
		h < column.harmonic.level(block)*minOverHarmonic {
		return 0
	}
	return pad[4*row.at+column.at]
}

// filter is Goertzel's filter for one frequency.
type filter float64

func newFilter(hz float64) filter { return filter(2 * math.Cos(2*math.Pi*hz/rate)) }

// level is the mean square of the frequency in a block.
func (f filter) level(block *[blockSize]float64) float64 {
	var a, b float64
	for _, s := range block {
		a, b = s-b+float64(f)*a, a
	}
	return f.end(a, b)
}

// end is the level when a filter has come to this.
func (f filter) end(a, b float64) float64 {
	return 2 * (a*a + b*b - float64(f)*a*b) / (blockSize * blockSize)
}

// tone is one frequency of the keys.
type tone struct {
	at       int // row or column
	exact    filter
	near     [2]filter // below and above
	harmonic filter    // the second
}

// level is the tone's in a block, though it be off by 1.5 %.
func (t *tone) level(block *[blockSize]float64) float64 {
	return max(t.exact.level(block), t.near[0].level(block), t.near[1].level(block))
}

// group is the tones of which a key has one.
type group [4]tone

var rows, columns = newGroup(low), newGroup(high)

func newGroup(hz [4]float64) (g group) {
	const off = 0.009 // the neighbours meet the exact one where both are 0.3 dB down
	for i, f := range hz {
		g[i] = tone{i, newFilter(f), [2]filter{newFilter(f * (1 - off)), newFilter(f * (1 + off))}, newFilter(2 * f)}
	}
	return g
}

// strongest is the strongest tone of a group.
func (g *group) strongest(block *[blockSize]float64) *tone {
	levels := g.levels(block)
	best := 0
	for i, l := range levels {
		if l > levels[best] {
			best = i
		}
	}
	return &g[best]
}

// levels runs the four filters side by side: each waits for its own last step,
// so that one alone leaves the processor idle.
func (g *group) levels(block *[blockSize]float64) [4]float64 {
	f0, f1, f2, f3 := float64(g[0].exact), float64(g[1].exact), float64(g[2].exact), float64(g[3].exact)
	var a0, a1, a2, a3, b0, b1, b2, b3 float64
	for _, s := range block {
		a0, b0 = s-b0+f0*a0, a0
		a1, b1 = s-b1+f1*a1, a1
		a2, b2 = s-b2+f2*a2, a2
		a3, b3 = s-b3+f3*a3, a3
	}
	return [4]float64{g[0].exact.end(a0, b0), g[1].exact.end(a1, b1), g[2].exact.end(a2, b2), g[3].exact.end(a3, b3)}
}
