package sip

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"

	"cabline/pbx"
)

// capacity is what a carrier has sold: channels, and calls a second. Carriers
// count the latter in every second, so that calls we send keep their distance;
// those that come may come together.
type capacity struct {
	channels int32        // 0: no limit
	busy     atomic.Int32 // channels in use
	out, in  *rate.Limiter
	queue    sync.Mutex // held while a turn is taken or refused: a refused one leaves no gap
}

func newCapacity(t Trunk) *capacity {
	c := &capacity{channels: int32(t.Channels), out: rate.NewLimiter(rate.Inf, 0), in: rate.NewLimiter(rate.Inf, 0)}
	if n := t.CallsPerSecond; n > 0 {
		c.out, c.in = rate.NewLimiter(rate.Limit(n), 1), rate.NewLimiter(rate.Limit(n), n)
	}
	return c
}

// seize takes a channel; release gives it back.
func (c *capacity) seize() bool {
	if n := c.busy.Add(1); c.channels > 0 && n > c.channels {
		c.busy.Add(-1)
		return false
	}
	return true
}

func (c *capacity) release() { c.busy.Add(-1) }

// maxTurn is how long a call waits for its turn before it goes another way.
const maxTurn = time.Second

// turn waits until the carrier may be sent another call, if that is soon enough.
func (c *capacity) turn(ctx context.Context, most time.Duration) error {
	c.queue.Lock()
	place := c.out.Reserve()
	wait := place.Delay()
	soon := wait <= min(most, maxTurn)
	if !soon {
		place.Cancel()
	}
	c.queue.Unlock()
	if !soon {
		return fmt.Errorf("too many calls a second: %w", pbx.ErrNoChannel)
	}
	select {
	case <-time.After(wait):
		return nil
	case <-ctx.Done():
		place.Cancel()
		return context.Cause(ctx)
	}
}

// admit takes a channel for a call that comes.
func (c *capacity) admit() bool { return c.in.Allow() && c.seize() }
