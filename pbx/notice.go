package pbx

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Notice is one piece of news that a client is called about: their order has
// come to a status. OrderID, Status and Version name it for good: the same one
// told ten times is one call.
type Notice struct {
	OrderID string
	Status  Status
	// Version grows with every change of the order's status; the greater is the
	// newer. A dispatch system that counts none leaves it 0: then the status the
	// order has already is no news, and any other is the newest.
	Version int
	Order   Order // as it was when the news came; where Dispatch can be asked, it is asked again
	Source  string
	// ByClient says that the client brought it about: they are not called.
	ByClient bool
	At       time.Time // when the news reached us
}

// Noticeboard takes news for clients; adapters of dispatch systems post to it.
type Noticeboard interface {
	// Notify returns when the notice is stored: from then on it is ours. One
	// that is known already is no error and changes nothing. A notice that
	// nobody is called about (its status is off, the client wants no calls) is
	// no error either: the journal says why.
	Notify(ctx context.Context, n Notice) error
}

// ClientAnswer is what a client said by a key about an order.
type ClientAnswer string

// The answers a menu may offer.
const (
	AnswerComingOut   ClientAnswer = "coming_out"   // 3: I am coming out
	AnswerFiveMinutes ClientAnswer = "five_minutes" // 4: five more minutes
	AnswerCancel      ClientAnswer = "cancel"       // 6: cancel the order
	AnswerKeepLooking ClientAnswer = "keep_looking" // 1, where no car was found
)

// ErrAnswerRefused is in the error of an AnswerTaker that was told and says no.
var ErrAnswerRefused = errors.New("the dispatch system refused the client's answer")

// AnswerTaker is a dispatch system that can be told a client's answer while
// the client waits, 3 s at most. One that says no, to a cancellation that comes
// too late, returns an error which wraps ErrAnswerRefused: the client is told so
// and goes to an operator. Any other error is a failure to tell: the answer goes
// by the Outbox, and the client hears that it was passed on.
type AnswerTaker interface {
	ClientAnswered(ctx context.Context, orderID string, answer ClientAnswer) error
}

// NoticeState is where a notice stands. The journal of a notice is the states
// it came to, each written down before what it stands for is done.
type NoticeState string

// A notice waits until its time has come and while it is to be tried again; in
// hand it is while a call is made for it; all other states are its end.
const (
	NoticeWaiting NoticeState = "waiting"

	NoticeDialling NoticeState = "dialling" // from before the order is asked for and the phone rings
	NoticeAnswered NoticeState = "answered"
	NoticeSpeaking NoticeState = "speaking" // from before the first word

	NoticeDelivered   NoticeState = "delivered" // from before the last word, or from a key on
	NoticeBusy        NoticeState = "busy"      // … at the last try, as those that follow
	NoticeNoAnswer    NoticeState = "no_answer" // or, where a key is asked for, none came
	NoticeRejected    NoticeState = "rejected"  // the client refused the call
	NoticeUnreachable NoticeState = "unreachable"
	NoticeHungUp      NoticeState = "hung_up"    // before the last word
	NoticeSuperseded  NoticeState = "superseded" // by newer news of the same order
	NoticeDropped     NoticeState = "dropped"    // nobody is to be called about it
	NoticeFailed      NoticeState = "failed"     // a fault of ours
)

// InHand says that a call is being made for a notice.
func (s NoticeState) InHand() bool {
	return s == NoticeDialling || s == NoticeAnswered || s == NoticeSpeaking
}

// Over says that nobody will be called about the notice any more.
func (s NoticeState) Over() bool { return s != NoticeWaiting && !s.InHand() }

// NoticeRecord is a notice as it is kept.
type NoticeRecord struct {
	ID int64
	Notice
	Line  Phone // the firm's number it is told from
	State NoticeState
	Due   time.Time // a waiting one: not to be dialled before
	Tries int       // calls begun
	// Interrupted says that the exchange died once while it had the notice in
	// hand. It is rung about once more for that, and not a second time.
	Interrupted bool
	// Foreseen says that we read the status from the dispatch system before its
	// notice came: the notice that comes is this one.
	Foreseen bool
	CallID   string // of the last call made for it, or in which it was told
	Answer   ClientAnswer
	Machine  bool // a machine's greeting was heard
	Ended    time.Time
}

// NoticeStep is a line of a notice's journal.
type NoticeStep struct {
	At    time.Time
	State NoticeState
	What  string // for people
}

// NoticeStore keeps notices and their journal: nothing of a notice is in memory
// alone. Every method is one transaction.
type NoticeStore interface {
	// AcceptNotice stores a notice in the state that r is in, waiting or over. A
	// known one changes nothing: known is true. An older one than the order's
	// newest is superseded at once; older ones that wait are superseded by it.
	AcceptNotice(ctx context.Context, r NoticeRecord, why string) (stored NoticeRecord, known bool, err error)
	// MoveNotice writes r as it stands and a step of its journal, if the notice
	// is in the state from; moved is false where it is not. One that would wait
	// again while there is newer news of its order is superseded instead.
	MoveNotice(ctx context.Context, from NoticeState, r NoticeRecord, what string) (moved bool, err error)
	// HoldNotice has a waiting notice wait until a time; the journal has no step.
	HoldNotice(ctx context.Context, id int64, until time.Time) error
	// HastenNotices has what waits for a client and was held be due at once.
	HastenNotices(ctx context.Context, phone Phone, now, held time.Time) error
	// DueNotices are waiting ones of a line that are due, the longest due first.
	DueNotices(ctx context.Context, line Phone, now time.Time, limit int) ([]NoticeRecord, error)
	// NextDue is when the first of all waiting notices is due; zero: none waits.
	NextDue(ctx context.Context) (time.Time, error)
	// NoticesFor are the notices that wait for a client, the oldest first.
	NoticesFor(ctx context.Context, phone Phone) ([]NoticeRecord, error)
	// NewerNotice is the newest notice of r's order, if r is not.
	NewerNotice(ctx context.Context, r NoticeRecord) (newer NoticeRecord, found bool, err error)
	// HasNotice says whether an order has ever had a notice of a status.
	HasNotice(ctx context.Context, orderID string, status Status) (bool, error)
	// NoticesInHand are those that a process which died left in hand.
	NoticesInHand(ctx context.Context) ([]NoticeRecord, error)
	// AdoptNotices gives waiting notices of lines that are no more to a line.
	AdoptNotices(ctx context.Context, lines []Phone, to Phone) error
	// UnreportedNotices are over, and dispatch was not told; ReportedNotice says
	// that it was.
	UnreportedNotices(ctx context.Context, limit int) ([]NoticeRecord, error)
	ReportedNotice(ctx context.Context, id int64) error
	// OptedOut says that a client wants no calls.
	OptedOut(ctx context.Context, phone Phone) (bool, error)
	// OptOut writes down that a client wants none, and how we know.
	OptOut(ctx context.Context, phone Phone, how string) error
}

// Untold is the error of an AnswerTaker that has no way to tell an answer. What
// would change the order is refused by that: the client must not believe it was
// done. The rest operators see, so it was passed on.
func Untold(answer ClientAnswer, why string) error {
	if answer == AnswerCancel || answer == AnswerKeepLooking {
		return fmt.Errorf("%s: %w", why, ErrAnswerRefused)
	}
	return errors.New(why)
}
