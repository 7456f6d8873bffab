//go:build e2e

package e2e

import (
	"context"
	"math"
	"strings"
	"testing"
	"time"
)

// What a microphone in Chromium hears, and what the telephones outside say.
const (
	microphone = 440
	outside    = 1000
)

// Every test here has an exchange of its own; they share one Chromium.
func TestBrowser(t *testing.T) {
	b := OpenBrowser(t, microphone)
	for name, test := range map[string]func(*testing.T, *Browser){
		"an operator answers with one key, talks, holds, and hangs up": anOperatorTalks,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, b)
		})
	}
}

// SecureFirm is Firm as firms run it: pages over https, with the certificate
// the exchange has signed itself.
var SecureFirm = strings.Replace(Firm, "http://{exchange}:8480", "https://{exchange}:8443", 1)

// operator is somebody at our console in a browser.
type operator struct{ *Page }

// logIn opens the console and waits until calls can come.
func logIn(t *testing.T, b *Browser, x *Exchange, login string) operator {
	t.Helper()
	o := operator{b.Open(t, login, x.Web, "401")} // which the page gets when it asks whether we are logged in
	o.Fill("login-login", login)
	o.Fill("login-password", "secret-of-"+login)
	o.Click("login-submit")
	o.free()
	o.Shows("team-"+login, "data-state", "free")
	return o
}

// free waits until no call is left and the next one can come.
func (o operator) free() { o.t.Helper(); o.Shows("own-state", "data-state", "free") }

// rings waits for a call from that number, with its card.
func (o operator) rings(number string) {
	o.t.Helper()
	o.Shows("phone", "data-phase", "ringing")
	o.Shows("call-number", "data-number", number)
	o.Wait(`document.querySelector('[data-testid=card]')?.dataset.call === window.cabline.phone.call?.id`)
}

// answers picks up with a key.
func (o operator) answers(key string) {
	o.t.Helper()
	o.Key(key)
	o.Shows("phone", "data-phase", "talking")
}

// measures waits until a phone in the page, window.cabline or a part of it, has
// heard that tone, and little else, for half a second.
func (p *Page) measures(phone string, hz float64) {
	p.t.Helper()
	var last struct {
		Hz, DB float64
		Next   float64 `json:"next_db"`
	}
	for end, good := time.Now().Add(20*time.Second), 0; good < 5; time.Sleep(100 * time.Millisecond) {
		p.Ask(phone+".measure() ?? {}", &last)
		if good++; math.Abs(last.Hz-hz) > 8 || last.DB < -70 || last.DB-last.Next < 15 {
			good = 0
		}
		if time.Now().After(end) {
			p.t.Fatalf("%s does not hear %g Hz but %+v", phone, hz, last)
		}
	}
}

// talks proves by tones that a page and a telephone hear each other.
func (p *Page) talks(c *Call) {
	p.t.Helper()
	c.Tone(outside)
	defer c.Tone(0)
	ctx, cancel := context.WithTimeout(p.t.Context(), 20*time.Second)
	defer cancel()
	check(p.t, c.Hears(ctx, microphone))
	p.measures("cabline", outside)
}
