package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
)

// talks is what a number of concurrent calls gives.
type talks struct {
	Calls      int     `json:"calls"`
	Seconds    float64 `json:"seconds"`
	Sent       uint64  `json:"sent"`     // packets, both ways
	Received   uint64  `json:"received"` // behind the PBX
	Lost       uint64  `json:"lost"`
	Duplicated uint64  `json:"duplicated"`
	Reordered  uint64  `json:"reordered"`
	Strayed    uint64  `json:"strayed"` // heard in another call
	Crossed    int     `json:"crossed"` // calls whose two directions are not each other's
	P50        float64 `json:"delay_p50_ms"`
	P99        float64 `json:"delay_p99_ms"`
	Max        float64 `json:"delay_max_ms"`
	CPUPacket  float64 `json:"cpu_us_per_packet"`
	CPU        usage   `json:"cpu"`
	RSS        int     `json:"rss_kb"`
	KBCall     float64 `json:"kb_per_call"`

	// When these are not about nought, the machine was too busy to judge.
	ToolDropped uint64  `json:"tool_dropped"`
	ToolRefused uint64  `json:"tool_refused"`
	ToolLate    float64 `json:"tool_late_ms"`

	Drops drops `json:"drops"`
}

const (
	settling = 2 * time.Second  // before a measured window
	arriving = time.Second      // for the last packets, behind it …
	overdue  = 10 * time.Second // … as long as some of them do arrive
)

// talk brings the number of calls up step by step and measures each step. RSS
// is compared with idle, in KB.
func (b bench) talk(ctx context.Context, steps []int, rate float64, length time.Duration, idle int, show func(talks)) (err error) {
	out, in, e, err := b.connect()
	if err != nil {
		return err
	}
	defer func() {
		out.hangUpAll()
		clear := await(context.WithoutCancel(ctx), patience, func() bool { return out.open()+in.open() == 0 })
		out.close()
		in.close()
		e.close()
		if n, causes := in.score.failed(); err == nil && n > 0 {
			err = fmt.Errorf("after the talks: %s", causeList(causes))
		}
		if err == nil && !clear {
			err = errors.New("not all calls came to an end")
		}
	}()
	up := 0
	for _, n := range steps {
		if err := start(ctx, out, up, n-up, rate, -1); err != nil {
			return err
		}
		up = n
		if err := b.complete(ctx, out, in, e, n); err != nil {
			return err
		}
		b.quiet(ctx)
		t, err := b.measure(ctx, e, n, length)
		if err != nil {
			return err
		}
		if idle > 0 && n > 0 {
			t.KBCall = float64(t.RSS-idle) / float64(n)
		}
		show(t)
		if m, causes := out.score.failed(); m > 0 {
			return fmt.Errorf("during %d calls: %s", n, causeList(causes))
		}
	}
	return nil
}

// complete waits until both ends of all calls speak.
func (b bench) complete(ctx context.Context, out *caller, in *callee, e *engine, n int) error {
	speaking := 0
	all := await(ctx, patience+settling, func() bool {
		e.do(func() { speaking = len(e.streams) })
		failed, _ := out.score.failed()
		return speaking == 2*n || failed > 0
	})
	_, causes := out.score.failed()
	_, more := in.score.failed()
	switch {
	case len(causes)+len(more) > 0:
		return fmt.Errorf("setting up %d calls: %s %s", n, causeList(causes), causeList(more))
	case !all:
		return fmt.Errorf("setting up %d calls: %d of %d ends have audio", n, speaking, 2*n)
	}
	return pause(ctx, settling)
}

// measure takes one window.
func (b bench) measure(ctx context.Context, e *engine, n int, length time.Duration) (talks, error) {
	blame, err := b.blame(e)
	if err != nil {
		return talks{}, err
	}
	stop, err := watch(b.PID)
	if err != nil {
		return talks{}, err
	}
	e.do(func() { e.open(length) })
	if err := pause(ctx, length); err != nil {
		return talks{}, err
	}
	used, err := stop()
	if err != nil {
		return talks{}, err
	}
	t := talks{Calls: n, Seconds: length.Seconds(), CPU: used}
	if t.RSS, err = b.PID.memory(); err != nil {
		return talks{}, err
	}
	if err := e.awaitLast(ctx); err != nil {
		return talks{}, err
	}
	e.do(func() { e.result(&t) })
	if t.Drops, err = blame(t.Lost - min(t.Lost, t.ToolRefused)); err != nil {
		return talks{}, err
	}
	if t.Received > 0 {
		t.CPUPacket = used.PBX * 1e6 / float64(t.Received)
	}
	return t, nil
}

// open begins a window on the engine's thread.
func (e *engine) open(length time.Duration) {
	now := time.Now()
	packets := int(length/time.Millisecond)/phases + phases
	for _, s := range e.streams {
		s.base, s.last, s.arrived = s.number, s.number, make([]uint64, (packets+63)/64)
	}
	e.window = window{from: now.UnixNano(), until: now.Add(length).UnixNano(), dropped: e.dropped(),
		delays: make([]uint32, 0, len(e.streams)*packets)}
}

// awaitLast waits for what is still under way, and on a machine that is too busy lies
// unread in a socket for seconds: that is late, and not lost.
func (e *engine) awaitLast(ctx context.Context) error {
	late := time.Now().Add(overdue)
	for before := uint64(0); ; {
		if err := pause(ctx, arriving); err != nil {
			return err
		}
		var sent, received uint64
		e.do(func() { sent, received = e.window.sent, e.window.received })
		if received == sent || received == before || time.Now().After(late) {
			return nil
		}
		before = received
	}
}

// result ends a window on the engine's thread.
func (e *engine) result(t *talks) {
	w := &e.window
	t.Sent, t.Received, t.Duplicated, t.Reordered, t.Strayed = w.sent, w.received, w.duplicated, w.reordered, w.strayed
	t.Lost = w.sent - w.received
	t.ToolRefused, t.ToolDropped = w.refused, e.dropped()-w.dropped
	t.ToolLate = milliseconds(w.worstLateness)
	slices.Sort(w.delays)
	at := func(q float64) float64 { return float64(quantile(w.delays, q)) / 1e6 }
	t.P50, t.P99, t.Max = at(0.5), at(0.99), at(1)
	t.Crossed = e.crossed()
	e.window = window{}
}

// dropped is what our own sockets have lost so far.
func (e *engine) dropped() (sum uint64) {
	for _, s := range slices.Concat(e.sockets[:]...) {
		sum += uint64(s.lost)
	}
	return sum
}

// crossed counts the calls where A hears B but B does not hear A. A stream
// comes out on a leg, and that leg says a stream of its own: which must come
// out where the first one goes in.
func (e *engine) crossed() (n int) {
	if e.direct {
		return 0
	}
	said := map[leg]*stream{}
	for _, s := range e.streams {
		said[leg{s.via, s.far}] = s
	}
	for _, s := range e.streams {
		if other := said[s.heardOn]; s.heardOn.at != nil && (other == nil || other.heardOn != leg{s.via, s.far}) {
			n++
		}
	}
	return n / 2
}
