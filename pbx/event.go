package pbx

import (
	"context"
	"time"
)

// Event is something a dispatch system is told about a call: at least once,
// and in the order in which it happened to that call.
type Event struct {
	Kind    EventKind
	CallID  string // orders the events; for notices the notice's own ID
	OrderID string
	At      time.Time
	CDR     *CDR          // call events: the call as it stood
	Notice  *NoticeReport // notice events
	Answer  ClientAnswer  // EventClientAnswer
	File    string        // EventRecording: where the recording is fetched
}

// EventKind is what happened.
type EventKind string

// The events there are.
const (
	EventCallStarted  EventKind = "call_started"
	EventCallAnswered EventKind = "call_answered" // by a person: a driver, an operator, a target
	EventCallEnded    EventKind = "call_ended"
	EventRecording    EventKind = "recording_ready"
	EventNotice       EventKind = "notice" // a notice was begun, delivered or given up
	EventClientAnswer EventKind = "client_answer"
)

// NoticeReport is how a notice stands.
type NoticeReport struct {
	Status  Status
	Version int
	Phone   Phone
	// Outcome is running, delivered, busy, no_answer, rejected, unreachable,
	// superseded, dropped or failed.
	Outcome string
	Tries   int
	Machine bool   // a machine's greeting was heard
	Next    string // the channel suggested instead, such as sms; empty: none
}

// Outbox keeps events until the dispatch system has them.
type Outbox interface {
	// Post returns when the event is stored.
	Post(ctx context.Context, e Event) error
}
