//go:build e2e

package e2e

import (
	"slices"
	"strings"
	"syscall"
	"testing"
)

// terminate is SIGTERM, as an upgrade sends it, and waits until the exchange has
// taken notice.
func (w *world) terminate(t *testing.T) {
	t.Helper()
	check(t, syscall.Kill(w.PID(), syscall.SIGTERM))
	until(t, "the exchange says that it waits", func() bool { return strings.Contains(w.Log(), "takes no more calls") })
}

// talk is a call of the client to the forwarded line that is answered.
func (w *world) talk(t *testing.T) (client, driver *Call) {
	t.Helper()
	ctx := within(t)
	client, err := w.client.Call(forwardLine)
	check(t, err)
	driver, err = w.people.Coming(ctx)
	check(t, err)
	check(t, driver.Answer())
	check(t, client.WaitTalk(ctx))
	check(t, driver.WaitTalk(ctx))
	return client, driver
}

func TestAnUpgradeDoesNotCutTalks(t *testing.T) {
	t.Parallel()
	w, ctx := newWorldOf(t, strings.Replace(Firm, "shutdown: 0s", "shutdown: 10m", 1)), within(t)
	client, driver := w.talk(t)
	w.terminate(t)

	late, err := w.client.Call(menuLine)
	check(t, err)
	check(t, late.WaitStatus(ctx, 503))
	hearsEachOther(t, client, driver)
	check(t, client.HangUp())
	_, byThem, err := driver.WaitOver(ctx)
	check(t, err)
	if !byThem {
		t.Error("the driver was not hung up on when the client was")
	}
	<-w.exited // long before the ten minutes are over: within is less
	if slices.Contains(late.Statuses(), 200) || ctx.Err() != nil {
		t.Errorf("the late call: %v; %v", late.Statuses(), ctx.Err())
	}
}

func TestTalksThatOutlastTheWaitAreHungUp(t *testing.T) {
	t.Parallel()
	for name, signals := range map[string]struct {
		wait   string
		second bool
	}{"when it is over": {"2s", false}, "at a second signal": {"10m", true}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w, ctx := newWorldOf(t, strings.Replace(Firm, "shutdown: 0s", "shutdown: "+signals.wait, 1)), within(t)
			client, driver := w.talk(t)
			w.terminate(t)
			if signals.second {
				check(t, syscall.Kill(w.PID(), syscall.SIGTERM))
			}
			for _, party := range []*Call{client, driver} {
				_, byThem, err := party.WaitOver(ctx)
				check(t, err)
				if !byThem {
					t.Error("no BYE came")
				}
			}
			<-w.exited
			if ctx.Err() != nil {
				t.Error("the exchange waited for longer than it should")
			}
		})
	}
}
