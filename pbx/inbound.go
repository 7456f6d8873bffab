package pbx

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/rs/zerolog"

	"cabline/ivr"
	"cabline/media"
	"cabline/prompts"
)

// inbound carries one client's call: find the order, say how it stands, ask
// what they want, connect them.
func (s *Switchboard) inbound(ctx context.Context, client Leg, a Arrival, line Line) {
	s.run(ctx, KindInbound, line, func(ctx context.Context, call *Call) error {
		ctx, done := attend(ctx, client)
		defer done()
		call.cdr.From = a.From
		call.add(client, RoleClient)

		s.findOrder(ctx, call)
		back := s.callback(ctx, call)
		if err := client.Answer(ctx); err != nil {
			return fmt.Errorf("answer client: %w", err)
		}
		if err := call.say(ctx, client, cutThrough); err != nil {
			return err
		}
		served, err := s.selfService(ctx, call, client, back)
		if served || err != nil {
			return err
		}
		return s.operator(ctx, call, client)
	})
}

// selfService is all that needs no operator. A fault of ours in it costs the
// client the menu, not the call: they go to a human like everybody not served.
func (s *Switchboard) selfService(ctx context.Context, call *Call, client Leg, back *callback) (served bool, err error) {
	err = survive(ctx, call, func(ctx context.Context, call *Call) error {
		if back != nil {
			served, err = s.callBack(ctx, call, client, back)
			return err
		}
		want, err := s.askClient(ctx, call, client)
		if err != nil || want != toDriver {
			return err
		}
		served, err = s.driver(ctx, call, client, prompts.ConnectingDriver)
		return err
	})
	if errors.Is(err, errFault) {
		call.step("a fault of ours")
		return false, nil
	}
	return served, err
}

// cutThrough is said before the first word: after the answer a network takes a
// moment to open the way for sound, a hand another one to bring the phone to
// the ear.
var cutThrough = media.Speech{media.Silence(400 * time.Millisecond)}

// findOrder asks the dispatch system who calls. Slow, dead or talking garbage,
// it only costs the caller the menu: they go to an operator instead.
func (s *Switchboard) findOrder(ctx context.Context, call *Call) {
	call.enter(StateLookup, "look up order")
	if call.cdr.From == "" {
		call.step("number withheld")
		return
	}
	ask, cancel := context.WithTimeout(ctx, s.Limits.OrderLookup)
	defer cancel()
	started := time.Now()
	order, err := within(ask, s.Dispatch.OrderByPhone, call.cdr.From)
	if err == nil && (order == nil || order.Driver == call.cdr.From) { // a driver who has written a ride down himself
		err = ErrNoOrder
	}
	if s.LookedUp != nil {
		s.LookedUp(time.Since(started), err)
	}
	switch {
	case err == nil:
		call.about(order)
		call.step("order " + order.ID)
	case errors.Is(err, ErrNoOrder):
		call.step("no order")
	default:
		call.step("order look-up: " + Ending(err))
		if ctx.Err() != nil {
			return // nobody misses it who has hung up
		}
		zerolog.Ctx(ctx).Warn().Err(err).Dur(logTook, time.Since(started)).Msg("order look-up; going on without")
	}
}

// within keeps ctx's limit even over a Dispatch that forgets it.
func within[By, Found any](ctx context.Context, lookUp func(context.Context, By) (Found, error), by By) (Found, error) {
	type answer struct {
		found Found
		err   error
	}
	answered := make(chan answer, 1)
	go func() {
		defer func() { // an adapter's panic is its own, not the exchange's
			if fault := recover(); fault != nil {
				answered <- answer{err: fmt.Errorf("panic: %v", fault)}
			}
		}()
		found, err := lookUp(ctx, by)
		answered <- answer{found, err}
	}()
	select {
	case a := <-answered:
		return a.found, a.err
	case <-ctx.Done():
		var none Found
		return none, context.Cause(ctx)
	}
}

// about ties the call to an order. Those who watch the call are shown a copy, which
// stays as it is when its owner learns more.
func (c *Call) about(order *Order) {
	now := *order
	c.order = &now
	c.cdr.OrderID = order.ID
	if order.Branch != "" {
		c.cdr.Branch = order.Branch
	}
	c.conceal(order.Phone, order.Driver)
}

type choice int

const (
	toOperator choice = iota
	toDriver
)

// askClient says how the order stands and offers what fits it. A client
// without an order is not asked, and greeted when operators ring already; one
// who makes no choice wants a human.
func (s *Switchboard) askClient(ctx context.Context, call *Call, client Leg) (choice, error) {
	want, err := s.hearOut(ctx, call, client)
	switch {
	case call.order == nil:
		return want, err
	case errors.Is(err, ivr.ErrNoChoice):
		call.step("no choice made")
		return toOperator, nil
	case err != nil:
		return 0, fmt.Errorf("menu: %w", err)
	case want == toDriver:
		call.step("chose driver")
	default:
		call.step("chose operator")
	}
	return want, nil
}

// menu is what an order's status calls for, after a text about it. The operator
// is always behind 0 and 2, whatever else is said.
func (s *Switchboard) menu(call *Call, text media.Speech) ivr.Menu[choice] {
	keys := map[media.Digit]choice{'0': toOperator, '2': toOperator}
	choices := []prompts.ID{prompts.MenuOperator, prompts.MenuRepeat}
	if call.order.Driver != "" && call.order.Status.Active() {
		keys['1'] = toDriver
		choices = append([]prompts.ID{prompts.MenuDriver}, choices...)
	}
	return ivr.Menu[choice]{
		Said:   append(text[:len(text):len(text)], call.voice.Menu(choices...)...),
		Wrong:  call.voice.Say(prompts.Invalid),
		Keys:   keys,
		Repeat: '9',
		Wait:   s.Limits.KeyWait,
		Tries:  2,
	}
}

func facts(o *Order) prompts.Facts {
	return prompts.Facts{Status: string(o.Status), Color: o.Car.Color, Mark: o.Car.Mark, Model: o.Car.Model,
		Plate: o.Car.Plate, Minutes: o.ETA, Price: o.Price}
}

// say says something to the end; keys pressed meanwhile wait for the next menu.
func (c *Call) say(ctx context.Context, leg Leg, what media.Speech) error {
	if err := leg.Audio().Play(ctx, what); err != nil {
		return fmt.Errorf("say: %w", err)
	}
	return nil
}
