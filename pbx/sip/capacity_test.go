package sip

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/time/rate"

	"cabline/pbx"
)

func TestCallsToACarrierKeepTheirDistance(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCapacity(Trunk{CallsPerSecond: 4})
		begun := time.Now()
		var sent []time.Duration
		for range 6 {
			if err := c.turn(t.Context(), maxTurn); err != nil {
				t.Fatal(err)
			}
			sent = append(sent, time.Since(begun))
		}
		const step = 250 * time.Millisecond
		if want := []time.Duration{0, step, 2 * step, 3 * step, 4 * step, 5 * step}; !slices.Equal(sent, want) {
			t.Errorf("sent after %v, want %v", sent, want)
		}
	})
}

func TestACallWaitsForItsTurnOnlyBriefly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCapacity(Trunk{CallsPerSecond: 2})
		begun := time.Now()
		var waiting sync.WaitGroup
		var sent, elsewhere atomic.Int64
		for range 10 {
			waiting.Go(func() {
				err := c.turn(t.Context(), maxTurn)
				switch {
				case err == nil:
					sent.Add(1)
				case errors.Is(err, pbx.ErrNoChannel) && time.Since(begun) == 0:
					elsewhere.Add(1) // told at once, so that it can go another way
				}
			})
		}
		waiting.Wait()
		if sent.Load() != 3 || elsewhere.Load() != 7 || time.Since(begun) > maxTurn {
			t.Errorf("%d sent, %d elsewhere, after %v", sent.Load(), elsewhere.Load(), time.Since(begun))
		}
		ctx, giveUp := context.WithCancelCause(t.Context())
		if err := c.turn(ctx, maxTurn); err != nil { // the turn after those
			t.Error(err)
		}
		giveUp(pbx.ErrHungUp)
		if err := c.turn(ctx, maxTurn); !errors.Is(err, pbx.ErrHungUp) {
			t.Errorf("a caller who gave up: %v", err)
		}
	})
}

func TestCallsOverTheLimitASecondGoOverTheNextTrunk(t *testing.T) {
	b, first, second := startTwo(t, func(c *Config) { c.Trunks[0].CallsPerSecond = 1 })
	b.trunks[0].out.SetLimit(rate.Every(time.Hour)) // so that no machine is slow enough
	done := b.dial(context.Background(), overFirst)
	invite := first.want("INVITE")
	b.talks(second, b.dial(context.Background(), overFirst), "+74950000002", "second")
	first.send(invite.reply("486 Busy", "a", ""))
	first.want("ACK")
	wait(t, "end of Dial", done)
}

func TestIncomingCallsOverTheLimitASecondAreAskedToComeLater(t *testing.T) {
	b, carrier := startCarrier(t, func(c *Config) { c.Trunks[0].CallsPerSecond = 2 })
	b.trunks[0].in.SetLimit(rate.Every(time.Hour))
	for i := range 3 {
		k := carrier.newTalk("79161234567", "74950000000")
		if i < 2 {
			k.call()
			k.bye()
			continue
		}
		k.request("INVITE", sdpOffer)
		no := k.want("SIP/2.0 503", "SIP/2.0 1")
		if no.header("Retry-After") == "" {
			t.Errorf("no word about when:\n%s", no)
		}
		k.to = no.header("To")
		k.again("ACK", "")
	}
}
