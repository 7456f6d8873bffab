package phrase

import (
	"slices"
	"strconv"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// saying is one rule of the grammar: a sentence about it, what is said, what
// should be said.
type saying struct {
	rule string
	got  []string
	want string
}

func said(t *testing.T, table []saying) {
	t.Helper()
	for _, s := range table {
		t.Run(s.rule, func(t *testing.T) {
			if got := strings.Join(s.got, " "); got != s.want {
				t.Errorf("said %q, want %q", got, s.want)
			}
		})
	}
}

func TestEnglish(t *testing.T) {
	e := English{}
	said(t, []saying{
		{"one minute is singular", e.Minutes(1), "one minute."},
		{"two minutes are plural", e.Minutes(2), "two minutes."},
		{"twenty-one minutes are plural", e.Minutes(21), "twenty one minutes."},
		{"no minutes are plural", e.Minutes(0), "zero minutes."},
		{"a hundred and five", e.Minutes(105), "one hundred five minutes."},
		{"a negative time is not said", e.Minutes(-1), ""},
		{"one rouble is singular", e.Roubles(1), "one rouble."},
		{"two roubles are plural", e.Roubles(2), "two roubles."},
		{"thousands", e.Roubles(21500), "twenty one thousand five hundred roubles."},
		{"a round thousand", e.Roubles(1000), "one thousand roubles."},
		{"a sum beyond sense is not said", e.Roubles(MaxMoney + 1), ""},
		{"one kopeck is singular", e.Kopecks(1), "one kopeck."},
		{"fifty kopecks are plural", e.Kopecks(50), "fifty kopecks."},
		{"a plate letter by letter, digit by digit", e.Plate("М045СТ55", false), "M. , zero four five. , C T."},
		{"Cyrillic letters by their look", e.Plate("В123НУ", false), "B. , one two three. , H Y."},
		{"a yellow plate with its region", e.Plate("РХ123 777", true), "P X. , one two three. , seven seven seven."},
		{"a Russian colour in English", e.Color("тёмно-синяя"), "dark blue."},
		{"a colour of two words", e.Color("голубой"), "light blue."},
		{"an English colour", e.Color("Grey"), "gray."},
		{"a Russian car in English", e.Car("Лада", "Калина"), "Lada Kalina."},
		{"a model's figure digit by digit", e.Car("ВАЗ", "2114"), "VAZ two one one four."},
		{"an unknown car is not said", e.Car("Зил", ""), ""},
	})
}

func TestLanguagesByCode(t *testing.T) {
	for code, want := range map[string]Language{"ru": Russian{}, "en": English{}} {
		if got, err := Of(code); err != nil || got != want {
			t.Errorf("Of(%q) = %v, %v", code, got, err)
		}
	}
	if _, err := Of("de"); err == nil || !strings.Contains(err.Error(), `"de"`) {
		t.Errorf("an unknown language gives %v", err)
	}
}

// An alias that stands for two cars would be said wrong for one of them.
func TestEveryAliasMeansOneName(t *testing.T) {
	for kind, names := range map[string][]name{"mark": marks, "model": models, "colour": colors} {
		seen := map[string]string{}
		for _, n := range names {
			for _, alias := range append(strings.Fields(n.aliases), n.ru, n.en) {
				key := strings.Join(tokens(alias), "")
				if other, ok := seen[key]; ok && other != n.ru {
					t.Errorf("%s %q means %s and %s", kind, alias, other, n.ru)
				}
				seen[key] = n.ru
				if key == "" || len(tokens(alias)) > longestAlias {
					t.Errorf("%s %q can never be found", kind, alias)
				}
			}
		}
	}
}

// Words is what gets recorded: it must be what can be said, no more, no less.
func TestWordsAreExactlyWhatCanBeSaid(t *testing.T) {
	for _, lang := range []Language{Russian{}, English{}} {
		var s set
		for n := range 1000 {
			s.add(lang.Minutes(n)...)
			s.add(lang.Roubles(n)...)
			s.add(lang.Roubles(n*1000 + 1)...)
			s.add(lang.Kopecks(n)...)
			s.add(lang.Car("ВАЗ", strconv.Itoa(n))...)
			s.add(lang.Plate("М"+strconv.Itoa(n + 1000)[1:]+"ММ", true)...)
		}
		s.add(lang.Car("ВАЗ", "007")...)
		s.add(lang.Car("ВАЗ", "0")...)
		for _, a := range "АВЕКМНОРСТУХ" {
			s.add(lang.Plate(string(a)+string(a)+"12345", true)...)
		}
		for _, c := range colorNames() {
			s.add(lang.Color(c.ru)...)
		}
		for _, n := range models {
			s.add(lang.Car("", n.ru)...)
		}
		for _, n := range marks {
			s.add(lang.Car(n.ru, "")...)
			s.add(lang.Car(n.ru, "Рио")...)
		}
		got, want := slices.Sorted(slices.Values(lang.Words())), slices.Sorted(slices.Values(s.words))
		if !slices.Equal(got, want) {
			for _, w := range got {
				if !slices.Contains(want, w) {
					t.Errorf("%T: %q is in Words but never said", lang, w)
				}
			}
			for _, w := range want {
				if !slices.Contains(got, w) {
					t.Errorf("%T: %q is said but not in Words", lang, w)
				}
			}
		}
	}
}

// Whatever a dispatch system sends, only recorded words come out, a pause
// never stands at an edge, and the last word ends the group.
func TestAnyInputIsSaidInRecordedWords(t *testing.T) {
	known := map[string]bool{Pause: true}
	for _, lang := range []Language{Russian{}, English{}} {
		for _, w := range lang.Words() {
			known[w] = true
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.OneOf(rapid.String(), rapid.StringMatching(`[АВСМABCXавсх0-9 -]{0,12}`),
			rapid.StringMatching(`(Лада|ваз|BMW|светло|белый)[ -](2114|Гранта|5|синяя)?.{0,5}`)).Draw(t, "text")
		n := rapid.Int().Draw(t, "n")
		for _, lang := range []Language{Russian{}, English{}} {
			for _, words := range [][]string{lang.Plate(text, true), lang.Color(text), lang.Car(text, ""),
				lang.Car("", text), lang.Minutes(n), lang.Roubles(n), lang.Kopecks(n)} {
				for _, w := range words {
					if !known[w] {
						t.Fatalf("%q is said of %q and not recorded", w, text)
					}
				}
				if len(words) > 0 && (words[0] == Pause || !strings.HasSuffix(words[len(words)-1], ".")) {
					t.Fatalf("%q is said as %q", text, words)
				}
			}
		}
	})
}
