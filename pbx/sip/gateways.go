package sip

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"cabline/pbx"
	"cabline/pbx/sip/locate"
)

const (
	lookUpTime  = 10 * time.Second // for all questions of one look-up
	lookUpWait  = 3 * time.Second  // of a call, for the first answer of all
	lookUpAgain = time.Second      // after a look-up that failed, doubled each time …
	lookUpPause = 30 * time.Second // … until this
)

// A gateway that gave no sign of life comes last for a while, or until it
// answers OPTIONS.
const (
	deadFor     = time.Minute
	deadAtLeast = 24 * time.Hour
)

// gateways are where a carrier takes requests. The DNS is asked beforehand, by
// a goroutine of the trunk's: no call waits for it but the very first, and an
// answer stands until there is a better one.
type gateways struct {
	target locate.Target

	mu       sync.Mutex    // guards all below
	known    chan struct{} // closed when the DNS has answered once, or has not
	found    locate.Found
	failures int                      // look-ups without a whole answer, since the last one with
	trouble  error                    // of the last look-up
	dead     map[locate.Hop]time.Time // until when those that gave no sign of life come last
}

func newGateways(t locate.Target) *gateways {
	return &gateways{target: t, known: make(chan struct{}), dead: map[locate.Hop]time.Time{}}
}

// stayLocated asks the DNS where a trunk's carrier is whenever its last answer
// has run out, until ctx ends.
func (s *Server) stayLocated(ctx context.Context, t *trunk) {
	for ctx.Err() == nil {
		wait, ill := s.lookUp(ctx, t.gateways)
		if ill != nil && ctx.Err() == nil {
			zerolog.Ctx(ctx).Warn().Str("trunk", t.Name).AnErr("why", ill).Msg("the DNS is ill; the carrier is called where it was last")
		}
		select {
		case <-time.After(wait):
		case <-ctx.Done():
		}
	}
}

// lookUp asks the DNS once. It says when to ask again, and what is wrong where
// that is news and an older answer has to do.
func (s *Server) lookUp(ctx context.Context, g *gateways) (wait time.Duration, ill error) {
	ask, cancel := context.WithTimeoutCause(ctx, lookUpTime, fmt.Errorf("the DNS did not answer within %s", lookUpTime))
	defer cancel()
	found, err := s.cfg.find(ask, g.target)
	news := g.learn(found, err)
	g.mu.Lock()
	defer g.mu.Unlock()
	if news {
		ill = g.trouble
	}
	if g.failures == 0 {
		return found.TTL, ill
	}
	return min(backOff(lookUpAgain, g.failures), lookUpPause), ill
}

// learn takes an answer over, unless there is a better one; ill is true where
// that begins.
func (g *gateways) learn(found locate.Found, err error) (ill bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	was := g.trouble != nil
	g.trouble = err
	if err == nil && !found.Whole {
		g.trouble = errHalf
	}
	if g.failures++; g.trouble == nil {
		g.failures = 0
	}
	ill = g.trouble != nil && !was && len(g.found.Hops) > 0
	if err == nil && (found.Whole || !g.found.Whole) {
		g.found = found
		maps.DeleteFunc(g.dead, func(h locate.Hop, _ time.Time) bool { return !slices.Contains(found.Hops, h) })
	}
	select {
	case <-g.known:
	default:
		close(g.known)
	}
	return ill
}

// reopen lets those wait who come next, where nothing is known.
func (g *gateways) reopen() {
	g.mu.Lock()
	defer g.mu.Unlock()
	select {
	case <-g.known:
		if len(g.found.Hops) == 0 {
			g.known = make(chan struct{})
		}
	default:
	}
}

var errHalf = errors.New("the DNS did not answer all that was asked")

// all are the gateways in the order of the DNS; ctx bounds the wait for the
// first answer.
func (g *gateways) all(ctx context.Context) ([]locate.Hop, error) {
	if err := g.await(ctx, lookUpWait); err != nil {
		return nil, err
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.found.Hops) == 0 {
		return nil, fmt.Errorf("%w: %w: %w", errDead, pbx.ErrUnreachable, g.trouble)
	}
	return slices.Clone(g.found.Hops), nil
}

