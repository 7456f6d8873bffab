//go:build e2e

package e2e

import (
	"testing"
	"time"
)

func anOperatorHandsOver(t *testing.T, b *Browser) {
	w, ctx := newWorldOf(t, SecureFirm+"outgoing: {allow: [\"+7926\"]}\n"), within(t)
	anna := logIn(t, b, w.Exchange, "anna")
	call := w.callFrom(t, clientPhone)
	anna.rings(clientPhone)
	anna.answers("Enter")
	anna.talks(call)

	anna.Click("hand-over")
	anna.Fill("hand-over-number", "8 926 765-43-21")
	anna.Click("hand-over-do")
	driver, err := w.people.Coming(ctx)
	check(t, err)
	if driver.Dialled != driverPhone || driver.From != menuLine {
		t.Errorf("%s sees a call from %s", driver.Dialled, driver.From)
	}
	anna.Shows("call-phase", "data-handing", "+79267654321")
	rung := time.Now()
	check(t, driver.Ring())
	until(t, "the client hears it ring", func() bool { return call.Heard().Since(rung).Tone(425) > 0 })
	check(t, driver.Reject(486, "Busy Here"))
	anna.Shows("call-phase", "data-hand-failed", "486")
	anna.talks(call)

	boris := logIn(t, b, w.Exchange, "boris")
	anna.Click("hand-over")
	anna.Click("hand-over-boris")
	boris.rings(clientPhone)
	boris.answers("Enter")
	anna.free()
	anna.Shows("last-call", "data-cause", "they_hung_up")
	boris.talks(call)

	boris.Click("hand-over")
	boris.Fill("hand-over-number", driverPhone)
	boris.Click("hand-over-do")
	driver, err = w.people.Coming(ctx)
	check(t, err)
	check(t, driver.Answer())
	boris.free()
	hearsEachOther(t, call, driver)
	check(t, call.HangUp())
	leaves(t, driver)
	cdr, err := w.WaitCDR(ctx, clientPhone)
	check(t, err)
	tells(t, cdr, "completed", []string{"look up order", "no order", "wait for operator", "ring operator anna", "talk to operator anna",
		"operator anna hands over to +7***4321", "dial target", "target: busy", "hand-over: busy", "back to operator anna",
		"operator anna hands over to operator boris", "dial operator", "operator answered", "talk to operator boris",
		"operator boris hands over to +7***4321", "dial target", "target answered", "talk to target", "ended: completed"},
		[]string{"client " + clientPhone + ": hung up", "operator anna: completed", "operator boris: completed",
			"target " + driverPhone + ": completed", "target " + driverPhone + ": busy"})
}
