package selftest

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"cabline/cmd/internal/siptext"
	"cabline/cmd/internal/telephone"
)

// flow is one way a call may go.
type flow struct {
	name string
	play func(context.Context, *stage) error
	// needs says whether the place has what the flow needs; nil: it always has.
	needs func(Place) bool
}

var flows = []flow{
	{name: "answer", play: answer},
	{name: "answer to a late offer", play: lateOffer},
	{name: "busy", play: refuses(486, "Busy Here")},
	{name: "no answer", play: noAnswer},
	{name: "cancel", play: cancel},
	{name: "error texts", play: errorTexts},
	{name: "181 and 302 with Diversion", play: redirected},
	{name: "forwarding by the far side", play: forwarded},
	{name: "voicemail", play: voicemail},
	{name: "hold", play: hold},
	{name: "re-INVITE", play: reinvite},
	{name: "transfer asked for by a party", play: transfer},
	{name: "connected-line update", play: connectedLine},
	{name: "INFO, NOTIFY, MESSAGE, OPTIONS", play: messages},
	{name: "joined on request", play: connect},
	{name: "joined on request, nobody answers", play: connectMissed},
	{name: "the driver calls", play: driverCalls},
	{name: "missed-call callback", play: callback},
	{name: "callback after the window", play: lateCallback},
	{name: "a line that is forwarded", play: forwardLine, needs: func(p Place) bool { return p.Forward != "" }},
}

func answer(ctx context.Context, s *stage) error {
	client, driver, err := s.talk(ctx)
	if err != nil {
		return err
	}
	client.Press("5")
	return part(ctx, driver, client)
}

func lateOffer(ctx context.Context, s *stage) error {
	client, err := s.client.Call(s.Line, telephone.LateOffer)
	if err != nil {
		return err
	}
	if err := client.WaitTalk(ctx); err != nil {
		return err
	}
	client.Press("1")
	driver, err := s.called(ctx, DriverNumber)
	if err != nil {
		return err
	}
	if err := errors.Join(answers(ctx, driver), hear(ctx, client, driver)); err != nil {
		return err
	}
	return part(ctx, client, driver)
}

// refuses is a driver who does not take the call.
func refuses(status int, reason string) func(context.Context, *stage) error {
	return func(ctx context.Context, s *stage) error {
		client, driver, err := s.rings(ctx)
		if err != nil {
			return err
		}
		if err := errors.Join(driver.Ring(), driver.Reject(status, reason)); err != nil {
			return err
		}
		if _, _, err := driver.WaitOver(ctx); err != nil {
			return err
		}
		return client.HangUp()
	}
}

func noAnswer(ctx context.Context, s *stage) error {
	client, driver, err := s.rings(ctx)
	if err != nil {
		return err
	}
	if err := driver.Ring(); err != nil {
		return err
	}
	if _, _, err := driver.WaitOver(ctx); err != nil { // cancelled
		return err
	}
	return client.HangUp()
}

func cancel(ctx context.Context, s *stage) error {
	client, driver, err := s.rings(ctx)
	if err != nil {
		return err
	}
	if err := driver.Ring(); err != nil {
		return err
	}
	return part(ctx, client, driver)
}

// errorTexts is networks that say who is busy in words.
func errorTexts(ctx context.Context, s *stage) error {
	for _, reason := range []string{
		"Subscriber " + DriverNumber + " is busy", driverCanary, strings.Repeat("9", 500),
	} {
		for _, status := range []int{480, 603} {
			if err := refuses(status, reason)(ctx, s); err != nil {
				return fmt.Errorf("%d %.20q: %w", status, reason, err)
			}
			if err := s.Idle(ctx); err != nil {
				return err
			}
		}
	}
	return nil
}

func redirected(ctx context.Context, s *stage) error {
	client, driver, err := s.rings(ctx)
	if err != nil {
		return err
	}
	err = errors.Join(driver.Progress(181, "Call Is Being Forwarded", false),
		driver.Redirect(302, "sip:"+driverCanary+"@"+s.people.Addr().String()+";x="+DriverNumber))
	if err != nil {
		return err
	}
	if _, _, err := driver.WaitOver(ctx); err != nil {
		return err
	}
	return client.HangUp()
}

