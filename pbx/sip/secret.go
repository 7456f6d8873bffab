package sip

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"strconv"
	"strings"

	"github.com/nyaruka/phonenumbers"

	"cabline/pbx"
)

// secret is a number in every writing it is looked for in.
type secret struct {
	phone  pbx.Phone
	digits []byte    // without what stands before it in some writings: +7, 8, 007
	hex    []byte    // of the digits' characters, which is digits again
	base64 [3][]byte // of the digits, for each place they may have among the bytes encoded
}

// minSecret is how many digits a number must have to be looked for: the short
// numbers of an office stand in ports and dates as well.
const minSecret = 7

// secretOf makes a number recognisable; false: it is too short for that.
func secretOf(number pbx.Phone) (s secret, ok bool) {
	digits := national(number)
	s = secret{phone: number, digits: []byte(digits)}
	if len(digits) < minSecret {
		return secret{}, false
	}
	s.hex = []byte(hex.EncodeToString(s.digits))
	for shift := range s.base64 {
		// The letters at both ends depend on what stands beside the number.
		code := base64.RawStdEncoding.EncodeToString(append(make([]byte, shift), digits...))
		from, to := (8*shift+5)/6, 8*(shift+len(digits))/6
		s.base64[shift] = []byte(code[from:to])
	}
	return s, true
}

// national is a number without the code of its country.
func national(number pbx.Phone) string {
	digits, international := strings.CutPrefix(number.Dialable(), "+")
	for n := 1; international && n <= 3 && n < len(digits); n++ {
		if code, err := strconv.Atoi(digits[:n]); err == nil && phonenumbers.GetRegionCodeForCountryCode(code) != phonenumbers.UNKNOWN_REGION {
			return digits[n:]
		}
	}
	return digits
}

func (s secret) same(other secret) bool { return bytes.Equal(s.digits, other.digits) }

// in is the first secret that stands in a text in any of its writings.
func (h *hidden) in(text []byte) *secret {
	var room [2048]byte // what most messages need
	digits := digitsIn(room[:0], text)
	for i := range h.secrets {
		s := &h.secrets[i]
		if bytes.Contains(digits, s.digits) || bytes.Contains(digits, s.hex) ||
			bytes.Contains(text, s.base64[0]) || bytes.Contains(text, s.base64[1]) || bytes.Contains(text, s.base64[2]) {
			return s
		}
	}
	return nil
}

// What an octet is to a number: one of its digits, which stand for themselves,
// nothing, or its end.
const (
	nothing = 0
	apart   = 'x'
)

// octets is what each of them is. Between the digits that a person would read as
// one number there may be spaces, dashes, dots, brackets, the halves of UTF-16,
// and what typesetters put there: U+00A0, 2009, 2011, 2013, 202F.
var octets = func() (all [256]byte) {
	for i := range all {
		switch {
		case i >= '0' && i <= '9':
			all[i] = byte(i)
		case strings.IndexByte(" \t-.()/_+\x00\u00a0\u2009\u2011\u2013\u202f", byte(i)) < 0:
			all[i] = apart
		}
	}
	return all
}()

// digitsIn appends the digits of a text, those of a number together and an end
// between others; %39 is a nine (RFC 3986 §2.1).
func digitsIn(digits, text []byte) []byte {
	last := byte(apart)
	for i := 0; i < len(text); i++ {
		c := text[i]
		if c == '%' && i+2 < len(text) {
			high, low := hexDigit(text[i+1]), hexDigit(text[i+2])
			if high < 16 && low < 16 {
				c, i = high<<4|low, i+2
			}
		}
		is := octets[c]
		if is == nothing || is == apart && last == apart {
			continue
		}
		digits, last = append(digits, is), is
	}
	return digits
}

func hexDigit(c byte) byte {
	switch {
	case c >= '0' && c <= '9':
		return c - '0'
	case c >= 'a' && c <= 'f':
		return c - 'a' + 10
	case c >= 'A' && c <= 'F':
		return c - 'A' + 10
	}
	return 255
}
