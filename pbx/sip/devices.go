package sip

import (
	"context"
	"errors"
	"fmt"

	wire "github.com/emiago/sipgo/sip"

	"cabline/pbx"
)

// dialOperator rings all devices of an operator. The first that answers has
// the call, the others are cancelled.
func (s *Server) dialOperator(ctx context.Context, to pbx.Endpoint) (*Leg, error) {
	s.partings.wait(ctx, to.Operator)
	devices := s.register.of(to.Operator)
	switch len(devices) {
	case 0:
		return nil, fmt.Errorf("operator %s: %w", to.Operator, pbx.ErrAway)
	case 1:
		return s.dialDevice(ctx, to, devices[0])
	}
	type end struct {
		leg *Leg
		err error
	}
	race, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	ends := make(chan end, len(devices))
	for _, b := range devices {
		s.work.Go(func() {
			e := end{err: errFault}
			defer func() { ends <- e }()
			e.leg, e.err = s.dialDevice(race, to, b)
		})
	}
	var winner *Leg
	var worst error
	for range devices {
		e := <-ends
		switch {
		case e.err != nil:
			worst = graver(worst, e.err)
			var r Rejection
			if errors.As(e.err, &r) && r.Code >= 600 { // RFC 3261 §16.7: nobody else may answer
				stop(e.err)
			}
		case winner == nil:
			winner = e.leg
			stop(pbx.ErrElsewhere)
		default:
			_ = e.leg.HangUp(ctx, pbx.ErrElsewhere)
		}
	}
	switch {
	case winner != nil:
		return winner, nil
	case ctx.Err() != nil:
		return nil, context.Cause(ctx)
	}
	return nil, worst
}

// graver is the error that says more about why nobody answered.
func graver(a, b error) error {
	for _, known := range []error{pbx.ErrRejected, pbx.ErrBusy, pbx.ErrNoAnswer} {
		switch {
		case errors.Is(a, known):
			return a
		case errors.Is(b, known):
			return b
		}
	}
	return b
}

// dialDevice calls one device down the connection it registered by.
func (s *Server) dialDevice(ctx context.Context, to pbx.Endpoint, b *binding) (*Leg, error) {
	if !s.connected(b.path) {
		return nil, fmt.Errorf("%s is gone: %w: %w", b.agent, errDead, pbx.ErrUnreachable)
	}
	d := dialog{
		path: b.path, callID: newCallID(), localTag: newTag(), localName: quotable(to.Name),
		local:  numberURI(to.From, b.path.here.String(), 0),
		remote: wire.Uri{Scheme: "sip", User: token(to.Operator), Host: b.path.here.String()},
		target: b.contact,
	}
	d.target.Headers = nil // RFC 3261 §19.1.1: not allowed in a request line; the register keeps them
	headers := []wire.Header{wire.NewHeader("Session-Expires", "1800;refresher=uac")}
	if id := token(to.CallID); id != "" {
		headers = append(headers, wire.NewHeader("X-Cabline-Call", id))
	}
	if link := token(to.Link); link != "" {
		headers = append(headers, wire.NewHeader("Call-Info", "<"+link+">;purpose=info"))
	}
	return s.call(ctx, party{login: to.Operator, device: b, ringing: to.Ringing, hides: to.Hidden}, d, headers...)
}
