package pbx

import (
	"context"
	"errors"
	"fmt"
	"time"

	"cabline/media"
)

// Why a leg or a call ended. They are the causes of a leg's context and wrap
// into the errors of a Dialer; endings in cdr.go turns them into the CDR's words.
var (
	ErrHungUp      = errors.New("party hung up")
	ErrBusy        = errors.New("busy")
	ErrNoAnswer    = errors.New("no answer")
	ErrRejected    = errors.New("rejected")
	ErrUnreachable = errors.New("unreachable")        // no route, not registered, number does not exist, trunk down
	ErrElsewhere   = errors.New("answered elsewhere") // a parallel leg won
	ErrMediaLost   = errors.New("media lost")
	ErrShutdown    = errors.New("exchange is shutting down")
	ErrNotAllowed  = errors.New("not allowed")
	ErrNoChannel   = errors.New("no free channel") // all channels of a trunk are taken
)

// ErrAway is the ErrUnreachable of an operator there is, who has no telephone
// connected.
var ErrAway = fmt.Errorf("not logged in: %w", ErrUnreachable)

// ErrExpired is the ErrUnreachable of a party that was in a call, and no longer
// says that it is (RFC 4028 §10).
var ErrExpired = fmt.Errorf("session expired: %w", ErrUnreachable)

// Leg is one party's connection to the exchange: one SIP dialog with its audio,
// whether a carrier, a softphone or a browser is at the other end.
type Leg interface {
	// Context ends when the leg does; its cause says why: ErrHungUp when the
	// party sent BYE or CANCEL, what HangUp was given when we did.
	Context() context.Context

	// Answer accepts a leg that arrived; it returns when the 200 is on its way
	// and audio may be played. On a leg that is answered it does nothing.
	Answer(ctx context.Context) error

	// Progress lets the party of a leg that arrived be spoken to before it is
	// answered, where it can: what its audio plays from now on is heard, and
	// costs it nothing. On a leg that is answered it does nothing.
	Progress(ctx context.Context) error

	// HangUp ends the leg, whatever its state: a rejection before the answer,
	// BYE or CANCEL after. why chooses the code and the Reason the party gets
	// (nil: normal clearing). On a leg that is over it does nothing.
	HangUp(ctx context.Context, why error) error

	// Hide names the numbers that the party may not learn, instead of those named
	// before: no message to it leaves with one of them in it.
	Hide(numbers ...Phone)

	// Held says whether the party has put us on hold: it wants to hear nothing.
	// changed is closed when that is no longer so.
	Held() (held bool, changed <-chan struct{})

	// Referrals are an operator's wishes that somebody else goes on in their
	// place; each must be reported on before the next comes. nil: the party has no
	// right to any.
	Referrals() <-chan Referral

	// Audio is the party's audio, good for the leg's life.
	Audio() media.Port

	// Renew asks a party that is not heard to agree on its audio anew, which mends
	// a path that broke on its side or between. It does not wait.
	Renew()

	// Record is the leg as it stands, for the CDR.
	Record() LegRecord
}

// Arrival is what is known of a leg when it arrives.
type Arrival struct {
	From     Phone  // who calls; empty: withheld, or no number we can read
	To       Phone  // the number dialled: the line, or what an operator dialled
	Trunk    string // the trunk it came over, empty for operators' phones
	Operator string // the login of the operator who calls, empty for trunks
	Desk     string // the login an operator dialled in place of a number
}

// Referral is an operator's wish that the other party of a call goes on with
// somebody else (RFC 3515): with a number or another operator, who are called
// first, or with the other party of another call of theirs (RFC 3891).
type Referral struct {
	Number   Phone
	Operator string
	Instead  Leg // the operator's leg of the other call

	// Ringing tells the operator's phone that whom they named rings.
	Ringing func()
	// Report tells the operator's phone how it ended, nil: well, and waits a
	// moment until the phone knows.
	Report func(ctx context.Context, err error)
}

// Endpoint is something that can be called: a number over a trunk, or every
// phone and browser an operator is logged in with.
type Endpoint struct {
	Number   Phone  // over a trunk …
	Operator string // … or the operator with this login

	Trunk string // over this trunk only; empty: whichever is in service

	// From is shown to the party as the caller, and From alone: nothing else
	// about who is behind the call leaves with it. On a trunk it is always one of
	// the firm's own numbers; empty: the trunk's caller ID.
	From Phone
	// Name goes beside From as the display name (operators only).
	Name string
	// Hidden are numbers that the party may not learn; see Leg.Hide.
	Hidden []Phone
	// CallID tells an operator's page which call this is; trunks never see it.
	CallID string
	// Link opens the caller's card in the dispatch system; operators' phones that
	// know what to do with one open it (Call-Info, RFC 3261 §20.9).
	Link string

	// Ringing is called, by Dial, each time a phone of the party rings; may be nil.
	Ringing func()
	// Early hears a number before it answers; nil: nobody does.
	Early Early
}

// Early is who hears a party that has not answered yet: the network's own
// ringing, a word about why nobody comes. The leg is not answered by it.
type Early interface {
	// EarlyMedia is told that there is something to be heard, by Dial, in its
	// goroutine and with its ctx; again where the call goes on over another trunk.
	// The port is good until Dial fails.
	EarlyMedia(ctx context.Context, from media.Port)
}

// Dialer calls an endpoint.
type Dialer interface {
	// Dial returns once the party has answered. When ctx ends first, the
	// ringing is cancelled and Dial returns at once with ctx's cause; the leg
	// that is returned does not depend on ctx. The error wraps
	// ErrBusy, ErrNoAnswer, ErrRejected, ErrUnreachable or ErrNoChannel where
	// that is what happened, and is a *DialError once the party was called.
	Dial(ctx context.Context, to Endpoint) (Leg, error)
}

// DialError is why a leg that was dialled never came up, with what the CDR
// keeps of it.
type DialError struct {
	LegID string // the SIP Call-ID
	Code  int    // the SIP status that refused it; 0: none came
	Err   error
}

func (e *DialError) Error() string { return e.Err.Error() }

// Unwrap is what callers decide on: ErrBusy and the others.
func (e *DialError) Unwrap() error { return e.Err }

// LegRecord is a leg as it stands in the CDR.
type LegRecord struct {
	ID       string // the SIP Call-ID, to find the leg in a capture
	Party    Role
	Number   Phone  // the party's number; empty for operators
	Operator string // the login; empty for numbers
	Trunk    string
	Started  time.Time
	Answered time.Time // zero: never
	Ended    time.Time // zero: not yet
	Cause    string    // one of the CDR's words, see endings
	Code     int       // the SIP status that ended the set-up, 200 when answered
	Audio    media.Stats
}

// Unheard says that nothing came from a party who had answered for so long that
// the other one said hello into silence.
func (r LegRecord) Unheard() bool {
	never := r.Audio.Received == 0 && r.Ended.Sub(r.Answered) >= missedAfter
	return !r.Answered.IsZero() && (never || r.Audio.LongestSilence >= missedAfter)
}

// Role is what a party is in a call.
type Role string

const (
	RoleClient   Role = "client"
	RoleDriver   Role = "driver"
	RoleOperator Role = "operator"
	RoleTarget   Role = "target" // the number a line is forwarded to, or an operator dialled
)
