package phrase

import (
	"strings"
	"sync"
)

// name is a word with one sound in each language and the other ways to write
// it. Its own two spellings are always among them.
type name struct {
	ru, en  string
	aliases string // separated by spaces; a dash stands for nothing or a space
}

// index finds names by the tokens of an alias joined together.
type index map[string]name

func newIndex(names []name) index {
	found := index{}
	for _, n := range names {
		for _, alias := range append(strings.Fields(n.aliases), n.ru, n.en) {
			found[strings.Join(tokens(alias), "")] = n
		}
	}
	return found
}

// longestAlias is how many tokens an alias may be spread over: "land cruiser".
const longestAlias = 3

// at finds the longest name which begins at the first token, and how many
// tokens it takes; none: 0.
func (x index) at(words []string) (name, int) {
	for n := min(longestAlias, len(words)); n > 0; n-- {
		if found, ok := x[strings.Join(words[:n], "")]; ok {
			return found, n
		}
	}
	return name{}, 0
}

// find is the first name among the tokens and where it ends; none: 0.
func (x index) find(words []string) (name, int) {
	for i := range words {
		if found, n := x.at(words[i:]); n > 0 {
			return found, i + n
		}
	}
	return name{}, 0
}

// Built once, when first needed, and never changed.
var (
	markIndex  = sync.OnceValue(func() index { return newIndex(marks) })
	modelIndex = sync.OnceValue(func() index { return newIndex(models) })
	colorIndex = sync.OnceValue(func() index { return newIndex(colorNames()) })
)

// sayCar says the first mark and the first model that are known; a model that
// is a figure (ВАЗ 2114, Peugeot 308) is said by digits.
func sayCar(mark, model string, spell func(name) string, digits func(string) []string) []string {
	words := append(tokens(mark), tokens(model)...)
	brand, after := markIndex().find(words)
	kind, found := modelIndex().find(words)
	switch {
	case after > 0 && found > 0:
		return []string{spell(brand), ended(spell(kind))}
	case found > 0:
		return []string{ended(spell(kind))}
	case after == 0:
		return nil
	}
	for _, w := range words[after:] {
		if isFigure(w) {
			return append([]string{spell(brand)}, digits(w)...)
		}
	}
	return []string{ended(spell(brand))}
}

// isFigure tells a model's number from the year the car was made in.
func isFigure(word string) bool {
	if strings.ContainsFunc(word, func(r rune) bool { return !isDigit(r) }) || len(word) > 5 {
		return false
	}
	return len(word) != 4 || word < "1970" || word > "2049"
}

// sayColor says a colour: тёмно-синий is «тёмно» and «синий».
func sayColor(text string, spell func(name) string) []string {
	color, found := colorIndex().find(tokens(text))
	if found == 0 {
		return nil
	}
	return end(strings.Fields(spell(color))...)
}

// addNames adds all names and letters of a language.
func addNames(s *set, letters map[rune]string, spell func(name) string) {
	for _, r := range "АВЕКМНОРСТУХ" {
		s.both(letters[r])
	}
	for _, n := range marks {
		s.both(spell(n))
	}
	for _, n := range models {
		s.add(ended(spell(n)))
	}
	for _, n := range colorNames() {
		s.add(end(strings.Fields(spell(n))...)...)
	}
}
