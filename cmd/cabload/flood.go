package main

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"time"
)

// flood is live calls and operators' phones in the middle of what strangers send.
type flood struct {
	Web      web
	Rate     float64 // messages a second
	Sources  int     // addresses they come from
	First    netip.Addr
	For      time.Duration
	Calls    int
	Phones   int // that register; they live at the first of the strangers' addresses
	Login    string
	Password string
	Every    time.Duration
	Settle   time.Duration
}

// flooded is what became of them.
type flooded struct {
	Before holdings `json:"before"`
	Peak   holdings `json:"peak"`
	After  holdings `json:"after"`
	Curve  []point  `json:"curve"`

	Seconds float64        `json:"seconds"`
	Sent    int            `json:"sent"` // by strangers
	Answers map[string]int `json:"answers"`
	Helped  map[string]int `json:"helped,omitempty"` // answers that a stranger must not get
	Bans    int            `json:"bans"`
	Dropped int            `json:"dropped"` // by the exchange, unanswered

	Talks talks `json:"talks"`

	Registrations int            `json:"registrations"`
	Registered    int            `json:"registered"`
	Failures      map[string]int `json:"registration_failures,omitempty"`
	P50           float64        `json:"registration_p50_ms"`
	P99           float64        `json:"registration_p99_ms"`
}

const (
	restBetween  = 2 * time.Second // of a phone's registrations
	maxGrowth    = 128 << 10       // KB of RSS
	leastOfThose = 0.99            // registrations that must work
)

// run lets the strangers in upon calls and phones, and looks what they lose.
func (f flood) run(ctx context.Context, b bench, show func(point)) (r flooded, err error) {
	out, in, e, err := b.connect()
	if err != nil {
		return r, err
	}
	defer func() {
		out.close()
		in.close()
		e.close()
	}()
	if r.Before, err = f.Web.holdings(ctx); err != nil {
		return r, err
	}
	phones := &enrolment{pbx: b.PBX, login: f.Login, password: f.Password, secret: token(), failed: map[string]int{}}
	m, err := openMob(b.PBX, f.First, f.Sources, f.Phones, f.Login)
	if err != nil {
		return r, err
	}
	defer m.close()
	for n := range f.Phones { // the operators were at work before
		if err := phones.register(m.source(n)); err != nil {
			return r, fmt.Errorf("before the flood: register: %w", err)
		}
	}
	began := time.Now()
	look := func() (holdings, error) {
		h, err := f.Web.holdings(ctx)
		if err == nil {
			p := point{time.Since(began).Seconds(), out.open(), h}
			r.Curve = append(r.Curve, p)
			r.Peak.RSS, r.Peak.Goroutines, r.Peak.FDs = max(r.Peak.RSS, h.RSS), max(r.Peak.Goroutines, h.Goroutines), max(r.Peak.FDs, h.FDs)
			show(p)
		}
		return h, err
	}
	err = start(ctx, out, 0, f.Calls, 50, -1)
	if err == nil {
		err = b.complete(ctx, out, in, e, f.Calls)
	}
	if err == nil {
		began = time.Now()
		err = f.pour(ctx, b, e, m, phones, &r, look)
		r.Seconds = time.Since(began).Seconds()
	}
	out.hangUpAll()
	over := func() bool { return out.open()+in.open() == 0 }
	ended := await(context.WithoutCancel(ctx), 2*patience, over)
	r.Sent = int(m.sent.Load())
	r.Answers, r.Helped = m.counted()
	tried, worked, p50, p99, failed := phones.count()
	r.Registrations, r.Registered, r.P50, r.P99, r.Failures = tried, worked, milliseconds(p50), milliseconds(p99), failed
	if err != nil {
		return r, err
	}
	if r.Bans, r.Dropped, err = f.Web.refusals(ctx); err != nil {
		return r, err
	}
	var settled error
	bound := r.Before // what is remembered of strangers stays, but it is bounded
	bound.RSS += maxGrowth - keptRSS
	r.After, _, settled = settle(ctx, bound, f.Every, f.Settle, look)
	return r, errors.Join(f.judge(&r, out, in, ended), settled)
}

// pour is the flood itself. The calls' audio is measured from its beginning to
// its end.
func (f flood) pour(ctx context.Context, b bench, e *engine, m *mob, phones *enrolment, r *flooded, look func() (holdings, error)) (err error) {
	flood, stop := context.WithTimeout(ctx, f.For)
	defer stop()
	var all sync.WaitGroup
	all.Go(func() { m.rage(flood, f.Rate) })
	for n := range f.Phones {
		all.Go(func() { phones.keep(flood, m.source(n), restBetween) })
	}
	all.Go(func() {
		for pause(flood, f.Every) == nil {
			if _, looked := look(); looked != nil {
				err = looked
				stop()
			}
		}
	})
	var measured error
	r.Talks, measured = b.measure(flood, e, f.Calls, f.For-2*arriving)
	all.Wait()
	return errors.Join(err, measured)
}

// judge says what was lost.
func (f flood) judge(r *flooded, out *caller, in *callee, ended bool) error {
	var errs []error
	wrong := func(text string, values ...any) { errs = append(errs, fmt.Errorf(text, values...)) }
	if len(r.Helped) > 0 {
		wrong("strangers were helped: %s", causeList(r.Helped))
	}
	if r.Talks.Lost > 0 || r.Talks.Strayed > 0 {
		wrong("%d of %d packets of live calls were lost, %d heard elsewhere", r.Talks.Lost, r.Talks.Sent, r.Talks.Strayed)
	}
	n, causes := out.score.failed()
	k, more := in.score.failed()
	if n+k > 0 || !ended {
		wrong("live calls: %s %s; all ended: %v", causeList(causes), causeList(more), ended)
	}
	if float64(r.Registered) < leastOfThose*float64(r.Registrations) || r.Registered == 0 {
		wrong("%d of %d registrations worked: %s", r.Registered, r.Registrations, causeList(r.Failures))
	}
	if r.Peak.RSS > r.Before.RSS+maxGrowth {
		wrong("memory grew from %d to %d KB", r.Before.RSS, r.Peak.RSS)
	}
	if sent := f.Rate * f.For.Seconds(); float64(r.Sent) < 0.95*sent {
		wrong("this tool sent only %d of %.0f messages", r.Sent, sent)
	}
	return errors.Join(errs...)
}
