//go:build e2e

package e2e

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"cabline/prompts"
)

// Something was left in the car: with a button of the order's card the client
// who calls reaches the driver of that ride, and the driver the client, though
// the ride is over; taken back, an operator answers.
func anItemWasLost(t *testing.T, b *Browser) {
	w, ctx := newWorldOf(t, SecureFirm), within(t)
	ride := order()
	ride["status"] = "in_progress"
	id, err := w.Order(ctx, ride)
	check(t, err)
	anna := logIn(t, b, w.Exchange, "anna")
	call := w.callFrom(t, clientPhone)
	call.Press("2")
	anna.rings(clientPhone)
	anna.Shows("card", "data-order", id)
	anna.answers("F2")
	anna.Do(`await page.getByTestId('order-status').selectOption('completed')`)
	anna.Do(`await page.getByTestId('order-status').press('Control+Enter')`)
	anna.Shows("card-status", "data-status", "completed")
	anna.Click("lost-item")
	anna.Shows("lost-item", "aria-pressed", "true")
	if said := anna.Text("lost-until"); !strings.Contains(said, "Соединяем до ") {
		t.Errorf("of the window it is said %q", said)
	}
	anna.Click("hangup")
	leaves(t, call)

	client := w.callFrom(t, clientPhone)
	driver, err := w.people.Coming(ctx)
	check(t, err)
	if driver.Dialled != driverPhone || driver.From != menuLine {
		t.Errorf("the client's call rings %s as %s", driver.Dialled, driver.From)
	}
	check(t, driver.Answer())
	hearsEachOther(t, client, driver)
	check(t, client.HangUp())
	leaves(t, driver)

	back := w.callFrom(t, driverPhone)
	found, err := w.people.Coming(ctx)
	check(t, err)
	if found.Dialled != clientPhone || found.From != menuLine {
		t.Errorf("the driver's call rings %s as %s", found.Dialled, found.From)
	}
	check(t, found.Answer())
	hearsEachOther(t, back, found)
	check(t, found.HangUp())
	leaves(t, back)
	anna.Shows("phone", "data-phase", "none") // nobody needed an operator

	anna.Click("lost-item")
	anna.Shows("lost-item", "aria-pressed", "false")
	before := w.rung(driverPhone)
	client = w.callFrom(t, clientPhone)
	anna.rings(clientPhone)
	anna.answers("F2")
	anna.talks(client)
	check(t, client.HangUp())
	anna.free()
	if n := w.rung(driverPhone); n != before {
		t.Error("the driver was called after the window was closed")
	}
}

// A window that is over by itself leads to an operator as well.
func TestALostItemWindowThatIsOverLeadsToAnOperator(t *testing.T) {
	t.Parallel()
	w, ctx := newWorldOf(t, Firm+"masking: {lost_item: 8s}\n"), within(t)
	ride := order()
	ride["status"] = "completed"
	id, err := w.Order(ctx, ride)
	check(t, err)
	var window struct{ Until time.Time }
	check(t, w.Do(ctx, http.StatusOK, http.MethodPut, "/api/v1/orders/"+id+"/lost-item", Fields{"open": true}, &window))
	call, err := w.client.Call(menuLine)
	check(t, err)
	driver, err := w.people.Coming(ctx)
	check(t, err)
	if driver.Dialled != driverPhone {
		t.Errorf("the client's call rings %s", driver.Dialled)
	}
	check(t, driver.Reject(486, "Busy Here"))
	check(t, call.HangUp())
	until(t, "the window is over", func() bool { return time.Now().After(window.Until) })
	again, err := w.client.Call(menuLine)
	check(t, err)
	check(t, again.WaitTalk(ctx))
	hears(t, again, w.voice.Say(prompts.ConnectingOperator))
	check(t, again.HangUp())
}

// What the page writes on its buttons is what the keys do; the same in English.
func theKeyboard(t *testing.T, b *Browser) {
	w := newWorldOf(t, SecureFirm)
	anna := logIn(t, b, w.Exchange, "anna")
	anna.Key("Tab")
	var first string
	if anna.Ask("document.activeElement.dataset.testid ?? ''", &first); first != "pause" {
		t.Errorf("the first thing Tab reaches is %q", first)
	}
	call := w.callFrom(t, clientPhone)
	anna.rings(clientPhone)
	if said := anna.Text("answer"); !strings.Contains(said, "Ответить") || !strings.Contains(said, "F2") {
		t.Errorf("the button says %q", said)
	}
	anna.Do(`await page.getByTestId('order-pickup').pressSequentially('Мира 5 ')`)
	anna.Shows("phone", "data-phase", "ringing") // a space in an address answers nothing
	anna.answers("F2")
	anna.talks(call)
	anna.Key("F8")
	anna.Shows("call-phase", "data-muted", "true")
	until(t, "the client hears nothing of a muted operator", func() bool { return call.Heard().Last(time.Second).Tone(microphone) == 0 })
	anna.Key("F8")
	anna.Shows("call-phase", "data-muted", "false")
	anna.talks(call)
	anna.Key("F9")
	anna.Shows("call-phase", "data-held", "true")
	anna.Key("F9")
	anna.Shows("call-phase", "data-held", "false")
	anna.talks(call)
	anna.Shows("order-pickup", "value", "Мира 5 ")
	anna.Key("F4")
	leaves(t, call)
	anna.Shows("last-call", "data-cause", "hung_up")
	anna.free()

	anna.Click("language")
	call = w.callFrom(t, secondPhone)
	anna.rings(secondPhone)
	for testid, want := range map[string]string{"answer": "Answer", "reject": "Reject", "own-state": "Ringing!"} {
		if said := anna.Text(testid); !strings.Contains(said, want) {
			t.Errorf("in English %s says %q", testid, said)
		}
	}
	anna.Key("F4")
	anna.free()
	anna.Shows("last-call", "data-cause", "declined")
	var said string
	anna.Ask("document.body.innerText", &said)
	for _, own := range []string{"Анна", "Борис", "Такси Ромашка", "Русский", "Центр", "Стандарт", "Мира 5"} { // what people have called so
		said = strings.ReplaceAll(said, own, "")
	}
	if i := strings.IndexFunc(said, func(r rune) bool { return r >= 'А' && r <= 'я' }); i >= 0 {
		t.Errorf("in English the page says %.100q", said[i:])
	}
	check(t, call.HangUp())
}
