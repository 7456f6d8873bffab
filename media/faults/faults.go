// Package faults keeps a panic from ending more than what it happened in, where one
// goroutine serves many. It knows nothing of what that is, and it does not log: it
// counts, and tells a desk.
package faults

import (
	"fmt"
	"runtime"
	"runtime/debug"
	"strings"
	"sync"
	"sync/atomic"
)

// maxTold is how many places of faults are told of; all faults are counted.
const maxTold = 100

// Desk is where faults are reported. It is safe for concurrent use.
type Desk struct {
	tell  func(fault any, stack []byte)
	count atomic.Uint64

	mu   sync.Mutex
	told map[string]bool // places in our source
}

// NewDesk makes a desk that tells of each place where something panics, once.
func NewDesk(tell func(fault any, stack []byte)) *Desk {
	return &Desk{tell: tell, told: map[string]bool{}}
}

// Count is how many faults there were.
func (d *Desk) Count() uint64 { return d.count.Load() }

// Take takes a fault, of a deferred function: the goroutine is still where it
// panicked.
func (d *Desk) Take(fault any) {
	d.count.Add(1)
	if d.isNews(place()) {
		d.tell(fault, debug.Stack())
	}
}

func (d *Desk) isNews(place string) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.told[place] || len(d.told) >= maxTold {
		return false
	}
	d.told[place] = true
	return true
}

// place is where a goroutine panicked.
func place() string {
	var at [64]uintptr
	frames := runtime.CallersFrames(at[:runtime.Callers(0, at[:])])
	for panicked := false; ; {
		frame, more := frames.Next()
		if panicked && !strings.HasPrefix(frame.Function, "runtime.") || !more {
			return fmt.Sprintf("%s:%d", frame.File, frame.Line)
		}
		panicked = panicked || frame.Function == "runtime.gopanic"
	}
}

// Line reports to a desk. The zero Line has none: then a panic ends the program.
type Line struct{ desk atomic.Pointer[Desk] }

// Report has faults reported to a desk from now on.
func (l *Line) Report(to *Desk) { l.desk.Store(to) }

// Each does something for each of n, with one recover for all of them: one for which
// that panics is reported and left to hurt, and the others have their turn.
func (l *Line) Each(n int, do, hurt func(i int)) {
	for i := 0; i < n; i++ {
		i = l.from(i, n, do, hurt)
	}
}

// from goes on with one, until one panics, and returns which.
func (l *Line) from(i, n int, do, hurt func(i int)) (at int) {
	at = i
	defer func() {
		if fault := recover(); fault != nil {
			l.caught(fault)
			hurt(at)
		}
	}()
	for ; at < n; at++ {
		do(at)
	}
	return at
}

func (l *Line) caught(fault any) {
	desk := l.desk.Load()
	if desk == nil {
		panic(fault)
	}
	desk.Take(fault)
}
