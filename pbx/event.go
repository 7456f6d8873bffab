package pbx

import (
	"context"
	"time"
)

// Event is something a dispatch system is told about a call: at least once,
// and in the order in which it happened to that call. What an event points to
// never changes again.
type Event struct {
	Kind    EventKind
	CallID  string // orders the events; for notices the notice's own ID
	OrderID string
	At      time.Time
	CDR     *CDR          // call events: the call as it stood
	Notice  *NoticeReport // notice events
	Answer  ClientAnswer  // EventClientAnswer
	// Recording is what EventRecording tells of, when the call is over: CDR is whole.
	Recording *Recording
}

// EventKind is what happened.
type EventKind string

// The events there are. A call has one start and one end, and an answer each
// time somebody new takes it: it may have none, or several.
const (
	EventCallStarted  EventKind = "call_started"
	EventCallAnswered EventKind = "call_answered" // by a person: a driver, an operator, a target
	EventCallEnded    EventKind = "call_ended"
	EventRecording    EventKind = "recording_ready" // of one talk of the call, when that is over
	EventNotice       EventKind = "notice"          // a notice was begun, delivered or given up
	EventClientAnswer EventKind = "client_answer"
)

// NoticeReport is how a notice stands.
type NoticeReport struct {
	Status  Status
	Version int
	Phone   Phone
	// Outcome is running, or the NoticeState that the notice ended in: delivered,
	// busy, no_answer, rejected, unreachable, hung_up, superseded, dropped, failed.
	Outcome string
	Tries   int
	Machine bool   // a machine's greeting was heard
	Next    string // the channel suggested instead, such as sms; empty: none
}

// EventKinds is every kind there is.
var EventKinds = []EventKind{EventCallStarted, EventCallAnswered, EventCallEnded, EventRecording, EventNotice, EventClientAnswer}

// Outbox keeps events until the dispatch system has them.
type Outbox interface {
	// Post returns when the event is stored.
	Post(ctx context.Context, e Event) error
}

// Backlog is what a receiver of events is still to be told, and what became of
// the rest since the program was started.
type Backlog struct {
	Receiver  string
	Waiting   int
	Oldest    time.Time // when the event that waits longest happened; zero: none waits
	Delivered uint64
	Failed    uint64 // tries
	GivenUp   uint64
}

// post tells of the call as it stands. It does not wait: see Switchboard.Tell.
func (c *Call) post(kind EventKind) {
	if c.tell == nil {
		return
	}
	cdr := c.seen.Load().cdr
	c.tell(Event{Kind: kind, CallID: cdr.ID, OrderID: cdr.OrderID, At: time.Now(), CDR: &cdr})
}
