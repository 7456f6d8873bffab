package sip

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"

	"cabline/pbx"
	"cabline/pbx/sip/locate"
)

// candidate is a trunk that a call may go over.
type candidate struct {
	*trunk
	up  bool
	own bool    // the one asked for
	lot float64 // among those of the same order, the smallest first
}

// trunksFor are those a call may go over, the best first. A call for a trunk
// goes over it where it can: its carrier knows the number that is shown. The
// others stand in by their order, and share by weight where that is the same.
// Those that are down come last.
func (s *Server) trunksFor(name string) (all []*trunk) {
	var found []candidate
	known := name == ""
	for _, t := range s.trunks {
		own := name != "" && t.Name == name
		known = known || own
		if t.Target != "" && (own || t.Order >= 0) {
			// Efraimidis and Spirakis (2006): each is first as often as its weight says.
			lot := -math.Log(1-rand.Float64()) / float64(max(t.Weight, 1))
			found = append(found, candidate{t, t.up(), own, lot})
		}
	}
	if !known {
		return nil
	}
	slices.SortStableFunc(found, func(a, b candidate) int {
		return cmp.Or(first(a.up, b.up), first(a.own, b.own), cmp.Compare(a.Order, b.Order), cmp.Compare(a.lot, b.lot))
	})
	for _, c := range found {
		all = append(all, c.trunk)
	}
	return all
}

// first puts what is true before what is not.
func first(a, b bool) int {
	switch {
	case a == b:
		return 0
	case a:
		return -1
	}
	return 1
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
	if err := t.turn(ctx); err != nil {
		return nil, err
	}
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
func elsewhere(err error) bool { return lost(err) || errors.Is(err, pbx.ErrNoChannel) }
