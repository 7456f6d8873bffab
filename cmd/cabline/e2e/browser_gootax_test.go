//go:build e2e

package e2e

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"cabline/cmd/cabline/dispatcher"
	"cabline/pbx"
	"cabline/prompts"
)

// Where a firm's panel is, and where its operators find the card of a call.
const (
	gootaxPanel = "https://romashka.gootax.pro"
	gootaxCard  = gootaxPanel + "/tenant/user/external-incoming-call"
	linkToken   = "token-of-the-links"
)

// gootaxPapers is docs/gootax.md: what firms follow.
type gootaxPapers struct {
	t    *testing.T
	text string
}

func readGootaxPapers(t *testing.T) gootaxPapers {
	t.Helper()
	text, err := os.ReadFile("../../../docs/gootax.md")
	check(t, err)
	return gootaxPapers{t, string(text)}
}

// typed is what the page says to type into a field of Gootax's form for a kind
// of exchange, with the exchange's address for the one in the page.
func (p gootaxPapers) typed(kind, field string, x *Exchange) string {
	p.t.Helper()
	_, section, _ := strings.Cut(p.text, "\n## "+kind+"\n")
	section, _, _ = strings.Cut(section, "\n## ")
	row := regexp.MustCompile(`(?m)^\| ` + regexp.QuoteMeta(field) + ` \| (.*?) \|`).FindStringSubmatch(section)
	if row == nil {
		p.t.Fatalf("docs/gootax.md: %s has no field %q", kind, field)
	}
	text := strings.NewReplacer("`", "", "*token*", linkToken, "*employee*", "101").Replace(row[1])
	return strings.Replace(text, "pbx.romashka.ru:8443", strings.TrimPrefix(x.Web, "https://"), 1)
}

// firm is the page's config, with what it leaves to the firm filled in. The
// certificate is the exchange's own.
func (p gootaxPapers) firm() string {
	p.t.Helper()
	blocks := regexp.MustCompile("(?s)```yaml\n(.*?)```").FindAllStringSubmatch(p.text, 2)
	_, custom, _ := strings.Cut(blocks[1][1], "  gootax:\n")
	config := regexp.MustCompile(`(?m)^  (cert|key): .*\n`).ReplaceAllString(blocks[0][1], "")
	return strings.NewReplacer(
		"https://0.0.0.0:8443", "https://{exchange}:8443\n  origins: [\"*.gootax.pro\"]",
		"  token: …", "  token: dispatch-token",
		"    domain: romashka\n", "    domain: romashka\n    voice_token: token-of-the-voice\n    integration_token: token-of-integration\n"+
			strings.NewReplacer("call_token: …", "call_token: "+linkToken, "access_token: …", "access_token: token-of-anna").Replace(custom),
	).Replace(config) + `data: ./data
firm: {name: Такси Ромашка, country: RU, language: ru, timezone: Europe/Moscow}
sip: {listen: [udp://{exchange}:5060]}
rtp: {ports: 20000-20999}
trunks:
  - {name: carrier, host: {carrier}:5070, from: [{client}, {carrier}], caller_id: "+74950000000", channels: 100}
log: {level: debug, format: json}
`
}

func gootaxFirm(t *testing.T) string {
	return strings.Replace(readGootaxPapers(t).firm(), "branches: [Центр]}", "branches: [Центр], password: secret-of-anna}\n"+
		"  - {login: boris, name: Борис, branches: [Центр], password: secret-of-boris}", 1)
}

// simulator plays Gootax with what was typed into its form. It takes no
// certificate that signs itself, so it goes through somebody who does.
func simulator(t *testing.T, address string) *dispatcher.Gootax {
	t.Helper()
	to, err := url.Parse(address)
	check(t, err)
	proxy := httputil.NewSingleHostReverseProxy(to)
	proxy.Transport = &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}
	server := httptest.NewServer(proxy)
	t.Cleanup(server.Close)
	return &dispatcher.Gootax{Exchange: server.URL, VoiceToken: "token-of-the-voice", IntegrationToken: "token-of-integration"}
}

// gootaxRide is an order as Gootax tells of it.
func gootaxRide(status pbx.Status) pbx.Order {
	five := 5
	return pbx.Order{ID: "1042", Status: status, Phone: clientPhone, Driver: driverPhone, ETA: &five,
		Car: pbx.Car{Color: "белый", Mark: "Лада", Model: "Веста", Plate: "А123ВС"}}
}

