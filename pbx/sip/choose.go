package sip

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"time"

	wire "github.com/emiago/sipgo/sip"

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
	trunks := s.trunksFor(to.Trunk)
	h := newHaste()
	for i, t := range trunks {
		over := to
		if to.Trunk != "" && to.Trunk != t.Name {
			over.From = t.CallerID // a carrier lets no number pass that is another's
		}
		var leg *Leg
		if leg, err = s.dialOver(ctx, t, over, h, gatewaysOf(trunks[i+1:])); err == nil {
			return leg, nil
		}
		if errors.Is(err, errDead) && t.Options > 0 && ctx.Err() == nil {
			t.alive(ctx, err) // until it answers OPTIONS again
		}
		if h.over() || !elsewhere(err) || ctx.Err() != nil || s.stopping.Load() {
			break
		}
	}
	return nil, err
}

// dialOver calls a number over the first gateway of a trunk that lives; others
// are those behind, of other trunks.
func (s *Server) dialOver(ctx context.Context, t *trunk, to pbx.Endpoint, h *haste, others int) (leg *Leg, err error) {
	if err := t.turn(ctx, h.pause(others)); err != nil {
		return nil, err
	}
	if err := t.gateways.await(ctx, min(lookUpWait, h.pause(others))); err != nil {
		return nil, err
	}
	err = t.reach(ctx, h.tries, func(at locate.Hop, behind int) error {
		leg, err = s.dialAt(ctx, t, at, to, h.share(behind+others))
		h.forgive(err)
		return err
	})
	return leg, err
}

// dialAt calls a number at a gateway, which may be silent for so long, while it is
// connected to and after it.
func (s *Server) dialAt(ctx context.Context, t *trunk, h locate.Hop, to pbx.Endpoint, silence time.Duration) (*Leg, error) {
	if !t.seize() {
		return nil, fmt.Errorf("trunk %s: %w", t.Name, pbx.ErrNoChannel)
	}
	began := time.Now()
	connecting, cancel := context.WithTimeoutCause(ctx, silence, fmt.Errorf("no connection within %s", silence))
	d, identity, err := s.dialogTo(connecting, t, h, to)
	cancel()
	if err != nil {
		t.release()
		return nil, err
	}
	silence = max(silence-time.Since(began), time.Millisecond) // 0 would be none of its own
	return s.call(ctx, party{trunk: t, number: to.Number, early: to.Early, ringing: to.Ringing, hides: to.Hidden, silence: silence}, d, identity...)
}

// haste bounds the search for a carrier that lives, in which the caller hears
// nothing: all gateways that a call may go over share the patience that one
// would have, and those that are tried at all are so few that it is over within
// 5 s, whatever the time goes to: a carrier's turn, the DNS, a connection or
// silence. Those that are known to be dead come last, and at the next call the
// others do.
type haste struct {
	end   time.Time // of patience
	last  time.Time // of all
	tries int       // that are left
	due   time.Time // of the gateway that is being tried, to show life
}

const maxGateways = 5

// search is how long it may take to find a carrier that lives: 5 s.
func search() time.Duration { return 10 * wire.T1 }

func newHaste() *haste {
	now := time.Now()
	return &haste{end: now.Add(patience()), last: now.Add(search()), tries: maxGateways}
}

// share is how long the next gateway may be silent when so many are behind it;
// over UDP it is sent what is asked twice, if there is any time for that.
func (h *haste) share(behind int) time.Duration {
	share := max(h.pause(behind), 2*wire.T1)
	h.tries--
	share = max(min(share, time.Until(h.last)), 0)
	h.due = time.Now().Add(share)
	return share
}

// forgive gives back by how much longer a gateway was silent than it might be: the
// machine stood still, and no call shall be lost for that while there is another one.
func (h *haste) forgive(err error) {
	if late := time.Since(h.due); errors.Is(err, errDead) && late > 0 {
		h.end, h.last = h.end.Add(late), h.last.Add(late)
	}
}

// pause is how long a trunk may keep a call waiting before it is sent at all.
func (h *haste) pause(behind int) time.Duration {
	return max(time.Until(h.end)/time.Duration(max(min(1+behind, h.tries), 1)), 0)
}

// over says whether no other gateway may be tried.
func (h *haste) over() bool { return h.tries == 0 || !time.Now().Before(h.last) }

// gatewaysOf counts the gateways of trunks; one that nobody knows yet is one.
func gatewaysOf(trunks []*trunk) (n int) {
	for _, t := range trunks {
		n += max(t.gateways.count(), 1)
	}
	return n
}

// elsewhere says whether a call that failed so may do better over another trunk:
// the fault is the carrier's, and nobody's phone has rung.
func elsewhere(err error) bool { return lost(err) || errors.Is(err, pbx.ErrNoChannel) }
