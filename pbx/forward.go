package pbx

import (
	"context"

	"cabline/media"
)

// forward carries a call to a line that goes straight to a number: the caller
// hears the target's network, or their own carrier's ringing, and is answered
// when the target answers.
func (s *Switchboard) forward(ctx context.Context, caller Leg, a Arrival, line Line) {
	s.run(ctx, KindForward, line, func(ctx context.Context, call *Call) error {
		ctx, done := attend(ctx, caller)
		defer done()
		call.cdr.From, call.cdr.To = a.From, line.Forward
		call.cdr.State = StateCallingTarget
		call.add(caller, RoleClient)
		target, err := s.reach(ctx, call, caller, func(early Early) (Leg, error) { return s.target(ctx, call, line.Forward, early, nil) })
		if err != nil {
			return err
		}
		return call.join(ctx, caller, target)
	})
}

// reach dials for a caller who is not answered yet, and then is.
func (s *Switchboard) reach(ctx context.Context, call *Call, caller Leg, dial func(Early) (Leg, error)) (Leg, error) {
	preview := &preview{caller: caller}
	defer preview.stop()
	target, err := dial(preview)
	if err != nil {
		return nil, err
	}
	if err := caller.Answer(ctx); err != nil {
		return nil, err
	}
	call.enter(StateTalking, "talk to target")
	return target, nil
}

// target dials a number that is neither the client's nor the driver's.
func (s *Switchboard) target(ctx context.Context, call *Call, number Phone, early Early, ringing func()) (Leg, error) {
	return s.dial(ctx, call, RoleTarget, Endpoint{
		Number: number, Trunk: call.line.Trunk, From: call.line.Number, Early: early, Ringing: ringing,
	}, s.Limits.ClientRing)
}

// preview lets a caller who is not answered yet hear the target's network.
type preview struct {
	caller Leg
	from   media.Port // nil: nobody is heard
}

// EarlyMedia implements Early.
func (p *preview) EarlyMedia(ctx context.Context, from media.Port) {
	p.stop()
	if p.caller.Progress(ctx) == nil {
		p.from = from
		from.Plug(p.caller.Audio())
	}
}

func (p *preview) stop() {
	if p.from != nil {
		p.from.Plug(nil)
		p.from = nil
	}
}
