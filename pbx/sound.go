package pbx

import (
	"context"
	"sync"
	"time"

	"cabline/media"
)

// ringback is what a caller hears while the other side rings: 425 Hz, one
// second of five, as in Russia and most of Europe (ITU-T E.180).
var ringback = media.Speech{media.Tone("ringback", []float64{425}, time.Second, 4*time.Second)}

// sound is what a waiting party hears: something once, to its end, then
// something over and over, which may change. One voice at a time.
type sound struct {
	player sync.WaitGroup
	cancel context.CancelFunc

	mu   sync.Mutex
	what media.Speech
	cut  context.CancelFunc // of what is heard now
}

// sounding begins to sound. It must be stopped.
func sounding(ctx context.Context, leg Leg, first, then media.Speech) *sound {
	ctx, cancel := context.WithCancel(ctx)
	s := &sound{cancel: cancel, what: then, cut: func() {}}
	s.player.Go(func() {
		err := leg.Audio().Play(ctx, first)
		for err == nil {
			part, what := s.next(ctx)
			if err = leg.Audio().Play(part, what); part.Err() != nil {
				err = ctx.Err() // it was changed, or all is over
			}
		}
	})
	return s
}

func (s *sound) next(ctx context.Context) (context.Context, media.Speech) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.cut() // its work is done, it only frees
	part, cut := context.WithCancel(ctx)
	s.cut = cut
	return part, s.what
}

// change replaces what is heard over and over.
func (s *sound) change(what media.Speech) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.what = what
	s.cut()
}

// stop returns when the party hears nothing more.
func (s *sound) stop() {
	s.cancel()
	s.player.Wait()
}
