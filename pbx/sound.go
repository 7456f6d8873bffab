package pbx

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"cabline/media"
)

// ringback is what a caller hears while the other side rings: 425 Hz, one
// second of five, as in Russia and most of Europe (ITU-T E.180).
var ringback = media.Speech{media.Tone("ringback", []float64{425}, time.Second, 4*time.Second)}

// sound is what a waiting party hears: something once, to its end, then
// something over and over, which may change, until another party is heard. One
// voice at a time.
type sound struct {
	leg     Leg
	player  sync.WaitGroup
	cancel  context.CancelFunc
	unwatch func() // nil: a talk watches the party

	cut atomic.Pointer[context.CancelFunc] // of what is heard now

	mu    sync.Mutex
	what  media.Speech
	early *early // nil: nobody is heard yet
	aside []func(context.Context)
}

// sounding begins to sound. It must be stopped.
func sounding(ctx context.Context, leg Leg, first, then media.Speech) *sound {
	ctx, cancel := context.WithCancel(ctx)
	s := &sound{leg: leg, cancel: cancel, what: then}
	s.cut.Store(new(context.CancelFunc(func() {})))
	s.player.Go(func() {
		defer caught(ctx, beside(ctx, leg))
		err := leg.Audio().Play(ctx, first)
		for err == nil {
			err = s.over(ctx)
		}
	})
	return s
}

// waiting is sounding for a party that waits for somebody: it is watched, too.
func waiting(ctx context.Context, leg Leg, first, then media.Speech) *sound {
	s := sounding(ctx, leg, first, then)
	s.unwatch = watched(ctx, leg)
	return s
}

// watched asks a party that is not heard while it waits for its audio anew, and
// again each minute. One that is merely muted waits on; one that is gone without
// a BYE does not answer, and its leg ends before somebody answers a dead line.
func watched(ctx context.Context, leg Leg) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	var watcher sync.WaitGroup
	watcher.Go(func() {
		defer caught(ctx, beside(ctx, leg))
		watch := media.Watch{Silent: missedAfter}
		for errors.Is(watch.Keep(ctx, leg.Audio()), media.ErrSilent) {
			leg.Renew()
			watch.Silent = silentTalk
		}
	})
	return func() { cancel(); watcher.Wait() }
}

// over says once what is said over and over, until it is changed.
func (s *sound) over(ctx context.Context) error {
	part, cut := context.WithCancel(ctx)
	defer cut()
	s.mu.Lock()
	if len(s.aside) > 0 {
		aside := s.aside[0]
		s.aside = s.aside[1:]
		s.mu.Unlock()
		aside(ctx)
		return ctx.Err()
	}
	s.cut.Store(&cut) // before the look at what there is, or a change would be missed
	what, other := s.what, s.early
	s.mu.Unlock()
	if other.speaks() {
		other.open.Store(true)
		<-part.Done()
		return ctx.Err()
	}
	err := s.leg.Audio().Play(part, what)
	if part.Err() != nil {
		return ctx.Err() // it was changed, or all is over
	}
	return err
}

// change replaces what is heard over and over.
func (s *sound) change(what media.Speech) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.what = what
	(*s.cut.Load())()
}

// interrupt has something said once, which no change cuts short.
func (s *sound) interrupt(aside func(context.Context)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.aside = append(s.aside, aside)
	(*s.cut.Load())()
}

// EarlyMedia implements Early: the party that is called is heard from its first
// packet on. Many networks promise to be heard and then are not.
func (s *sound) EarlyMedia(_ context.Context, from media.Port) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.early != nil {
		s.early.from.Plug(nil)
	}
	s.early = &early{from: from, to: s.leg.Audio(), spoke: func() { (*s.cut.Load())() }}
	from.Plug(s.early)
}

// stop returns when the party hears nothing more.
func (s *sound) stop() {
	s.cancel()
	s.player.Wait()
	if s.unwatch != nil {
		s.unwatch()
	}
	if s.early != nil {
		s.early.from.Plug(nil)
	}
}

// early is a party on its way to another's ear before it answers.
type early struct {
	from  media.Port
	to    media.Sink
	spoke func() // told of its first packet
	first atomic.Bool
	open  atomic.Bool // its turn has come
}

func (e *early) speaks() bool { return e != nil && e.first.Load() }

// WriteRTP implements media.Sink.
func (e *early) WriteRTP(p *media.Packet) {
	if e.first.CompareAndSwap(false, true) {
		e.spoke()
	}
	if e.open.Load() {
		e.to.WriteRTP(p)
	}
}

// LeaveOut is told of a packet that is not for the other; see media.LeaveOut.
func (e *early) LeaveOut(p *media.Packet) { media.LeaveOut(p, e.to) }
