package main

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"cabline/cmd/internal/siptext"
)

// bench is a PBX under test and our two ends around it.
type bench struct {
	PBX    netip.AddrPort
	PID    process // 0: no process to watch
	Number string
	Caller netip.AddrPort
	Callee netip.AddrPort

	CallerCodec, CalleeCodec uint8   // RTP payload types
	Quiet                    float64 // wait until others use less than this part of a core; 0: do not
}

// direct means that there is no PBX: the caller calls the callee, and what is
// measured is the tool itself.
func (b bench) direct() bool { return b.PBX == b.Callee }

// ends opens both ends. The SIP sockets are new for each run, so that nothing
// late of one is counted in the next.
func (b bench) ends() (*caller, *callee, error) {
	out, err := openCaller(b.Caller, b.PBX, b.Number, b.CallerCodec)
	if err != nil {
		return nil, nil, err
	}
	in, err := openCallee(b.Callee, b.CalleeCodec)
	if err != nil {
		out.conn.Close()
		return nil, nil, err
	}
	if b.direct() {
		out.pbx = in.self // the port may have been chosen just now
	}
	return out, in, nil
}

// quiet waits until others leave the machine alone, a minute at most.
func (b bench) quiet(ctx context.Context) {
	if b.Quiet == 0 {
		return
	}
	for range 60 {
		stop, err := watch(b.PID)
		if err != nil || pause(ctx, time.Second) != nil {
			return
		}
		if u, err := stop(); err != nil || u.Foreign < b.Quiet {
			return
		}
	}
}

// start places calls at an even rate, in steps of a millisecond, n of them.
func start(ctx context.Context, out *caller, first, n int, rate float64, hold time.Duration) error {
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	began := time.Now()
	for placed := 0; placed < n; {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case now := <-tick.C:
			for due := int(now.Sub(began).Seconds()*rate) + 1; placed < min(due, n); placed++ {
				out.place(first+placed, hold)
			}
		}
	}
	return nil
}

// await polls until f is true. It gives up after the limit.
func await(ctx context.Context, limit time.Duration, f func() bool) bool {
	for until := time.Now().Add(limit); !f(); {
		if time.Now().After(until) || pause(ctx, 5*time.Millisecond) != nil {
			return false
		}
	}
	return true
}

func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// setups is what a run of signalling alone gives.
type setups struct {
	Rate       float64        `json:"rate"`     // calls a second that should have been started
	Achieved   float64        `json:"achieved"` // and were
	Started    int            `json:"started"`
	Ended      int            `json:"ended"` // answered and hung up by us, seen so at both ends
	Failed     int            `json:"failed"`
	Causes     map[string]int `json:"causes,omitempty"`
	OurRepeats int            `json:"repeated_by_us"`
	ItsRepeats int            `json:"repeated_by_pbx"`
	P50        float64        `json:"setup_p50_ms"`
	P99        float64        `json:"setup_p99_ms"`
	CPUPer1000 float64        `json:"cpu_seconds_per_1000_calls"`
	CPU        usage          `json:"cpu"`
	Unclean    string         `json:"unclean,omitempty"` // why the rate does not count; empty: it does
}

const slowestSetup = 250 * time.Millisecond // at the 99th percentile

// signal sets calls up and takes them down at one rate for a time.
func (b bench) signal(ctx context.Context, rate float64, length, hold time.Duration) (setups, error) {
	b.quiet(ctx)
	out, in, err := b.ends()
	if err != nil {
		return setups{}, err
	}
	in.start()
	out.start()
	defer in.close()
	defer out.close()
	usage, err := watch(b.PID)
	if err != nil {
		return setups{}, err
	}
	began := time.Now()
	err = start(ctx, out, 0, max(1, int(rate*length.Seconds())), rate, hold)
	took := time.Since(began)
	if err != nil {
		out.hangUpAll()
	}
	await(context.WithoutCancel(ctx), patience+hold, func() bool { return out.open() == 0 })
	await(context.WithoutCancel(ctx), time.Second, func() bool { return in.open() == 0 })
	used, watched := usage()
	r := b.judge(out, in, rate, took)
	if r.CPU = used; r.Started > 0 {
		r.CPUPer1000 = used.PBX / float64(r.Started) * 1000
	}
	return r, errors.Join(err, watched)
}

