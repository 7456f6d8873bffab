//go:build e2e

package e2e

import (
	"fmt"
	"testing"
)

func ordersAndCalls(t *testing.T, b *Browser) {
	w, ctx := newWorldOf(t, SecureFirm), within(t)
	page := b.Open(t, "anna", w.Web+"/orders", "401", "422")
	page.logIn("anna")

	page.Click("new-order")
	page.Fill("order-phone", "12")
	page.Click("save")
	if said := page.Text("order-phone-error"); said == "" { // found by the page
		t.Error("nothing is said beside a number that is none")
	}
	page.Fill("order-phone", "+7999")
	page.Click("save")
	if said := page.Text("order-phone-error"); said == "" { // found by the exchange
		t.Error("nothing is said beside a number that the exchange refuses")
	}
	page.Fill("order-phone", "8 916 123-45-67")
	page.Fill("order-pickup", "Ленина 12")
	page.Fill("order-driver_phone", driverPhone)
	page.Click("save")
	until(t, "the order is in the book", func() bool { return len(w.ordersOf(t, clientPhone)) == 1 })
	made := w.ordersOf(t, clientPhone)[0]
	if made.Phone != clientPhone || made.Pickup != "Ленина 12" || made.Status != "new" {
		t.Errorf("the order made: %+v", made)
	}
	page.Do("await page.reload()")
	page.Shows("order-row-"+made.ID, "data-status", "new")
	page.Do(fmt.Sprintf("await page.getByTestId('status-%s').selectOption('accepted')", made.ID))
	until(t, "its status has changed", func() bool { return w.ordersOf(t, clientPhone)[0].Status == "accepted" })
	page.Shows("order-row-"+made.ID, "data-status", "accepted")

	call := w.callFrom(t, clientPhone)
	call.Press("1")
	driver, err := w.people.Coming(ctx)
	check(t, err)
	check(t, driver.Answer())
	hearsEachOther(t, call, driver)
	page.Do(fmt.Sprintf("await page.goto(%q)", w.Web+"/calls"))
	live, err := w.Live(ctx)
	check(t, err)
	if len(live) != 1 {
		t.Fatalf("%d live calls", len(live))
	}
	page.Shows("call-"+live[0].ID, "data-state", "talking")
	check(t, call.HangUp())
	page.Shows("call-"+live[0].ID, "data-result", "completed")
	page.Click("call-" + live[0].ID)
	for _, step := range []string{"order " + made.ID, "menu: accepted", "chose driver", "dial driver", "driver answered", "talk to driver", "ended: completed"} {
		page.Wait(fmt.Sprintf(`document.querySelector('[data-testid="detail-%s"] [data-step="%s"]')?.innerText !== undefined`, live[0].ID, step))
	}
	for _, party := range []string{"client", "driver"} {
		page.Wait(fmt.Sprintf(`!!document.querySelector('[data-testid=leg-%s]')`, party))
	}
}
