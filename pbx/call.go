package pbx

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"

	"cabline/media"
)

// Call is one conversation, from the first INVITE to the CDR.
//
// A Call belongs to the goroutine which runs its story: nobody else reads or
// writes its fields. Others look at its latest snapshot.
type Call struct {
	cdr   CDR
	line  Line
	order *Order
	voice Voice
	hello media.Speech // to be said while operators ring already; nil: nothing
	legs  []Leg        // those that answered or arrived, in that order
	known []Phone      // the parties' numbers that have come into the call
	holds int          // how often one of them put another on hold or took it back

	// aside are goroutines that may outlive the step which began them, but not
	// the call: phones that ring on for a moment after another was answered.
	aside sync.WaitGroup

	// news tells whoever waits in the call that there is a notice for the client.
	news chan struct{}

	recorder Recorder // nil: nothing is recorded
	tapes    []Tape   // of all its talks
	tape     taping   // of the talk under way

	talks   *talks
	seen    atomic.Pointer[view]
	masking Masking
	public  func(Phone) bool // a number that everybody may see
	changed func()
	tell    func(Event) // nil: nobody wants to know
}

// view is what people see of a call: a copy that never changes again.
type view struct {
	cdr  CDR
	card Card
}

// step writes down what happens and shows it to those who watch. The first
// step of a story is taken when it is known who calls and whom: there the call
// has started for those who are told of it.
func (c *Call) step(what string) {
	c.cdr.Steps = append(c.cdr.Steps, Step{At: time.Now(), What: what})
	c.show()
	if len(c.cdr.Steps) == 1 {
		c.post(EventCallStarted)
	}
}

// enter is step for a step that changes where the call stands.
func (c *Call) enter(state State, what string) {
	c.cdr.State = state
	c.step(what)
	if state == StateTalking {
		c.post(EventCallAnswered)
	}
}

func (c *Call) show() {
	cdr := c.cdr
	cdr.Steps = cdr.Steps[:len(cdr.Steps):len(cdr.Steps)] // later steps go elsewhere
	cdr.Legs = append([]LegRecord(nil), c.cdr.Legs...)
	for i, leg := range c.legs {
		cdr.Legs[i] = c.record(i, leg)
	}
	card := Card{CallID: cdr.ID, Phone: cdr.From, Line: c.line.Number, Branch: c.line.Branch, Tariff: c.line.Tariff, Order: c.order}
	if len(cdr.Legs) > 0 {
		card.Party = cdr.Legs[0].Party
	}
	c.seen.Store(&view{cdr: cdr, card: card})
	c.changed()
}

// add makes a leg part of the call: it is hung up and recorded when the call ends.
func (c *Call) add(leg Leg, party Role) {
	// Legs that never answered stand behind those that did, so that c.legs[i]
	// and c.cdr.Legs[i] are the same leg.
	record := leg.Record()
	record.Party = party
	i := len(c.legs)
	c.legs = append(c.legs, leg)
	c.cdr.Legs = append(c.cdr.Legs, LegRecord{})
	copy(c.cdr.Legs[i+1:], c.cdr.Legs[i:])
	c.cdr.Legs[i] = record
	c.conceal(record.Number)
}

// missed records a leg that was dialled and never answered.
func (c *Call) missed(to Endpoint, party Role, started time.Time, err error) {
	record := LegRecord{Party: party, Number: to.Number, Operator: to.Operator, Trunk: to.Trunk,
		Started: started, Ended: time.Now(), Cause: Ending(err)}
	var dialed *DialError
	if errors.As(err, &dialed) {
		record.ID, record.Code = dialed.LegID, dialed.Code
	}
	c.cdr.Legs = append(c.cdr.Legs, record)
}

func (c *Call) record(i int, leg Leg) LegRecord {
	record := leg.Record()
	record.Party = c.cdr.Legs[i].Party
	return record
}

// run gives a call its record, its logger and a context that ends with the
// exchange, tells its story and writes it down: always, once.
func (s *Switchboard) run(ctx context.Context, kind Kind, line Line, story func(context.Context, *Call) error) {
	call := s.newCall(kind, line)
	log := zerolog.Ctx(ctx).With().Str(logCall, call.cdr.ID).Logger()
	ctx, cancel := context.WithCancelCause(log.WithContext(ctx))
	defer cancel(nil)
	s.live.add(call, cancel)
	s.finish(ctx, call, survive(ctx, call, story))
}

