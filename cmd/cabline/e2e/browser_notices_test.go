//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"cabline/prompts"
)

// secureNotices is a firm with pages over https that calls its clients.
func secureNotices(rules string) string {
	return SecureFirm + strings.TrimPrefix(callsClients("order_book: true, "+rules), Firm)
}

// notice is the newest notice of an order.
func (w *world) notice(ctx context.Context, t *testing.T, order string) (id int) {
	t.Helper()
	var found struct{ Notices []struct{ ID int } }
	check(t, w.Do(ctx, http.StatusOK, http.MethodGet, "/api/v1/notices?order_id="+order, nil, &found))
	if len(found.Notices) == 0 {
		t.Fatalf("no notice of order %s", order)
	}
	return found.Notices[0].ID
}

// row waits until a notice is told of on the page in that state, with those words.
func (p *Page) row(id int, state string, words ...string) {
	p.t.Helper()
	testid := fmt.Sprintf("notice-%d", id)
	p.Shows(testid, "data-state", state)
	for _, word := range words {
		p.Wait(fmt.Sprintf(`document.querySelector('[data-testid=%s]').innerText.includes(%q)`, testid, word))
	}
}

// journal opens a notice on the page and waits for those words in it, in order.
func (p *Page) journal(id int, words ...string) {
	p.t.Helper()
	p.Do(fmt.Sprintf(`await page.getByTestId("notice-%d").locator("td").first().click()`, id))
	var said string
	for _, word := range words {
		p.Wait(fmt.Sprintf(`document.querySelector('[data-testid=journal-%d]')?.innerText.includes(%q)`, id, word))
	}
	said = p.Text(fmt.Sprintf("journal-%d", id))
	if !inOrder(said, words) {
		p.t.Errorf("the journal of %d is %q, want %q in order", id, said, words)
	}
	if latin := strings.IndexFunc(said, func(r rune) bool { return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' }); latin >= 0 {
		p.t.Errorf("untranslated in the journal of %d: %q", id, said[latin:])
	}
	p.Do(fmt.Sprintf(`await page.getByTestId("notice-%d").locator("td").first().click()`, id))
}

func inOrder(text string, words []string) bool {
	for _, word := range words {
		_, after, found := strings.Cut(text, word)
		if !found {
			return false
		}
		text = after
	}
	return true
}

// The page goes along with a notice while it waits, rings, speaks, is answered;
// and tells in words why one was not told.
func noticesHaveAPage(t *testing.T, b *Browser) {
	w, ctx := newWorldOf(t, secureNotices("")), within(t)
	page := b.Open(t, "anna", w.Web+"/notices", "401")
	page.logIn("anna")
	if said := page.Text("no-notices"); said != "Оповещений нет" {
		t.Errorf("of no notices it is said %q", said)
	}

	id, err := w.Order(ctx, Fields{"phone": clientPhone})
	check(t, err)
	check(t, w.Change(ctx, id, Fields{"status": "arrived", "car": order()["car"], "driver_phone": driverPhone}))
	call, err := w.people.Coming(ctx)
	check(t, err)
	check(t, call.Ring())
	n := w.notice(ctx, t, id)
	page.row(n, "dialling", "Машина ждёт", "+7 916 123-45-67", "звоним")
	check(t, call.Answer())
	page.row(n, "speaking", "говорим")
	hears(t, call, w.voice.OrderStatus(prompts.Facts{Status: "arrived", Color: "белый", Mark: "Лада", Model: "Веста", Plate: "А123ВС"}))
	hears(t, call, w.voice.Menu(prompts.MenuDriver, prompts.MenuOperator, prompts.MenuComingOut, prompts.MenuFiveMinutes))
	call.Press("3")
	page.row(n, "delivered", "услышано", "выхожу")
	leaves(t, call)
	page.journal(n, "поставлено в очередь", "звонок 1", "клиент ответил", "начинаем говорить", "дослушал до конца", "клиент ответил: выхожу")

	id, err = w.Order(ctx, Fields{"phone": secondPhone, "status": "no_driver"})
	check(t, err)
	call, err = w.people.Coming(ctx)
	check(t, err)
	check(t, call.Reject(486, "Busy Here"))
	until(t, "the client was busy", func() bool { state, _ := w.journal(ctx, t, id); return state == "waiting" })
	waits := w.notice(ctx, t, id)
	page.row(waits, "waiting", "Нет свободных машин", "ждёт · ", "занято, ещё раз через")
	page.journal(waits, "поставлено в очередь", "звонок 1", "занято, ещё раз через")

	check(t, w.Change(ctx, id, Fields{"status": "in_progress"})) // of which nobody is told
	page.row(waits, "superseded", "устарело", "заказ уже «Клиент в машине»")
	page.journal(waits, "заказ уже «Клиент в машине»")
	dropped := w.notice(ctx, t, id)
	page.row(dropped, "dropped", "Клиент в машине", "не звоним", "об этом статусе не звоним", "—")
	page.journal(dropped, "об этом статусе не звоним")

	page.Fill("opt-out-phone", "8 903 111-22-33")
	page.Click("opt-out-add")
	page.Wait(fmt.Sprintf(`!!document.querySelector('[data-testid="opt-out-%s"]')`, secondPhone))
	check(t, w.Change(ctx, id, Fields{"status": "no_driver"}))
	unwanted := w.notice(ctx, t, id)
	page.row(unwanted, "dropped", "клиент просил не звонить")
	page.journal(unwanted, "клиент просил не звонить")
	page.Do(`await page.getByText('Звонить снова').click()`)
	page.Wait(fmt.Sprintf(`!document.querySelector('[data-testid="opt-out-%s"]')`, secondPhone))

	page.Do(`await page.getByTestId('notice-state').selectOption('delivered')`)
	page.Wait(fmt.Sprintf(`document.querySelectorAll('[data-testid=notices] tr.row').length === 1 && !!document.querySelector('[data-testid=notice-%d]')`, n))
	page.Click("language")
	page.row(n, "delivered", "Car is waiting", "heard", "coming out")
}

// What clients answer by a key is before every operator's eyes: who, what, when,
// about which order; the newest first, after a reload too.
func answersReachTheConsole(t *testing.T, b *Browser) {
	w, ctx := newWorldOf(t, secureNotices("")), within(t)
	anna, boris := logIn(t, b, w.Exchange, "anna"), logIn(t, b, w.Exchange, "boris")
	var none bool
	if anna.Ask("!document.querySelector('[data-testid=answers]')", &none); !none {
		t.Error("a pane for answers takes room where there are none")
	}
	var ids []string
	for _, c := range []struct{ status, key, answer, words string }{
		{"arrived", "3", "coming_out", "выхожу"},
		{"arrived", "4", "five_minutes", "ещё пять минут"},
		{"no_driver", "1", "keep_looking", "искать дальше"},
		{"no_driver", "6", "cancel", "отменить заказ"},
	} {
		id, err := w.Order(ctx, Fields{"phone": clientPhone, "status": "new"})
		check(t, err)
		ids = append(ids, id)
		check(t, w.Change(ctx, id, Fields{"status": c.status}))
		call, err := w.people.Coming(ctx)
		check(t, err)
		check(t, call.Answer())
		hears(t, call, w.voice.OrderStatus(prompts.Facts{Status: c.status}))
		call.Press(c.key)
		for _, o := range []operator{anna, boris} {
			o.Shows("answer-"+id, "data-answer", c.answer)
			if said := o.Text("answer-" + id); !inOrder(said, []string{"+7 916 123-45-67", ":", c.words, "Заказ " + id}) {
				t.Errorf("of the answer to order %s it is said %q", id, said)
			}
		}
		leaves(t, call)
	}
	anna.Do("await page.reload()")
	anna.free()
	var shown []string
	anna.Wait("document.querySelectorAll('[data-testid=answers] li').length === 4")
	anna.Ask("[...document.querySelectorAll('[data-testid=answers] li')].map((each) => each.dataset.testid)", &shown)
	if want := fmt.Sprintf("[answer-%s answer-%s answer-%s answer-%s]", ids[3], ids[2], ids[1], ids[0]); fmt.Sprint(shown) != want {
		t.Errorf("answers stand as %s, want %s", shown, want)
	}
	anna.Do(fmt.Sprintf(`await page.getByTestId("answer-%s").getByTestId("dial-number").click()`, ids[3]))
	call, err := w.people.Coming(ctx)
	check(t, err)
	if call.Dialled != clientPhone || call.From != menuLine {
		t.Errorf("a click on the answer calls %s as %s", call.Dialled, call.From)
	}
	check(t, call.Answer())
	anna.talks(call)
	check(t, call.HangUp())
}
