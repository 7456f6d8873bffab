package sip

import (
	"errors"
	"fmt"
	"slices"

	wire "github.com/emiago/sipgo/sip"

	"cabline/pbx"
)

// Rejection is a final answer to our INVITE other than 2xx.
type Rejection struct {
	Code   int
	Reason string // as the peer worded it
	Rang   bool   // it had rung before
}

func (r Rejection) Error() string { return fmt.Sprintf("SIP %d %q", r.Code, r.Reason) }

// Is says what a code means to a caller.
func (r Rejection) Is(target error) bool { return target == r.meaning() }

// meaning puts the codes of RFC 3261 §21 and RFC 8197 into the exchange's
// words. A phone that rang and timed out was there; one that did not is off or
// out of reach.
func (r Rejection) meaning() error {
	switch r.Code {
	case 486, 600:
		return pbx.ErrBusy
	case 408, 480, 487:
		if r.Rang {
			return pbx.ErrNoAnswer
		}
	case 401, 402, 403, 407, 603, 607, 608:
		return pbx.ErrRejected
	}
	return pbx.ErrUnreachable
}

// refusals are the answers to a leg that arrived and is not wanted, in the
// order in which they are looked for.
var refusals = []struct {
	why  error
	code int
}{
	{pbx.ErrBusy, wire.StatusBusyHere},
	{pbx.ErrRejected, wire.StatusGlobalDecline},
	{pbx.ErrNotAllowed, wire.StatusForbidden},
	{pbx.ErrNoChannel, wire.StatusServiceUnavailable},
	{pbx.ErrShutdown, wire.StatusServiceUnavailable},
}

// unassigned are the answers of a callee's network to a number that nobody has
// (RFC 3261 §21.4.5, §21.4.10, §21.4.22, §21.6.3).
var unassigned = []int{404, 410, 484, 604}

// refusal is the answer that says why.
func refusal(why error) int {
	for _, r := range refusals {
		if errors.Is(why, r.why) {
			return r.code
		}
	}
	var said Rejection
	switch {
	case !errors.Is(why, pbx.ErrUnreachable):
	case lost(why):
		// RFC 3261 §8.1.3.1 has a silence taken for a 408, and carriers try another
		// route after one. A 404 would end the search for a number there is, and with
		// a 503 it is us they would leave alone for a while (§21.5.4).
		return wire.StatusRequestTimeout
	case errors.Is(why, pbx.ErrAway): // RFC 3261 §21.4.18
		return wire.StatusTemporarilyUnavailable
	case !errors.As(why, &said) || slices.Contains(unassigned, said.Code):
		return wire.StatusNotFound
	}
	return wire.StatusTemporarilyUnavailable
}

// errUnheard is the ErrUnreachable of a party in a call that does not answer.
var errUnheard = fmt.Errorf("unheard: %w", pbx.ErrUnreachable)

// byeReason is the Reason header of a BYE (RFC 3326): causes of Q.850. RFC 4028 has
// no cause of its own for a session that nobody refreshed. It is told as the
// timeout it is, to SIP (408) and to the telephone network behind it (102, which is
// what RFC 3398 makes of 408); 16 would say that somebody had hung up.
func byeReason(why error) string {
	switch {
	case errors.Is(why, pbx.ErrExpired):
		return `SIP;cause=408;text="Session expired", Q.850;cause=102;text="Recovery on timer expiry"`
	case errors.Is(why, errUnheard):
		return `SIP;cause=408;text="Request Timeout", Q.850;cause=102;text="Recovery on timer expiry"`
	case errors.Is(why, pbx.ErrMediaLost):
		return `Q.850;cause=41;text="Media lost"`
	case errors.Is(why, pbx.ErrShutdown):
		return `Q.850;cause=31;text="Shutdown"`
	}
	return `Q.850;cause=16;text="Normal call clearing"`
}

// phrase is the reason phrase of a code.
func phrase(code int) string {
	if p, ok := phrases[code]; ok {
		return p
	}
	return "Error"
}

var phrases = map[int]string{
	wire.StatusTrying: "Trying", wire.StatusRinging: "Ringing", wire.StatusSessionInProgress: "Session Progress", wire.StatusOK: "OK", wire.StatusAccepted: "Accepted",
	wire.StatusBadRequest: "Bad Request", wire.StatusUnauthorized: "Unauthorized", wire.StatusForbidden: "Forbidden",
	wire.StatusNotFound: "Not Found", wire.StatusRequestTimeout: "Request Timeout", wire.StatusMethodNotAllowed: "Method Not Allowed",
	wire.StatusProxyAuthRequired: "Proxy Authentication Required", wire.StatusUnsupportedMediaType: "Unsupported Media Type",
	416: "Unsupported URI Scheme", wire.StatusBadExtension: "Bad Extension", 422: "Session Interval Too Small",
	423: "Interval Too Brief", wire.StatusTemporarilyUnavailable: "Temporarily Unavailable",
	wire.StatusCallTransactionDoesNotExists: "Call/Transaction Does Not Exist", wire.StatusTooManyHops: "Too Many Hops",
	wire.StatusBusyHere: "Busy Here", wire.StatusRequestTerminated: "Request Terminated",
	wire.StatusNotAcceptableHere: "Not Acceptable Here", wire.StatusRequestPending: "Request Pending",
	wire.StatusInternalServerError: "Server Internal Error", wire.StatusNotImplemented: "Not Implemented",
	wire.StatusServiceUnavailable: "Service Unavailable", wire.StatusGatewayTimeout: "Server Time-out", wire.StatusVersionNotSupported: "Version Not Supported",
	wire.StatusGlobalDecline: "Decline",
}
