package prompts

import (
	"io/fs"
	"strings"

	"cabline/prompts/phrase"
)

// Recording is one clip to be recorded, by a person or by a synthesiser.
type Recording struct {
	Name string // its file is <language>/<Name>.wav
	Text string // what is said

	// What is said right before and after it, without a pause, and is not part
	// of it: the name of a fact, like "{minutes}", or a punctuation mark, or
	// nothing. For a word of the grammar: "." at the end of a group, else "".
	Before, After string
	Word          bool // a word of the grammar
}

// Recordings is everything a language needs, with the firm's texts if there
// are any: first the texts, then the words.
func Recordings(lang string, own fs.FS) ([]Recording, error) {
	grammar, err := phrase.Of(lang)
	if err != nil {
		return nil, err
	}
	t, err := loadTexts(lang, own)
	if err != nil {
		return nil, err
	}
	all := textRecordings(t)
	for _, word := range grammar.Words() {
		r := Recording{Name: clipName(word), Text: word, Word: true}
		r.Text, r.After = strings.TrimSuffix(word, "."), word[len(strings.TrimSuffix(word, ".")):]
		all = append(all, r)
	}
	return all, nil
}

// textRecordings are the recordings of the texts, each once, as it stands in
// the first sentence that has it.
func textRecordings(t texts) []Recording {
	var all []Recording
	seen := map[string]bool{}
	for _, s := range t.all() {
		var flat []piece
		for _, g := range s {
			flat = append(flat, g.pieces...)
		}
		for i, p := range flat {
			if p.text == "" || seen[clipName(p.text)] {
				continue
			}
			seen[clipName(p.text)] = true
			r := Recording{Name: clipName(p.text), Text: p.text, After: "."}
			if i > 0 && flat[i-1].fact != "" {
				r.Before = "{" + flat[i-1].fact + "}"
			}
			if i+1 < len(flat) {
				switch next := flat[i+1]; {
				case next.fact != "":
					r.After = "{" + next.fact + "}"
				case next.pause == wordPause:
					r.After = ","
				}
			}
			all = append(all, r)
		}
	}
	return all
}

// String is the recording as its speaker reads it, in brackets what is said
// around it: "цвет ({color})". A word that goes on has no full stop.
func (r Recording) String() string {
	text := r.Text
	if r.Before != "" {
		text = "(" + r.Before + ") " + text
	}
	if strings.HasPrefix(r.After, "{") {
		return text + " (" + r.After + ")"
	}
	return text + r.After
}
