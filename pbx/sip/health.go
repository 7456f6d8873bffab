package sip

import (
	"context"
	"fmt"
	"strings"
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
	t.become(ctx, &t.refused, err, func() { t.state.Registered = err == nil })
}

// alive notes whether the carrier answers. Why it does not is said once: each call
// that fails would have another time in its reason.
func (t *trunk) alive(ctx context.Context, err error) {
	t.mu.Lock()
	known := t.dead != "" && err != nil
	if t.dead != "" && err == nil {
		t.returns++
	}
	t.mu.Unlock()
	if known {
		return
	}
	t.become(ctx, &t.dead, err, func() {})
}

// become changes the state, and says so when that is news, or when the reason is:
// OPTIONS may have been answered before a REGISTER is refused. Of the two reasons
// each is kept, or they would be news in turns.
func (t *trunk) become(ctx context.Context, why *string, err error, change func()) {
	t.mu.Lock()
	old, before := t.state, *why
	change()
	if *why = ""; err != nil {
		*why = err.Error()
	}
	t.state.Up = t.dead == "" && (!t.Register || t.state.Registered)
	t.state.LastError = strings.Trim(t.refused+"; "+t.dead, "; ")
	changed := old.Since.IsZero() || old.Up != t.state.Up || old.Registered != t.state.Registered
	if changed {
		t.state.Since = time.Now()
	}
	now := t.state
	t.mu.Unlock()
	if changed || err != nil && err.Error() != before {
		zerolog.Ctx(ctx).Info().Str("trunk", t.Name).Bool("up", now.Up).Bool("registered", now.Registered).Str("why", now.LastError).Msg("trunk")
	}
}

// returned counts how often the carrier was dead and is back.
func (t *trunk) returned() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.returns
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
