package sip

import (
	"strings"

	wire "github.com/emiago/sipgo/sip"
	"github.com/nyaruka/phonenumbers"

	"cabline/pbx"
)

// Identity is where a carrier looks for the number we call from.
type Identity string

// Besides the number's own header, From has the account, where there is one.
const (
	InFrom Identity = "from" // the default
	InPAI  Identity = "pai"  // P-Asserted-Identity, RFC 3325 §9.1
	InPPI  Identity = "ppi"  // P-Preferred-Identity, RFC 3325 §9.2
	InRPID Identity = "rpid" // Remote-Party-ID, a draft that never became an RFC
)

// Format is how a carrier wants numbers to be written.
type Format string

// The formats, for the same number of Moscow.
const (
	E164     Format = "e164"     // +74951234567, the default
	Plain    Format = "plain"    // 74951234567
	National Format = "national" // 84951234567, as dialled in Config.Country
)

// write puts a number as a carrier wants it. Short numbers stay as they are.
func (f Format) write(number pbx.Phone, country string) string {
	text := dialable(number)
	international := strings.HasPrefix(text, "+")
	switch {
	case f == Plain:
		return strings.TrimPrefix(text, "+")
	case f != National || !international:
		return text
	}
	parsed, err := phonenumbers.Parse(text, country)
	if err != nil {
		return text
	}
	return strings.TrimPrefix(dialable(pbx.Phone(phonenumbers.FormatOutOfCountryCallingNumber(parsed, country))), "+")
}

// dialable is what of a number can be dialled: nothing that could end the user's
// part of an address.
func dialable(number pbx.Phone) string {
	return strings.Map(func(r rune) rune {
		if r >= '0' && r <= '9' || r == '+' || r == '*' || r == '#' {
			return r
		}
		return -1
	}, number.Dialable())
}

// identify sets who a call over the trunk comes from, and returns the header
// that says it besides From.
func (t *trunk) identify(from *wire.Uri, number string) []wire.Header {
	from.User = number
	switch {
	case t.FromUser != "":
		from.User = t.user()
	case t.Identity != "" && t.Identity != InFrom && t.user() != "":
		from.User = t.user()
	}
	who := wire.Uri{Scheme: "sip", User: number, Host: from.Host}
	address := "<" + who.String() + ">"
	switch t.Identity {
	case InPAI:
		return []wire.Header{wire.NewHeader("P-Asserted-Identity", address)}
	case InPPI:
		return []wire.Header{wire.NewHeader("P-Preferred-Identity", address)}
	case InRPID:
		return []wire.Header{wire.NewHeader("Remote-Party-ID", address+";party=calling;screen=no;privacy=off")}
	}
	return nil
}
