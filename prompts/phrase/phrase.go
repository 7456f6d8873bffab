// Package phrase is the grammar of what the voice says about an order: numbers
// with their nouns, number plates, colours, marks and models of cars, in
// Russian and in English. It turns facts into the words to be said, in order.
//
// A word is written as it is said ("двадцать"). A word which ends with a full
// stop ("двадцать.") is the same word with the falling intonation of the end of
// a group; [Pause] is a short silence between groups. The package knows neither
// sounds nor sentences, and it does not log.
package phrase

import (
	"fmt"
	"strings"
)

// Pause is the word for a short silence between two groups of words.
const Pause = ","

// Most that is said: beyond it a figure is a mistake of the dispatch system.
const (
	MaxMinutes = 999
	MaxMoney   = 999_999
)

// maxText bounds the texts which come from the dispatch system, in bytes.
const maxText = 200

// Language says facts in one language. Every method returns nil for what
// cannot be said: the sentence then leaves the fact out together with its
// label.
type Language interface {
	// Minutes says how long, 0 to MaxMinutes: "двадцать одну минуту", in the
	// case that goes with «через» and with "in".
	Minutes(n int) []string
	// Roubles and Kopecks say a sum, 0 to MaxMoney.
	Roubles(n int) []string
	Kopecks(n int) []string
	// Plate says a Russian number plate, the region only if asked.
	Plate(text string, region bool) []string
	// Color says a colour, masculine.
	Color(text string) []string
	// Car says mark and model. What is not known of the two is left out.
	Car(mark, model string) []string
	// Words is every word the language can say, each once, without Pause.
	Words() []string
}

// Of returns the language with an ISO 639-1 code: "ru" or "en".
func Of(code string) (Language, error) {
	switch code {
	case "ru":
		return Russian{}, nil
	case "en":
		return English{}, nil
	}
	return nil, fmt.Errorf("language %.10q is not spoken; there are ru and en", code)
}

// end gives the last word the intonation of an end.
func end(words ...string) []string {
	last := len(words) - 1
	words[last] = ended(words[last])
	return words
}

func ended(word string) string { return word + "." }

// groups puts a pause between groups of words.
func groups(all ...[]string) []string {
	var words []string
	for _, g := range all {
		if len(g) == 0 {
			continue
		}
		if words != nil {
			words = append(words, Pause)
		}
		words = append(words, g...)
	}
	return words
}

// set collects the words of a language, each once.
type set struct {
	words []string
	seen  map[string]bool
}

func (s *set) add(words ...string) {
	for _, w := range words {
		if w != Pause && !s.seen[w] {
			if s.seen == nil {
				s.seen = map[string]bool{}
			}
			s.seen[w] = true
			s.words = append(s.words, w)
		}
	}
}

// both adds words in both intonations.
func (s *set) both(words ...string) {
	for _, w := range words {
		s.add(w, ended(w))
	}
}

// tokens are the words and numbers of a text in the form in which aliases are
// compared: lower case, ё as е; all else than letters and digits separates.
func tokens(text string) []string {
	if len(text) > maxText {
		return nil
	}
	return strings.FieldsFunc(diacritics.Replace(strings.ToLower(text)), func(r rune) bool {
		return !isDigit(r) && !(r >= 'a' && r <= 'z') && !(r >= 'а' && r <= 'я')
	})
}

// diacritics are left out by some who write and not by others; macOS writes й
// and ё as two characters.
var diacritics = strings.NewReplacer("ё", "е", "е\u0308", "е", "и\u0306", "й", "ë", "e", "š", "s")

func isDigit(r rune) bool { return r >= '0' && r <= '9' }
