package pbx

import (
	"context"
	"strings"
)

// outgoing carries a call an operator makes: to the clients and drivers of
// active orders, to numbers the firm allows, to other operators. A stolen
// password must not become a telephone bill.
func (s *Switchboard) outgoing(ctx context.Context, operator Leg, a Arrival) {
	s.run(ctx, KindOutgoing, s.lineFor(""), func(ctx context.Context, call *Call) error {
		call.cdr.To = a.To
		call.cdr.State = StateCallingTarget
		call.add(operator, RoleOperator)
		call.step("operator " + a.Operator + " dials")
		free := s.desk.occupy(a.Operator, call.cdr.ID)
		defer free()
		defer s.desk.giveBack(a.Desk, call.cdr.ID)
		target, err := s.dialFor(ctx, call, operator, a)
		if err != nil {
			hangUp(ctx, operator, err) // a phone that still rings would refuse the next client
			return err
		}
		return s.converse(ctx, call, target, operator)
	})
}

// dialFor reaches the one an operator dialled.
func (s *Switchboard) dialFor(ctx context.Context, call *Call, operator Leg, a Arrival) (Leg, error) {
	ctx, done := attend(ctx, operator)
	defer done()
	if a.Desk != "" {
		return s.reach(ctx, call, operator, func(Early) (Leg, error) { return s.colleague(ctx, call, a.Desk, nil) })
	}
	if err := s.mayDial(ctx, a.To); err != nil {
		call.step("number not allowed")
		return nil, err
	}
	return s.reach(ctx, call, operator, func(early Early) (Leg, error) { return s.target(ctx, call, a.To, early, nil) })
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
