package sip

import (
	"slices"
	"strings"

	wire "github.com/emiago/sipgo/sip"
)

// checks are what RFC 3261 demands of a request and sipgo's parser does not,
// with the code that answers a breach. The first that fails decides.
var checks = []struct {
	code int
	ok   func(*wire.Request) bool
}{
	{wire.StatusVersionNotSupported, func(r *wire.Request) bool { return strings.EqualFold(r.SipVersion, "SIP/2.0") }},
	{wire.StatusBadRequest, func(r *wire.Request) bool {
		return r.Via() != nil && r.From() != nil && r.To() != nil && r.CallID() != nil && r.CSeq() != nil
	}},
	{wire.StatusBadRequest, sameMethod},
	{wire.StatusBadRequest, once},
	{wire.StatusBadRequest, func(r *wire.Request) bool {
		return !slices.ContainsFunc(r.Headers(), func(h wire.Header) bool { return !cleanHeader(h) })
	}},
	{wire.StatusBadRequest, func(r *wire.Request) bool { tag, _ := r.From().Params.Get("tag"); return tag != "" }},
	{wire.StatusBadRequest, func(r *wire.Request) bool { return len(*r.CallID()) <= 256 }},
	{416, func(r *wire.Request) bool {
		return r.Recipient.Scheme == "sip" || r.Recipient.Scheme == "sips" || r.Recipient.Scheme == "tel"
	}},
	{wire.StatusBadRequest, func(r *wire.Request) bool { return cleanURI(&r.Recipient) && len(r.Recipient.Headers) == 0 }},
	{wire.StatusBadRequest, func(r *wire.Request) bool { return r.MaxForwards() == nil || r.MaxForwards().Val() <= 255 }},
	{wire.StatusNotAcceptable, func(r *wire.Request) bool { return r.Method != wire.INVITE || acceptsSDP(r) }},
}

// known are the methods we know, if only to refuse them.
var known = []wire.RequestMethod{wire.INVITE, wire.ACK, wire.CANCEL, wire.BYE, wire.OPTIONS, wire.REGISTER, wire.INFO, wire.UPDATE,
	wire.PRACK, wire.NOTIFY, wire.REFER, wire.SUBSCRIBE, wire.MESSAGE, wire.PUBLISH}

// sameMethod compares the method with the one in CSeq. sipgo turns the former
// into capitals; other methods than ours may have small letters.
func sameMethod(r *wire.Request) bool {
	method := r.CSeq().MethodName
	return method == r.Method || !slices.Contains(known, r.Method) && strings.EqualFold(string(method), string(r.Method))
}

// acceptsSDP says whether the answer to an INVITE may be an SDP (RFC 3261 §20.1).
func acceptsSDP(r *wire.Request) bool {
	accept := r.GetHeaders("accept")
	for _, h := range accept {
		for kind := range strings.SplitSeq(strings.ToLower(h.Value()), ",") {
			kind, _, _ = strings.Cut(kind, ";")
			switch strings.TrimSpace(kind) {
			case "application/sdp", "application/*", "*/*":
				return true
			}
		}
	}
	return len(accept) == 0
}

// once says whether the headers that make a message what it is stand there
// once (RFC 3261 §7.3.1); two would let two readers see two messages.
func once(r *wire.Request) bool {
	var from, to, callID, cseq, length, hops int
	for _, h := range r.Headers() {
		switch h.(type) {
		case *wire.FromHeader:
			from++
		case *wire.ToHeader:
			to++
		case *wire.CallIDHeader:
			callID++
		case *wire.CSeqHeader:
			cseq++
		case *wire.ContentLengthHeader:
			length++
		case *wire.MaxForwardsHeader:
			hops++
		}
	}
	return from == 1 && to == 1 && callID == 1 && cseq == 1 && length <= 1 && hops <= 1
}

// invalid returns the code that answers a request that breaks the rules; 0: it
// keeps them.
func invalid(r *wire.Request) int {
	for _, check := range checks {
		if !check.ok(r) {
			return check.code
		}
	}
	return 0
}
