package phrase

import "strings"

// colors are what cars are painted in. A Russian colour is an adjective and is
// found in all genders, however the dispatch system agrees it: белая is белый.
var colors = []name{
	{"бежевый", "beige", "беж"},
	{"белый", "white", "бел"},
	{"бордовый", "burgundy", "бордо maroon"},
	{"вишнёвый", "cherry", "вишня"},
	{"голубой", "light blue", "sky-blue"},
	{"жёлтый", "yellow", "желт"},
	{"зелёный", "green", "зел"},
	{"золотистый", "gold", "золотой золото golden"},
	{"коричневый", "brown", "корич"},
	{"красный", "red", "красн"},
	{"оранжевый", "orange", "оранж"},
	{"салатовый", "lime", "салатный lime-green"},
	{"серебристый", "silver", "серебряный серебро серебр"},
	{"серый", "gray", "сер grey"},
	{"синий", "blue", "син"},
	{"фиолетовый", "purple", "фиолет violet"},
	{"чёрный", "black", "черн"},
}

var shades = []name{{"светло", "light", ""}, {"тёмно", "dark", ""}}

// colorNames is every colour, also light and dark. The plain ones come last:
// "light blue" is голубой rather than светло-синий.
func colorNames() []name {
	var all []name
	for _, shade := range shades {
		for _, c := range colors {
			n := name{shade.ru + " " + c.ru, shade.en + " " + c.en, ""}
			for _, alias := range genders(c) {
				n.aliases += " " + shade.ru + "-" + alias
			}
			all = append(all, n)
		}
	}
	for _, c := range colors {
		c.aliases = strings.Join(genders(c), " ")
		all = append(all, c)
	}
	return all
}

// genders are a colour's Russian names, the adjectives in all genders.
func genders(c name) []string {
	var all []string
	for _, alias := range append(strings.Fields(c.aliases), c.ru) {
		all = append(all, alias)
		stem := []rune(alias)
		if len(stem) < 4 || !strings.Contains("ый ий ой", string(stem[len(stem)-2:])) {
			continue
		}
		for _, ending := range []string{"ый", "ая", "яя", "ое", "ее"} {
			all = append(all, string(stem[:len(stem)-2])+ending)
		}
	}
	return all
}
