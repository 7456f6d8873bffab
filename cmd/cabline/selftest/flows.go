package selftest

import (
	"context"
	"fmt"
	"strings"

	"cabline/cmd/internal/siptext"
	"cabline/cmd/internal/telephone"
)

// flow is one way a call may go. It is told as it goes: a step that fails ends
// it.
type flow struct {
	name string
	play func(context.Context, *stage)
	// lacks says why the flow is not for this firm; nil or empty: it is.
	lacks func(Place) string
}

var flows = []flow{
	{name: "answer", play: answer},
	{name: "answer to a late offer", play: lateOffer},
	{name: "busy", play: busy},
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
	{name: "joined on request", play: joined},
	{name: "joined on request, no answer", play: joinMissed},
	{name: "the driver calls", play: driverCalls},
	{name: "a driver of two orders chooses", play: twoOrders},
	{name: "missed-call callback", play: callback},
	{name: "callback after the window", play: lateCallback},
	{name: "a line that is forwarded", play: forwardLine, lacks: forwarding},
	{name: "an operator answers", play: operatorAnswers, lacks: blindOperators},
	{name: "an operator is cancelled", play: operatorCancelled, lacks: blindOperators},
	{name: "an operator refuses", play: operatorRefuses, lacks: blindOperators},
	{name: "an operator holds", play: operatorHolds, lacks: blindOperators},
	{name: "an operator calls", play: operatorCalls, lacks: dialling},
	{name: "an operator hands over", play: handOver, lacks: blindOperators},
	{name: "operators hand to each other", play: handBetween, lacks: blindOperators},
	{name: "a driver without an order", play: driverWithoutOrder, lacks: blindOperators},
	{name: "operators' pages", play: allPages, lacks: blindOperators},
}

func forwarding(p Place) string {
	if p.Forward == "" {
		return "this firm has none"
	}
	return ""
}

func answer(ctx context.Context, s *stage) {
	client, driver := s.talk(ctx)
	client.Press("5")
	part(ctx, driver, client)
}

func lateOffer(ctx context.Context, s *stage) {
	client := s.calls(ctx, s.client, s.Line, telephone.LateOffer)
	client.Press("1")
	driver := s.called(ctx, DriverNumber)
	answers(ctx, driver)
	hear(ctx, client, driver)
	part(ctx, client, driver)
}

func busy(ctx context.Context, s *stage) { refused(ctx, s, 486, "Busy Here") }

// refused is a driver who does not take the call.
func refused(ctx context.Context, s *stage, status int, reason string) {
	client, driver := s.rings(ctx)
	must(driver.Ring(), driver.Reject(status, reason))
	over(ctx, driver)
	must(client.HangUp())
}

func noAnswer(ctx context.Context, s *stage) {
	client, driver := s.rings(ctx)
	must(driver.Ring())
	over(ctx, driver) // cancelled
	must(client.HangUp())
}

func cancel(ctx context.Context, s *stage) {
	client, driver := s.rings(ctx)
	must(driver.Ring())
	part(ctx, client, driver)
}

// errorTexts is networks that say who is busy in words.
func errorTexts(ctx context.Context, s *stage) {
	for _, reason := range []string{"Subscriber " + DriverNumber + " is busy", driverCanary, strings.Repeat("9", 500)} {
		for _, status := range []int{480, 603} {
			refused(ctx, s, status, reason)
			must(s.Idle(ctx))
		}
	}
}

func redirected(ctx context.Context, s *stage) {
	client, driver := s.rings(ctx)
	must(driver.Progress(181, "Call Is Being Forwarded", false),
		driver.Redirect(302, "sip:"+driverCanary+"@"+s.people.Addr().String()+";x="+DriverNumber))
	over(ctx, driver)
	must(client.HangUp())
}

// forwarded is a driver whose network sends the call on and lets another answer.
func forwarded(ctx context.Context, s *stage) {
	client, driver := s.rings(ctx)
	must(driver.Ring(), driver.Progress(181, "Call Is Being Forwarded", false))
	answers(ctx, driver)
	hear(ctx, client, driver)
	part(ctx, driver, client)
}

// voicemail is a machine that speaks before it answers.
func voicemail(ctx context.Context, s *stage) {
	client, driver := s.rings(ctx)
	must(driver.Progress(183, "Session Progress", true), driver.Answer(), driver.WaitTalk(ctx))
	hear(ctx, client, driver)
	part(ctx, driver, client)
}

func hold(ctx context.Context, s *stage) {
	client, driver := s.talk(ctx)
	for _, holds := range []*telephone.Call{client, driver} {
		describe(ctx, holds, "sendonly", "inactive", "sendrecv")
		hear(ctx, client, driver)
	}
	part(ctx, client, driver)
}

func reinvite(ctx context.Context, s *stage) {
	client, driver := s.talk(ctx)
	for range 3 {
		describe(ctx, driver, "sendrecv")
		describe(ctx, client, "sendrecv")
	}
	hear(ctx, client, driver)
	part(ctx, client, driver)
}

// transfer is a network that would hand its party on: only operators may.
func transfer(ctx context.Context, s *stage) {
	client, driver := s.talk(ctx)
	for call, to := range map[*telephone.Call]string{client: clientCanary, driver: driverCanary} {
		if status := refer(ctx, call, to, s.people.Addr().String()); status < 400 {
			must(fmt.Errorf("a party's REFER was answered with %d", status))
		}
	}
	part(ctx, client, driver)
}

