package sip

import (
	"crypto/rand"
	"strings"

	wire "github.com/emiago/sipgo/sip"
)

// clean says whether text from outside may stand in a header of ours: no
// control characters, so that nobody writes headers for us.
func clean(text string) bool {
	for i := range len(text) {
		if text[i] < ' ' && text[i] != '\t' || text[i] == 0x7f {
			return false
		}
	}
	return true
}

// cleanURI is clean for an address as it was parsed: nothing in it may end the
// brackets or the line it stands in.
func cleanURI(uri *wire.Uri) bool {
	return word(uri.User) && word(uri.Password) && word(uri.Host) && word(uri.Raw()) &&
		words(uri.UriParams) && words(uri.Headers)
}

func words(params wire.HeaderParams) bool {
	for _, p := range params {
		if !word(p.K) || !word(p.V) {
			return false
		}
	}
	return true
}

func word(text string) bool {
	for i := range len(text) {
		if c := text[i]; c <= ' ' || c == 0x7f || c == '<' || c == '>' || c == '"' {
			return false
		}
	}
	return true
}

// cleanHeader is clean for any header.
func cleanHeader(header wire.Header) bool {
	switch h := header.(type) {
	case *wire.FromHeader:
		return clean(h.DisplayName) && cleanURI(&h.Address) && cleanParams(h.Params)
	case *wire.ToHeader:
		return clean(h.DisplayName) && cleanURI(&h.Address) && cleanParams(h.Params)
	case *wire.ContactHeader:
		return clean(h.DisplayName) && cleanURI(&h.Address) && cleanParams(h.Params)
	case *wire.RouteHeader:
		return cleanURI(&h.Address)
	case *wire.RecordRouteHeader:
		return cleanURI(&h.Address)
	case *wire.ViaHeader:
		return clean(h.Host) && clean(h.Transport) && clean(h.ProtocolName) && clean(h.ProtocolVersion) && cleanParams(h.Params)
	case *wire.CSeqHeader, *wire.MaxForwardsHeader, *wire.ContentLengthHeader:
		return true
	}
	return clean(header.Name()) && clean(header.Value())
}

func cleanParams(params wire.HeaderParams) bool {
	for _, p := range params {
		if !clean(p.K) || !clean(p.V) {
			return false
		}
	}
	return true
}

// quotable makes a display name fit between quotes (RFC 3261 §25.1).
func quotable(name string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r == '"' || r == '\\' {
			return -1
		}
		return r
	}, name)
}

// token keeps what may stand in a header as one word.
func token(text string) string {
	return strings.Map(func(r rune) rune {
		if r <= ' ' || r >= 0x7f || strings.ContainsRune(`"\<>,;`, r) {
			return -1
		}
		return r
	}, text)
}

// newTag, newBranch and newCallID are random beyond guessing.
func newTag() string    { return rand.Text()[:16] }
func newBranch() string { return wire.RFC3261BranchMagicCookie + rand.Text()[:20] }
func newCallID() string { return rand.Text() }
