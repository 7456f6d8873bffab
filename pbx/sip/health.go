package sip

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	wire "github.com/emiago/sipgo/sip"
	"github.com/rs/zerolog"

	"cabline/pbx"
	"cabline/pbx/sip/locate"
)

// TrunkState is how a trunk is.
type TrunkState struct {
	Name       string
	Up         bool      // it can be called over, as far as we know
	Registered bool      // always false for trunks that do not register
	Since      time.Time // of the last change; zero: nothing was tried yet
	LastError  string    // why it is not up
}

// Trunks are the states of all trunks, in the order of the config.
func (s *Server) Trunks() []TrunkState {
	var all []TrunkState
	for _, t := range s.trunks {
		t.mu.Lock()
		all = append(all, t.state)
		t.mu.Unlock()
	}
	return all
}

// registered notes how a REGISTER went.
func (t *trunk) registered(ctx context.Context, err error) {
	t.become(ctx, err, func() { t.state.Registered = err == nil })
}

// alive notes whether the carrier answers.
func (t *trunk) alive(ctx context.Context, err error) {
	t.become(ctx, err, func() { t.dead = err != nil })
}

// become changes the state, and says so when that is news.
func (t *trunk) become(ctx context.Context, err error, change func()) {
	t.mu.Lock()
	old := t.state
	change()
	t.state.Up = !t.dead && (!t.Register || t.state.Registered)
	switch {
	case err != nil:
		t.state.LastError = err.Error()
	case t.state.Up:
		t.state.LastError = ""
	}
	news := old.Since.IsZero() || old.Up != t.state.Up || old.Registered != t.state.Registered
	if news {
		t.state.Since = time.Now()
	}
	now := t.state
	t.mu.Unlock()
	if news {
		zerolog.Ctx(ctx).Info().Str("trunk", t.Name).Bool("up", now.Up).Bool("registered", now.Registered).Str("why", now.LastError).Msg("trunk")
	}
}

func (t *trunk) up() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.state.Up
}

// watchHealth asks a carrier for a sign of life until ctx ends, at its best
// gateway, and at the next ones where that gives none.
func (s *Server) watchHealth(ctx context.Context, t *trunk) {
	tick := time.NewTicker(t.Options)
	defer tick.Stop()
	for {
		hops, err := t.gateways.all(ctx)
		if err == nil { // also of those that are dead: nobody else finds out that they are back
			err = t.tryAll(ctx, hops, func(h locate.Hop) error { return s.greet(ctx, t, h) })
		}
		if ctx.Err() == nil {
			t.alive(ctx, err)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

// greet sends OPTIONS. Whatever comes back is life, but for those answers that
// say there is none.
func (s *Server) greet(ctx context.Context, t *trunk, h locate.Hop) error {
	ctx, cancel := context.WithTimeoutCause(ctx, patience(), fmt.Errorf("no answer to OPTIONS within %s: %w", patience(), errDead))
	defer cancel()
	p, err := s.pathOver(ctx, t, h)
	if err != nil {
		return err
	}
	d := dialog{path: p, callID: newCallID(), localTag: newTag(), local: numberURI(t.CallerID, p.here.String(), 0), target: t.uri("")}
	if user := t.user(); user != "" {
		d.local = t.uri(user)
		d.local.Port = 0
	}
	d.remote = d.target
	t.lead(&d, h)
	req := d.compose(wire.OPTIONS, 1)
	req.AppendHeader(d.contact())
	req.AppendHeader(wire.NewHeader("Accept", "application/sdp"))
	res, err := s.ask(ctx, p, req)
	if err != nil {
		return err
	}
	if lifeless(res.StatusCode) {
		return refusalOf(res)
	}
	return nil
}

func lifeless(code int) bool {
	return code == wire.StatusRequestTimeout || code == wire.StatusServiceUnavailable
}

// trunksFor are those a call may go over, the best first: the one named and
// those that stand in for it, or all of them; first those that are up.
func (s *Server) trunksFor(name string) (all []*trunk) {
	for _, t := range s.trunks {
		if t.Target != "" && (name == "" || t.Name == name) {
			all = append(all, t)
		}
	}
	if name != "" && len(all) == 1 {
		for _, other := range all[0].Failover {
			for _, t := range s.trunks {
				if t.Name == other && t.Target != "" {
					all = append(all, t)
				}
			}
		}
	}
	up := map[*trunk]bool{}
	for _, t := range all {
		up[t] = t.up()
	}
	slices.SortStableFunc(all, func(a, b *trunk) int {
		switch {
		case up[a] == up[b]:
			return 0
		case up[a]:
			return -1
		}
		return 1
	})
	return all
}

// dialTrunk calls a number over the first trunk that takes the call.
func (s *Server) dialTrunk(ctx context.Context, to pbx.Endpoint) (*Leg, error) {
	if to.Number == "" {
		return nil, fmt.Errorf("no number to dial: %w", pbx.ErrUnreachable)
	}
	err := fmt.Errorf("no trunk %q: %w", to.Trunk, pbx.ErrUnreachable)
	for _, t := range s.trunksFor(to.Trunk) {
		over := to
		if to.Trunk != "" && to.Trunk != t.Name {
			over.From = t.CallerID // a carrier lets no number pass that is another's
		}
		var leg *Leg
		if leg, err = s.dialOver(ctx, t, over); err == nil {
			return leg, nil
		}
		if errors.Is(err, errDead) && t.Options > 0 && ctx.Err() == nil {
			t.alive(ctx, err) // until it answers OPTIONS again
		}
		if !elsewhere(err) || ctx.Err() != nil || s.stopping.Load() {
			break
		}
	}
	return nil, err
}

// dialOver calls a number over the first gateway of a trunk that lives.
func (s *Server) dialOver(ctx context.Context, t *trunk, to pbx.Endpoint) (leg *Leg, err error) {
	err = t.reach(ctx, func(h locate.Hop) error {
		leg, err = s.dialAt(ctx, t, h, to)
		return err
	})
	return leg, err
}

func (s *Server) dialAt(ctx context.Context, t *trunk, h locate.Hop, to pbx.Endpoint) (*Leg, error) {
	if !t.seize() {
		return nil, fmt.Errorf("trunk %s: %w", t.Name, pbx.ErrNoChannel)
	}
	d, identity, err := s.dialogTo(ctx, t, h, to)
	if err != nil {
		t.release()
		return nil, err
	}
	return s.call(ctx, party{trunk: t, number: to.Number, early: to.Early, hides: to.Hidden}, d, identity...)
}

// elsewhere says whether a call that failed so may do better over another trunk:
// the fault is the carrier's, and nobody's phone has rung.
func elsewhere(err error) bool {
	return lost(err) || errors.Is(err, pbx.ErrNoChannel)
}
