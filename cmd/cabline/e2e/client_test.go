//go:build e2e

package e2e

import (
	"slices"
	"testing"
	"time"

	"cabline/prompts"
)

func TestAClientHearsTheOrderAndReachesTheDriver(t *testing.T) {
	t.Parallel()
	w, ctx := newWorld(t), within(t)
	_, err := w.Order(ctx, order())
	check(t, err)
	call, err := w.client.Call(menuLine)
	check(t, err)
	check(t, call.WaitTalk(ctx))
	hears(t, call, append(w.status(), w.menu()...))

	call.Press("1")
	driver, err := w.people.Coming(ctx)
	check(t, err)
	if driver.Dialled != driverPhone || driver.From != menuLine {
		t.Errorf("the driver %s sees a call from %s", driver.Dialled, driver.From)
	}
	check(t, driver.Ring())
	rang := time.Now()
	until(t, "the client hears ringback", func() bool { return call.Heard().Since(rang).Tone(425) > 0 })
	check(t, driver.Answer())
	check(t, driver.WaitTalk(ctx))
	hearsEachOther(t, call, driver)
	call.Press("7*")
	until(t, "keys reach the driver", func() bool { return driver.Keys() == "7*" })

	hungUp := time.Now()
	check(t, call.HangUp())
	at, byThem, err := driver.WaitOver(ctx)
	check(t, err)
	if gap := at.Sub(hungUp); !byThem || gap > 5*time.Second { // 100 ms on a machine that is not busy
		t.Errorf("the driver was hung up on %s later, by the exchange: %v", gap, byThem)
	}
	cdr, err := w.WaitCDR(ctx, clientPhone)
	check(t, err)
	if cdr.Result != "completed" || len(cdr.Legs) != 2 || !slices.Contains(cdr.Words(), "talk to driver") {
		t.Errorf("CDR: %+v", cdr)
	}
}

func TestALineThatIsForwarded(t *testing.T) {
	t.Parallel()
	w, ctx := newWorld(t), within(t)
	call, err := w.client.Call(forwardLine)
	check(t, err)
	target, err := w.people.Coming(ctx)
	check(t, err)
	if target.Dialled != "+79990000001" || target.From != forwardLine {
		t.Errorf("%s sees a call from %s", target.Dialled, target.From)
	}
	check(t, target.Answer())
	check(t, call.WaitTalk(ctx))
	hearsEachOther(t, call, target)
	check(t, target.HangUp())
	_, byThem, err := call.WaitOver(ctx)
	check(t, err)
	if !byThem {
		t.Error("the caller was not hung up on")
	}
}

func TestADriverWhoIsBusyIsSaidInWords(t *testing.T) {
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
	check(t, driver.Reject(486, "Busy Here"))
	hears(t, call, w.voice.Say(prompts.DriverBusy))
	check(t, call.HangUp())
	cdr, err := w.WaitCDR(ctx, clientPhone)
	check(t, err)
	if !slices.Contains(cdr.Words(), "driver: busy") {
		t.Errorf("steps: %q", cdr.Words())
	}
}
