package sip

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"

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
	digits := number.Dialable()
	if parsed, err := phonenumbers.Parse(digits, ""); err == nil {
		digits = phonenumbers.GetNationalSignificantNumber(parsed)
	}
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

// digitsIn appends the digits of a text, those together that a person would
// read as one number: spaces, dashes, dots and brackets between them do not
// count, and %39 is a nine (RFC 3986 §2.1).
func digitsIn(digits, text []byte) []byte {
	const apart = 'x'
	for i := 0; i < len(text); i++ {
		c := text[i]
		if c == '%' && i+2 < len(text) {
			high, low := hexDigit(text[i+1]), hexDigit(text[i+2])
			if high < 16 && low < 16 {
				c, i = high<<4|low, i+2
			}
		}
		switch c {
		case '0', '1', '2', '3', '4', '5', '6', '7', '8', '9':
			digits = append(digits, c)
		case ' ', '\t', '-', '.', '(', ')', '/', '_', '+', 0xc2, 0xa0: // the last two are U+00A0
		default:
			if n := len(digits); n > 0 && digits[n-1] != apart {
				digits = append(digits, apart)
			}
		}
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