// await waits so long for the first answer. One that is there counts, though ctx
// has ended.
func (g *gateways) await(ctx context.Context, limit time.Duration) error {
	g.mu.Lock()
	known := g.known
	g.mu.Unlock()
	select {
	case <-known:
		return nil
	default:
	}
	ctx, cancel := context.WithTimeoutCause(ctx, limit, fmt.Errorf("the DNS did not say within %s where %s is", limit, g.target.Host))
	defer cancel()
	select {
	case <-known:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("%w: %w: %w", errDead, pbx.ErrUnreachable, context.Cause(ctx))
	}
}

// inOrder puts those last that gave no sign of life.
func (g *gateways) inOrder(hops []locate.Hop) []locate.Hop {
	g.mu.Lock()
	defer g.mu.Unlock()
	now := time.Now()
	slices.SortStableFunc(hops, func(a, b locate.Hop) int {
		deadA, deadB := now.Before(g.dead[a]), now.Before(g.dead[b])
		switch {
		case deadA == deadB:
			return 0
		case deadB:
			return -1
		}
		return 1
	})
	return hops
}

// first is where the next request goes; the zero Hop: nobody knows yet.
func (g *gateways) first() locate.Hop {
	g.mu.Lock()
	hops := slices.Clone(g.found.Hops)
	g.mu.Unlock()
	if len(hops) == 0 {
		return locate.Hop{}
	}
	return g.inOrder(hops)[0]
}

// note keeps whether a gateway is dead, and until when that is believed.
func (g *gateways) note(h locate.Hop, dead bool, until time.Time) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !dead {
		delete(g.dead, h)
	} else if slices.Contains(g.found.Hops, h) {
		g.dead[h] = until
	}
}

func (g *gateways) count() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return len(g.found.Hops)
}

// has says whether an address is one of theirs.
func (g *gateways) has(addr netip.Addr) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return slices.ContainsFunc(g.found.Hops, func(h locate.Hop) bool { return h.Addr.Addr() == addr })
}

// reach tries something at one gateway after the other until one shows life
// (RFC 3263 §4.3), those first that did so before, but no more than most.
func (t *trunk) reach(ctx context.Context, most int, try func(h locate.Hop, behind int) error) error {
	hops, err := t.gateways.all(ctx)
	if err != nil {
		return err
	}
	hops = t.gateways.inOrder(hops)
	hops = hops[:min(most, len(hops))]
	behind := len(hops)
	return t.tryAll(ctx, hops, func(h locate.Hop) error {
		behind--
		return try(h, behind)
	})
}

func (t *trunk) tryAll(ctx context.Context, hops []locate.Hop, try func(locate.Hop) error) (err error) {
	for _, h := range hops {
		err = try(h)
		if ctx.Err() != nil {
			return err
		}
		last := deadFor
		if t.Options > 0 {
			last = deadAtLeast
		}
		t.gateways.note(h, lost(err), time.Now().Add(last))
		if !lost(err) {
			return err
		}
	}
	return err
}

// pathOver is the path to a gateway. One that takes no connection is dead.
func (s *Server) pathOver(ctx context.Context, t *trunk, h locate.Hop) (path, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, patience(), fmt.Errorf("no connection within %s", patience()))
	defer cancel()
	p, err := s.pathTo(ctx, h.Transport, h.Addr, t.trust)
	if err != nil {
		return path{}, fmt.Errorf("%w: %w", errDead, err)
	}
	return p, nil
}

// lost says whether an error is no sign of life, so that others at the carrier
// may do better.
func lost(err error) bool {
	var no Rejection
	var refused refusedError
	switch {
	case errors.As(err, &no):
		return lifeless(no.Code) && !no.Rang
	case errors.As(err, &refused):
		return lifeless(refused.code)
	}
	return errors.Is(err, errDead)
}