// The panel's own webphone, JsSIP as it comes, logs in with what the page says
// to type; clients are called and joined because Gootax asks.
func gootaxByThePage(kind, wss, base string) func(*testing.T, *Browser) {
	return func(t *testing.T, b *Browser) {
		papers := readGootaxPapers(t)
		w, ctx := newWorldOf(t, gootaxFirm(t)), within(t)
		page := panelAt(t, b, gootaxPanel)
		page.registerAt(papers.typed(kind, wss, w.Exchange), "anna", "secret-of-anna")
		page.tells("registered")
		call := w.callFrom(t, clientPhone)
		page.tells("call remote")
		page.do("answer()")
		page.tells("confirmed remote")
		page.talks(call)
		check(t, call.HangUp())
		page.tells("ended remote Terminated")

		gootax := simulator(t, papers.typed(kind, base, w.Exchange))
		check(t, gootax.Tell(ctx, gootaxRide(pbx.StatusArrived)))
		told, err := w.people.Coming(ctx)
		check(t, err)
		if told.Dialled != clientPhone || told.From != menuLine {
			t.Errorf("%s is called by %s", told.Dialled, told.From)
		}
		check(t, told.Answer())
		hears(t, told, w.voice.OrderStatus(prompts.Facts{Status: "arrived", Color: "белый", Mark: "Лада", Model: "Веста", Plate: "А123ВС"}))
		check(t, told.HangUp())

		check(t, gootax.Join(ctx, gootaxRide(pbx.StatusArrived)))
		client, driver := joined(ctx, t, w)
		hearsEachOther(t, client, driver)
		check(t, driver.HangUp())
		leaves(t, client)

		thief := simulator(t, papers.typed(kind, base, w.Exchange))
		thief.VoiceToken = "token-that-was-guessed"
		if err := thief.Tell(ctx, gootaxRide(pbx.StatusLate)); err == nil || !strings.Contains(err.Error(), "401") {
			t.Errorf("news without our token: %v", err)
		}
	}
}

// joined takes the call to the client, and then the one to the driver.
func joined(ctx context.Context, t *testing.T, w *world) (client, driver *Call) {
	t.Helper()
	client, err := w.people.Coming(ctx)
	check(t, err)
	check(t, client.Answer())
	driver, err = w.people.Coming(ctx)
	check(t, err)
	check(t, driver.Answer())
	check(t, driver.WaitTalk(ctx))
	if client.Dialled != clientPhone || driver.Dialled != driverPhone || client.From != menuLine || driver.From != menuLine {
		t.Errorf("%s is called by %s, then %s by %s", client.Dialled, client.From, driver.Dialled, driver.From)
	}
	return client, driver
}

// panelAt is the page of somebody else's panel at an address of the world: what
// it asks of its own site is answered here.
func panelAt(t *testing.T, b *Browser, site string) webphone {
	t.Helper()
	served := panel(t)
	page := webphone{b.Open(t, "panel", "about:blank")}
	page.Do("await page.context().grantPermissions(['local-network-access'])") // Chrome asks once, and the page says to allow it
	page.Do(fmt.Sprintf(`await page.route(%q, async (route) => {
		const { pathname } = new URL(route.request().url());
		await route.fulfill({ response: await route.fetch({ url: %q + pathname }) });
	})`, site+"/**", served))
	page.Go(site + "/")
	return page
}

// The card of whoever calls opens in a tab when the operator answers: in ours
// by itself and by a button, with the operator's own token and nobody else's.
func gootaxOpensTheCard(t *testing.T, b *Browser) {
	w := newWorldOf(t, gootaxFirm(t))
	anna := logIn(t, b, w.Exchange, "anna")
	anna.Do(fmt.Sprintf("await page.context().route(%q, (route) => route.fulfill({ contentType: 'text/html', body: '<title>card</title>' }))", gootaxPanel+"/**"))
	call := w.callFrom(t, clientPhone)
	anna.rings(clientPhone)
	var shown string
	anna.Wait("!!document.querySelector('[data-testid=card-link]')")
	anna.Ask("document.querySelector('[data-testid=card-link]').href", &shown)
	want := gootaxCard + "?access_token=token-of-anna&call_id=" + anna.callID() + "&clid=79161234567&did=74950000000"
	if shown != want {
		t.Errorf("the button leads to %s, want %s", shown, want)
	}
	// F2 first, or the tab could be one that had opened before the answer.
	var opened struct {
		URL   string
		Pages int
	}
	check(t, json.Unmarshal(anna.Do(`const before = page.context().pages().length;
		const [card] = await Promise.all([page.context().waitForEvent('page'), page.keyboard.press('F2')]);
		await card.waitForLoadState();
		return { url: card.url(), pages: before };`), &opened))
	if opened.URL != want || opened.Pages != 1 {
		t.Errorf("opened %s, %d pages before", opened.URL, opened.Pages)
	}
	anna.Shows("phone", "data-phase", "talking")
	anna.talks(call)
	check(t, call.HangUp())
	anna.free()

	boris := logIn(t, b, w.Exchange, "boris") // who has no token in Gootax
	call = w.callFrom(t, secondPhone)
	boris.rings(secondPhone)
	boris.Wait("!document.querySelector('[data-testid=card-loading]')")
	var none bool
	boris.Ask("!document.querySelector('[data-testid=card-link]')", &none)
	if !none {
		t.Error("an operator without a token is shown a link to a card")
	}
	check(t, call.HangUp())
	boris.free()
}

