package sip

import (
	"context"
	"fmt"
	"time"

	wire "github.com/emiago/sipgo/sip"
	"github.com/rs/zerolog"

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
