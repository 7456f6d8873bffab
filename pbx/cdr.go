package pbx

import (
	"context"
	"errors"
	"time"
)

// CDR is what remains of a call.
type CDR struct {
	ID      string // of the call
	Kind    Kind
	Line    Phone // the firm's number
	From    Phone // who called; for connect and notice: the client
	To      Phone // who was meant: the driver, the forward target, the number dialled
	OrderID string
	Branch  string

	Started  time.Time
	Answered time.Time // when the first party was; zero: never
	Ended    time.Time
	Waited   time.Duration // in line for an operator
	Talked   time.Duration // joined with another person

	State  State  // where it stands; StateEnded in what is stored
	Result string // one word for what happened, see endings; empty while it goes on
	Steps  []Step
	Legs   []LegRecord
}

// Kind is which story a call was.
type Kind string

const (
	KindInbound  Kind = "inbound"
	KindConnect  Kind = "connect"
	KindForward  Kind = "forward"
	KindOutgoing Kind = "outgoing"
	KindNotice   Kind = "notice"
)

// Step is one thing that happened in a call, in words a person reads: "order
// 42", "dial driver", "driver: busy".
type Step struct {
	At   time.Time
	What string
}

// Store keeps what must survive a restart.
type Store interface {
	SaveCDR(ctx context.Context, cdr CDR) error
}

// endings is the one place where an error becomes a word of the CDR.
var endings = []struct {
	err  error
	word string
}{
	{ErrBusy, "busy"},
	{ErrNoAnswer, "no answer"},
	{ErrRejected, "rejected"},
	{ErrExpired, "session expired"}, // before what it wraps
	{ErrUnreachable, "unreachable"},
	{ErrNoChannel, "no free channel"},
	{ErrElsewhere, "answered elsewhere"},
	{ErrMediaLost, "media lost"},
	{ErrShutdown, "shutdown"},
	{ErrNotAllowed, "not allowed"},
	{ErrNoOrder, "no order"},
	{errSuperseded, "superseded"},
	{errWantsOperator, "operator wanted"},
	{ErrHungUp, "hung up"},
	{context.DeadlineExceeded, "timeout"},
	{context.Canceled, "cancelled"},
}

// unforeseen is the word for what should not have happened.
const unforeseen = "failed"

// Ending is the CDR's word for an error; nil is "completed", an error nobody
// foresaw "failed".
func Ending(err error) string {
	if err == nil {
		return "completed"
	}
	for _, e := range endings {
		if errors.Is(err, e.err) {
			return e.word
		}
	}
	return unforeseen
}
