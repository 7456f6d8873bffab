package pbx

import (
	"context"
	"errors"
	"fmt"
	"time"

	"cabline/prompts"
)

// How long an operator's phone is left alone after it rang in vain, and after
// it refused.
const (
	restAfterNoAnswer = 3 * time.Second
	restAfterRefusal  = 15 * time.Second
)

// operator puts the client in line and joins them with the first operator who
// answers. They hear music while none is free, ringback while phones ring.
func (s *Switchboard) operator(ctx context.Context, call *Call, client Leg) error {
	call.enter(StateWaiting, "wait for operator")
	joined := time.Now()
	found, err := s.firstOperator(ctx, call, client)
	call.cdr.Waited = time.Since(joined)
	switch {
	case errors.Is(err, ErrNoAnswer) && ctx.Err() == nil: // waited too long
		call.step("no operator came free")
		if err := call.say(ctx, client, call.voice.Say(prompts.Sorry)); err != nil {
			return err
		}
		return err
	case err != nil:
		return err
	}
	call.add(found.leg, RoleOperator)
	call.enter(StateTalking, "talk to operator "+found.login)
	return s.converse(ctx, call, client, found.leg)
}

// picked is an operator's phone that rang to its end: a leg, or why not.
type picked struct {
	login   string
	leg     Leg
	err     error
	to      Endpoint
	started time.Time
}

// firstOperator rings every operator the desk offers until one answers.
func (s *Switchboard) firstOperator(ctx context.Context, call *Call, client Leg) (picked, error) {
	line, cancel := context.WithTimeoutCause(ctx, s.Limits.QueueMax, ErrNoAnswer)
	defer cancel()
	var takenBy []string
	if call.order != nil {
		takenBy = call.order.TakenBy
	}
	ticket := s.desk.enter(Waiting{CallID: call.cdr.ID, Phone: call.cdr.From, Line: call.line.Number,
		Branch: call.cdr.Branch, Since: time.Now()}, takenBy)
	defer ticket.leave()

	ring, stopRinging := context.WithCancelCause(line)
	defer stopRinging(ErrElsewhere) // those who lost must not see a missed call
	results := make(chan picked)

	music := append(call.voice.Say(prompts.PleaseWait), call.voice.Music())
	first := append(call.hello[:len(call.hello):len(call.hello)], call.voice.Say(prompts.ConnectingOperator)...)
	call.hello = nil
	sound := waiting(ctx, client, first, music)
	defer sound.stop()
	for ringing := 0; ; {
		select {
		case o := <-ticket.offers:
			call.step("ring operator " + o.Login)
			if ringing++; ringing == 1 {
				sound.change(ringback)
			}
			to := s.toOperator(call, o.Login)
			call.aside.Go(func() { s.ringOperator(ring, ticket, to, results) })
		case r := <-results:
			if r.err == nil {
				return r, nil
			}
			call.missed(r.to, RoleOperator, r.started, r.err)
			call.step(fmt.Sprintf("operator %s: %s", r.login, Ending(r.err)))
			if ringing--; ringing == 0 {
				sound.change(music)
			}
		case <-call.news:
			voice, from, id := call.voice, call.cdr.From, call.cdr.ID
			sound.interrupt(func(ctx context.Context) { s.Notices.whisper(ctx, client, voice, from, id) })
		case <-line.Done():
			return picked{}, context.Cause(line)
		}
	}
}

// ringOperator rings one operator and reports. A phone that answers when
// nobody listens for it any more is hung up.
func (s *Switchboard) ringOperator(ctx context.Context, t *ticket, to Endpoint, results chan<- picked) {
	ring, cancel := context.WithTimeoutCause(ctx, s.Limits.OperatorRing, ErrNoAnswer)
	defer cancel()
	r := picked{login: to.Operator, to: to, started: time.Now()}
	r.leg, r.err = s.ring(ring, to)
	if r.err != nil {
		t.release(to.Operator, restAfter(ctx, r.err))
	}
	select {
	case results <- r:
	case <-ctx.Done():
		if r.err == nil {
			hangUp(ctx, r.leg, ErrElsewhere)
			t.release(to.Operator, 0)
		}
	}
}

// ring dials; a panic is a phone that cannot be reached.
func (s *Switchboard) ring(ctx context.Context, to Endpoint) (leg Leg, err error) {
	defer caught(ctx, func(fault error) { err = fault })
	return s.Dialer.Dial(ctx, to)
}

func restAfter(ctx context.Context, err error) time.Duration {
	switch {
	case ctx.Err() != nil: // we took the ringing back ourselves
		return 0
	case errors.Is(err, ErrNoAnswer):
		return restAfterNoAnswer
	}
	return restAfterRefusal
}
