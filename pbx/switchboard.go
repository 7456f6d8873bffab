package pbx

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"

	"cabline/media"
	"cabline/prompts"
)

// Switchboard runs calls. Fill in the fields, then Serve.
type Switchboard struct {
	Dispatch Dispatch
	Dialer   Dialer
	Store    Store
	Voices   map[string]Voice // by language; Language must be among them
	Language string           // of lines that name none
	Lines    []Line
	Limits   Limits
	Masking  Masking
	Windows  Windows // nil: nobody is called back
	// MayDial lists the beginnings of numbers ("+7") that operators may dial
	// besides the clients and drivers of active orders.
	MayDial []string
	// Notices calls clients about news; may be nil. Serve runs it.
	Notices *Autodial
	// LookedUp is told how long each order look-up took; may be nil.
	LookedUp func(took time.Duration, err error)
	// CardLink is where the dispatch system shows an operator the card of a
	// client's call, empty: nowhere; may be nil.
	CardLink func(operator string, card Card) string
	// Tell is given what happens in calls, as it happens; may be nil. It must not
	// wait: a call goes on in the meantime. That a call has ended is told by its
	// CDR, in Store.
	Tell func(Event)

	// Recorder keeps what is said in talks; nil: nothing is.
	Recorder Recorder

	desk    desk
	said    answersSaid
	live    liveCalls
	talks   talks
	changes changes
	started chan func(context.Context)
	once    sync.Once

	declining atomic.Bool // no call begins any more
}

// Line is one of the firm's numbers and what it stands for.
type Line struct {
	Number   Phone
	Trunk    string
	Branch   string
	Tariff   string
	Language string
	Forward  Phone // set: the line goes straight to this number
}

// Limits are the times a caller may be made to wait. Zero fields take their
// defaults.
type Limits struct {
	OrderLookup  time.Duration // then the caller goes on without an order; 1 s
	KeyWait      time.Duration // for a key after the menu; 5 s
	DriverRing   time.Duration // 25 s
	ClientRing   time.Duration // a client called on request; 40 s
	OperatorRing time.Duration // then the next one; 20 s
	QueueMax     time.Duration // in line; 10 min
}

func (l Limits) orDefault() Limits {
	for _, d := range []struct {
		field *time.Duration
		value time.Duration
	}{
		{&l.OrderLookup, time.Second},
		{&l.KeyWait, 5 * time.Second},
		{&l.DriverRing, 25 * time.Second},
		{&l.ClientRing, 40 * time.Second},
		{&l.OperatorRing, 20 * time.Second},
		{&l.QueueMax, 10 * time.Minute},
	} {
		if *d.field == 0 {
			*d.field = d.value
		}
	}
	return l
}

// Voice says things in one language; *prompts.Voice is one.
type Voice interface {
	Say(id prompts.ID) media.Speech
	OrderStatus(facts prompts.Facts) media.Speech
	Menu(choices ...prompts.ID) media.Speech
	Music() media.Clip
}

func (s *Switchboard) init() {
	s.once.Do(func() {
		s.Limits = s.Limits.orDefault()
		s.started = make(chan func(context.Context))
		s.changes.init()
		s.desk.changed = s.changes.signal
	})
}

// Serve runs the calls the exchange itself begins (Connect) until ctx ends and
// every call is over. Calls that arrive run in Incoming.
func (s *Switchboard) Serve(ctx context.Context) {
	s.init()
	var stories sync.WaitGroup
	if s.Notices != nil {
		stories.Go(func() { s.Notices.serve(ctx) })
	}
	for {
		select {
		case story := <-s.started:
			stories.Go(func() {
				defer caught(ctx, func(error) {})
				story(ctx)
			})
		case <-ctx.Done():
			stories.Wait()
			s.live.wait()
			return
		}
	}
}

// Decline lets the exchange begin no more calls of its own: none on request, none
// about news. Those in progress go on as ever.
func (s *Switchboard) Decline() { s.declining.Store(true) }

// begin has Serve run the story of a call that was asked for.
func (s *Switchboard) begin(ctx context.Context, story func(context.Context)) error {
	if s.declining.Load() {
		return ErrShutdown
	}
	select {
	case s.started <- story:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// Incoming runs the story of a leg that arrived. It returns when the call is
// over, and the leg, which may have gone on in another call.
func (s *Switchboard) Incoming(ctx context.Context, leg Leg, a Arrival) {
	s.init()
	line, known := s.line(a.To)
	switch {
	case a.Operator != "":
		s.outgoing(ctx, leg, a)
	case !known:
		zerolog.Ctx(ctx).Warn().Stringer(logLine, a.To).Str(logTrunk, a.Trunk).Msg("a call to a number that is none of our lines")
		hangUp(ctx, leg, ErrUnreachable)
	case line.Forward != "":
		s.forward(ctx, leg, a, line)
	default:
		s.inbound(ctx, leg, a, line)
	}
	<-leg.Context().Done()
}

func (s *Switchboard) line(number Phone) (Line, bool) {
	i := slices.IndexFunc(s.Lines, func(l Line) bool { return l.Number == number })
	if i < 0 {
		return Line{}, false
	}
	return s.Lines[i], true
}

// lineFor is the line a call we begin ourselves shows: the one the order came
// by, or the firm's first.
func (s *Switchboard) lineFor(number Phone) Line {
	if line, known := s.line(number); known {
		return line
	}
	if len(s.Lines) > 0 {
		return s.Lines[0]
	}
	return Line{}
}

func (s *Switchboard) voice(language string) Voice {
	if v := s.Voices[language]; v != nil {
		return v
	}
	return s.Voices[s.Language]
}