// connectedLine is networks that say with whom one talks now (RFC 4916, RFC 3325).
func connectedLine(ctx context.Context, s *stage) {
	client, driver := s.talk(ctx)
	for _, call := range []*telephone.Call{client, driver} {
		ask(ctx, call, "UPDATE", "", "") // with all identities that canaries are put into
		describe(ctx, call, "sendrecv")
	}
	hear(ctx, client, driver)
	part(ctx, driver, client)
}

// messages are requests of a dialog with something to say.
func messages(ctx context.Context, s *stage) {
	client, driver := s.talk(ctx)
	for call, canary := range map[*telephone.Call]string{client: clientCanary, driver: driverCanary} {
		ask(ctx, call, "INFO", "application/dtmf-relay", "Signal=5\r\nDuration=160\r\nX-From: "+canary+"\r\n")
		ask(ctx, call, "INFO", "text/plain", canary)
		ask(ctx, call, "INFO", "application/isup;version=itu-t92+", telephone.ISUP(canary))
		ask(ctx, call, "INFO", "multipart/mixed;boundary="+canary, "--"+canary+"\r\nContent-Type: application/dtmf-relay\r\n\r\nSignal=7\r\n\r\n--"+canary+"--\r\n")
		ask(ctx, call, "NOTIFY", "message/sipfrag", "SIP/2.0 200 "+canary)
		ask(ctx, call, "MESSAGE", "text/plain", "call me at "+canary)
		ask(ctx, call, "PUBLISH", "application/pidf+xml", "<presence entity='sip:"+canary+"@x'/>")
		ask(ctx, call, "OPTIONS", "", "")
	}
	part(ctx, client, driver)
}

// joined is dispatch that joins the parties: both are called.
func joined(ctx context.Context, s *stage) {
	must(s.Connect(ctx, s.order))
	client := s.called(ctx, ClientNumber)
	answers(ctx, client)
	driver := s.called(ctx, DriverNumber)
	answers(ctx, driver)
	hear(ctx, client, driver)
	part(ctx, client, driver)
}

func joinMissed(ctx context.Context, s *stage) {
	must(s.Connect(ctx, s.order))
	client := s.called(ctx, ClientNumber)
	must(client.Reject(480, "Switched off"))
	over(ctx, client)
}

// driverCalls is a driver who calls the firm and is joined with the client.
func driverCalls(ctx context.Context, s *stage) {
	driver, client := s.driverRings(ctx)
	answers(ctx, client)
	hear(ctx, driver, client)
	part(ctx, client, driver)
}

// twoOrders is a driver who is asked which client, and whose clients do not
// learn of each other either.
func twoOrders(ctx context.Context, s *stage) {
	second, err := s.Order(ctx, secondNumber, DriverNumber, s.Line, "accepted_next")
	must(err)
	for key, number := range map[string]string{"1": ClientNumber, "2": secondNumber} {
		driver := s.calls(ctx, s.people, s.Line)
		driver.Press(key)
		client := s.called(ctx, number)
		answers(ctx, client)
		hear(ctx, driver, client)
		part(ctx, driver, client)
		must(s.Idle(ctx))
	}
	must(s.Become(ctx, second, "completed"))
}

// missed is the driver's call that the client does not take.
func missed(ctx context.Context, s *stage) {
	driver, client := s.driverRings(ctx)
	must(client.Ring())
	part(ctx, driver, client)
	must(s.Idle(ctx))
}

func callback(ctx context.Context, s *stage) {
	missed(ctx, s)
	returned(ctx, s)
}

// returned is the client's call to the firm after that.
func returned(ctx context.Context, s *stage) {
	client, err := s.client.Call(s.Line)
	must(err)
	driver := s.called(ctx, DriverNumber) // no key was pressed
	answers(ctx, driver)
	hear(ctx, client, driver)
	part(ctx, client, driver)
}

// lateCallback is a client who calls back when the order is one that nobody is
// called back about: an operator is for them, and the driver is not called.
func lateCallback(ctx context.Context, s *stage) {
	missed(ctx, s)
	must(s.Become(ctx, s.order, NoWindow))
	client := s.calls(ctx, s.client, s.Line)
	client.Tone(440)
	s.nobodyRings(ctx)
	must(client.HangUp(), s.Idle(ctx), s.Become(ctx, s.order, "accepted"))
	returned(ctx, s) // for that status it is not too late; and now it is closed
}

// NoWindow is the status for which the exchange must have no callback window.
const NoWindow = "mistake"

// forwardLine is a line of the firm that goes straight to a number.
func forwardLine(ctx context.Context, s *stage) {
	client, err := s.client.Call(s.Forward)
	must(err)
	target := s.called(ctx, s.Target)
	answers(ctx, target)
	must(client.WaitTalk(ctx))
	hear(ctx, client, target)
	part(ctx, target, client)
}

// refer asks for a party to be handed on; it returns the answer's status.
func refer(ctx context.Context, call *telephone.Call, user, host string) int {
	status, err := call.Ask(ctx, "REFER", "", "", siptext.Header{Name: "Refer-To", Value: "<sip:" + user + "@" + host + ">"})
	must(err)
	return status
}

// ask sends a request within a call and waits for the answer, whatever it is.
func ask(ctx context.Context, call *telephone.Call, method, kind, body string) {
	_, err := call.Ask(ctx, method, kind, body)
	must(err)
}
