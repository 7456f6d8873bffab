package sip

import (
	"fmt"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"sync"

	wire "github.com/emiago/sipgo/sip"

	"cabline/pbx"
)

// Rewrite is a rule about how a carrier writes numbers.
type Rewrite struct {
	Match string // RE2, of the whole number
	To    string // what becomes of it; $1 is what the first brackets of Match hold
	Only  Party  // whose number; empty: both parties'
}

// Party is one of the two numbers of a call.
type Party string

// The parties.
const (
	Called Party = "called"
	Caller Party = "caller"
)

// rewrites are rules in their order.
type rewrites []rewrite

type rewrite struct {
	*regexp.Regexp
	to   string
	only Party
}

func newRewrites(rules []Rewrite) (all rewrites, err error) {
	for _, r := range rules {
		match, err := regexp.Compile("^(?:" + r.Match + ")$")
		if err != nil {
			return nil, fmt.Errorf("match: %w", err)
		}
		all = append(all, rewrite{match, r.To, r.Only})
	}
	return all, nil
}

// maxNumber bounds what is taken for a number, in bytes.
const maxNumber = 64

// apply rewrites a party's number by the first rule that fits.
func (all rewrites) apply(number string, of Party) (string, bool) {
	if len(number) > maxNumber {
		return "", false
	}
	for _, r := range all {
		if held := r.FindStringSubmatch(number); held != nil && (r.only == "" || r.only == of) {
			return backReference.ReplaceAllStringFunc(r.to, func(ref string) string {
				if n, _ := strconv.Atoi(ref[1:]); n < len(held) {
					return held[n]
				}
				return ""
			}), true
		}
	}
	return "", false
}

// backReference is one digit long: $10 is what $1 holds, and a 0.
var backReference = regexp.MustCompile(`\$[0-9]`)

// write puts a number as the carrier wants it: by the trunk's rules, or else in
// its format.
func (t *trunk) write(number pbx.Phone, of Party, country string) string {
	if text, fits := t.writes.apply(number.Dialable(), of); fits {
		return token(text)
	}
	return number.Write(t.NumberFormat, country)
}

// read makes a number of what the carrier writes; empty: it is none.
func (t *trunk) read(uri *wire.Uri, of Party, country string) pbx.Phone {
	text := userIn(uri)
	if rewritten, fits := t.reads.apply(text, of); fits {
		text = rewritten
	}
	return t.readings.phone(text, country)
}

// readings is how the numbers read lately were understood, by their text. To read one
// takes some 50 µs, and a trunk's calls ask for the same few again and again.
type readings struct {
	mu     sync.Mutex
	phones map[string]pbx.Phone
}

// maxReadings is how many are kept before they are forgotten.
const maxReadings = 2000

func (r *readings) phone(text, country string) pbx.Phone {
	r.mu.Lock()
	defer r.mu.Unlock()
	phone, known := r.phones[text]
	if known {
		return phone
	}
	phone = parseNumber(text, country)
	if phone == "" { // of such there are endless ones
		return phone
	}
	if r.phones == nil || len(r.phones) >= maxReadings {
		r.phones = make(map[string]pbx.Phone)
	}
	r.phones[text] = phone
	return phone
}

// numberIn reads the number out of a SIP or tel URI; empty: there is none.
func numberIn(uri *wire.Uri, country string) pbx.Phone { return parseNumber(userIn(uri), country) }

// userIn is the user of a SIP URI, or the number of a tel URI.
func userIn(uri *wire.Uri) string {
	text := uri.User
	if uri.Scheme == "tel" {
		text = uri.Raw()
	}
	text, _, _ = strings.Cut(text, ";") // ;phone-context=…, ;npdi
	if plain, err := url.PathUnescape(text); err == nil {
		text = plain
	}
	return text
}

func parseNumber(text, country string) pbx.Phone {
	phone, err := pbx.ParsePhone(text, country)
	if err != nil {
		return ""
	}
	return phone
}