func (o operator) callID() (id string) {
	o.t.Helper()
	o.Ask("window.cabline.phone.call.id", &id)
	return id
}

// A click on a number in the panel rings the console of who clicked and then the
// number, and says so.
func gootaxCallsByAClick(t *testing.T, b *Browser) {
	papers := readGootaxPapers(t)
	w, ctx := newWorldOf(t, strings.Replace(gootaxFirm(t), "enabled: true", "enabled: false", 1)), within(t)
	check(t, simulator(t, w.Web).Tell(ctx, gootaxRide(pbx.StatusAccepted)))
	anna := logIn(t, b, w.Exchange, "anna")
	link := papers.typed("Custom ATS", "Call Url", w.Exchange)

	clicked := b.Open(t, "link", link+"89161234567")
	clicked.answersClick("Звоним")
	anna.Shows("phone", "data-phase", "ringing")
	anna.Shows("call-number", "data-number", clientPhone)
	if n := w.rung(clientPhone); n != 0 {
		t.Errorf("the client was called %d times before the operator answered", n)
	}
	anna.answers("F2")
	client, err := w.people.Coming(ctx)
	check(t, err)
	if client.Dialled != clientPhone || client.From != menuLine {
		t.Errorf("%s sees a call from %s", client.Dialled, client.From)
	}
	check(t, client.Ring())
	anna.measures("cabline", 425)
	check(t, client.Answer())
	anna.talks(client)
	anna.Click("hangup")
	leaves(t, client)
	anna.free()
	tells(t, w.clicks(t, 1), "completed", []string{"operator anna asks for a call", "dial operator", "operator answered", "dial target", "target answered",
		"talk to target", "ended: completed"}, []string{"operator anna: hung up", "target " + clientPhone + ": completed"})

	clicked.Go(link + "89161234567")
	anna.Shows("phone", "data-phase", "ringing")
	anna.Key("Escape")
	anna.free()
	tells(t, w.clicks(t, 2), "rejected", []string{"operator anna asks for a call", "dial operator", "operator: rejected", "ended: rejected"},
		[]string{"operator anna: rejected"})
	if n := w.rung(clientPhone); n != 1 {
		t.Errorf("the client was called though the operator refused: %d times", n)
	}

	anna.Click("pause") // from clients, and not from a call of one's own
	anna.Shows("own-state", "data-state", "pause")
	clicked.Go(link + "89267654321")
	anna.Shows("phone", "data-phase", "ringing")
	anna.answers("F2")
	driver, err := w.people.Coming(ctx)
	check(t, err)
	if driver.Dialled != driverPhone || driver.From != menuLine {
		t.Errorf("%s sees a call from %s", driver.Dialled, driver.From)
	}
	check(t, driver.Answer())
	anna.talks(driver)
	check(t, driver.HangUp())
	anna.Shows("own-state", "data-state", "pause")

	for number, want := range map[string]string{"%2B442071234567": "На этот номер звонить нельзя", "12": "не номер телефона"} {
		b.Open(t, "link to "+number, link+number, "403", "422").answersClick(want)
	}
}

// answersClick is what a page says that is not ours to mark.
func (p *Page) answersClick(want string) {
	p.t.Helper()
	var said string
	if p.Ask("document.body.innerText", &said); !strings.Contains(said, want) {
		p.t.Errorf("the click is answered %q, want %q", said, want)
	}
}

// rung is how many calls were sent to a number.
func (w *world) rung(number string) int {
	calls := map[string]bool{}
	for _, passed := range w.people.Tape() {
		if line, _, _ := strings.Cut(string(passed.Bytes), "\r\n"); !passed.Out && strings.HasPrefix(line, "INVITE sip:") && strings.Contains(line, strings.TrimPrefix(number, "+")) {
			calls[passed.Call] = true
		}
	}
	return len(calls)
}

// clicks waits until so many calls that were asked for are written down, and
// returns the last of them.
func (w *world) clicks(t *testing.T, n int) (last CDR) {
	t.Helper()
	until(t, fmt.Sprintf("%d outgoing calls are written down", n), func() bool {
		all, err := w.CDRs(within(t))
		check(t, err)
		all = slices.DeleteFunc(all, func(c CDR) bool { return c.Kind != "outgoing" })
		if len(all) < n {
			return false
		}
		last = all[n-1]
		return true
	})
	return last
}
