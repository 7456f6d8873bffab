package main

import (
	"math"
	"path/filepath"
)

// The hold music, composed for Cabline: eight bars of broken chords under a
// slow melody, played by bells made of a few sine waves. Its end flows into
// its beginning: what rings beyond the last bar rings into the first.
const (
	beat     = 0.68 // seconds
	bars     = 8
	barBeats = 4
	musicAt  = 32000 // samples a second, before the telephone's band
)

// chords are MIDI note numbers, one chord a bar: C, Am7, F, G; Em, Am, Dm7, G.
var chords = [bars][4]int{
	{48, 55, 60, 64}, {45, 52, 60, 67}, {41, 53, 57, 60}, {43, 50, 59, 62},
	{40, 52, 55, 59}, {45, 52, 57, 60}, {38, 50, 57, 60}, {43, 50, 55, 59},
}

// pattern is the order in which a chord's notes are broken, in eighths.
var pattern = [8]int{0, 1, 2, 3, 2, 3, 2, 1}

// melody is a note, or 0 for a rest, for every beat.
var melody = [bars * barBeats]int{
	76, 0, 79, 76, 72, 0, 0, 74, 77, 0, 76, 72, 74, 0, 0, 0,
	79, 0, 76, 74, 72, 0, 0, 69, 74, 0, 72, 69, 71, 0, 74, 0,
}

// loopLUFS is quieter than speech: people wait with the phone at their ear.
const loopLUFS = -25

func renderMusic(into string) error {
	const length = int(bars * barBeats * beat * musicAt)
	loop := make([]float64, length)
	for bar, chord := range chords {
		start := float64(bar*barBeats) * beat
		for i, note := range pattern {
			strike(loop, start+float64(i)*beat/2, chord[note]+12, 0.10, 0.9)
		}
		strike(loop, start, chord[0], 0.16, 2.2)
	}
	for i, note := range melody {
		if note > 0 {
			strike(loop, float64(i)*beat, note, 0.16, 1.4)
		}
	}
	// Three rounds, of which the middle one is kept: filters start up and end
	// outside of it.
	three := sound{musicAt, append(append(append([]float64(nil), loop...), loop...), loop...)}
	done, err := telephone(three, loopLUFS)
	if err != nil {
		return err
	}
	n := len(done.samples) / 3
	return writeALaw(filepath.Join(into, "music.wav"), sound{done.rate, done.samples[n : 2*n]})
}

// strike adds a bell to a loop: it begins at a time in seconds, and fades to a
// third within decay.
func strike(loop []float64, at float64, note int, level, decay float64) {
	hz := 440 * math.Pow(2, float64(note-69)/12)
	for i := range int(4 * decay * musicAt) {
		t := float64(i) / musicAt
		v := math.Sin(2*math.Pi*hz*t) +
			0.35*math.Exp(-2*t/decay)*math.Sin(4*math.Pi*hz*t) +
			0.12*math.Exp(-5*t/decay)*math.Sin(6*math.Pi*hz*t)
		attack := min(1, t/0.006)
		tail := min(1, (4*decay-t)/0.05) // no click where it is cut off
		loop[(int(at*musicAt)+i)%len(loop)] += level * attack * tail * math.Exp(-t/decay) * v
	}
}
