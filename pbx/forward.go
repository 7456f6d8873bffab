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
		return s.reach(ctx, call, caller, Endpoint{Number: line.Forward, Trunk: line.Trunk, From: line.Number})
	})
}

// reach dials a target for a caller who is not answered yet, then joins them.
func (s *Switchboard) reach(ctx context.Context, call *Call, caller Leg, to Endpoint) error {
	preview := &preview{caller: caller}
	defer preview.stop()
	to.Early = preview
	target, err := s.dial(ctx, call, RoleTarget, to, s.Limits.ClientRing)
	if err != nil {
		return err
	}
	if err := caller.Answer(ctx); err != nil {
		return err
	}
	preview.stop()
	call.enter(StateTalking, "talk to target")
	return call.join(ctx, caller, target)
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
