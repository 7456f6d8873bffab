package sip

import (
	"context"
	"sync"
	"time"
)

// work counts what has to end before the server may: stories, legs, requests
// that wait for their answer. A sync.WaitGroup cannot: new work may begin while
// the end is waited for.
type work struct {
	mu    sync.Mutex
	n     int
	idle  chan struct{} // closed when n falls to 0; nil: nobody waits
	fault func(any)     // told of panics, which end no more than one piece of work
}

func (w *work) begin() {
	w.mu.Lock()
	w.n++
	w.mu.Unlock()
}

func (w *work) done() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.n--; w.n == 0 && w.idle != nil {
		close(w.idle)
		w.idle = nil
	}
}

// Go runs f as work.
func (w *work) Go(f func()) {
	w.begin()
	go func() {
		defer w.done()
		defer w.recover()
		f()
	}()
}

// afterFault is the pause before something that goes on all the time begins anew.
const afterFault = 10 * time.Second

// Keep runs what goes on until ctx ends. Where it panics, it begins anew.
func (w *work) Keep(ctx context.Context, f func()) {
	w.Go(func() {
		for !w.whole(f) {
			select {
			case <-time.After(afterFault):
			case <-ctx.Done():
				return
			}
		}
	})
}

// whole says whether f has come to its end.
func (w *work) whole(f func()) (ended bool) {
	defer w.recover()
	f()
	return true
}

func (w *work) recover() {
	if fault := recover(); fault != nil {
		w.fault(fault)
	}
}

// caught is recover for what returns an error.
func (w *work) caught(err *error) {
	if fault := recover(); fault != nil {
		w.fault(fault)
		*err = errFault
	}
}

// wait returns a channel that closes when there is no work.
func (w *work) wait() <-chan struct{} {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.n == 0 {
		idle := make(chan struct{})
		close(idle)
		return idle
	}
	if w.idle == nil {
		w.idle = make(chan struct{})
	}
	return w.idle
}

// Go runs f as work of the leg, which ends where that panics.
func (l *Leg) Go(f func()) {
	l.server.work.Go(func() {
		defer l.survive()
		f()
	})
}

// after has f called like that in a while.
func (l *Leg) after(d time.Duration, f func()) *time.Timer {
	return time.AfterFunc(d, func() {
		defer l.survive()
		f()
	})
}

func (l *Leg) survive() {
	if fault := recover(); fault != nil {
		l.server.work.fault(fault)
		if l.end != nil { // it is more than a branch of a fork
			l.server.work.Go(func() { _ = l.HangUp(l.ctx, errFault) })
		}
	}
}
