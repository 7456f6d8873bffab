package pbx

import (
	"context"
	"time"

	"github.com/rs/zerolog"

	"cabline/media"
)

// Recorder keeps what is said in talks.
type Recorder interface {
	// Begin begins to record a talk of a call, its first, second … by number, and
	// does not wait. nil: this talk is not recorded.
	Begin(log zerolog.Logger, callID string, number int, left, right Role) Tape
}

// Tape is the recording of one talk, from its beginning to its end, whoever holds
// and whoever takes the place of whom.
type Tape interface {
	// Cross lets two parties hear each other, as media.Cross does.
	Cross(left, right media.Port) (unplug func())
	// End says that the talk is over.
	End()
	// CallEnded says that the call is, too, and how; it comes after End, once.
	CallEnded(cdr CDR)
}

// Recording is a recording that is whole.
type Recording struct {
	CallID      string
	Number      int    // which talk of the call, from 1 on
	File        string // below the folder of recordings, with slashes
	URL         string // where it is fetched over HTTP
	Started     time.Time
	Length      time.Duration
	Size        int64 // in bytes
	Left, Right Role  // who spoke; the second one may have been replaced
}

// taping is the recording of a talk under way.
type taping struct {
	Tape
	mirrored bool // the talk's first leg is the right side
}

// maxTapes bounds the recordings of one call: an operator may hand over for ever.
const maxTapes = 99

// taped records a talk until stop is called, if talks are; a talk within one that
// is recorded is a part of it. The client is on the left.
func (c *Call) taped(ctx context.Context, a, b Leg) (stop func()) {
	if c.recorder == nil || c.tape.Tape != nil || len(c.tapes) == maxTapes {
		return func() {}
	}
	left, right := c.party(a), c.party(b)
	mirrored := right == RoleClient || right == RoleDriver && left != RoleClient
	if mirrored {
		left, right = right, left
	}
	tape := c.recorder.Begin(*zerolog.Ctx(ctx), c.cdr.ID, len(c.tapes)+1, left, right)
	if tape == nil {
		return func() {}
	}
	c.tapes = append(c.tapes, tape)
	c.tape = taping{tape, mirrored}
	c.step("the talk is recorded")
	return func() {
		tape.End()
		c.tape = taping{}
	}
}

// cross lets two legs hear each other, and has it kept where the talk is recorded.
// What a party says who is on hold, or holds, nobody hears and nobody keeps.
func (c *Call) cross(a, b Leg) (unplug func()) {
	switch {
	case c.tape.Tape == nil:
		return media.Cross(a.Audio(), b.Audio())
	case c.tape.mirrored:
		a, b = b, a
	}
	return c.tape.Cross(a.Audio(), b.Audio())
}