// judge adds up what both ends have seen.
func (b bench) judge(out *caller, in *callee, rate float64, took time.Duration) setups {
	for range in.open() {
		in.score.fail("the callee was not hung up on")
	}
	r := setups{Rate: rate}
	n, causes := out.score.failed()
	m, more := in.score.failed()
	r.Failed, r.Causes = n+m, causes
	for why, k := range more {
		r.Causes[why] += k
	}
	out.score.mu.Lock()
	in.score.mu.Lock()
	defer out.score.mu.Unlock()
	defer in.score.mu.Unlock()
	r.Started, r.Ended = out.score.started, min(out.score.ended, in.score.ended)
	r.Achieved = float64(r.Started) / took.Seconds()
	r.OurRepeats = out.score.repeated + in.score.repeated
	r.ItsRepeats = out.score.theirs + in.score.theirs
	slices.Sort(out.score.setups)
	p99 := quantile(out.score.setups, 0.99)
	r.P50, r.P99 = milliseconds(quantile(out.score.setups, 0.5)), milliseconds(p99)
	switch {
	case r.Failed > 0:
		r.Unclean = causeList(r.Causes)
	case r.OurRepeats+r.ItsRepeats > 0:
		r.Unclean = fmt.Sprintf("%d messages repeated by us, %d by the PBX", r.OurRepeats, r.ItsRepeats)
	case p99 > slowestSetup:
		r.Unclean = fmt.Sprintf("p99 of set-up %.0f ms", r.P99)
	case r.Ended < r.Started:
		r.Unclean = fmt.Sprintf("%d of %d calls ended", r.Ended, r.Started)
	case r.Achieved < 0.95*rate && r.Started > 100:
		r.Unclean = fmt.Sprintf("this tool reached %.0f a second only", r.Achieved)
	}
	return r
}

func milliseconds(d time.Duration) float64 { return d.Seconds() * 1000 }

// find looks for the highest clean rate: up by half as long as it goes well,
// then between the best and the worst to one twentieth. A rate fails when it
// was unclean twice, because the machine is not ours alone. Each trial is
// shown; the last clean one is returned.
func (b bench) find(ctx context.Context, rate float64, length, hold time.Duration, show func(setups)) (best setups, err error) {
	failed := 0.0
	for rate >= 1 {
		r, err := b.signal(ctx, rate, length, hold)
		if err == nil && r.Unclean != "" {
			show(r)
			r, err = b.signal(ctx, rate, length, hold)
		}
		if err != nil {
			return best, err
		}
		show(r)
		if r.Unclean == "" {
			best = r
		} else {
			failed = rate
		}
		switch {
		case failed == 0:
			rate *= 1.5
		case best.Rate == 0:
			rate /= 2
		case failed-best.Rate <= best.Rate/20:
			return best, nil
		default:
			rate = (best.Rate + failed) / 2
		}
		if rate > maxRate {
			return best, nil
		}
	}
	return best, nil
}

// connect opens both ends for calls with audio.
func (b bench) connect() (*caller, *callee, *engine, error) {
	out, in, err := b.ends()
	if err != nil {
		return nil, nil, nil, err
	}
	e, err := startEngine(b.Caller.Addr(), b.Callee.Addr(), b.direct())
	if err != nil {
		out.conn.Close()
		in.conn.Close()
		return nil, nil, nil, err
	}
	wire := func(from side, s *score) (func(int) netip.AddrPort, func(int, siptext.Audio)) {
		return func(n int) netip.AddrPort { return e.address(from, n) },
			func(n int, theirs siptext.Audio) {
				if err := e.speak(from, n, theirs, speech{}); err != nil {
					s.fail(err.Error())
				}
			}
	}
	out.audio, out.talk = wire(callerSide, out.score)
	in.audio, in.talk = wire(calleeSide, in.score)
	in.start()
	out.start()
	return out, in, e, nil
}
