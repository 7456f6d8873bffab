//go:build e2e

package e2e

import (
	"fmt"
	"net/netip"
	"regexp"
	"strings"
	"testing"

	"cabline/cmd/internal/telephone"
	"cabline/prompts"
)

// The people of this test have numbers whose ends are nowhere else in a page.
const (
	hiddenClient   = "+79035557391"
	hiddenDriver   = "+79268146207"
	hiddenStranger = "+79653829174"
	hiddenCanary   = "7700913864255"
)

// hiddenNumbers looks for numbers in all that reached a page.
type hiddenNumbers struct{ search telephone.Search }

func lookForHidden() hiddenNumbers {
	return hiddenNumbers{telephone.NewSearch(hiddenClient[2:], hiddenDriver[2:], hiddenStranger[2:], hiddenCanary)}
}

// separators are what people and encodings write between digits.
var separators = regexp.MustCompile(`(?i)[\s\x{a0}()+.,:;/_-]+|&nbsp;|%20|%2b|%28|%29|%2d`)

// in is what is found in a text, in any writing: the whole number, or with
// whatever stands between its digits the last seven.
func (h hiddenNumbers) in(text string) (found []string) {
	for _, leak := range h.search.In(telephone.Wire{Bytes: []byte(text)}) {
		found = append(found, leak.Secret+" as "+leak.As)
	}
	joined := separators.ReplaceAllString(text, "")
	for _, number := range []string{hiddenClient, hiddenDriver, hiddenStranger} {
		if strings.Contains(joined, number[5:]) {
			found = append(found, number+" with something between its digits")
		}
	}
	return found
}

// looks searches what a page shows now: its HTML, its boxes, its title, what it
// keeps, and what its scripts know.
func (h hiddenNumbers) looks(p *Page, when string) {
	p.t.Helper()
	var shown []string
	p.Ask(`[document.documentElement.outerHTML, ...[...document.querySelectorAll('input, select, textarea')].map((each) => each.value),
		document.title, location.href, JSON.stringify(localStorage), JSON.stringify(sessionStorage), document.cookie, JSON.stringify(window.cabline ?? null)]`, &shown)
	for _, text := range shown {
		if found := h.in(text); len(found) > 0 {
			p.t.Errorf("%s, %s, shows %q: %.300q", p.name, when, found, text)
		}
	}
}

// listens searches all that has passed a tapped page, and proves by what must
// have passed that it was not deaf.
func (h hiddenNumbers) listens(p *Page, must ...string) {
	p.t.Helper()
	tape := p.Tape()
	for _, text := range tape {
		if found := h.in(text); len(found) > 0 {
			p.t.Errorf("%s was told %q: %.600q", p.name, found, text)
		}
	}
	all := strings.Join(tape, "\n")
	for _, each := range must {
		if !regexp.MustCompile(each).MatchString(all) {
			p.t.Errorf("of what passed %s nothing was seen like %s", p.name, each)
		}
	}
}

// masked waits until an element shows a masked number.
func (p *Page) masked(testid, number string) {
	p.t.Helper()
	p.Wait(fmt.Sprintf(`(document.querySelector('[data-testid="%[1]s"]')?.innerText + (document.querySelector('[data-testid="%[1]s"]')?.value ?? '')).includes(%[2]q)`, testid, masked(number)))
}

func masked(number string) string { return number[:2] + "***" + number[len(number)-4:] }

