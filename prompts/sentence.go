package prompts

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"cabline/media"
)

// The rules of a text:
//
//	К вам выехал автомобиль[: {car}][, цвет {color}]. Ожидайте.
//
// {fact} is said by the grammar. What stands in [ ] is left out when one of its
// facts cannot be said; a fact therefore stands in [ ] always, and brackets do
// not nest. Text between facts, brackets and ends of sentences is one
// recording. A comma, colon or dash at its edge is a short pause, the end of a
// sentence a longer one; inside it they are the recording's own.

// sentence is a text taken apart.
type sentence []group

// group is what stands in brackets, or outside of them.
type group struct {
	optional bool
	pieces   []piece
}

// piece is one of a recording, a fact, and a pause.
type piece struct {
	text  string
	fact  string
	pause time.Duration
}

// The facts a text may name.
const (
	factCar         = "car"          // mark and model
	factColor       = "color"        // masculine
	factPlate       = "plate"        // without the region
	factPlateRegion = "plate_region" // with the region
	factMinutes     = "minutes"      // "пять минут"
	factPrice       = "price"        // "двести рублей"
)

var facts = []string{factCar, factColor, factPlate, factPlateRegion, factMinutes, factPrice}

// maxSentence bounds a text, in bytes.
const maxSentence = 2000

// parseSentence takes a text apart.
func parseSentence(text string) (sentence, error) {
	if len(text) > maxSentence {
		return nil, fmt.Errorf("a text of %d bytes is longer than %d", len(text), maxSentence)
	}
	var s sentence
	for text != "" {
		if inside, ok := strings.CutPrefix(text, "["); ok {
			part, rest, closed := strings.Cut(inside, "]")
			if !closed {
				return nil, fmt.Errorf("[%s has no ]", part)
			}
			g, err := parseGroup(part, true)
			if err != nil {
				return nil, err
			}
			s, text = append(s, g), rest
			continue
		}
		at := strings.IndexByte(text, '[')
		if at < 0 {
			at = len(text)
		}
		g, err := parseGroup(text[:at], false)
		if err != nil {
			return nil, err
		}
		s, text = append(s, g), text[at:]
	}
	return s, nil
}

var factPattern = regexp.MustCompile(`\{([^{}]*)\}`)

func parseGroup(text string, optional bool) (group, error) {
	g := group{optional: optional}
	named := 0
	for text != "" {
		at := factPattern.FindStringSubmatchIndex(text)
		plain := text
		if at != nil {
			plain = text[:at[0]]
		}
		if strings.ContainsAny(plain, "[]{}") {
			return g, fmt.Errorf("a bracket in %q has no partner, or brackets nest", text)
		}
		g.pieces = append(g.pieces, parsePlain(plain)...)
		if at == nil {
			break
		}
		fact := strings.TrimSpace(text[at[2]:at[3]])
		if !slices.Contains(facts, fact) {
			return g, fmt.Errorf("there is no fact {%s}; there are {%s}", fact, strings.Join(facts, "}, {"))
		}
		if !optional {
			return g, fmt.Errorf("{%s} may be unknown: put it in [ ] with the words that go with it", fact)
		}
		g.pieces = append(g.pieces, piece{fact: fact})
		named, text = named+1, text[at[1]:]
	}
	if optional && named == 0 {
		return g, fmt.Errorf("[%s] names no fact", text)
	}
	return g, nil
}

const (
	sentenceEnds = ".!?…"
	breaks       = ",:;—–-"
)

// parsePlain takes plain text apart into recordings, one a sentence, and the
// pauses around them.
func parsePlain(text string) []piece {
	var pieces []piece
	for text != "" {
		core := strings.TrimLeft(text, " \t\n\u00a0"+breaks+sentenceEnds)
		if p := pauseOf(text[:len(text)-len(core)]); p > 0 {
			pieces = append(pieces, piece{pause: p})
		}
		stop := strings.IndexAny(core, sentenceEnds)
		if stop < 0 {
			stop = len(core)
		}
		said := strings.TrimRight(core[:stop], " \t\n\u00a0"+breaks)
		if said != "" {
			pieces = append(pieces, piece{text: strings.Join(strings.Fields(said), " ")})
		}
		text = core[len(said):]
		if said == "" {
			break
		}
	}
	return pieces
}

// pauseOf is the pause which the punctuation between two recordings makes.
func pauseOf(between string) time.Duration {
	switch {
	case strings.ContainsAny(between, sentenceEnds):
		return sentencePause
	case strings.ContainsAny(between, breaks):
		return wordPause
	}
	return 0
}

// sayable tells whether all the group needs is known.
func (g group) sayable(facts map[string]media.Speech) bool {
	return !slices.ContainsFunc(g.pieces, func(p piece) bool { return p.fact != "" && len(facts[p.fact]) == 0 })
}

// texts are the texts of the sentence's recordings.
func (s sentence) texts() []string {
	var all []string
	for _, g := range s {
		for _, p := range g.pieces {
			if p.text != "" {
				all = append(all, p.text)
			}
		}
	}
	return all
}
