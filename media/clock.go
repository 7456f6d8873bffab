package media

import (
	"context"
	"errors"
	"sync"
	"time"

	"cabline/media/faults"
)

// ErrClockClosed is what Play returns when its clock was closed under it.
var ErrClockClosed = errors.New("clock is closed")

// ErrFault is what Play returns when to say something has panicked; see Report.
var ErrFault = errors.New("a fault of ours")

const (
	// Beats are spread over so many phases of a frame: a thousand speeches begun
	// at once leave as small bursts 4 ms apart.
	phases    = 5
	phaseTime = FrameTime / phases

	// A beat held up, by a busy machine or a sleeping one, makes up for so many
	// frames at most; the rest is said that much later.
	maxCatchUp = 5
)

// Clock paces all that we say ourselves: one goroutine and one timer for all
// speeches and keys. Deadlines count from a start and do not drift. Without a
// beat it does not tick.
type Clock struct {
	faults.Line
	wake, quit, done chan struct{}
	epoch            time.Time

	mu     sync.Mutex
	phases [phases]phase
	closed bool

	due []*beat // of the clock's goroutine alone
}

// phase is the beats that fall together.
type phase struct {
	beats []*beat
	next  time.Time // meaningful while there are beats
}

// beat is one thing done every 20 ms.
type beat struct {
	over chan struct{} // closed when there are no more steps

	mu     sync.Mutex  // held during a step
	step   func() bool // nil: over
	next   time.Time
	faulty bool // a step has panicked

	phase, at int // where it is in the clock, at < 0: nowhere; under the clock's mu
}

// NewClock starts a clock, which Close stops.
func NewClock() *Clock {
	c := &Clock{
		wake:  make(chan struct{}, 1),
		quit:  make(chan struct{}),
		done:  make(chan struct{}),
		epoch: time.Now(),
	}
	go c.run()
	return c
}

// Close stops the clock and waits for its goroutine. A Play under way returns
// ErrClockClosed.
func (c *Clock) Close() {
	c.mu.Lock()
	if c.closed {
		c.mu.Unlock()
		<-c.done
		return
	}
	c.closed = true
	c.mu.Unlock()
	close(c.quit)
	<-c.done
	for i := range c.phases { // nobody else changes them any more
		for _, b := range c.phases[i].beats {
			b.end()
		}
	}
}

// Play says a speech to a sink in real time, each packet with a source of its
// own for this speech. It returns nil when all has been said, and the cause of
// ctx as soon as that ends; after it has returned nothing more is said.
func (c *Clock) Play(ctx context.Context, to Sink, what Speech) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	b := c.start(newVoice(to, what).say)
	select {
	case <-b.over:
		c.mu.Lock()
		defer c.mu.Unlock()
		if c.closed {
			return ErrClockClosed
		}
		return b.how()
	case <-ctx.Done():
		c.stop(b)
		return context.Cause(ctx)
	}
}

// Start calls step every 20 ms, the first time within 20 ms, until it returns
// false or stop is called. A step must not block, and must not stop itself but
// return false. When stop has returned, step is not called any more; stop may
// be called many times and late.
func (c *Clock) Start(step func() (more bool)) (stop func()) {
	b := c.start(step)
	return func() { c.stop(b) }
}

func (c *Clock) start(step func() bool) *beat {
	b := &beat{over: make(chan struct{}), step: step, at: -1}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		b.end()
		return b
	}
	b.phase, b.next = c.emptiest(time.Now())
	ph := &c.phases[b.phase]
	ph.next = b.next
	b.at = len(ph.beats)
	ph.beats = append(ph.beats, b)
	select {
	case c.wake <- struct{}{}:
	default:
	}
	return b
}

// emptiest is the phase with the fewest beats, of those the soonest, and when
// it comes next.
func (c *Clock) emptiest(now time.Time) (which int, at time.Time) {
	for i := range c.phases {
		ph := &c.phases[i]
		next := ph.next
		if len(ph.beats) == 0 {
			begin := c.epoch.Add(time.Duration(i) * phaseTime)
			next = begin.Add((now.Sub(begin)/FrameTime + 1) * FrameTime)
		}
		fewest := len(c.phases[which].beats)
		if at.IsZero() || len(ph.beats) < fewest || len(ph.beats) == fewest && next.Before(at) {
			which, at = i, next
		}
	}
	return which, at
}

func (c *Clock) stop(b *beat) {
	b.end()
	c.mu.Lock()
	c.remove(b)
	c.mu.Unlock()
}

// remove takes a beat out of its phase, if it is there; c.mu is held.
func (c *Clock) remove(b *beat) {
	if b.at < 0 {
		return
	}
	beats := c.phases[b.phase].beats
	last := len(beats) - 1
	beats[b.at] = beats[last]
	beats[b.at].at = b.at
	beats[last] = nil
	c.phases[b.phase].beats = beats[:last]
	b.at = -1
}

func (c *Clock) run() {
	defer close(c.done)
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		if next := c.tick(time.Now()); next.IsZero() {
			timer.Stop()
		} else {
			timer.Reset(time.Until(next))
		}
		select {
		case <-c.quit:
			return
		case <-c.wake:
		case <-timer.C:
		}
	}
}

// tick does the steps that are due and returns the time of the next, zero when
// there are none.
func (c *Clock) tick(now time.Time) (next time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i := range c.phases {
		ph := &c.phases[i]
		if len(ph.beats) > 0 && !ph.next.After(now) {
			ph.next = ph.next.Add((now.Sub(ph.next)/FrameTime + 1) * FrameTime)
			c.due = append(c.due[:0], ph.beats...)
			after := ph.next
			c.mu.Unlock() // speeches start and stop while the steps are done
			c.Each(len(c.due), func(k int) {
				if c.due[k].steps(now, after) {
					c.due[k] = nil
				}
			}, func(k int) { c.due[k].hurt() })
			c.mu.Lock()
			for k, b := range c.due {
				if b != nil {
					c.remove(b)
				}
				c.due[k] = nil
			}
		}
		if len(ph.beats) > 0 && (next.IsZero() || ph.next.Before(next)) {
			next = ph.next
		}
	}
	return next
}

// steps does what is due by now. After a long stall what could not be made up
// for is due at after. It reports whether more will come.
func (b *beat) steps(now, after time.Time) (more bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for n := 0; n < maxCatchUp && b.step != nil && !b.next.After(now); n++ {
		b.next = b.next.Add(FrameTime)
		if !b.step() {
			b.step = nil
			close(b.over)
		}
	}
	if !b.next.After(now) {
		b.next = after
	}
	return b.step != nil
}

// hurt ends a beat whose step has panicked.
func (b *beat) hurt() {
	b.mu.Lock()
	b.faulty = true
	b.mu.Unlock()
	b.end()
}

// how is how a beat ended by itself.
func (b *beat) how() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.faulty {
		return ErrFault
	}
	return nil
}

// end waits for a step under way and lets no other follow.
func (b *beat) end() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.step != nil {
		b.step = nil
		close(b.over)
	}
}
