package phrase

// English rules: the noun is plural for all numbers but one; a figure that is
// a name (a plate, a model) is said digit by digit.

// English is the English language.
type English struct{}

var (
	enUnits = [...]string{"zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven",
		"twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen"}
	enTens = [...]string{2: "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"}
)

const enHundred, enThousand = "hundred", "thousand"

// enLetters names the letters of Russian plates by the Latin letters they look
// like: that is what a foreigner looks for.
var enLetters = map[rune]string{'А': "A", 'В': "B", 'Е': "E", 'К': "K", 'М': "M", 'Н': "H", 'О': "O",
	'Р': "P", 'С': "C", 'Т': "T", 'У': "Y", 'Х': "X"}

// Minutes goes after "in".
func (English) Minutes(n int) []string {
	if n < 0 || n > MaxMinutes {
		return nil
	}
	return enCount(n, "minute", "minutes")
}

// Roubles implements Language.
func (English) Roubles(n int) []string { return enMoney(n, "rouble", "roubles") }

// Kopecks implements Language.
func (English) Kopecks(n int) []string { return enMoney(n, "kopeck", "kopecks") }

func enMoney(n int, one, many string) []string {
	if n < 0 || n > MaxMoney {
		return nil
	}
	return enCount(n, one, many)
}

func enCount(n int, one, many string) []string {
	noun := many
	if n == 1 {
		noun = one
	}
	return append(enNumber(n), ended(noun))
}

func enNumber(n int) []string {
	var words []string
	if n == 0 {
		return append(words, enUnits[0])
	}
	if n >= 1000 {
		words = append(enNumber(n/1000), enThousand)
		n %= 1000
	}
	if n >= 100 {
		words = append(words, enUnits[n/100], enHundred)
		n %= 100
	}
	if n >= 20 {
		words = append(words, enTens[n/10])
		n %= 10
	}
	if n > 0 {
		words = append(words, enUnits[n])
	}
	return words
}

// enDigits says digit by digit.
func enDigits(digits string) []string {
	var words []string
	for _, d := range digits {
		words = append(words, enUnits[d-'0'])
	}
	return end(words...)
}

// Plate says letters and digits one by one.
func (English) Plate(text string, region bool) []string {
	return sayPlate(text, region, enLetters, enDigits)
}

// Color implements Language.
func (English) Color(text string) []string {
	return sayColor(text, func(n name) string { return n.en })
}

// Car says a model that is a figure digit by digit.
func (English) Car(mark, model string) []string {
	return sayCar(mark, model, func(n name) string { return n.en }, enDigits)
}

// Words implements Language.
func (English) Words() []string {
	var s set
	s.add(enUnits[:]...)
	for _, digit := range enUnits[:10] {
		s.add(ended(digit))
	}
	s.add(enTens[2:]...)
	s.add(enHundred, enThousand)
	for _, noun := range []string{"minute", "minutes", "rouble", "roubles", "kopeck", "kopecks"} {
		s.add(ended(noun))
	}
	addNames(&s, enLetters, func(n name) string { return n.en })
	return s.words
}
