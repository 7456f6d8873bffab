//go:build e2e

package e2e

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"cabline/media"
	"cabline/prompts"
)

// demo is the page of `cabline demo`.
type demo struct {
	*Page
	*world
}

func newDemo(t *testing.T, b *Browser) demo {
	t.Helper()
	w := &world{Exchange: StartDemo(t)}
	var info struct{ Token string }
	check(t, w.Do(within(t), http.StatusOK, "GET", "/demo/api/info", nil, &info))
	w.Token = info.Token
	var err error
	w.voice, err = prompts.Load("ru", nil)
	check(t, err)
	d := demo{b.Open(t, "demo", w.Web+"/demo", "401"), w}
	d.Shows("client", "data-line", "up")
	d.Shows("driver", "data-line", "up")
	d.Wait("window.cabline.operator?.own.kind === 'free'")
	return d
}

// calls presses the client's button and waits for the exchange's answer.
func (d demo) calls() {
	d.t.Helper()
	d.Click("client-call")
	d.Shows("client", "data-phase", "talking")
}

// rings waits for a call that shows the firm's number and nothing of the other
// party's.
func (d demo) rings(who, secret string) {
	d.t.Helper()
	d.Shows(who, "data-phase", "ringing")
	d.Shows(who+"-caller", "data-number", menuLine)
	d.Shows(who+"-tag", "data-tag", "firm")
	var shown string
	d.Ask("document.querySelector('[data-testid="+who+"] .screen').outerHTML + JSON.stringify(window.cabline."+who+".phone)", &shown)
	if digits := strings.Map(digit, shown); strings.Contains(digits, strings.TrimPrefix(secret, "+7")) {
		d.t.Errorf("the %s's phone shows %s: %s", who, secret, shown)
	}
	d.Click(who + "-accept")
	d.Shows(who, "data-phase", "talking")
}

func digit(r rune) rune {
	if r < '0' || r > '9' {
		return -1
	}
	return r
}

// hearsSaid waits until the client's phone has heard a speech in its last call:
// most of it, for a busy machine loses some, and of no long clip too little. Where
// it did, the client does what anybody would on a bad line: presses 9 to hear it
// again.
func (d demo) hearsSaid(what media.Speech) {
	d.t.Helper()
	var share float64
	var missing []string
	for range 4 {
		for end := time.Now().Add(what.Duration() + 3*time.Second); time.Now().Before(end); time.Sleep(500 * time.Millisecond) {
			share, missing = d.Heard(-1).Likeness(what...)
			if share > 0.7 && len(missing) == 0 {
				return
			}
		}
		d.Click("client-key-9")
	}
	d.t.Fatalf("%.0f%% of the speech was heard, too little of %q", 100*share, missing)
}

// speaks lets one person have the microphone and waits until another hears it.
func (d demo) speaks(who, to string) {
	d.t.Helper()
	d.Click("speak-" + who)
	d.measures("cabline."+to, microphone)
}

// facts is what the voice says of the client's order.
func (d demo) facts() (id string, facts prompts.Facts) {
	d.t.Helper()
	var got struct {
		Orders []struct {
			ID, Status string
			Minutes    *int `json:"eta_minutes"`
			Price      *int
			Car        struct{ Color, Mark, Model, Plate string }
		}
	}
	check(d.t, d.world.Do(within(d.t), http.StatusOK, "GET", "/api/v1/orders?active=true&phone=%2B79161234567", nil, &got))
	if len(got.Orders) != 1 {
		d.t.Fatalf("%d active orders", len(got.Orders))
	}
	o := got.Orders[0]
	facts = prompts.Facts{Status: o.Status, Color: o.Car.Color, Mark: o.Car.Mark, Model: o.Car.Model, Plate: o.Car.Plate, Minutes: o.Minutes}
	if o.Price != nil {
		facts.Price = *o.Price
	}
	return o.ID, facts
}

