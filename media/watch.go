package media

import (
	"cmp"
	"context"
	"errors"
	"time"
)

// ErrSilent is what Watch.Keep returns when nobody is heard any more.
var ErrSilent = errors.New("nothing is heard")

// Watch looks after parties who should be heard. Time before it does not count,
// nor does time on hold. It looks at Stats about once a limit, and costs the
// packets nothing.
type Watch struct {
	Silent time.Duration // after which parties of whom not one is heard are gone

	Missed time.Duration   // after which a single party is missed; 0: none is
	Tell   func(party int) // is told of each that is missed, once
}

// Keep waits until not one of the parties has been heard for so long: one party,
// to find that it is gone; both of a talk, to find that the talk is. It returns
// ErrSilent then, and the cause of ctx when that ends first. It is one goroutine
// for all: their stacks are what a call weighs most.
func (w Watch) Keep(ctx context.Context, parties ...Port) error {
	began := time.Now()
	missed := make([]bool, len(parties))
	timer := time.NewTimer(min(w.Silent, cmp.Or(w.Missed, w.Silent)))
	defer timer.Stop()
	for {
		select {
		case <-timer.C:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		watched := time.Since(began)
		all, rest := watched, w.Silent
		for i, p := range parties {
			silence := min(watched, p.Stats().Silence)
			all = min(all, silence)
			if w.Missed == 0 || missed[i] {
				continue
			}
			if missed[i] = silence >= w.Missed; missed[i] {
				w.Tell(i)
			} else {
				rest = min(rest, w.Missed-silence)
			}
		}
		if all >= w.Silent {
			return ErrSilent
		}
		timer.Reset(min(rest, w.Silent-all))
	}
}
