package phrase

import "strconv"

// Russian rules, from the grammar:
//
//   - 1, 21, 31 … take the singular, 2–4, 22–24 … the genitive singular, all
//     others, 11–14 too, the genitive plural;
//   - one and two agree with the noun: один рубль, одна тысяча, две минуты;
//   - «через» takes the accusative, which differs from the nominative only for
//     feminine nouns: через одну минуту, but к оплате одна тысяча рублей.

// Russian is the Russian language.
type Russian struct{}

var (
	ruUnits = [...]string{"ноль", "один", "два", "три", "четыре", "пять", "шесть", "семь", "восемь", "девять", "десять",
		"одиннадцать", "двенадцать", "тринадцать", "четырнадцать", "пятнадцать", "шестнадцать", "семнадцать",
		"восемнадцать", "девятнадцать"}
	ruTens     = [...]string{2: "двадцать", "тридцать", "сорок", "пятьдесят", "шестьдесят", "семьдесят", "восемьдесят", "девяносто"}
	ruHundreds = [...]string{1: "сто", "двести", "триста", "четыреста", "пятьсот", "шестьсот", "семьсот", "восемьсот", "девятьсот"}
)

// ruLetters are the names of the twelve letters of Russian plates (GOST R
// 50577), those which look alike in both alphabets.
var ruLetters = map[rune]string{'А': "а", 'В': "вэ", 'Е': "е", 'К': "ка", 'М': "эм", 'Н': "эн", 'О': "о",
	'Р': "эр", 'С': "эс", 'Т': "тэ", 'У': "у", 'Х': "ха"}

// ruNoun is a noun that is counted, with the forms of one and two before it.
type ruNoun struct {
	singular, few, many string
	one, two            string
}

var (
	ruMinute   = ruNoun{"минуту", "минуты", "минут", "одну", "две"} // accusative
	ruRouble   = ruNoun{"рубль", "рубля", "рублей", "один", "два"}
	ruKopeck   = ruNoun{"копейка", "копейки", "копеек", "одна", "две"}
	ruThousand = ruNoun{"тысяча", "тысячи", "тысяч", "одна", "две"}
)

// form is the form of the noun after n.
func (noun ruNoun) form(n int) string {
	switch last := n % 10; {
	case n/10%10 == 1:
		return noun.many
	case last == 1:
		return noun.singular
	case last >= 2 && last <= 4:
		return noun.few
	}
	return noun.many
}

// Minutes is in the accusative, as after «через».
func (Russian) Minutes(n int) []string {
	if n < 0 || n > MaxMinutes {
		return nil
	}
	return ruCount(n, ruMinute)
}

// Roubles is in the nominative.
func (Russian) Roubles(n int) []string { return ruMoney(n, ruRouble) }

// Kopecks is in the nominative.
func (Russian) Kopecks(n int) []string { return ruMoney(n, ruKopeck) }

func ruMoney(n int, noun ruNoun) []string {
	if n < 0 || n > MaxMoney {
		return nil
	}
	return ruCount(n, noun)
}

// ruCount says n things.
func ruCount(n int, noun ruNoun) []string {
	var words []string
	if thousands := n / 1000; thousands > 0 {
		words = append(ruNumber(thousands, ruThousand.one, ruThousand.two), ruThousand.form(thousands))
	}
	if n%1000 > 0 || n == 0 {
		words = append(words, ruNumber(n%1000, noun.one, noun.two)...)
	}
	return append(words, ended(noun.form(n)))
}

// ruNumber says 0 to 999 with these forms of one and two.
func ruNumber(n int, one, two string) []string {
	if n == 0 {
		return []string{ruUnits[0]}
	}
	var words []string
	if n >= 100 {
		words = append(words, ruHundreds[n/100])
		n %= 100
	}
	if n >= 20 {
		words = append(words, ruTens[n/10])
		n %= 10
	}
	switch n {
	case 0:
	case 1:
		words = append(words, one)
	case 2:
		words = append(words, two)
	default:
		words = append(words, ruUnits[n])
	}
	return words
}

// ruDigits says a figure that is a name, not a quantity: up to three digits as
// a number with its leading zeros, four in pairs, five as two and three.
func ruDigits(digits string) []string {
	if len(digits) > 3 {
		return groups(ruDigits(digits[:2]), ruDigits(digits[2:]))
	}
	var words []string
	for len(digits) > 1 && digits[0] == '0' {
		words, digits = append(words, ruUnits[0]), digits[1:]
	}
	n, err := strconv.Atoi(digits)
	if err != nil {
		return nil
	}
	return end(append(words, ruNumber(n, ruUnits[1], ruUnits[2])...)...)
}

// Plate says the digits as a number, with their leading zeros: 045 is «ноль
// сорок пять».
func (Russian) Plate(text string, region bool) []string {
	return sayPlate(text, region, ruLetters, ruDigits)
}

// Color is masculine, as after the word «цвет».
func (Russian) Color(text string) []string {
	return sayColor(text, func(n name) string { return n.ru })
}

// Car says a model that is a figure as plates are said: ВАЗ 2114 is «двадцать
// один, четырнадцать».
func (Russian) Car(mark, model string) []string {
	return sayCar(mark, model, func(n name) string { return n.ru }, ruDigits)
}

// Words implements Language.
func (Russian) Words() []string {
	var s set
	s.both(ruUnits[:]...)
	s.both(ruTens[2:]...)
	s.both(ruHundreds[1:]...)
	s.add("одна", "одну", "две", ruThousand.singular, ruThousand.few, ruThousand.many)
	for _, n := range []ruNoun{ruMinute, ruRouble, ruKopeck} {
		s.add(ended(n.singular), ended(n.few), ended(n.many))
	}
	addNames(&s, ruLetters, func(n name) string { return n.ru })
	return s.words
}
