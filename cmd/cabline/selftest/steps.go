package selftest

import (
	"context"
	"errors"
	"fmt"
	"time"

	"cabline/cmd/internal/telephone"
)

// The steps of flows. One that fails ends its flow, as in a test.

// failure is what a flow is ended with.
type failure struct{ error }

func must(errs ...error) {
	if err := errors.Join(errs...); err != nil {
		panic(failure{err})
	}
}

// run plays the flow; an error: it did not go as it is told.
func (f flow) run(ctx context.Context, s *stage) (err error) {
	defer func() {
		switch fault := recover().(type) {
		case nil:
		case failure:
			err = fault.error
		default:
			panic(fault)
		}
	}()
	f.play(ctx, s)
	return s.Idle(ctx)
}

// calls has somebody call a number and be answered.
func (s *stage) calls(ctx context.Context, from *telephone.Phone, number string, how ...func(*telephone.Call)) *telephone.Call {
	call, err := from.Call(number, how...)
	must(err)
	must(call.WaitTalk(ctx))
	return call
}

// called is the next call to a number.
func (s *stage) called(ctx context.Context, number string) *telephone.Call {
	call, err := s.people.Coming(ctx)
	must(err)
	if !telephone.SameNumber(call.Dialled, number) {
		must(fmt.Errorf("%s was called instead of %s", call.Dialled, number))
	}
	return call
}

// rings has the client call, ask for the driver, and the driver's phone be
// called.
func (s *stage) rings(ctx context.Context) (client, driver *telephone.Call) {
	client = s.calls(ctx, s.client, s.Line)
	client.Press("1")
	return client, s.called(ctx, DriverNumber)
}

// driverRings has the driver call, and the client's phone be called.
func (s *stage) driverRings(ctx context.Context) (driver, client *telephone.Call) {
	driver = s.calls(ctx, s.people, s.Line)
	return driver, s.called(ctx, ClientNumber)
}

// talk is rings and answers, until both have heard each other.
func (s *stage) talk(ctx context.Context) (client, driver *telephone.Call) {
	client, driver = s.rings(ctx)
	answers(ctx, driver)
	hear(ctx, client, driver)
	return client, driver
}

// answers takes a call.
func answers(ctx context.Context, call *telephone.Call) {
	must(call.Ring(), call.Answer(), call.WaitTalk(ctx))
}

// hear waits until the parties hear each other: only then all that a call
// carries has had its chance to leak.
func hear(ctx context.Context, a, b *telephone.Call) {
	a.Tone(440)
	b.Tone(1000)
	must(b.Hears(ctx, 440))
	must(a.Hears(ctx, 1000))
}

// describe sends re-INVITEs, each after the answer to the one before.
func describe(ctx context.Context, call *telephone.Call, directions ...string) {
	for _, direction := range directions {
		for tried := 0; tried == 0 || lastStatus(call) == 491 && tried < 5; tried++ {
			if tried > 0 {
				pause(ctx, glarePause)
			}
			before := len(call.Statuses())
			must(call.Describe(direction))
			must(call.WaitAnswered(ctx, before))
		}
	}
}

// glarePause is the wait when both sides have sent a re-INVITE at once (RFC 3261
// §14.1).
const glarePause = 500 * time.Millisecond

func pause(ctx context.Context, d time.Duration) {
	select {
	case <-time.After(d):
	case <-ctx.Done():
		must(context.Cause(ctx))
	}
}

func lastStatus(call *telephone.Call) int {
	all := call.Statuses()
	return all[len(all)-1]
}

// part hangs up one and waits for the end of the other.
func part(ctx context.Context, first, other *telephone.Call) {
	must(first.HangUp())
	over(ctx, other)
}

func over(ctx context.Context, call *telephone.Call) {
	_, _, err := call.WaitOver(ctx)
	must(err)
}

// calm is how long nobody must be called.
const calm = 3 * time.Second

// nobodyRings waits, and fails if somebody is called meanwhile.
func (s *stage) nobodyRings(ctx context.Context) {
	ctx, stop := context.WithTimeout(ctx, calm)
	defer stop()
	if call, err := s.people.Coming(ctx); err == nil {
		must(fmt.Errorf("%s was called", call.Dialled))
	}
}
