package pbx

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/rs/zerolog"

	"cabline/ivr"
	"cabline/media"
	"cabline/prompts"
)

// callback is a caller who wants the other party of an order and need not be
// asked: a client who missed the driver's call, a driver who has an order.
type callback struct {
	caller Role     // RoleClient or RoleDriver
	orders []*Order // one, or several of a driver, the present one first; none: an operator is for them
}

// callback says whom the caller is to be joined with; nil: the menu or an
// operator is for them. The call's order is known by now, if it has one.
func (s *Switchboard) callback(ctx context.Context, call *Call) *callback {
	caller := call.cdr.From
	if caller == "" {
		return nil
	}
	w, order, missed := s.openWindow(ctx, caller, false)
	if missed && w.of(caller) == RoleClient {
		call.step("the client returns a missed call")
		return &callback{RoleClient, []*Order{order}}
	}
	if call.order != nil {
		return nil
	}
	if orders := s.ordersOfDriver(ctx, call); len(orders) > 0 {
		if missed {
			orders = justThat(orders, order.ID)
		}
		return &callback{RoleDriver, orders}
	}
	if missed {
		call.step("the driver returns a missed call")
		return &callback{RoleDriver, []*Order{order}}
	}
	if w, order, lost := s.openWindow(ctx, caller, true); lost {
		call.step("the " + string(w.of(caller)) + " calls about something lost")
		return &callback{w.of(caller), []*Order{order}}
	}
	if last := s.lastOfDriver(ctx, caller); last != nil {
		call.about(last) // whoever serves that branch, and took that order, knows the driver
		call.step("the driver of " + last.ID + " calls, who has no order now")
		return &callback{RoleDriver, nil}
	}
	return nil
}

// lastOfDriver is the last order of a driver, nil where nobody remembers.
func (s *Switchboard) lastOfDriver(ctx context.Context, caller Phone) *Order {
	history, remembers := s.Dispatch.(DriverHistory)
	if !remembers {
		return nil
	}
	ask, cancel := context.WithTimeout(ctx, s.Limits.OrderLookup)
	defer cancel()
	last, err := within(ask, history.LastOrderByDriver, caller)
	if err != nil {
		return nil // it was asked for nothing but the operator's ease
	}
	return last
}

// ordersOfDriver are a driver's orders with a client to be reached, in the order
// in which they are driven.
func (s *Switchboard) ordersOfDriver(ctx context.Context, call *Call) []*Order {
	ask, cancel := context.WithTimeout(ctx, s.Limits.OrderLookup)
	defer cancel()
	orders, err := within(ask, s.Dispatch.OrdersByDriver, call.cdr.From)
	if err != nil && !errors.Is(err, ErrNoOrder) && ctx.Err() == nil { // nobody misses it who has hung up
		call.step("look-up of a driver's orders: " + Ending(err))
		zerolog.Ctx(ctx).Warn().Err(err).Msg("look-up of a driver's orders; going on without")
	}
	orders = slices.DeleteFunc(slices.Clone(orders), func(o *Order) bool { return o == nil || o.Phone == "" || o.Phone == call.cdr.From })
	if len(orders) == 0 {
		return nil
	}
	slices.Reverse(orders) // they come newest first
	slices.SortStableFunc(orders, func(a, b *Order) int { return later(a) - later(b) })
	var ids []string
	for _, o := range orders {
		ids = append(ids, o.ID)
	}
	call.step("the driver of " + strings.Join(ids, ", ") + " calls")
	return orders
}

// later is 1 for an order that is driven after another one.
func later(o *Order) int {
	if o.Status == StatusAcceptedNext {
		return 1
	}
	return 0
}

// justThat is the one of some orders with an ID, or all where none has it.
func justThat(orders []*Order, id string) []*Order {
	for _, o := range orders {
		if o.ID == id {
			return []*Order{o}
		}
	}
	return orders
}

// callBack joins the caller with the other party, without a menu unless there
// are several; 0 is the operator all the time.
func (s *Switchboard) callBack(ctx context.Context, call *Call, caller Leg, back *callback) (served bool, err error) {
	if back.caller == RoleDriver {
		call.cdr.Legs[0].Party = RoleDriver
	}
	if len(back.orders) == 0 {
		return false, nil
	}
	order := back.orders[0]
	if len(back.orders) > 1 {
		if order, err = s.chooseOrder(ctx, call, caller, back.orders); err != nil || order == nil {
			return false, err
		}
	}
	call.about(order)
	if back.caller == RoleDriver {
		return s.client(ctx, call, caller)
	}
	return s.driver(ctx, call, caller, prompts.ConnectingDriver, prompts.MenuZero)
}

