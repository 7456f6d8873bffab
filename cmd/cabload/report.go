package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
)

// report gathers what was measured, and shows it as it comes.
type report struct {
	IdleRSS int      `json:"idle_rss_kb"`    // before the first call
	Bare    []talks  `json:"bare,omitempty"` // the same over a relay that does nothing else
	Talks   []talks  `json:"talks,omitempty"`
	Trials  []setups `json:"trials,omitempty"`
	Best    *setups  `json:"best,omitempty"` // the highest clean rate

	Announced []announced `json:"announced,omitempty"`
	Bridged   []bridged   `json:"bridged,omitempty"`
	Soaked    *soaked     `json:"soaked,omitempty"`

	Flooded *flooded `json:"flooded,omitempty"`

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

// talks measures the audio of concurrent calls, step by step, over the exchange
// and before that over a bare relay.
func (r *report) talks(ctx context.Context, b bench, steps []int, rate float64, length time.Duration) (err error) {
	if b.PID != 0 {
		if r.Bare, err = b.bare(ctx, steps, length); err != nil {
			return err
		}
	}
	return b.talk(ctx, steps, rate, length, r.IdleRSS, r.step)
}

// times is how often a packet's cost at a number of calls holds that of the bare
// relay; 0: not known.
func times(bare []talks, calls int, cost float64) float64 {
	for _, b := range bare {
		if b.Calls == calls && b.CPUPacket > 0 {
			return cost / b.CPUPacket
		}
	}
	return 0
}

// step shows one number of concurrent calls.
func (r *report) step(t talks) {
	if len(r.Talks) == 0 {
		r.print("\n%6s %9s %6s %5s %11s %7s %9s %9s %9s %9s %8s %8s\n", "calls", "packets", "lost", "dup",
			"CPU µs/pkt", "× bare", "p50 ms", "p99 ms", "max ms", "KB/call", "RSS MB", "others")
		for _, bare := range r.Bare {
			r.print("%6d %9d %6d %5d %11.2f %7s %9.3f %9.3f %9.2f   a bare relay %24.0f%%\n", bare.Calls, bare.Received, bare.Lost,
				bare.Duplicated, bare.CPUPacket, "1", bare.P50, bare.P99, bare.Max, 100*bare.CPU.Foreign/bare.Seconds)
			r.lost(bare)
		}
	}
	r.Talks = append(r.Talks, t)
	r.print("%6d %9d %6d %5d %11.2f %7.2f %9.3f %9.3f %9.2f %9.1f %8.1f %7.0f%%\n", t.Calls, t.Received, t.Lost, t.Duplicated,
		t.CPUPacket, times(r.Bare, t.Calls, t.CPUPacket), t.P50, t.P99, t.Max, t.KBCall, float64(t.RSS)/1024, 100*t.CPU.Foreign/t.Seconds)
	if t.Reordered+t.Strayed > 0 || t.Crossed > 0 {
		r.print("       %d packets out of order, %d in another call; %d calls crossed\n", t.Reordered, t.Strayed, t.Crossed)
	}
	r.lost(t)
	if t.ToolDropped+t.ToolRefused > 0 || t.ToolLate > 10 {
		r.print("       doubtful: this tool lost %d, could not send %d, was up to %.0f ms late\n", t.ToolDropped, t.ToolRefused, t.ToolLate)
	}
}

// lost says who lost packets, if any were.
func (r *report) lost(t talks) {
	if t.Lost > 0 {
		r.print("       %d lost; %s\n", t.Lost, t.Drops)
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

// announce measures one number of callers after the other, all of them before it
// fails for a slow one.
func (r *report) announce(ctx context.Context, b bench, o *options, callers []int, rate float64, length time.Duration) (slow error) {
	if o.Web != "" {
		for n := range slices.Max(callers) {
			if err := o.web().order(ctx, phoneOf(n), o.Driver); err != nil {
				return err
			}
		}
	}
	b.Number = o.Menu
	r.print("\n%7s %9s %8s %11s %9s %9s %10s %10s %9s %9s %8s\n", "callers", "packets", "missing", "CPU µs/pkt",
		"late p99", "late max", "first p50", "first p99", "key p50", "key p99", "others")
	for _, n := range callers {
		a, err := b.announce(ctx, n, rate, length)
		if err != nil {
			return err
		}
		r.Announced = append(r.Announced, a)
		r.print("%7d %9d %8d %11.2f %9.2f %9.2f %10.1f %10.1f %9.1f %9.1f %7.0f%%\n", a.Calls, a.Packets, a.Missing, a.CPUPacket,
			a.LateP99, a.LateMax, a.FirstP50, a.FirstP99, a.KeyP50, a.KeyP99, 100*a.CPU.Foreign/a.Seconds)
		if a.Missing > 0 {
			r.print("        %d missing; %s\n", a.Missing, a.Drops)
		}
		if a.Mute+a.Unheard > 0 {
			r.print("        %d callers heard nothing; the key of %d did nothing\n", a.Mute, a.Unheard)
		}
		if a.ToolDropped > 0 || a.ToolLate > 10 {
			r.print("        doubtful: this tool lost %d, was up to %.0f ms late\n", a.ToolDropped, a.ToolLate)
		}
		slow = errors.Join(slow, a.verdict())
	}
	return slow
}

// bridges measures one number of operators' browsers after the other.
func (r *report) bridges(ctx context.Context, b bench, o *options, calls []int, length time.Duration) error {
	server, err := o.web().addr()
	if err != nil {
		return err
	}
	d := desks{Server: server, Login: o.Bridge.Login, Password: o.Bridge.Password, Number: o.Driver}
	var bare []talks
	if b.PID != 0 {
		if bare, err = b.bare(ctx, calls, length); err != nil { // of as many packets
			return err
		}
	}
	r.print("\n%8s %12s %14s %11s %7s %12s %9s %8s %8s\n", "browsers", "to browsers", "from browsers", "CPU µs/pkt", "× bare", "KB/operator", "KB/call", "RSS MB", "others")
	for _, n := range calls {
		got, err := b.bridge(ctx, d, n, length)
		if err != nil {
			return err
		}
		got.Times = times(bare, n, got.CPUPacket)
		r.Bridged = append(r.Bridged, got)
		r.print("%8d %12d %14d %11.2f %7.2f %12.1f %9.1f %8.1f %7.0f%%\n", n, got.ToBrowsers, got.FromBrowser, got.CPUPacket, got.Times, got.KBOperator, got.KBCall,
			float64(got.RSS)/1024, 100*got.CPU.Foreign/got.Seconds)
		if got.Unheard > 0 {
			r.print("         %d browsers heard less than nine tenths\n", got.Unheard)
		}
	}
	return nil
}

// soak prints the curve as it comes, and the sum.
func (r *report) soak(ctx context.Context, b bench, s soak) error {
	got, err := s.run(ctx, b, r.curve())
	r.Soaked = &got
	r.print("\n%d calls: %d answered, %d hung up by us, %d by the exchange, %d taken back, %d refused, %d failed\n",
		got.Started, got.Answered, got.Ended, got.Left, got.Cancelled, got.Refused, got.Failed)
	r.print("%d answered at the far end; %d packets heard from there and back, %d in another call; %d messages repeated; this tool stood still for %.0f ms at most\n",
		got.Drivers, got.Packets, got.Strayed, got.Repeats, got.Stood)
	for _, l := range got.Lost {
		r.print("%s", l)
	}
	r.returned(got.Before, got.After)
	return err
}

// curve prints a head, and then the points given to it.
func (r *report) curve() func(point) {
	r.print("\n%9s %7s %9s %11s %12s %6s\n", "seconds", "calls", "RSS MB", "goroutines", "descriptors", "ports")
	return func(p point) {
		r.print("%9.0f %7d %9.1f %11d %12d %6d\n", p.Seconds, p.Calls, float64(p.RSS)/1024, p.Goroutines, p.FDs, p.Ports)
	}
}

func (r *report) returned(before, after holdings) {
	r.print("before: %.1f MB, %d goroutines, %d descriptors, %d ports; after: %.1f MB, %d, %d, %d\n", float64(before.RSS)/1024, before.Goroutines,
		before.FDs, before.Ports, float64(after.RSS)/1024, after.Goroutines, after.FDs, after.Ports)
}

// flood prints the curve as it comes, and the sum.
func (r *report) flood(ctx context.Context, b bench, f flood) error {
	got, err := f.run(ctx, b, r.curve())
	r.Flooded = &got
	r.print("\n%d messages of strangers in %.0f s from %d addresses; answered: %s\n", got.Sent, got.Seconds, f.Sources, causeList(got.Answers))
	r.print("%d bans; %d messages dropped\n", got.Bans, got.Dropped)
	r.print("%d live calls: %d packets of %d lost, p99 %.2f ms\n", f.Calls, got.Talks.Lost, got.Talks.Sent, got.Talks.P99)
	r.lost(got.Talks)
	if got.Talks.ToolDropped+got.Talks.ToolRefused > 0 || got.Talks.ToolLate > 10 {
		r.print("doubtful: this tool lost %d, could not send %d, was up to %.0f ms late\n", got.Talks.ToolDropped, got.Talks.ToolRefused, got.Talks.ToolLate)
	}
	r.print("%d of %d registrations worked, p50 %.1f ms, p99 %.1f ms\n", got.Registered, got.Registrations, got.P50, got.P99)
	r.print("at most %.1f MB, %d goroutines, %d descriptors\n", float64(got.Peak.RSS)/1024, got.Peak.Goroutines, got.Peak.FDs)
	r.print("CPU: exchange %.0f s, this tool %.0f s, others %.0f s\n", got.Talks.CPU.PBX, got.Talks.CPU.Own, got.Talks.CPU.Foreign)
	r.returned(got.Before, got.After)
	return err
}

// points are the curve of what was run.
func (r *report) points() []point {
	switch {
	case r.Soaked != nil:
		return r.Soaked.Curve
	case r.Flooded != nil:
		return r.Flooded.Curve
	}
	return nil
}

// title says what a curve is of.
func (r *report) title(command string, o *options) string {
	if command == "flood" {
		return fmt.Sprintf("flood: %.0f messages a second from %d addresses for %s, %d live calls", o.Flood.Rate, o.Flood.Sources, o.Flood.For, o.Flood.Calls)
	}
	return fmt.Sprintf("soak: %.0f calls a second for %s", o.Soak.Rate, o.Soak.For)
}
