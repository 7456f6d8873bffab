package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"cabline/cmd/internal/siptext"
)

// soak is calls of every kind, ended at random moments, for a long time.
type soak struct {
	Web    web
	Menu   string // number with the menu; the bench's goes straight on
	Driver string // number of the drivers, who are our callees
	Rate   float64
	For    time.Duration
	Talk   time.Duration // the longest
	Ring   time.Duration // the longest
	Every  time.Duration // between points of the curve
	Settle time.Duration // the longest, for the exchange to give back what it held
}

// soaked is what became of them.
type soaked struct {
	Before holdings `json:"before"`
	After  holdings `json:"after"`
	Curve  []point  `json:"curve"`

	Started   int            `json:"started"`
	Answered  int            `json:"answered"`
	Ended     int            `json:"hung_up"`
	Left      int            `json:"hung_up_by_exchange"`
	Cancelled int            `json:"cancelled"`
	Refused   int            `json:"refused"`
	Failed    int            `json:"failed"`
	Causes    map[string]int `json:"causes,omitempty"`
	Repeats   int            `json:"repeated"`
	Drivers   int            `json:"callee_answered"`
	Packets   uint64         `json:"packets"` // of one party, heard by the other
	Strayed   uint64         `json:"strayed"` // heard in another call
	Kept      string         `json:"kept,omitempty"`
	Lost      []lostCall     `json:"lost,omitempty"` // the first that failed
	Stood     float64        `json:"stood_ms"`       // the longest time in which this tool's ends did nothing
}

// point is one moment of the curve.
type point struct {
	Seconds float64 `json:"seconds"`
	Calls   int     `json:"calls"`
	holdings
}

// soakPhones is how many clients call, again and again: every other one has an
// order.
const soakPhones = 200

// run lets calls go through the exchange, and looks whether it gives all back.
func (s soak) run(ctx context.Context, b bench, show func(point)) (r soaked, err error) {
	out, in, e, err := b.connect()
	if err != nil {
		return r, err
	}
	defer func() {
		out.close()
		in.close()
		e.close()
	}()
	s.prepare(out, in, e)
	for n := 0; n < soakPhones; n += 2 {
		if err := s.Web.order(ctx, out.phone(n), s.Driver); err != nil {
			return r, err
		}
	}
	if r.Before, err = s.Web.holdings(ctx); err != nil {
		return r, err
	}
	began := time.Now()
	look := func() error {
		h, err := s.Web.holdings(ctx)
		if err == nil {
			p := point{time.Since(began).Seconds(), out.open(), h}
			r.Curve = append(r.Curve, p)
			show(p)
		}
		return err
	}
	e.do(func() { e.open(s.For + s.Talk + patience) })
	err = s.place(ctx, out, b.Number, began, look)
	if err != nil {
		out.hangUpAll()
	}
	over := func() bool { return out.open()+in.open() == 0 }
	late := time.Now().Add(s.Talk + s.Ring + 2*patience)
	for !await(context.WithoutCancel(ctx), s.Every, over) && err == nil && time.Now().Before(late) {
		err = look()
	}
	e.do(func() { r.Packets, r.Strayed = e.heard, e.window.strayed })
	r.count(out, in)
	s.Web.recall(context.WithoutCancel(ctx), r.Lost)
	if err != nil {
		return r, err
	}
	if !over() {
		return r, fmt.Errorf("%d calls of callers and %d of callees did not come to an end", out.open(), in.open())
	}
	return r, s.settle(ctx, &r, look)
}

// prepare has both ends behave like people.
func (s soak) prepare(out *caller, in *callee, e *engine) {
	out.lock(func() {
		out.rough, out.phones = true, soakPhones
		out.talk = func(n int, theirs siptext.Audio) {
			if err := e.speak(callerSide, n, theirs, speech{keys: someKeys()}); err != nil {
				out.score.fail(err.Error())
			}
		}
		out.parted = func(n int) { e.hush(callerSide, n) }
	})
	in.mu.Lock()
	defer in.mu.Unlock()
	in.parted = func(n int) { e.hush(calleeSide, n) }
	in.behave = func() (m manners) {
		m.ring, m.refuse = rand.N(s.Ring), rand.N(10) == 0
		if rand.N(3) == 0 {
			m.talk = 1 + rand.N(s.Talk)
		}
		return m
	}
}

// place starts the calls: by turns to the number that is sent on and to the
// menu. Every sixth is taken back while it rings, or as it is answered.
func (s soak) place(ctx context.Context, out *caller, direct string, began time.Time, look func() error) error {
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	looked := began
	for n := 0; time.Since(began) < s.For; {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-tick.C:
		}
		if now := time.Now(); now.Sub(looked) >= s.Every {
			looked = now
			if err := look(); err != nil {
				return err
			}
		}
		if float64(n) > time.Since(began).Seconds()*s.Rate || out.open() >= maxCalls {
			continue
		}
		number, giveUp := direct, time.Duration(0)
		if n/2%2 == 0 { // of both kinds of phones
			number = s.Menu
		}
		if rand.N(6) == 0 {
			giveUp = 1 + rand.N(s.Ring)
			if number == s.Menu {
				giveUp /= 50 // it is answered at once
			}
		}
		out.dial(n, number, 1+rand.N(s.Talk), giveUp)
		n++
	}
	return nil
}

// someKeys are up to three keys, in the first ten seconds.
func someKeys() (keys []keypress) {
	after := uint32(0)
	for range rand.N(4) {
		after += 10 + rand.N(uint32(150))
		keys = append(keys, keypress{key: "0129#*5"[rand.N(7)], after: after})
	}
	return keys
}

// count adds up what both ends have seen.
func (r *soaked) count(out *caller, in *callee) {
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
	o, i := out.score, in.score
	r.Started, r.Answered, r.Ended, r.Left = o.started, o.answered, o.ended, o.left
	r.Cancelled, r.Refused = o.cancelled, o.refused
	r.Repeats = o.repeated + o.theirs + i.repeated + i.theirs
	r.Drivers = i.answered
	r.Lost = slices.Concat(o.lost, i.lost)
	r.Stood = time.Duration(max(out.stood.Load(), in.stood.Load())).Seconds() * 1000
}

// settle waits until the exchange holds no more than before, and judges.
func (s soak) settle(ctx context.Context, r *soaked, look func() error) (err error) {
	r.After, r.Kept, err = settle(ctx, r.Before, min(s.Every, s.Settle), s.Settle, func() (holdings, error) {
		if err := look(); err != nil {
			return holdings{}, err
		}
		return r.Curve[len(r.Curve)-1].holdings, nil
	})
	switch {
	case err != nil:
		return err
	case r.Failed > 0:
		return fmt.Errorf("%d failures: %s", r.Failed, causeList(r.Causes))
	case r.Strayed > 0:
		return fmt.Errorf("%d packets were heard in another call", r.Strayed)
	}
	return nil
}
