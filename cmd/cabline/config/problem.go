package config

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/goccy/go-yaml/token"
)

// Problem is one thing wrong with the file, in words that carry the mend.
type Problem struct {
	File      string
	Line, Col int // from 1; columns count characters
	Text      string
}

func (p Problem) String() string { return fmt.Sprintf("%s:%d:%d: %s", p.File, p.Line, p.Col, p.Text) }

// Problems is an error of several lines, one for each problem, in the order of
// the file.
type Problems []Problem

func (ps Problems) Error() string {
	lines := make([]string, len(ps))
	for i, p := range ps {
		lines[i] = p.String()
	}
	return strings.Join(lines, "\n")
}

func (ps Problems) sorted() Problems {
	slices.SortStableFunc(ps, func(a, b Problem) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Col, b.Col))
	})
	return slices.Compact(ps)
}

// add notes a problem at a place. A nil place is the file's beginning. Control
// characters of the file do not get into the text: it goes to a terminal.
func (ps *Problems) add(file string, at *token.Position, format string, args ...any) {
	p := Problem{File: file, Line: 1, Col: 1, Text: oneLine(fmt.Sprintf(format, args...))}
	if at != nil {
		p.Line, p.Col = max(at.Line, 1), max(at.Column, 1)
	}
	*ps = append(*ps, p)
}

func oneLine(text string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, text)
}

// suggest is the end of a message about an unknown name: the known name it was
// meant to be, or all of them when it is like none.
func suggest(name string, known []string) string {
	known = slices.DeleteFunc(slices.Clone(known), func(k string) bool { return k == "" })
	if len(known) == 0 {
		return "there are none"
	}
	nearest := slices.MinFunc(known, func(a, b string) int {
		return cmp.Compare(distance(name, a), distance(name, b))
	})
	if distance(name, nearest) <= max(1, len([]rune(nearest))/3) {
		return fmt.Sprintf("did you mean %q?", nearest)
	}
	return "known: " + strings.Join(slices.Compact(known), ", ")
}

// distance is how many characters must be put in, taken out, replaced or
// swapped with a neighbour to make b of a, letter case aside (Damerau and
// Levenshtein).
func distance(a, b string) int {
	s, t := []rune(strings.ToLower(a)), []rune(strings.ToLower(b))
	if len(s) > 64 {
		return len(s) // nobody meant that
	}
	before, above, row := make([]int, len(t)+1), make([]int, len(t)+1), make([]int, len(t)+1)
	for j := range above {
		above[j] = j
	}
	for i := range s {
		row[0] = i + 1
		for j := range t {
			differs := 0
			if s[i] != t[j] {
				differs = 1
			}
			row[j+1] = min(above[j+1]+1, row[j]+1, above[j]+differs)
			if i > 0 && j > 0 && s[i] == t[j-1] && s[i-1] == t[j] {
				row[j+1] = min(row[j+1], before[j-1]+1)
			}
		}
		before, above, row = above, row, before
	}
	return above[len(t)]
}