// forwarded is a driver whose network sends the call on and lets another answer.
func forwarded(ctx context.Context, s *stage) error {
	client, driver, err := s.rings(ctx)
	if err != nil {
		return err
	}
	if err := errors.Join(driver.Ring(), driver.Progress(181, "Call Is Being Forwarded", false), answers(ctx, driver), hear(ctx, client, driver)); err != nil {
		return err
	}
	return part(ctx, driver, client)
}

// voicemail is a machine that speaks before it answers.
func voicemail(ctx context.Context, s *stage) error {
	client, driver, err := s.rings(ctx)
	if err != nil {
		return err
	}
	if err := errors.Join(driver.Progress(183, "Session Progress", true), driver.Answer()); err != nil {
		return err
	}
	if err := errors.Join(driver.WaitTalk(ctx), hear(ctx, client, driver)); err != nil {
		return err
	}
	return part(ctx, driver, client)
}

func hold(ctx context.Context, s *stage) error {
	client, driver, err := s.talk(ctx)
	if err != nil {
		return err
	}
	for _, holds := range []*telephone.Call{client, driver} {
		for _, direction := range []string{"sendonly", "inactive", "sendrecv"} {
			if err := describe(ctx, holds, direction); err != nil {
				return err
			}
		}
		if err := hear(ctx, client, driver); err != nil {
			return err
		}
	}
	return part(ctx, client, driver)
}

// describe sends a re-INVITE and waits for the answer.
func describe(ctx context.Context, call *telephone.Call, direction string) error {
	before := len(call.Statuses())
	if err := call.Describe(direction); err != nil {
		return err
	}
	return call.WaitAnswered(ctx, before)
}

func reinvite(ctx context.Context, s *stage) error {
	client, driver, err := s.talk(ctx)
	if err != nil {
		return err
	}
	for range 3 {
		if err := errors.Join(describe(ctx, driver, "sendrecv"), describe(ctx, client, "sendrecv")); err != nil {
			return err
		}
	}
	if err := hear(ctx, client, driver); err != nil {
		return err
	}
	return part(ctx, client, driver)
}

// transfer is a network that would hand its party on: only operators may.
func transfer(ctx context.Context, s *stage) error {
	client, driver, err := s.talk(ctx)
	if err != nil {
		return err
	}
	for call, to := range map[*telephone.Call]string{client: clientCanary, driver: driverCanary} {
		status, err := call.Ask(ctx, "REFER", "", "", siptext.Header{Name: "Refer-To", Value: "<sip:" + to + "@" + s.people.Addr().String() + ">"})
		if err != nil {
			return err
		}
		if status < 400 {
			return fmt.Errorf("a party's REFER was answered with %d", status)
		}
	}
	return part(ctx, client, driver)
}

// connectedLine is networks that say with whom one talks now (RFC 4916, RFC 3325).
func connectedLine(ctx context.Context, s *stage) error {
	client, driver, err := s.talk(ctx)
	if err != nil {
		return err
	}
	for _, call := range []*telephone.Call{client, driver} {
		if _, err := call.Ask(ctx, "UPDATE", "", ""); err != nil { // with all identities that canaries are put into
			return err
		}
		if err := describe(ctx, call, "sendrecv"); err != nil {
			return err
		}
	}
	if err := hear(ctx, client, driver); err != nil {
		return err
	}
	return part(ctx, driver, client)
}

// messages are requests of a dialog with something to say.
func messages(ctx context.Context, s *stage) error {
	client, driver, err := s.talk(ctx)
	if err != nil {
		return err
	}
	for call, canary := range map[*telephone.Call]string{client: clientCanary, driver: driverCanary} {
		for _, m := range []struct{ method, kind, body string }{
			{"INFO", "application/dtmf-relay", "Signal=5\r\nDuration=160\r\n"}, {"INFO", "text/plain", canary},
			{"NOTIFY", "message/sipfrag", "SIP/2.0 200 " + canary}, {"MESSAGE", "text/plain", "call me at " + canary}, {"OPTIONS", "", ""},
		} {
			if _, err := call.Ask(ctx, m.method, m.kind, m.body); err != nil {
				return err
			}
		}
	}
	return part(ctx, client, driver)
}

