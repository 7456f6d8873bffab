package courier

import (
	"bytes"
	"mime"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/htmlindex"
	wide "golang.org/x/text/encoding/unicode"
)

// xmlCharset is the declaration at the head of XML, which counts where the
// header names no charset (RFC 7303 §3).
var xmlCharset = regexp.MustCompile(`^<\?xml[^>]{0,200}encoding=["']([A-Za-z0-9._-]{1,40})["']`)

// UTF8 is a body in UTF-8 and its media type in small letters. What reads as
// UTF-8 is that, whatever it says it is; what says nothing we know is taken for
// windows-1251: that is what forgetful Russian servers send.
func UTF8(contentType string, body []byte) (mediaType string, text []byte) {
	mediaType, params, err := mime.ParseMediaType(contentType)
	if err != nil {
		mediaType, params = "", nil
	}
	body = bytes.TrimPrefix(body, []byte("\ufeff"))
	name := params["charset"]
	if found := xmlCharset.FindSubmatch(body); name == "" && found != nil {
		name = string(found[1])
	}
	if utf8.Valid(body) && !bytes.ContainsRune(body, 0) { // UTF-16 is full of zeros
		return mediaType, body
	}
	for _, charset := range []encoding.Encoding{named(name), charmap.Windows1251} {
		if charset == nil {
			continue
		}
		if text, err := charset.NewDecoder().Bytes(body); err == nil {
			return mediaType, text
		}
	}
	return mediaType, bytes.ToValidUTF8(body, []byte("?"))
}

// named is the charset of a name, nil for UTF-8, which the text is not, and for
// names that are none.
func named(name string) encoding.Encoding {
	charset, err := htmlindex.Get(name)
	if err != nil || charset == wide.UTF8 {
		return nil
	}
	return charset
}

// longNumber is what could be a telephone number, however it is spaced.
var longNumber = regexp.MustCompile(`\+?\d(?:[ ()\-\x{a0}]{0,2}\d){8,}`)

// Masked is text from outside as a log may show it: as it came, but for
// telephone numbers, of which the middle is hidden, and control characters.
func Masked(text string) string {
	text = longNumber.ReplaceAllStringFunc(text, func(number string) string {
		digits := strings.Map(func(r rune) rune {
			if r < '0' || r > '9' {
				return -1
			}
			return r
		}, number)
		return digits[:1] + "***" + digits[len(digits)-4:]
	})
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, text)
}

// The most that is kept of what a system says, in characters: it is spoken,
// shown, and written into calls.
const (
	MaxID   = 100
	MaxWord = 60  // a colour, a plate, a status
	MaxText = 500 // an address, a comment
)

// Line is the beginning of a text, in one line, of so many characters.
func Line(text string, most int) string {
	if len(text) > 16*most { // what would be cut anyway
		text = strings.ToValidUTF8(text[:16*most], "")
	}
	runes := []rune(strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, strings.Join(strings.Fields(text), " ")))
	return string(runes[:min(len(runes), most)])
}

// Excerpt is the beginning of a body for a message, in one line.
func Excerpt(body []byte) string {
	const most = 200
	text := strings.ToValidUTF8(string(body[:min(len(body), 4*most)]), "?")
	runes := []rune(Masked(strings.Join(strings.Fields(text), " ")))
	if len(runes) > most {
		return string(runes[:most]) + "…"
	}
	return string(runes)
}
