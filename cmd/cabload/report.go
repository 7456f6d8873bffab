package main

import (
	"context"
	"fmt"
	"time"
)

// report gathers what was measured, and shows it as it comes.
type report struct {
	IdleRSS int      `json:"idle_rss_kb"` // before the first call
	Talks   []talks  `json:"talks,omitempty"`
	Trials  []setups `json:"trials,omitempty"`
	Best    *setups  `json:"best,omitempty"` // the highest clean rate

	quiet bool // print nothing
}

func (r *report) print(format string, values ...any) {
	if !r.quiet {
		fmt.Printf(format, values...)
	}
}

func (r *report) begin(b bench) {
	switch {
	case b.direct():
		r.print("no exchange: what this tool can do itself\n")
	case b.PID == 0:
		r.print("exchange at %s; no --pid, so its costs are not known\n", b.PBX)
	default:
		r.print("exchange at %s, process %d, %.1f MB idle\n", b.PBX, b.PID, float64(r.IdleRSS)/1024)
	}
}

// step shows one number of concurrent calls.
func (r *report) step(t talks) {
	if len(r.Talks) == 0 {
		r.print("\n%6s %9s %6s %5s %11s %9s %9s %9s %9s %8s %8s\n", "calls", "packets", "lost", "dup",
			"CPU µs/pkt", "p50 ms", "p99 ms", "max ms", "KB/call", "RSS MB", "others")
	}
	r.Talks = append(r.Talks, t)
	r.print("%6d %9d %6d %5d %11.2f %9.3f %9.3f %9.2f %9.1f %8.1f %7.0f%%\n", t.Calls, t.Received, t.Lost, t.Duplicated,
		t.CPUPacket, t.P50, t.P99, t.Max, t.KBCall, float64(t.RSS)/1024, 100*t.CPU.Foreign/t.Seconds)
	if t.Reordered+t.Strayed > 0 || t.Crossed > 0 {
		r.print("       %d packets out of order, %d in another call; %d calls crossed\n", t.Reordered, t.Strayed, t.Crossed)
	}
	if t.ToolDropped+t.ToolRefused > 0 || t.ToolLate > 10 {
		r.print("       doubtful: this tool lost %d, could not send %d, was up to %.0f ms late\n", t.ToolDropped, t.ToolRefused, t.ToolLate)
	}
}

// trial shows one rate of calls.
func (r *report) trial(s setups) {
	if len(r.Trials) == 0 {
		r.print("\n%8s %7s %7s %8s %8s %9s %9s %12s %7s  %s\n", "calls/s", "calls", "failed", "repeats", "(theirs)",
			"p50 ms", "p99 ms", "CPU s/1000", "others", "verdict")
	}
	r.Trials = append(r.Trials, s)
	verdict := "clean"
	if s.Unclean != "" {
		verdict = s.Unclean
	}
	span := float64(s.Started) / s.Achieved
	r.print("%8.0f %7d %7d %8d %8d %9.2f %9.2f %12.3f %6.0f%%  %s\n", s.Rate, s.Started, s.Failed, s.OurRepeats, s.ItsRepeats,
		s.P50, s.P99, s.CPUPer1000, 100*s.CPU.Foreign/span, verdict)
}

func (r *report) find(ctx context.Context, b bench, rate float64, length, hold time.Duration) error {
	best, err := b.find(ctx, rate, length, hold, r.trial)
	if best.Rate > 0 {
		r.Best = &best
		r.print("\nhighest clean rate: %.0f calls a second, %.3f CPU-seconds per 1,000 calls\n", best.Rate, best.CPUPer1000)
	} else if err == nil {
		r.print("\nno clean rate was found\n")
	}
	return err
}
