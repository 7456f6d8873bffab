//go:build e2e

package e2e

import (
	"net/http"
	"net/url"
	"slices"
	"testing"
	"time"

	"cabline/media"
	"cabline/prompts"
)

const secondPhone = "+79031112233"

func anOperatorTalks(t *testing.T, b *Browser) {
	w, ctx := newWorldOf(t, SecureFirm), within(t)
	anna := logIn(t, b, w.Exchange, "anna")
	call := w.callFrom(t, clientPhone)
	anna.rings(clientPhone)
	anna.Shows("order-phone", "value", clientPhone)
	anna.Shows("order-branch", "value", "Центр")
	anna.Shows("order-tariff", "value", "Стандарт")
	anna.answers("Enter")
	anna.talks(call)

	anna.Click("keypad")
	anna.Click("key-5")
	until(t, "a key of the page reaches the client", func() bool { return call.Keys() != "" })
	anna.soundsKey(call, "7")

	held := time.Now()
	anna.Click("hold")
	anna.Shows("call-phase", "data-held", "true")
	call.Tone(outside)
	hearsSince(t, call, held, media.Speech{w.music()})
	until(t, "nothing is heard of a page that holds", func() bool {
		held := call.Heard().Last(time.Second)
		return held.Length() > 0 && held.Tone(microphone) == 0 && anna.Heard(-1).Last(time.Second).Tone(outside) == 0
	})
	anna.Click("hold")
	anna.Shows("call-phase", "data-held", "false")
	anna.talks(call)
	if keys := call.Keys(); keys != "5" {
		t.Errorf("one key pressed, the client got %q", keys)
	}

	anna.Click("hangup")
	leaves(t, call)
	anna.Shows("last-call", "data-cause", "hung_up")
	steps := []string{"look up order", "no order", "wait for operator", "ring operator anna", "talk to operator anna"}
	cdr, err := w.WaitCDR(ctx, clientPhone)
	check(t, err)
	tells(t, cdr, "completed", append(slices.Clone(steps), "operator holds", "operator goes on", "ended: completed"),
		[]string{"client " + clientPhone + ": completed", "operator anna: hung up"})

	anna.free()
	call = w.callFrom(t, secondPhone)
	anna.rings(secondPhone)
	anna.answers("F2")
	anna.talks(call)
	check(t, call.HangUp())
	anna.Shows("last-call", "data-cause", "they_hung_up")
	anna.free()
	cdr, err = w.WaitCDR(ctx, secondPhone)
	check(t, err)
	tells(t, cdr, "completed", append(steps, "ended: completed"),
		[]string{"client " + secondPhone + ": hung up", "operator anna: completed"})
}

// orderJSON is what the tests read of an order.
type orderJSON struct {
	ID, Status, Phone, Line, Branch, Tariff, Pickup, Comment string
	Minutes                                                  *int `json:"eta_minutes"`
}

func (w *world) ordersOf(t *testing.T, phone string) []orderJSON {
	t.Helper()
	var got struct{ Orders []orderJSON }
	check(t, w.Do(within(t), http.StatusOK, "GET", "/api/v1/orders?phone="+url.QueryEscape(phone), nil, &got))
	return got.Orders
}

func anOperatorSeesTheOrder(t *testing.T, b *Browser) {
	w, ctx := newWorldOf(t, SecureFirm), within(t)
	id, err := w.Order(ctx, order())
	check(t, err)
	anna := logIn(t, b, w.Exchange, "anna")
	call := w.callFrom(t, clientPhone)
	call.Press("2")
	anna.rings(clientPhone)
	anna.Shows("card", "data-order", id)
	anna.Shows("card-status", "data-status", "accepted")
	anna.Shows("order-car-plate", "value", "А123ВС")
	anna.answers(" ")
	anna.talks(call)

	anna.Fill("order-comment", "Подъезд 3")
	anna.Fill("order-eta_minutes", "12")
	anna.Click("card-save")
	until(t, "the order is changed", func() bool {
		o := w.ordersOf(t, clientPhone)[0]
		return o.Comment == "Подъезд 3" && o.Minutes != nil && *o.Minutes == 12
	})
	anna.Click("card-next-arrived")
	until(t, "the order has a new status", func() bool { return w.ordersOf(t, clientPhone)[0].Status == "arrived" })
	anna.Shows("card-status", "data-status", "arrived")
	anna.Click("hangup")
	leaves(t, call)
	cdr, err := w.WaitCDR(ctx, clientPhone)
	check(t, err)
	tells(t, cdr, "completed", []string{"look up order", "order " + id, "menu: accepted", "chose operator", "wait for operator",
		"ring operator anna", "talk to operator anna", "ended: completed"},
		[]string{"client " + clientPhone + ": completed", "operator anna: hung up"})

	anna.free()
	call = w.callFrom(t, secondPhone)
	anna.rings(secondPhone)
	anna.answers("Enter")
	anna.Shows("card", "data-order", "")
	anna.Fill("order-pickup", "Мира 5")
	anna.Click("card-save")
	anna.Wait(`document.querySelector('[data-testid=card]').dataset.order !== ''`)
	made := w.ordersOf(t, secondPhone)
	if len(made) != 1 || made[0].Pickup != "Мира 5" || made[0].Status != "new" || made[0].Line != menuLine ||
		made[0].Branch != "Центр" || made[0].Tariff != "Стандарт" {
		t.Errorf("orders made: %+v", made)
	}
	check(t, call.HangUp())
	anna.free()
}

