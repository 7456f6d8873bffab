package sip

import (
	wire "github.com/emiago/sipgo/sip"
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
