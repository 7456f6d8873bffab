package main

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// What may be kept after all calls are over: idle connections, and pages which
// the runtime has not yet given back, or the database holds as its cache.
const (
	keptGoroutines = 10
	keptFDs        = 10
	keptRSS        = 32 << 10 // KB
)

// kept is what an exchange still holds; "" when that is what it began with.
func kept(before, after holdings) (text string) {
	for _, k := range []struct {
		what          string
		before, after int
		slack         int
	}{
		{"goroutines", before.Goroutines, after.Goroutines, keptGoroutines},
		{"descriptors", before.FDs, after.FDs, keptFDs},
		{"KB of RSS", before.RSS, after.RSS, keptRSS},
		{"ports in use", before.Ports, after.Ports, 0},
		{"ports missing", 0, before.Free - after.Free, 0},
	} {
		if k.after > k.before+k.slack {
			text += fmt.Sprintf("; %d %s, %d before", k.after, k.what, k.before)
		}
	}
	return text
}

var errKept = errors.New("the exchange did not return to where it began")

// settle looks again and again, until the exchange holds no more than before or
// the time is up.
func settle(ctx context.Context, before holdings, every, limit time.Duration, look func() (holdings, error)) (after holdings, still string, err error) {
	for until := time.Now().Add(limit); ; {
		if after, err = look(); err != nil {
			return after, "", err
		}
		if still = kept(before, after); still == "" {
			return after, "", nil
		}
		if time.Now().After(until) {
			return after, still, fmt.Errorf("%w%s", errKept, still)
		}
		if err := pause(ctx, every); err != nil {
			return after, still, err
		}
	}
}
