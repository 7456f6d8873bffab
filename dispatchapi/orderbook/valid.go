package orderbook

import (
	"fmt"
	"iter"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"cabline/pbx"
)

// Invalid is returned for an order that cannot stand in the book: each field
// that is wrong, by its name in JSON, and what is wrong with it.
type Invalid []Fault

// Fault is what is wrong with a field.
type Fault struct{ Field, Problem string }

func (e Invalid) Error() string {
	var all []string
	for _, f := range e {
		all = append(all, f.Field+": "+f.Problem)
	}
	return strings.Join(all, "; ")
}

// Faults goes through the fields, for those who only know the error's shape.
func (e Invalid) Faults() iter.Seq2[string, string] {
	return func(yield func(string, string) bool) {
		for _, f := range e {
			if !yield(f.Field, f.Problem) {
				return
			}
		}
	}
}

// The most an order holds: what people write, what a voice can say.
const (
	maxName    = 100
	maxAddress = 300
	maxComment = 1000
	maxCarWord = 40
	maxPlate   = 16
	maxETA     = 24 * 60
	maxPrice   = 10_000_000
)

// tidy trims and normalises an order's fields, or says which are wrong.
func (b *Book) tidy(o *pbx.Order) error {
	var faults Invalid
	if !slices.Contains(pbx.Statuses, o.Status) {
		faults = append(faults, Fault{"status", fmt.Sprintf("%.40q is none of %s", o.Status, statusNames())})
	}
	if o.Phone == "" {
		faults = append(faults, Fault{"phone", "missing: an order belongs to a client's number"})
	}
	for _, p := range []struct {
		field  string
		number *pbx.Phone
	}{{"phone", &o.Phone}, {"line", &o.Line}, {"driver_phone", &o.Driver}} {
		if *p.number == "" {
			continue
		}
		number, err := pbx.ParsePhone(p.number.Dialable(), b.country)
		if err != nil {
			faults = append(faults, Fault{p.field, err.Error()})
			continue
		}
		*p.number = number
	}
	for _, t := range []struct {
		field string
		text  *string
		most  int
	}{
		{"client_name", &o.ClientName, maxName}, {"branch", &o.Branch, maxName}, {"tariff", &o.Tariff, maxName},
		{"pickup", &o.Pickup, maxAddress}, {"dropoff", &o.Dropoff, maxAddress}, {"comment", &o.Comment, maxComment},
		{"car.color", &o.Car.Color, maxCarWord}, {"car.mark", &o.Car.Mark, maxCarWord}, {"car.model", &o.Car.Model, maxCarWord},
		{"car.plate", &o.Car.Plate, maxPlate},
	} {
		*t.text = strings.TrimSpace(*t.text)
		if problem := textProblem(*t.text, t.most); problem != "" {
			faults = append(faults, Fault{t.field, problem})
		}
	}
	if strings.ContainsFunc(o.Car.Plate, notOfPlate) {
		faults = append(faults, Fault{"car.plate", "a number plate is letters, digits, spaces and hyphens"})
	}
	if o.ETA != nil && (*o.ETA < 0 || *o.ETA > maxETA) {
		faults = append(faults, Fault{"eta_minutes", fmt.Sprintf("%d is not from 0 to %d", *o.ETA, maxETA)})
	}
	if o.Price < 0 || o.Price > maxPrice {
		faults = append(faults, Fault{"price", fmt.Sprintf("%d is not from 0 to %d", o.Price, maxPrice)})
	}
	if faults != nil {
		return faults
	}
	return nil
}

func textProblem(text string, most int) string {
	switch n := utf8.RuneCountInString(text); {
	case n > most:
		return fmt.Sprintf("%d characters, more than %d", n, most)
	case !utf8.ValidString(text):
		return "not UTF-8"
	case strings.ContainsFunc(text, func(r rune) bool { return unicode.IsControl(r) && r != '\n' && r != '\t' }):
		return "has control characters"
	}
	return ""
}

func notOfPlate(r rune) bool {
	return !unicode.IsLetter(r) && !unicode.IsDigit(r) && r != ' ' && r != '-'
}

func statusNames() string {
	names := make([]string, len(pbx.Statuses))
	for i, s := range pbx.Statuses {
		names[i] = string(s)
	}
	return strings.Join(names, ", ")
}