// latest waits until so many calls are written down, and returns the last.
func (d demo) latest(calls int) CDR {
	d.t.Helper()
	var all []CDR
	until(d.t, fmt.Sprintf("%d calls are written down", calls), func() bool {
		var err error
		all, err = d.CDRs(within(d.t))
		check(d.t, err)
		return len(all) == calls
	})
	return all[calls-1]
}

func theDemo(t *testing.T, b *Browser) {
	d := newDemo(t, b)
	d.Click("demo-create")
	d.Shows("demo-order", "data-status", "accepted")
	id, facts := d.facts()
	d.calls()
	d.hearsSaid(append(d.voice.OrderStatus(facts), d.voice.Menu(prompts.MenuDriver, prompts.MenuOperator, prompts.MenuRepeat)...))
	d.Click("client-key-1")
	d.rings("driver", clientPhone)
	d.speaks("client", "driver")
	d.speaks("driver", "client")
	d.Shows("story", "data-story", "story.driver_talking")
	d.Click("client-hangup")
	d.Shows("driver", "data-phase", "none")
	tells(t, d.latest(1), "completed",
		[]string{"look up order", "order " + id, "menu: accepted", "chose driver", "dial driver", "driver answered", "talk to driver", "ended: completed"},
		[]string{"client " + clientPhone + ": hung up", "driver " + driverPhone + ": completed"})

	d.Click("demo-status-arrived")
	d.Shows("demo-order", "data-status", "arrived")
	_, facts = d.facts()
	d.rings("client", driverPhone)
	d.hearsSaid(append(d.voice.Say(prompts.NoticeGreeting), d.voice.OrderStatus(facts)...))
	d.Click("client-hangup")
	if cdr := d.latest(2); cdr.Kind != "notice" {
		t.Errorf("CDR: %+v", cdr)
	}

	d.Click("demo-connect")
	d.rings("client", driverPhone)
	d.rings("driver", clientPhone)
	d.speaks("client", "driver")
	d.speaks("driver", "client")
	d.Click("driver-hangup")
	d.Shows("client", "data-phase", "none")
	if cdr := d.latest(3); cdr.Kind != "connect" || cdr.Result != "completed" {
		t.Errorf("CDR: %+v", cdr)
	}

	d.Click("demo-status-none")
	d.Shows("demo-order", "data-status", "")
	d.calls()
	d.Wait("window.cabline.operator.phone.call?.phase === 'ringing'")
	d.Page.Do("await page.frameLocator('[data-testid=operator]').getByTestId('answer').click()")
	d.Wait("window.cabline.operator.phone.call?.phase === 'talking'")
	d.speaks("operator", "client")
	d.speaks("client", "operator")
	d.Page.Do("await page.frameLocator('[data-testid=operator]').getByTestId('hangup').click()")
	d.Shows("client", "data-phase", "none")
	tells(t, d.latest(4), "completed",
		[]string{"look up order", "no order", "wait for operator", "ring operator anna", "talk to operator anna", "ended: completed"},
		[]string{"client " + clientPhone + ": completed", "operator anna: hung up"})
}

// Tones stand in for microphones where there is none, a different one for each
// person.
func theDemoWithTones(t *testing.T, b *Browser) {
	d := newDemo(t, b)
	if d.Text("tone") == "" {
		t.Error("nothing is said of the tones")
	}
	d.Click("demo-create")
	d.Shows("demo-order", "data-status", "accepted")
	d.calls()
	d.Click("client-key-1")
	d.rings("driver", clientPhone)
	d.measures("cabline.driver", 600)
	d.measures("cabline.client", 800)
	d.Click("driver-hangup")
	d.Shows("client", "data-phase", "none")
	d.Click("demo-status-none")
	d.Shows("demo-order", "data-status", "")
	d.calls()
	d.Wait("window.cabline.operator.phone.call?.phase === 'ringing'")
	d.Page.Do("await page.frameLocator('[data-testid=operator]').getByTestId('answer').click()")
	d.measures("cabline.operator", 600)
	d.measures("cabline.client", 440)
	d.Click("client-hangup")
	d.latest(2)
}
