package pbx

import (
	"context"
	"errors"
	"fmt"

	"cabline/prompts"
)

// ConnectRequest asks for client and driver to be joined: those of an order,
// or two numbers.
type ConnectRequest struct {
	OrderID        string
	Client, Driver Phone
	Line           Phone // shown to both; empty: the order's, or the firm's first
}

// Connect begins a call that joins client and driver, and returns its ID at
// once: the client is called first, hears ringback while the driver is called,
// then they talk. The error wraps ErrNoOrder, ErrNotAPhone when a number is
// missing, or ErrShutdown.
func (s *Switchboard) Connect(ctx context.Context, want ConnectRequest) (id string, err error) {
	s.init()
	order, err := s.orderToConnect(ctx, want)
	if err != nil {
		return "", err
	}
	line := s.lineFor(order.Line)
	begun := make(chan string, 1)
	story := func(ctx context.Context) {
		s.run(ctx, KindConnect, line, func(ctx context.Context, call *Call) error {
			call.about(order)
			call.cdr.From, call.cdr.To = order.Phone, order.Driver
			call.enter(StateCallingClient, "connect client and driver")
			begun <- call.cdr.ID
			return s.connect(ctx, call)
		})
	}
	if err := s.begin(ctx, story); err != nil {
		return "", err
	}
	return <-begun, nil
}

// connect calls the client, then is the story of a client who pressed 1.
func (s *Switchboard) connect(ctx context.Context, call *Call) error {
	client, err := s.dial(ctx, call, RoleClient, Endpoint{
		Number: call.order.Phone, Trunk: call.line.Trunk, From: call.line.Number,
	}, s.Limits.ClientRing)
	if err != nil {
		if !errors.Is(err, ErrNoChannel) {
			s.missedCall(ctx, call, RoleClient)
		}
		return err
	}
	ctx, done := attend(ctx, client)
	defer done()
	served, err := s.driver(ctx, call, client, prompts.ConnectingClient)
	if served || err != nil {
		return err
	}
	return s.operator(ctx, call, client)
}

// orderToConnect is the order meant; two bare numbers make a nameless one.
func (s *Switchboard) orderToConnect(ctx context.Context, want ConnectRequest) (*Order, error) {
	order := &Order{Phone: want.Client, Driver: want.Driver, Line: want.Line}
	if want.OrderID != "" {
		found, err := s.Dispatch.Order(ctx, want.OrderID)
		if err != nil {
			return nil, fmt.Errorf("order %s: %w", want.OrderID, err)
		}
		order = found
	}
	switch {
	case order.Phone == "":
		return nil, fmt.Errorf("client's number: %w", ErrNotAPhone)
	case order.Driver == "":
		return nil, fmt.Errorf("driver's number: %w", ErrNotAPhone)
	}
	return order, nil
}
