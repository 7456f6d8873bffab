//go:build e2e

package e2e

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"cabline/media"
)

// panel serves a page of somebody else, with a webphone that is JsSIP as it
// comes from npm.
func panel(t *testing.T) (url string) {
	t.Helper()
	folder, err := filepath.Abs(filepath.Join(browserFolder, "jssip"))
	check(t, err)
	script := filepath.Join(t.TempDir(), "page.js")
	bundle := exec.Command(filepath.Join(folder, "../node_modules/.bin/esbuild"), "page.js", "--bundle", "--log-level=warning", "--outfile="+script)
	bundle.Dir = folder
	if out, err := bundle.CombinedOutput(); err != nil {
		t.Fatalf("bundle JsSIP: %v\n%s", err, out)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) { http.ServeFile(w, r, filepath.Join(folder, "page.html")) })
	mux.HandleFunc("/page.js", func(w http.ResponseWriter, r *http.Request) { http.ServeFile(w, r, script) })
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	return server.URL
}

// webphone is a page of the panel.
type webphone struct{ *Page }

func (p webphone) register(x *Exchange, login, password string) {
	p.t.Helper()
	p.registerAt(strings.Replace(x.Web, "https:", "wss:", 1)+"/ws", login, password)
}

func (p webphone) registerAt(server, login, password string) {
	p.t.Helper()
	p.Ask(fmt.Sprintf("void phone.register(%q, %q, %q)", server, login, password), &struct{}{})
}

// tells waits for an event of JsSIP.
func (p webphone) tells(event string) {
	p.t.Helper()
	p.Wait(fmt.Sprintf("phone.events.includes(%q)", event))
}

func (p webphone) do(js string) { p.t.Helper(); p.Ask("phone."+js+", null", new(any)) }

func (p webphone) talks(c *Call) {
	p.t.Helper()
	c.Tone(outside)
	defer c.Tone(0)
	check(p.t, c.Hears(within(p.t), microphone))
	until(p.t, "the webphone hears the client", func() bool { return p.Heard(-1).Last(time.Second).Tone(outside) == 1 })
}

func aPanelOfSomebodyElse(t *testing.T, b *Browser) {
	url := panel(t)
	config := strings.Replace(SecureFirm, ":8443}", ":8443, origins: ['127.0.0.1:"+url[strings.LastIndex(url, ":")+1:]+"']}", 1)
	w, ctx := newWorldOf(t, config+"outgoing: {allow: [\"+7926\"]}\n"), within(t)

	thief := webphone{b.Open(t, "thief", url)}
	thief.register(w.Exchange, "anna", "guessed")
	thief.tells("registrationFailed Rejected")

	page := webphone{b.Open(t, "panel", url)}
	page.register(w.Exchange, "anna", "secret-of-anna")
	page.tells("registered")
	call := w.callFrom(t, clientPhone)
	page.tells("call remote")
	page.Wait(fmt.Sprintf("phone.number === %q", clientPhone))
	page.do("answer()")
	page.tells("confirmed remote")
	page.talks(call)

	page.do("press('5#')")
	until(t, "keys of the webphone reach the client", func() bool { return call.Keys() == "5#" })
	page.soundsKey(call, "7")
	page.Do("await page.evaluate('phone.refresh()')")
	page.talks(call)
	for _, update := range []bool{true, false} {
		page.Do(fmt.Sprintf("await page.evaluate('phone.renegotiate(%v)')", update))
		page.talks(call)
	}
	held := time.Now() // the music may begin before the page knows that it holds
	page.do("hold()")
	page.tells("hold local")
	call.Tone(outside)
	hearsSince(t, call, held, media.Speech{w.music()})
	until(t, "nothing is heard of a webphone that holds", func() bool {
		return call.Heard().Last(time.Second).Tone(microphone) == 0 && page.Heard(-1).Last(time.Second).Tone(outside) == 0
	})
	page.do("unhold()")
	page.tells("unhold local")
	page.talks(call)
	if keys := call.Keys(); keys != "5#" {
		t.Errorf("two keys pressed, the client got %q", keys)
	}
	page.do("hangUp()")
	leaves(t, call)
	cdr, err := w.WaitCDR(ctx, clientPhone)
	check(t, err)
	tells(t, cdr, "completed", []string{"look up order", "no order", "wait for operator", "ring operator anna",
		"talk to operator anna", "operator holds", "operator goes on", "ended: completed"},
		[]string{"client " + clientPhone + ": completed", "operator anna: hung up"})

	page.do("call('" + driverPhone + "')")
	driver, err := w.people.Coming(ctx)
	check(t, err)
	if driver.Dialled != driverPhone || driver.From != menuLine {
		t.Errorf("%s sees a call from %s", driver.Dialled, driver.From)
	}
	check(t, driver.Answer())
	page.talks(driver)
	check(t, driver.HangUp())
	page.tells("ended remote Terminated")
}

// A webphone that can hold two calls puts their parties through to each other.
func aWebphoneJoinsTwoCalls(t *testing.T, b *Browser) {
	url := panel(t)
	config := strings.Replace(SecureFirm, ":8443}", ":8443, origins: ['127.0.0.1:"+url[strings.LastIndex(url, ":")+1:]+"']}", 1)
	w, ctx := newWorldOf(t, config+"outgoing: {allow: [\"+7926\"]}\n"), within(t)
	page := webphone{b.Open(t, "panel", url)}
	page.register(w.Exchange, "anna", "secret-of-anna")
	page.tells("registered")
	call := w.callFrom(t, clientPhone)
	page.tells("call remote")
	page.do("answer()")
	page.tells("confirmed remote")
	page.talks(call)
	page.do("hold()")
	page.tells("hold local")
	page.do("call('" + driverPhone + "')")
	driver, err := w.people.Coming(ctx)
	check(t, err)
	check(t, driver.Answer())
	page.talks(driver)
	page.do("join()")
	page.tells("refer accepted")
	page.Wait("phone.events.filter((e) => e === 'ended remote Terminated').length === 2")
	hearsEachOther(t, call, driver)
	check(t, driver.HangUp())
	leaves(t, call)
	cdr, err := w.WaitCDR(ctx, clientPhone)
	check(t, err)
	tells(t, cdr, "completed", []string{"look up order", "no order", "wait for operator", "ring operator anna", "talk to operator anna",
		"operator holds", "operator anna joins two calls", "talk to target", "ended: completed"},
		[]string{"client " + clientPhone + ": completed", "operator anna: completed", "target " + driverPhone + ": hung up"})
	if driver.From != menuLine {
		t.Errorf("the driver saw %s", driver.From)
	}
}

// A page of a site that is not named in the config gets no telephone, whatever
// passwords it knows.
func aSiteNobodyNamed(t *testing.T, b *Browser) {
	w := newWorldOf(t, SecureFirm)
	page := webphone{b.Open(t, "stranger", panel(t), "403")}
	page.register(w.Exchange, "anna", "secret-of-anna")
	until(t, "the exchange refuses the WebSocket", func() bool {
		b.mu.Lock()
		defer b.mu.Unlock()
		return len(b.wrong[page.name]) > 0
	})
	var events []string
	page.Ask("phone.events", &events)
	if len(events) > 0 {
		t.Errorf("a stranger's webphone says %q", events)
	}
}
