package sip

import (
	"slices"
	"strings"

	wire "github.com/emiago/sipgo/sip"
)

// screen looks at a request before the transaction layer, which repeats parts
// of it in answers of its own. It returns false for what must not be repeated:
// a header of an answer that holds control characters, an answer that has no
// Via to find its way by, and all that a scanner sends. Where an escaped control
// character stands in a name, as it may (RFC 3261 §25.1), only that goes.
func (s *Server) screen(req *wire.Request) bool {
	if req.Via() == nil || !clean(req.SipVersion) || s.trunkFrom(req) == nil && scanner(req) {
		return false
	}
	if req.CSeq() == nil && !s.welcome(req) { // sipgo will answer it 400
		return false
	}
	for _, header := range req.Headers() {
		switch h := header.(type) {
		case *wire.FromHeader:
			h.DisplayName = unescaped(h.DisplayName)
			h.Address.Host, h.Params = strings.TrimSpace(h.Address.Host), trimmed(h.Params)
		case *wire.ToHeader:
			h.DisplayName = unescaped(h.DisplayName)
			h.Address.Host, h.Params = strings.TrimSpace(h.Address.Host), trimmed(h.Params)
		case *wire.ViaHeader:
			h.Params = trimmed(h.Params)
		case *wire.CSeqHeader:
			if !clean(string(h.MethodName)) {
				return false
			}
			continue
		case *wire.CallIDHeader, *wire.RecordRouteHeader:
		default:
			if !strings.EqualFold(h.Name(), "timestamp") {
				continue
			}
		}
		if !cleanHeader(header) {
			return false
		}
	}
	return true
}

// drop keeps the transaction layer from dealing with a request: there is no
// transport to answer it by.
func drop(req *wire.Request) { req.SetTransport("none") }

// trimmed takes away the blanks that may stand around a parameter's name and
// value (RFC 3261 §25.1, SEMI and EQUAL), and the empty parameter that sipgo
// finds between the brackets and a semicolon after a blank.
func trimmed(params wire.HeaderParams) wire.HeaderParams {
	for i := range params {
		params[i].K, params[i].V = strings.TrimSpace(params[i].K), strings.TrimSpace(params[i].V)
	}
	return slices.DeleteFunc(params, func(p wire.HeaderKV) bool { return p.K == "" })
}

// unescaped removes the control characters of a name that are escaped.
func unescaped(name string) string {
	if clean(name) {
		return name
	}
	var b strings.Builder
	for i := 0; i < len(name); i++ {
		pair := name[i] == '\\' && i+1 < len(name)
		if pair && name[i+1] != '\r' && name[i+1] != '\n' && !clean(name[i+1:i+2]) {
			i++
			continue
		}
		b.WriteByte(name[i])
		if pair {
			i++
			b.WriteByte(name[i])
		}
	}
	return b.String()
}

// scanners are the names by which the common tools that look for open exchanges
// give themselves away, in lower case. It keeps the log and the limits free of
// most of them; those that hide their names meet the digest.
var scanners = []string{"friendly-scanner", "friendly-request", "sipvicious", "sundayddr", "sipcli", "sip-scan", "vaxsipuseragent", "pplsip"}

// scanner says whether a request comes from such a tool.
func scanner(req *wire.Request) bool {
	names := ""
	if from := req.From(); from != nil {
		names = from.DisplayName
	}
	if h := req.GetHeader("user-agent"); h != nil {
		names += " " + h.Value()
	}
	names = strings.ToLower(truncate(names, 200))
	return slices.ContainsFunc(scanners, func(s string) bool { return strings.Contains(names, s) })
}
