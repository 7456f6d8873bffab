package pbx

import "context"

// CallTo begins a call that an operator asked for outside their telephone, by a
// click on a number in the dispatch system's panel: their own phones ring first,
// then the number is dialled, under the same rules as if they had dialled it.
// It returns the call's ID when the operator is about to ring. The error wraps
// ErrUnreachable (no such operator, or not logged in), ErrBusy (in another call),
// ErrNotAllowed or ErrShutdown.
func (s *Switchboard) CallTo(ctx context.Context, operator string, number Phone) (id string, err error) {
	s.init()
	if err := s.mayDial(ctx, number); err != nil {
		return "", err
	}
	begun := make(chan error, 1)
	story := func(ctx context.Context) {
		s.run(ctx, KindOutgoing, s.lineFor(""), func(ctx context.Context, call *Call) error {
			call.cdr.To = number
			call.cdr.State = StateCallingTarget
			call.step("operator " + operator + " asks for a call")
			err := s.desk.ask(operator, call.cdr.ID)
			id = call.cdr.ID
			if begun <- err; err != nil {
				return err
			}
			defer s.desk.giveBack(operator, call.cdr.ID)
			return s.callTo(ctx, call, operator, number)
		})
	}
	if err := s.begin(ctx, story); err != nil {
		return "", err
	}
	err = <-begun
	return id, err
}

// callTo rings the operator, who then hears the called network or our ringing.
func (s *Switchboard) callTo(ctx context.Context, call *Call, login string, number Phone) error {
	call.conceal(number)
	own := Endpoint{Operator: login, From: number, CallID: call.cdr.ID}
	if s.Masking.Operators {
		own.From, own.Name = "", number.String()
	}
	operator, err := s.dial(ctx, call, RoleOperator, own, s.Limits.OperatorRing)
	if err != nil {
		return err
	}
	target, err := s.whileRinging(ctx, operator, func(ctx context.Context, early Early) (Leg, error) {
		return s.target(ctx, call, number, early, nil)
	})
	if err != nil {
		hangUp(ctx, operator, err) // a phone that still rings would refuse the next client
		return err
	}
	call.enter(StateTalking, "talk to target")
	return s.converse(ctx, call, target, operator)
}

// whileRinging dials for a leg that is answered and hears ringing meanwhile.
func (s *Switchboard) whileRinging(ctx context.Context, leg Leg, dial func(context.Context, Early) (Leg, error)) (Leg, error) {
	ctx, done := attend(ctx, leg)
	defer done()
	sound := waiting(ctx, leg, nil, ringback)
	defer sound.stop()
	return dial(ctx, sound)
}
