package pbx

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"
)

// converse is a talk with an operator, who may hand the other party on. That
// one hears ringing meanwhile, and never a number. A hand-over that fails brings
// the operator back, and where they have hung up, rings them again.
func (s *Switchboard) converse(ctx context.Context, call *Call, party, operator Leg) error {
	ctx, done := attend(ctx, party)
	defer done()
	defer call.taped(ctx, party, operator)()
	defer s.desk.occupy(party.Record().Operator, call.cdr.ID)() // where colleagues talk
	for {
		free := s.desk.occupy(operator.Record().Operator, call.cdr.ID)
		err := call.join(ctx, party, operator)
		var wish *referred
		if !errors.As(err, &wish) {
			hangUp(ctx, operator, err) // a phone that still talks would refuse the next client
			free()
			return err
		}
		next, err := s.handOver(ctx, call, party, operator, wish.Referral)
		wish.Report(ctx, err)
		switch {
		case err == nil:
			call.enter(StateTalking, "talk to "+whoIs(call, next))
		case ctx.Err() != nil:
			hangUp(ctx, operator, nil)
			free()
			return context.Cause(ctx)
		default:
			call.step("hand-over: " + Ending(err))
			if next = operator; operator.Context().Err() != nil {
				free()
				if next, err = s.fetch(ctx, call, party, operator); err != nil {
					return s.operator(ctx, call, party)
				}
			}
			call.enter(StateTalking, "back to "+whoIs(call, next))
		}
		if next != operator {
			hangUp(ctx, operator, nil)
			free()
			operator = next
		}
	}
}

// handOver finds the one the party shall go on with.
func (s *Switchboard) handOver(ctx context.Context, call *Call, party, operator Leg, to Referral) (Leg, error) {
	who := whoIs(call, operator)
	if to.Instead != nil {
		call.step(who + " joins two calls")
		next, err := s.talks.claim(ctx, to.Instead, func(leg Leg) { s.desk.occupy(leg.Record().Operator, call.cdr.ID) })
		if err != nil {
			return nil, err
		}
		call.add(next.leg, next.party)
		return next.leg, nil
	}
	sound := waiting(ctx, party, nil, ringback)
	defer sound.stop()
	if to.Operator != "" {
		call.enter(StateCallingTarget, who+" hands over to operator "+to.Operator)
		return s.colleague(ctx, call, to.Operator, to.Ringing)
	}
	call.enter(StateCallingTarget, who+" hands over to "+to.Number.String())
	if err := s.mayDial(ctx, to.Number); err != nil {
		return nil, err
	}
	return s.target(ctx, call, to.Number, sound, to.Ringing)
}

// colleague rings an operator whom another one asks for.
func (s *Switchboard) colleague(ctx context.Context, call *Call, login string, ringing func()) (Leg, error) {
	if err := s.desk.ask(login, call.cdr.ID); err != nil {
		return nil, err
	}
	to := s.toOperator(call, login)
	to.Ringing = ringing
	leg, err := s.dial(ctx, call, RoleOperator, to, s.Limits.OperatorRing)
	if err != nil {
		s.desk.giveBack(login, call.cdr.ID)
	}
	return leg, err
}

// fetch rings an operator again who handed a party over in vain and hung up.
func (s *Switchboard) fetch(ctx context.Context, call *Call, party, operator Leg) (Leg, error) {
	sound := waiting(ctx, party, nil, ringback)
	defer sound.stop()
	return s.colleague(ctx, call, operator.Record().Operator, nil)
}

// whoIs names a party in the steps.
func whoIs(call *Call, leg Leg) string {
	if login := leg.Record().Operator; login != "" {
		return "operator " + login
	}
	return string(call.party(leg))
}

// referred ends a talk whose operator wishes to be replaced.
type referred struct{ Referral }

func (*referred) Error() string { return "referred" }

// talks finds the talk an operator's leg is in, for another call of theirs.
type talks struct {
	mu   sync.Mutex
	open map[Leg]*openTalk
}

type openTalk struct {
	claims chan claim
	over   chan struct{} // closed when the talk has ended
}

// claim asks a talk for the one who talks with a leg.
type claim struct {
	with  Leg
	taken func(Leg)    // is called before the other one leaves their call: a colleague is free at no moment
	other chan<- given // has room for one; told at once
}

type given struct {
	leg   Leg
	party Role
}

// add makes a talk known until it is shut.
func (t *talks) add(a, b Leg) (claims <-chan claim, shut func()) {
	talk := &openTalk{claims: make(chan claim), over: make(chan struct{})}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.open == nil {
		t.open = map[Leg]*openTalk{}
	}
	t.open[a], t.open[b] = talk, talk
	return talk.claims, func() {
		t.mu.Lock()
		defer t.mu.Unlock()
		delete(t.open, a)
		delete(t.open, b)
		close(talk.over)
	}
}

// claim takes the one who talks with a leg out of that talk.
func (t *talks) claim(ctx context.Context, with Leg, taken func(Leg)) (given, error) {
	t.mu.Lock()
	talk := t.open[with]
	t.mu.Unlock()
	if talk == nil {
		return given{}, ErrUnreachable
	}
	other := make(chan given, 1)
	select {
	case talk.claims <- claim{with, taken, other}:
		return <-other, nil
	case <-talk.over:
		return given{}, ErrUnreachable
	case <-ctx.Done():
		return given{}, context.Cause(ctx)
	}
}

// give lets another call have a leg of this one.
func (c *Call) give(leg Leg) given {
	i := slices.Index(c.legs, leg)
	record := c.record(i, leg)
	record.Ended, record.Cause = time.Now(), Ending(nil)
	c.legs = slices.Delete(c.legs, i, i+1)
	c.cdr.Legs = append(slices.Delete(c.cdr.Legs, i, i+1), record)
	c.step(string(record.Party) + " goes on in another call")
	return given{leg, record.Party}
}
