package pbx

import (
	"context"
	"strings"
)

// outgoing carries a call an operator makes: to the clients and drivers of
// active orders, and to numbers the firm allows. A stolen password must not
// become a telephone bill.
func (s *Switchboard) outgoing(ctx context.Context, operator Leg, a Arrival) {
	s.run(ctx, KindOutgoing, s.lineFor(""), func(ctx context.Context, call *Call) error {
		ctx, done := attend(ctx, operator)
		defer done()
		call.cdr.To = a.To
		call.cdr.State = StateCallingTarget
		call.add(operator, RoleOperator)
		call.step("operator " + a.Operator + " dials")
		if err := s.mayDial(ctx, a.To); err != nil {
			call.step("number not allowed")
			return err
		}
		free := s.desk.occupy(a.Operator, call.cdr.ID)
		defer free()
		err := s.reach(ctx, call, operator, Endpoint{Number: a.To, Trunk: call.line.Trunk, From: call.line.Number})
		hangUp(ctx, operator, err) // a phone that still talks would refuse the next client
		return err
	})
}

func (s *Switchboard) mayDial(ctx context.Context, number Phone) error {
	for _, beginning := range s.MayDial {
		if strings.HasPrefix(number.Dialable(), beginning) {
			return nil
		}
	}
	ask, cancel := context.WithTimeout(ctx, s.Limits.OrderLookup)
	defer cancel()
	if order, err := within(ask, s.Dispatch.OrderByPhone, number); err == nil && order != nil {
		return nil
	}
	if orders, err := within(ask, s.Dispatch.OrdersByDriver, number); err == nil && len(orders) > 0 {
		return nil
	}
	return ErrNotAllowed
}
