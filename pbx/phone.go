package pbx

import (
	"errors"
	"fmt"
	"strings"

	"github.com/nyaruka/phonenumbers"
)

// Phone is a telephone number: E.164 with the plus sign ("+79161234567"), or
// a firm's short number of 3 to 6 digits as it stands. The zero value is a
// number that was withheld. It prints masked; Dialable gives it whole.
type Phone string

// ErrNotAPhone is returned for text that cannot be dialled.
var ErrNotAPhone = errors.New("not a telephone number")

// ParsePhone reads a number as people and carriers of a country ("RU") write
// it: +7 916 123-45-67, 89161234567, 79161234567, 9161234567, 1234.
func ParsePhone(text, country string) (Phone, error) {
	if len(text) > 64 {
		return "", fmt.Errorf("%.20q…: %w", text, ErrNotAPhone)
	}
	digits := digitsOf(text)
	// Letters would be silently turned into digits by the library (vanity numbers).
	if strings.ContainsFunc(text, func(r rune) bool { return !strings.ContainsRune("+0123456789 -().\u00a0", r) }) {
		return "", fmt.Errorf("%q: %w", text, ErrNotAPhone)
	}
	if n := len(digits); n >= 3 && n <= 6 && !strings.HasPrefix(strings.TrimSpace(text), "+") {
		return Phone(digits), nil
	}
	for _, try := range []string{text, "+" + digits} { // carriers send 7916… without the plus
		number, err := phonenumbers.Parse(try, country)
		if err == nil && phonenumbers.IsPossibleNumber(number) {
			return Phone(phonenumbers.Format(number, phonenumbers.E164)), nil
		}
	}
	return "", fmt.Errorf("%q: %w", text, ErrNotAPhone)
}

func digitsOf(text string) string {
	return strings.Map(func(r rune) rune {
		if r >= '0' && r <= '9' {
			return r
		}
		return -1
	}, text)
}

// String masks the middle: "+7***4567", so that a number never gets into a log
// by accident.
func (p Phone) String() string {
	s := string(p)
	switch {
	case s == "":
		return "withheld"
	case len(s) <= 6:
		return s[:1] + "***"
	}
	return s[:2] + "***" + s[len(s)-4:]
}

// Dialable is the whole number.
func (p Phone) Dialable() string { return string(p) }

// Format is how others want numbers to be written.
type Format string

// The formats, for the same number of Moscow.
const (
	E164     Format = "e164"     // +74951234567
	Plain    Format = "plain"    // 74951234567
	National Format = "national" // 84951234567, as dialled in the country
)

// Formats is all of them.
var Formats = []Format{E164, Plain, National}

// Write is the whole number in a format, E164 where it is empty. Short numbers
// stay as they are. Nothing but digits, +, * and # is ever in it: it can end no
// header, no address and no quotes.
func (p Phone) Write(as Format, country string) string {
	text := dialled(string(p))
	international := strings.HasPrefix(text, "+")
	switch {
	case as == Plain:
		return strings.TrimPrefix(text, "+")
	case as != National || !international:
		return text
	}
	parsed, err := phonenumbers.Parse(text, country)
	if err != nil {
		return text
	}
	return strings.TrimPrefix(dialled(phonenumbers.FormatOutOfCountryCallingNumber(parsed, country)), "+")
}

// dialled is what of a text has a key on a telephone, and the plus sign.
func dialled(text string) string {
	return strings.Map(func(r rune) rune {
		if r >= '0' && r <= '9' || r == '+' || r == '*' || r == '#' {
			return r
		}
		return -1
	}, text)
}