// chooseOrder asks a driver which client they want; nil: an operator. The orders
// are tied to the call meanwhile, for the operator's card.
func (s *Switchboard) chooseOrder(ctx context.Context, call *Call, driver Leg, orders []*Order) (*Order, error) {
	call.about(orders[0])
	call.enter(StateMenu, "menu: two orders")
	menu := ivr.Menu[*Order]{
		Said:   call.voice.Menu(prompts.MenuThisOrder, prompts.MenuNextOrder, prompts.MenuZero, prompts.MenuRepeat),
		Wrong:  call.voice.Say(prompts.Invalid),
		Keys:   map[media.Digit]*Order{'1': orders[0], '2': orders[1], '0': nil},
		Repeat: '9',
		Wait:   s.Limits.KeyWait,
		Tries:  2,
	}
	defer watched(ctx, driver)()
	chosen, err := menu.Ask(ctx, driver.Audio())
	switch {
	case errors.Is(err, ivr.ErrNoChoice):
		call.step("no choice made")
		return nil, nil
	case err != nil:
		return nil, err
	case chosen == nil:
		call.step("chose operator")
		return nil, nil
	}
	call.step("chose order " + chosen.ID)
	return chosen, nil
}

// client lets the driver of the call's order talk to its client.
func (s *Switchboard) client(ctx context.Context, call *Call, driver Leg) (served bool, err error) {
	line := call.line
	if ordered, known := s.line(call.order.Line); known {
		line = ordered // the number the client knows
	}
	return s.peer(ctx, call, driver, peer{
		role: RoleClient, to: Endpoint{Number: call.order.Phone, Trunk: line.Trunk, From: line.Number},
		state: StateCallingClient, ring: s.Limits.ClientRing, intro: []prompts.ID{prompts.ConnectingToClient, prompts.MenuZero},
		busy: prompts.ClientBusy, noAnswer: prompts.ClientNoAnswer, unreachable: prompts.ClientUnreachable,
	})
}

// driver lets the client of the call's order talk to its driver, who sees the
// number the client dialled.
func (s *Switchboard) driver(ctx context.Context, call *Call, client Leg, intro ...prompts.ID) (served bool, err error) {
	return s.peer(ctx, call, client, peer{
		role: RoleDriver, to: Endpoint{Number: call.order.Driver, Trunk: call.line.Trunk, From: call.line.Number},
		state: StateCallingDriver, ring: s.Limits.DriverRing, intro: intro,
		busy: prompts.DriverBusy, noAnswer: prompts.DriverNoAnswer, unreachable: prompts.DriverUnreachable,
	})
}

// peer is the party of an order that the other one wants.
type peer struct {
	role  Role
	to    Endpoint
	state State
	ring  time.Duration
	intro []prompts.ID

	busy, noAnswer, unreachable prompts.ID
}

// peer lets a caller talk to the other party of the call's order. When that
// cannot be reached it says why, and the caller is not served yet; nor is one
// who asks for an operator meanwhile.
func (s *Switchboard) peer(ctx context.Context, call *Call, caller Leg, p peer) (served bool, err error) {
	other, err := s.reachPeer(ctx, call, caller, p)
	switch {
	case err == nil:
		s.talked(ctx, call)
		call.enter(StateTalking, "talk to "+string(p.role))
		return true, call.join(ctx, caller, other)
	case !errors.Is(err, ErrNoChannel):
		s.missedCall(ctx, call, p.role)
	}
	switch {
	case ctx.Err() != nil:
		return false, context.Cause(ctx)
	case errors.Is(err, errWantsOperator):
		return false, nil
	}
	return false, call.say(ctx, caller, call.voice.Say(p.apology(err)))
}

// reachPeer dials while the caller hears ringback, or what the other party's
// network has to say.
func (s *Switchboard) reachPeer(ctx context.Context, call *Call, caller Leg, p peer) (Leg, error) {
	if call.cdr.To == "" {
		call.cdr.To = p.to.Number
	}
	call.cdr.State = p.state
	sound := waiting(ctx, caller, call.voice.Menu(p.intro...), ringback)
	defer sound.stop()
	p.to.Early = sound
	ctx, stop := untilZero(ctx, caller)
	defer stop()
	return s.dial(ctx, call, p.role, p.to, p.ring)
}

func (p peer) apology(err error) prompts.ID {
	switch {
	case errors.Is(err, ErrBusy):
		return p.busy
	case errors.Is(err, ErrNoAnswer):
		return p.noAnswer
	}
	return p.unreachable
}

// errWantsOperator is the end of ringing for somebody who pressed 0.
var errWantsOperator = errors.New("an operator is wanted instead")

// untilZero ends ctx when a party presses 0, which is the operator wherever it
// is pressed. stop must be called.
func untilZero(ctx context.Context, leg Leg) (_ context.Context, stop func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	over := make(chan struct{})
	go func() {
		defer close(over)
		defer caught(ctx, cancel)
		for {
			select {
			case key := <-leg.Audio().Digits():
				if key == '0' {
					cancel(errWantsOperator)
					return
				}
			case <-ctx.Done():
				return
			}
		}
	}()
	return ctx, func() { cancel(nil); <-over }
}
