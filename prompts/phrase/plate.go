package phrase

import (
	"regexp"
	"strings"
	"unicode"
)

// plateForms are the plates of GOST R 50577 that a taxi may have, without
// spaces; the region of 2 or 3 digits may be missing. The last two forms are
// parts of a plate, as small firms write it. Groups are said one after another
// with a pause between.
var plateForms = compilePlates(
	`(L)(\d{3})(L{2})(\d{2,3})?`, // type 1, private: М 000 ММ 55
	`(L{2})(\d{3})(\d{2,3})?`,    // type 1Б, yellow, taxis: ММ 000 55
	`(\d{4})(L{2})(\d{2,3})?`,    // type 3 and 4, motorcycles: 0000 ММ 55
	`(L)(\d{3})()`,
	`(\d{3,4})()`,
)

// compilePlates writes the letters out. The last group of every form is the
// region, filled or not.
func compilePlates(forms ...string) []*regexp.Regexp {
	all := make([]*regexp.Regexp, len(forms))
	for i, f := range forms {
		all[i] = regexp.MustCompile(`^` + strings.ReplaceAll(f, "L", "[АВЕКМНОРСТУХ]") + `$`)
	}
	return all
}

// lookAlike maps the Latin letters which look like those of Russian plates.
var lookAlike = strings.NewReplacer("A", "А", "B", "В", "E", "Е", "K", "К", "M", "М", "H", "Н", "O", "О",
	"P", "Р", "C", "С", "T", "Т", "Y", "У", "X", "Х")

// foldPlate drops spaces and dashes, folds case and Latin letters.
func foldPlate(text string) string {
	text = strings.Map(func(r rune) rune {
		if unicode.IsSpace(r) || r == '-' || r == '|' {
			return -1
		}
		return unicode.ToUpper(r)
	}, text)
	text = strings.TrimSuffix(strings.TrimSuffix(text, "RUS"), "РУС")
	return lookAlike.Replace(text)
}

// sayPlate says a plate with the names of letters and the way of saying digits
// of a language.
func sayPlate(text string, region bool, letters map[rune]string, digits func(string) []string) []string {
	if len(text) > maxText {
		return nil
	}
	text = foldPlate(text)
	for _, form := range plateForms {
		parts := form.FindStringSubmatch(text)
		if parts == nil {
			continue
		}
		parts = parts[1:]
		if !region {
			parts = parts[:len(parts)-1]
		}
		var words [][]string
		for _, part := range parts {
			words = append(words, sayPlateGroup(part, letters, digits))
		}
		return groups(words...)
	}
	return nil
}

func sayPlateGroup(part string, letters map[rune]string, digits func(string) []string) []string {
	switch {
	case part == "":
		return nil
	case isDigit(rune(part[0])):
		return digits(part)
	}
	var words []string
	for _, r := range part {
		words = append(words, letters[r])
	}
	return end(words...)
}