func anOperatorReloads(t *testing.T, b *Browser) {
	w := newWorldOf(t, SecureFirm)
	anna := operator{b.Open(t, "anna", w.Web, "401")}
	anna.Fill("login-login", "anna")
	anna.Fill("login-password", "wrong")
	anna.Click("login-submit")
	until(t, "a wrong password is said in words", func() bool { return anna.Text("login-error") != "" })
	anna.logIn("anna")
	anna.free()
	anna.Shows("team-anna", "data-state", "free")
	anna.Do("await page.reload()")
	anna.free()
	anna.Shows("team-anna", "data-state", "free")
	call := w.callFrom(t, clientPhone)
	anna.rings(clientPhone)
	anna.answers("Enter")
	anna.talks(call)
	anna.Click("hangup")
	leaves(t, call)
}

func anOperatorIsMute(t *testing.T, b *Browser) {
	w := newWorldOf(t, SecureFirm)
	anna := operator{b.Open(t, "anna", w.Web, "401")}
	anna.logIn("anna")
	anna.Shows("own-state", "data-state", "dead")
	if said := anna.Text("dead"); said == "" {
		t.Error("nothing is said of the microphone that is missing")
	}
	call := w.callFrom(t, clientPhone)
	hears(t, call, append(w.voice.Say(prompts.PleaseWait), w.music()))
	anna.Shows("phone", "data-phase", "none")
	anna.Shows("team-anna", "data-state", "offline")
	check(t, call.HangUp())
}

func anOperatorDials(t *testing.T, b *Browser) {
	w, ctx := newWorldOf(t, SecureFirm+"outgoing: {allow: [\"+7926\"]}\n"), within(t)
	anna := logIn(t, b, w.Exchange, "anna")
	anna.Fill("dial", "8 926 765-43-21")
	anna.Click("dial-call")
	driver, err := w.people.Coming(ctx)
	check(t, err)
	if driver.Dialled != driverPhone || driver.From != menuLine {
		t.Errorf("%s sees a call from %s", driver.Dialled, driver.From)
	}
	check(t, driver.Ring())
	anna.Shows("phone", "data-phase", "calling")
	check(t, driver.Answer())
	anna.Shows("phone", "data-phase", "talking")
	anna.talks(driver)
	anna.Click("hangup")
	leaves(t, driver)
	anna.free()
	anna.Fill("dial", "+442071234567")
	anna.Click("dial-call")
	anna.Shows("last-call", "data-cause", "not_allowed")
	if said := anna.Text("last-call"); said == "" {
		t.Error("nothing is said of a number that is not permitted")
	}
	anna.free()
	var cdrs []CDR
	until(t, "both calls are written down", func() bool {
		cdrs, err = w.CDRs(ctx)
		check(t, err)
		return len(cdrs) == 2
	})
	tells(t, cdrs[0], "completed", []string{"operator anna dials", "dial target", "target answered", "talk to target", "ended: completed"},
		[]string{"operator anna: hung up", "target " + driverPhone + ": completed"})
	tells(t, cdrs[1], "not allowed", []string{"operator anna dials", "number not allowed", "ended: not allowed"},
		[]string{"operator anna: not allowed"})
	if tape := w.people.Tape(); len(tape) > 0 && cdrs[1].To != "+442071234567" {
		t.Errorf("the second call was to %s", cdrs[1].To)
	}
}
