package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/rs/zerolog"
)

// lasting returns a context that outlives ctx while calls go on; see
// letCallsEnd. end ends it.
func (x *exchange) lasting(ctx context.Context) (lasts context.Context, end func()) {
	lasts, cancel := context.WithCancel(context.WithoutCancel(ctx))
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer cancel()
		select {
		case <-ctx.Done():
			x.letCallsEnd(lasts)
		case <-lasts.Done():
		}
	}()
	return lasts, func() { cancel(); <-done }
}

// letCallsEnd lets no call begin any more and waits until none is left, for
// timeouts.shutdown at most, or until a second signal.
func (x *exchange) letCallsEnd(ctx context.Context) {
	x.sip.Decline()
	x.board.Decline()
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	defer stop()
	ctx, cancel := context.WithTimeout(ctx, x.cfg.Timeouts.Shutdown)
	defer cancel()
	for said := false; ctx.Err() == nil; said = true {
		changed := x.board.Changed()
		calls := len(x.board.Live())
		if calls == 0 {
			return
		}
		if !said {
			zerolog.Ctx(ctx).Info().Int("calls", calls).Stringer("at_most", x.cfg.Timeouts.Shutdown).
				Msg("the exchange takes no more calls and waits for those in progress; another signal ends them")
		}
		select {
		case <-changed:
		case <-ctx.Done():
		}
	}
}