// connect is dispatch that joins the parties: both are called.
func connect(ctx context.Context, s *stage) error {
	if err := s.Connect(ctx, s.order); err != nil {
		return err
	}
	client, err := s.called(ctx, ClientNumber)
	if err != nil {
		return err
	}
	if err := answers(ctx, client); err != nil {
		return err
	}
	driver, err := s.called(ctx, DriverNumber)
	if err != nil {
		return err
	}
	if err := errors.Join(answers(ctx, driver), hear(ctx, client, driver)); err != nil {
		return err
	}
	return part(ctx, client, driver)
}

func connectMissed(ctx context.Context, s *stage) error {
	if err := s.Connect(ctx, s.order); err != nil {
		return err
	}
	client, err := s.called(ctx, ClientNumber)
	if err != nil {
		return err
	}
	if err := client.Reject(480, "Switched off"); err != nil {
		return err
	}
	_, _, err = client.WaitOver(ctx)
	return err
}

// driverCalls is a driver who calls the firm and is joined with the client.
func driverCalls(ctx context.Context, s *stage) error {
	driver, client, err := s.driverCalls(ctx)
	if err != nil {
		return err
	}
	if err := errors.Join(answers(ctx, client), hear(ctx, driver, client)); err != nil {
		return err
	}
	return part(ctx, client, driver)
}

func (s *stage) driverCalls(ctx context.Context) (driver, client *telephone.Call, err error) {
	if driver, err = s.people.Call(s.Line); err != nil {
		return nil, nil, err
	}
	if err = driver.WaitTalk(ctx); err != nil {
		return nil, nil, err
	}
	client, err = s.called(ctx, ClientNumber)
	return driver, client, err
}

// missed is the driver's call that the client does not take.
func (s *stage) missed(ctx context.Context) error {
	driver, client, err := s.driverCalls(ctx)
	if err != nil {
		return err
	}
	if err := errors.Join(client.Ring(), driver.HangUp()); err != nil {
		return err
	}
	if _, _, err := client.WaitOver(ctx); err != nil {
		return err
	}
	return s.Idle(ctx)
}

func callback(ctx context.Context, s *stage) error {
	if err := s.missed(ctx); err != nil {
		return err
	}
	client, err := s.client.Call(s.Line)
	if err != nil {
		return err
	}
	driver, err := s.called(ctx, DriverNumber) // no key was pressed
	if err != nil {
		return err
	}
	if err := errors.Join(answers(ctx, driver), hear(ctx, client, driver)); err != nil {
		return err
	}
	return part(ctx, client, driver)
}

// lateCallback is a client who calls back when the order is one that nobody is
// called back about: an operator is for them, and the driver is not called.
func lateCallback(ctx context.Context, s *stage) error {
	if err := errors.Join(s.missed(ctx), s.Become(ctx, s.order, NoWindow)); err != nil {
		return err
	}
	client, err := s.client.Call(s.Line)
	if err != nil {
		return err
	}
	if err := client.WaitTalk(ctx); err != nil {
		return err
	}
	client.Tone(440)
	if err := s.nobodyRings(ctx); err != nil {
		return err
	}
	return errors.Join(client.HangUp(), s.Idle(ctx), s.Become(ctx, s.order, "accepted"))
}

// NoWindow is the status for which the exchange must have no callback window.
const NoWindow = "mistake"

// forwardLine is a line of the firm that goes straight to a number.
func forwardLine(ctx context.Context, s *stage) error {
	client, err := s.client.Call(s.Forward)
	if err != nil {
		return err
	}
	target, err := s.called(ctx, s.Target)
	if err != nil {
		return err
	}
	if err := errors.Join(answers(ctx, target), client.WaitTalk(ctx), hear(ctx, client, target)); err != nil {
		return err
	}
	return part(ctx, target, client)
}
