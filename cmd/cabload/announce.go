package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"cabline/cmd/internal/siptext"
)

// announced is what a number of callers at the menu gives.
type announced struct {
	Calls     int     `json:"calls"`
	Seconds   float64 `json:"seconds"`
	Packets   uint64  `json:"packets"` // spoken to them
	Missing   int     `json:"missing"` // fewer than one a frame for each
	CPUPacket float64 `json:"cpu_us_per_packet"`
	LateP99   float64 `json:"late_p99_ms"` // behind the grid of 20 ms of each speech's earliest packet
	LateMax   float64 `json:"late_max_ms"`
	FirstP50  float64 `json:"first_sound_p50_ms"` // from our ACK to the first packet
	FirstP99  float64 `json:"first_sound_p99_ms"`
	KeyP50    float64 `json:"key_p50_ms"` // from the first packet of the key to the next speech
	KeyP99    float64 `json:"key_p99_ms"`
	Unheard   int     `json:"callers_unheard"` // whose key did nothing
	Mute      int     `json:"callers_mute"`    // who heard nothing
	CPU       usage   `json:"cpu"`
	RSS       int     `json:"rss_kb"`

	ToolDropped uint64  `json:"tool_dropped"`
	ToolLate    float64 `json:"tool_late_ms"`

	Drops drops `json:"drops"`
}

const (
	repeatKey   = '9'             // has the menu said again
	keyPatience = 2 * time.Second // for what a key does
	keyLimit    = 150.0           // ms within which 99 keys of 100 must have done it
)

// verdict is an error where keys are not heard, or not soon enough.
func (a announced) verdict() error {
	if lost := a.Mute + a.Unheard; 100*lost > a.Calls {
		return fmt.Errorf("the keys of %d callers of %d did nothing", lost, a.Calls)
	}
	if a.KeyP99 > keyLimit {
		return fmt.Errorf("%d callers: p99 from key to reaction is %.0f ms, at most %.0f are allowed", a.Calls, a.KeyP99, keyLimit)
	}
	return nil
}

// audience is callers at the menu: when each sent its ACK, and where it is
// spoken to. n counts from 0.
type audience struct {
	mu    sync.Mutex
	acked map[int]int64
	leg   map[int]leg
}

// announce has n callers at the menu. They say nothing; after the measured
// window each presses a key once, spread over as long a time.
func (b bench) announce(ctx context.Context, n int, rate float64, length time.Duration) (r announced, err error) {
	out, in, e, err := b.connect()
	if err != nil {
		return r, err
	}
	hall := audience{acked: map[int]int64{}, leg: map[int]leg{}}
	e.do(func() { e.ears = map[leg]*ear{} })
	out.lock(func() {
		out.talk = func(k int, theirs siptext.Audio) { hall.enter(e, out.score, k, theirs) }
	})
	defer func() {
		out.hangUpAll()
		clear := await(context.WithoutCancel(ctx), patience, func() bool { return out.open() == 0 })
		out.close()
		in.close()
		e.close()
		if err == nil && !clear {
			err = errors.New("not all calls came to an end")
		}
	}()
	if err := start(ctx, out, 0, n, rate, -1); err != nil {
		return r, err
	}
	if !await(ctx, patience, func() bool { return hall.size() == n }) {
		_, causes := out.score.failed()
		return r, fmt.Errorf("%d of %d callers are at the menu: %s", hall.size(), n, causeList(causes))
	}
	if err := pause(ctx, settling); err != nil {
		return r, err
	}
	b.quiet(ctx)
	r = announced{Calls: n, Seconds: length.Seconds()}
	if err := b.attend(ctx, e, &r, length); err != nil {
		return r, err
	}
	if err := pressAll(ctx, e, n, length); err != nil {
		return r, err
	}
	e.do(func() { hall.judge(e, &r) })
	if k, causes := out.score.failed(); k > 0 {
		return r, fmt.Errorf("during %d announcements: %s", n, causeList(causes))
	}
	return r, nil
}

// attend measures a window without keys.
func (b bench) attend(ctx context.Context, e *engine, r *announced, length time.Duration) error {
	blame, err := b.blame(e)
	if err != nil {
		return err
	}
	stop, err := watch(b.PID)
	if err != nil {
		return err
	}
	e.do(func() { e.open(length) })
	if err := pause(ctx, length); err != nil {
		return err
	}
	if r.CPU, err = stop(); err != nil {
		return err
	}
	if r.RSS, err = b.PID.memory(); err != nil {
		return err
	}
	e.do(func() {
		r.Packets, r.ToolDropped, r.ToolLate = e.window.received, e.dropped()-e.window.dropped, milliseconds(e.window.worstLateness)
		e.window = window{}
	})
	if r.Packets > 0 {
		r.CPUPacket = r.CPU.PBX * 1e6 / float64(r.Packets)
	}
	r.Missing = max(0, int(r.Seconds*1000/phases)*r.Calls-int(r.Packets))
	r.Drops, err = blame(uint64(r.Missing))
	return err
}

// pressAll has every caller press once, evenly spread, and waits for what comes.
func pressAll(ctx context.Context, e *engine, n int, length time.Duration) error {
	e.do(func() {
		for i, s := range e.streams {
			later := length / time.Duration(n) * time.Duration(i) / (phases * time.Millisecond)
			s.keys = []keypress{{key: repeatKey, after: s.number + uint32(later)}}
		}
	})
	return pause(ctx, length+keyPatience)
}

// enter is called when caller k has sent its ACK.
func (h *audience) enter(e *engine, s *score, k int, theirs siptext.Audio) {
	now := time.Now().UnixNano()
	if err := e.speak(callerSide, k, theirs, speech{silent: true}); err != nil {
		s.fail(err.Error())
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.acked[k] = now
	h.leg[k] = leg{e.sockets[callerSide][k%socketsPerSide], farOf(rawAddr(theirs.Addr))}
}

func (h *audience) size() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.acked)
}

// judge adds up what the callers heard, on the engine's thread.
func (h *audience) judge(e *engine, r *announced) {
	h.mu.Lock()
	defer h.mu.Unlock()
	var late []uint32
	var first, keys []time.Duration
	for k, acked := range h.acked {
		a := e.ears[h.leg[k]]
		if a == nil {
			r.Mute++
			continue
		}
		a.settle()
		late = append(late, a.late...)
		first = append(first, time.Duration(max(0, a.first-acked)))
		if a.reaction == 0 {
			r.Unheard++
			continue
		}
		keys = append(keys, time.Duration(a.reaction))
	}
	slices.Sort(late)
	slices.Sort(first)
	slices.Sort(keys)
	r.LateP99, r.LateMax = float64(quantile(late, 0.99))/1e6, float64(quantile(late, 1))/1e6
	r.FirstP50, r.FirstP99 = milliseconds(quantile(first, 0.5)), milliseconds(quantile(first, 0.99))
	r.KeyP50, r.KeyP99 = milliseconds(quantile(keys, 0.5)), milliseconds(quantile(keys, 0.99))
}
