package media

import (
	"context"
	"errors"
	"time"
)

// ErrSilent is what Watch returns when nobody is heard any more.
var ErrSilent = errors.New("nothing is heard")

// Watch waits until not one of the parties has been heard for so long: one
// party, to find that it is gone; both of a talk, to find that the talk is. It
// returns ErrSilent then, and the cause of ctx when that ends first. Time before
// Watch does not count, nor does time on hold. It looks at Stats once a limit
// or a little oftener, and costs the packets nothing.
func Watch(ctx context.Context, limit time.Duration, parties ...Port) error {
	timer := time.NewTimer(limit)
	defer timer.Stop()
	for {
		select {
		case <-timer.C:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		silence := limit
		for _, p := range parties {
			silence = min(silence, p.Stats().Silence)
		}
		if silence >= limit {
			return ErrSilent
		}
		timer.Reset(limit - silence)
	}
}