func (s *Switchboard) newCall(kind Kind, line Line) *Call {
	call := &Call{
		cdr:      CDR{ID: rand.Text()[:12], Kind: kind, Line: line.Number, Branch: line.Branch, Started: time.Now()},
		line:     line,
		voice:    s.voice(line.Language),
		news:     make(chan struct{}, 1),
		masking:  s.Masking,
		public:   func(number Phone) bool { _, ours := s.line(number); return ours },
		changed:  s.changes.signal,
		talks:    &s.talks,
		recorder: s.Recorder,
		tell:     s.Tell,
	}
	call.show()
	return call
}

// errFault is what becomes of a panic.
var errFault = errors.New("a fault of ours")

// survive tells a part of a story; a panic ends that part and nothing else.
func survive(ctx context.Context, call *Call, story func(context.Context, *Call) error) (err error) {
	defer caught(ctx, func(fault error) { err = fault })
	return story(ctx, call)
}

// caught is deferred by each part of a story, and by what goes on beside one: a panic
// ends that, and what then says.
func caught(ctx context.Context, then func(fault error)) {
	if fault := recover(); fault != nil {
		zerolog.Ctx(ctx).Error().Interface(logPanic, fault).Bytes(logStack, debug.Stack()).Msg("a call's story panicked")
		then(fmt.Errorf("%w: %v", errFault, fault))
	}
}

// beside is caught for what serves one leg: that ends, and with it what the story does
// for it.
func beside(ctx context.Context, leg Leg) func(fault error) {
	return func(fault error) { hangUp(ctx, leg, fault) }
}

// attend ends ctx when the leg ends, with the leg's cause: a story has no more
// to do once the party it serves is gone.
func attend(ctx context.Context, leg Leg) (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	stop := context.AfterFunc(leg.Context(), func() { cancel(context.Cause(leg.Context())) })
	return ctx, func() { stop(); cancel(nil) }
}

// lastWords is how long hanging up and writing the CDR may take after a call:
// a BYE is repeated for a while when nobody answers it.
const lastWords = 10 * time.Second

// finish hangs up every leg at once, then writes the call down: always, once.
func (s *Switchboard) finish(ctx context.Context, call *Call, err error) {
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastWords)
	defer cancel()
	log := zerolog.Ctx(ctx)
	var hangups sync.WaitGroup
	for _, leg := range call.legs {
		hangups.Go(func() {
			defer caught(ctx, func(error) {})
			hangUp(last, leg, err)
		})
	}
	hangups.Wait()
	call.aside.Wait()

	call.cdr.Ended = time.Now()
	call.cdr.Result = Ending(err)
	call.enter(StateEnded, "ended: "+call.cdr.Result)
	cdr := call.seen.Load().cdr
	for _, leg := range cdr.Legs {
		if !leg.Answered.IsZero() && (cdr.Answered.IsZero() || leg.Answered.Before(cdr.Answered)) {
			cdr.Answered = leg.Answered
		}
	}
	if saved := s.Store.SaveCDR(last, cdr); saved != nil {
		log.Error().Err(saved).Msg("save CDR")
	}
	for _, tape := range call.tapes {
		tape.CallEnded(cdr)
	}
	s.live.remove(cdr.ID)
	if s.Notices != nil {
		s.Notices.callEnded()
	}
	s.changes.signal()
	entry := log.Info()
	if cdr.Result == unforeseen {
		entry = log.Error().Err(err)
	}
	entry.Str(logKind, string(cdr.Kind)).Stringer(logFrom, cdr.From).Stringer(logLine, cdr.Line).
		Str(logOrder, cdr.OrderID).Str(logResult, cdr.Result).Dur(logTalked, cdr.Talked).Msg("call ended")
}

// hangUp ends a leg even when the call's own context is already over.
func hangUp(ctx context.Context, leg Leg, why error) {
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastWords)
	defer cancel()
	if err := leg.HangUp(last, why); err != nil {
		zerolog.Ctx(ctx).Warn().Err(err).Str(logLeg, leg.Record().ID).Msg("hang up")
	}
}

// dial calls a party and makes its leg part of the call.
func (s *Switchboard) dial(ctx context.Context, call *Call, party Role, to Endpoint, ring time.Duration) (Leg, error) {
	call.step("dial " + string(party))
	call.conceal(to.Number)
	to.Hidden = call.hiddenFrom(to.Number, to.Operator)
	started := time.Now()
	ringing, cancel := context.WithTimeoutCause(ctx, ring, ErrNoAnswer)
	defer cancel()
	leg, err := s.Dialer.Dial(ringing, to)
	if err != nil {
		call.missed(to, party, started, err)
		call.step(string(party) + ": " + Ending(err))
		return nil, fmt.Errorf("dial %s: %w", party, err)
	}
	call.add(leg, party)
	call.step(string(party) + " answered")
	return leg, nil
}