// An operator who may not see numbers works a shift: a client with an order, a
// driver, somebody new, one in line, an answer to a notice, a click, all pages.
// No digits of theirs reach the browser, however written; a click calls them.
func numbersAreHidden(t *testing.T, b *Browser) {
	w, ctx := newWorldOf(t, secureNotices("")+"masking: {operators_see_numbers: false}\n"), within(t)
	hidden := lookForHidden()
	page := b.Tapped(t, "anna", w.Web, "401")
	anna := operator{page}
	anna.logIn("anna")
	anna.free()

	id, err := w.Order(ctx, Fields{"phone": hiddenClient})
	check(t, err)
	check(t, w.Change(ctx, id, Fields{"status": "arrived", "car": order()["car"], "driver_phone": hiddenDriver}))
	told, err := w.people.Coming(ctx)
	check(t, err)
	check(t, told.Answer())
	hears(t, told, w.voice.OrderStatus(prompts.Facts{Status: "arrived", Color: "белый", Mark: "Лада", Model: "Веста", Plate: "А123ВС"}))
	told.Press("4")
	anna.masked("answer-"+id, hiddenClient)
	hidden.looks(page, "when a client has answered")
	leaves(t, told)

	call := w.callAs(t, hiddenClient)
	call.Press("2")
	anna.Shows("phone", "data-phase", "ringing")
	anna.Shows("card", "data-order", id)
	for _, testid := range []string{"call-number", "order-phone"} {
		anna.masked(testid, hiddenClient)
	}
	anna.masked("order-driver_phone", hiddenDriver)
	hidden.looks(page, "when it rings")
	anna.answers("F2")
	anna.talks(call)
	waits := w.callAs(t, hiddenStranger)
	anna.masked("queue-item", hiddenStranger)
	anna.Click("hand-over")
	hidden.looks(page, "in a call, with one in line")
	anna.Fill("order-comment", "ждёт у ворот")
	anna.Click("card-save")
	anna.Wait(`document.querySelector('[data-testid=card-said]').innerText.includes('Сохранено')`)
	check(t, call.HangUp())
	anna.masked("call-number", hiddenStranger)
	anna.answers("F2")
	anna.talks(waits)
	check(t, waits.HangUp())
	anna.Shows("last-call", "data-cause", "they_hung_up")
	hidden.looks(page, "when the call is over")
	anna.free()

	driver := w.callAs(t, hiddenDriver) // who is put through to the client, and wants the operator
	ringing, err := w.people.Coming(ctx)
	check(t, err)
	check(t, ringing.Ring())
	driver.Press("0")
	anna.Shows("phone", "data-phase", "ringing")
	anna.masked("call-number", hiddenDriver)
	hidden.looks(page, "when a driver rings")
	anna.answers("F2")
	check(t, driver.HangUp())
	anna.free()

	// A click on the alias calls whom it stands for.
	anna.Do(fmt.Sprintf(`await page.getByTestId("answer-%s").getByTestId("dial-number").click()`, id))
	w.callsMasked(t, anna, hiddenClient)

	for path, open := range map[string]string{
		"/orders": `await page.getByTestId("edit-` + id + `").click(); await page.getByTestId("order-driver_phone").waitFor()`,
		"/calls": `for (const row of await page.locator('[data-testid=calls] tr.row').all()) { await row.locator('td').first().click(); }
			await page.locator('[data-testid=calls] tr.row', { hasText: "` + masked(hiddenDriver) + `" }).first().locator('td').first().click(); await page.getByTestId('leg-driver').waitFor()`,
		"/notices": `for (const row of await page.locator('[data-testid=notices] tr.row').all()) { await row.locator('td').first().click(); await page.locator('.journal li').first().waitFor(); }`,
	} {
		list := page.Beside(path, w.Web+path)
		list.Wait(fmt.Sprintf("document.body.innerText.includes(%q)", masked(hiddenClient)))
		list.Do(open)
		hidden.looks(list, "opened")
		if path == "/calls" { // from here the console's page calls
			list.Do(`await page.locator('[data-testid=leg-driver] [data-testid=dial-number]').first().click()`)
			w.callsMasked(t, anna, hiddenDriver)
		}
		hidden.listens(list, `body .*\*\*\*7391~`)
	}
	hidden.looks(page, "at the end")
	hidden.listens(page, `frame in INVITE sip:`, `frame in INVITE (?s:.*?)From: "\+7\*\*\*7391"`, `frame out SIP/2\.0 200`, `event state .*\*\*\*9174~`, `body .*\*\*\*7391~`, `handshake `)

	// Without this the ear might be deaf and the eye blind.
	page.Do(fmt.Sprintf("await page.evaluate(() => fetch('/healthz?planted=8%%20(903)%%20555-73-91'))"))
	planted := 0
	for _, text := range page.Tape() {
		if len(hidden.in(text)) > 0 {
			planted++
		}
	}
	if planted == 0 {
		t.Error("a planted number was not found in what passed")
	}
	if alarms := strings.Count(w.Log(), "masking alarm"); alarms > 0 {
		t.Errorf("the guard had to hold back %d messages", alarms)
	}
}

// callAs calls from a telephone whose network says its canary everywhere.
func (w *world) callAs(t *testing.T, number string) *Call {
	t.Helper()
	call, err := w.phone(t, Options{Listen: netip.AddrPortFrom(w.Client, 0), Number: number, Canary: hiddenCanary}).Call(menuLine)
	check(t, err)
	check(t, call.WaitTalk(within(t)))
	return call
}

// callsMasked takes the call that an operator makes to somebody whose number
// they do not see.
func (w *world) callsMasked(t *testing.T, o operator, number string) {
	t.Helper()
	call, err := w.people.Coming(within(t))
	check(t, err)
	if call.Dialled != number || call.From != menuLine {
		t.Errorf("a click calls %s as %s, want %s", call.Dialled, call.From, number)
	}
	check(t, call.Answer())
	o.talks(call)
	check(t, call.HangUp())
	o.free()
}
