//go:build e2e

package e2e

import (
	"slices"
	"testing"

	"cabline/prompts"
)

func TestClientAndDriverAreConnectedOnRequest(t *testing.T) {
	t.Parallel()
	w, ctx := newWorld(t), within(t)
	id, err := w.Order(ctx, order())
	check(t, err)
	request, err := w.Connect(ctx, Fields{"order_id": id})
	check(t, err)

	client, err := w.people.Coming(ctx)
	check(t, err)
	if client.Dialled != clientPhone || client.From == driverPhone {
		t.Errorf("%s is called first, by %s", client.Dialled, client.From)
	}
	w.state(t, request, "calling_client")
	check(t, client.Ring())
	check(t, client.Answer())
	driver, err := w.people.Coming(ctx)
	check(t, err)
	if driver.Dialled != driverPhone || driver.From == clientPhone {
		t.Errorf("%s is called second, by %s", driver.Dialled, driver.From)
	}
	w.state(t, request, "calling_driver")
	hears(t, client, w.voice.Say(prompts.ConnectingClient))
	until(t, "the client hears ringback", func() bool { return client.Heard().Tone(425) > 0 })
	check(t, driver.Answer())
	check(t, driver.WaitTalk(ctx))
	w.state(t, request, "talking")
	hearsEachOther(t, client, driver)
	check(t, driver.HangUp())
	_, byThem, err := client.WaitOver(ctx)
	check(t, err)
	if !byThem {
		t.Error("the client was not hung up on")
	}
	w.state(t, request, "ended")
	if _, result, err := w.ConnectState(ctx, request); err != nil || result != "completed" {
		t.Errorf("result %q, %v", result, err)
	}
}

func TestAConnectionNobodyAnswersIsSaidSo(t *testing.T) {
	t.Parallel()
	w, ctx := newWorld(t), within(t)
	request, err := w.Connect(ctx, Fields{"client": clientPhone, "driver": driverPhone})
	check(t, err)
	client, err := w.people.Coming(ctx)
	check(t, err)
	check(t, client.Reject(486, "Busy Here"))
	w.state(t, request, "ended")
	if _, result, err := w.ConnectState(ctx, request); err != nil || result != "busy" {
		t.Errorf("result %q, %v", result, err)
	}
	cdr, err := w.WaitCDR(ctx, clientPhone)
	check(t, err)
	if cdr.Kind != "connect" || slices.ContainsFunc(cdr.Legs, func(l Leg) bool { return l.Party == "driver" }) {
		t.Errorf("CDR %+v", cdr)
	}
}

// state waits until a request has come so far.
func (w *world) state(t *testing.T, request, want string) {
	t.Helper()
	until(t, "the request is "+want, func() bool {
		state, _, err := w.ConnectState(t.Context(), request)
		check(t, err)
		return state == want
	})
}
