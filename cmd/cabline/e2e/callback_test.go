//go:build e2e

package e2e

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"cabline/prompts"
)

// A driver calls the firm and gets the client, who does not answer; the client
// calls the firm back and gets the driver, without a menu. Neither sees more
// than the firm's number, and the log has no number whole.
func TestACallbackLandsRight(t *testing.T) {
	t.Parallel()
	w, ctx := newWorld(t), within(t)
	id, err := w.Order(ctx, order())
	check(t, err)

	// The driver's call comes from the carrier's side as everybody's does.
	driver := w.phone(t, Options{Listen: netip.AddrPortFrom(w.Client, 0), Number: driverPhone})
	call, err := driver.Call(menuLine)
	check(t, err)
	check(t, call.WaitTalk(ctx))
	client, err := w.people.Coming(ctx)
	check(t, err)
	if client.Dialled != clientPhone || client.From != menuLine {
		t.Fatalf("the driver's call rings %s as %s", client.Dialled, client.From)
	}
	hears(t, call, append(w.voice.Say(prompts.ConnectingToClient), w.voice.Say(prompts.MenuZero)...))
	check(t, client.Reject(486, "Busy Here"))
	hears(t, call, w.voice.Say(prompts.ClientBusy))
	check(t, call.HangUp())
	cdr, err := w.WaitCDR(ctx, driverPhone)
	check(t, err)
	if cdr.OrderID != id || cdr.Legs[0].Party != "driver" || cdr.To != clientPhone {
		t.Errorf("CDR of the driver's call: %+v", cdr)
	}

	began := time.Now()
	back, err := w.client.Call(menuLine)
	check(t, err)
	check(t, back.WaitTalk(ctx))
	ringing, err := w.people.Coming(ctx) // no key was pressed
	check(t, err)
	if ringing.Dialled != driverPhone || ringing.From != menuLine {
		t.Fatalf("the client's callback rings %s as %s", ringing.Dialled, ringing.From)
	}
	hears(t, back, append(w.voice.Say(prompts.ConnectingDriver), w.voice.Say(prompts.MenuZero)...))
	check(t, ringing.Ring())
	check(t, ringing.Answer())
	check(t, ringing.WaitTalk(ctx))
	hearsEachOther(t, back, ringing)
	check(t, ringing.HangUp())
	_, _, err = back.WaitOver(ctx)
	check(t, err)
	if _, err := back.Heard().Since(began).Speech(w.menu()...); err == nil {
		t.Error("the menu was said to a client who returns a call")
	}

	for _, number := range []string{clientPhone[2:], driverPhone[2:]} {
		if strings.Contains(w.Log(), number) {
			t.Errorf("%s is in the log", number)
		}
	}
}

func TestZeroIsTheOperatorWhileTheOtherPartyRings(t *testing.T) {
	t.Parallel()
	w, ctx := newWorld(t), within(t)
	_, err := w.Order(ctx, order())
	check(t, err)
	call, err := w.client.Call(menuLine)
	check(t, err)
	check(t, call.WaitTalk(ctx))
	call.Press("1")
	driver, err := w.people.Coming(ctx)
	check(t, err)
	check(t, driver.Ring())
	call.Press("0")
	_, cancelled, err := driver.WaitOver(ctx)
	check(t, err)
	if !cancelled {
		t.Error("the driver's phone rings on")
	}
	hears(t, call, w.voice.Say(prompts.ConnectingOperator))
	check(t, call.HangUp())
}
