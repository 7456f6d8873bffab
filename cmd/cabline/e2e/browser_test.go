//go:build e2e

package e2e

import (
	"context"
	"math"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"
)

// What a microphone in Chromium hears, and what the telephones outside say, Hz.
const (
	microphone = 440
	outside    = 1000
)

// Every test here has an exchange of its own; they share one Chromium.
func TestBrowser(t *testing.T) {
	b := OpenBrowser(t, microphone)
	for name, test := range map[string]func(*testing.T, *Browser){
		"an operator talks to a client who has no order":                 anOperatorTalks,
		"an operator works on the order of the client who calls":         anOperatorSeesTheOrder,
		"clients wait with music and are answered in turn":               clientsWait,
		"all operators ring, one answers, and who rejects is left alone": allOperatorsRing,
		"an operator dials what is permitted and nothing else":           anOperatorDials,
		"an operator who reloads the page is back by herself":            anOperatorReloads,
		"an operator hands a client over, and gets them back":            anOperatorHandsOver,
		"JsSIP as it comes joins two calls":                              aWebphoneJoinsTwoCalls,
		"JsSIP as it comes works in a panel of somebody else":            aPanelOfSomebodyElse,
		"JsSIP in a page of a site nobody named gets nothing":            aSiteNobodyNamed,
		"the demo shows it all":                                          theDemo,
		"orders and calls have pages":                                    ordersAndCalls,
		"a recorded talk plays in the history":                           recordingsPlay,
		"a talk with an operator is recorded":                            anOperatorIsRecorded,
		"notices have a page that goes along with them":                  noticesHaveAPage,
		"clients' answers reach the console":                             answersReachTheConsole,
		"an operator lets client and driver talk of a lost item":         anItemWasLost,
		"an operator who may not see numbers sees none anywhere":         numbersAreHidden,
		"the keyboard does what the page says, in English too":           theKeyboard,
		"Gootax works by our page: Common ATS":                           gootaxByThePage("Common ATS", "its server's address", "URL HTTP-сервера"),
		"Gootax works by our page: Runtel new":                           gootaxByThePage("Runtel new", "Wss url", "Base Url"),
		"Gootax's card of the caller opens at the answer":                gootaxOpensTheCard,
		"a click in Gootax rings the operator and then the number":       gootaxCallsByAClick,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, b)
		})
	}
}

// A machine may have no microphone.
func TestBrowserWithoutAMicrophone(t *testing.T) {
	t.Parallel()
	b := OpenBrowser(t, 0)
	t.Run("the demo speaks with tones", func(t *testing.T) { theDemoWithTones(t, b) })
	t.Run("an operator is told and gets no calls", func(t *testing.T) { anOperatorIsMute(t, b) })
}

// SecureFirm is Firm as firms run it: pages over https, with the certificate
// the exchange has signed itself.
var SecureFirm = strings.Replace(Firm, "http://{exchange}:8480", "https://{exchange}:8443", 1)

// operator is somebody at our console in a browser.
type operator struct{ *Page }

// logIn opens the console and waits until calls can come.
func logIn(t *testing.T, b *Browser, x *Exchange, login string) operator {
	t.Helper()
	// 401 is what the page gets when it asks whether it is logged in already.
	o := operator{b.Open(t, login, x.Web, "401")}
	o.logIn(login)
	o.free()
	o.Shows("team-"+login, "data-state", "free")
	return o
}

func (p *Page) logIn(login string) {
	p.t.Helper()
	p.Fill("login-login", login)
	p.Fill("login-password", "secret-of-"+login)
	p.Click("login-submit")
}

// free waits until no call is left and the next one can come.
func (o operator) free() {
	o.t.Helper()
	o.Shows("own-state", "data-state", "free")
	o.Shows("phone", "data-phase", "none")
}

// rings waits for a call from that number, with its card in front.
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

// callFrom calls the line with the voice menu from a telephone of its own.
func (w *world) callFrom(t *testing.T, number string) *Call {
	t.Helper()
	call, err := w.phone(t, Options{Listen: netip.AddrPortFrom(w.Client, 0), Number: number}).Call(menuLine)
	check(t, err)
	check(t, call.WaitTalk(within(t)))
	return call
}

// measures waits until a phone in the page, window.cabline or a part of it, has
// heard that tone, and little else, for half a second.
func (p *Page) measures(phone string, hz float64) {
	p.t.Helper()
	var last struct {
		Hz, DB float64
		Next   float64 `json:"next_db"`
	}
	for end, good := time.Now().Add(patience), 0; good < 5; time.Sleep(100 * time.Millisecond) {
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
	ctx, cancel := context.WithTimeout(p.t.Context(), patience)
	defer cancel()
	check(p.t, c.Hears(ctx, microphone))
	p.measures("cabline", outside)
}

// soundsKey presses a key on a telephone until its tones sound in the page: of a
// key whose packets come late on a busy machine, Chromium leaves next to nothing.
func (p *Page) soundsKey(c *Call, key string) {
	p.t.Helper()
	for range 10 {
		c.Press(key)
		for end := time.Now().Add(3 * time.Second); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
			if keys := p.Heard(-1).Keys(); keys != "" && strings.Trim(keys, key) == "" { // it may be broken in two
				return
			}
		}
	}
	p.t.Fatalf("the client pressed %s, in the page sounds %q", key, p.Heard(-1).Keys())
}

// leaves waits until the exchange has hung up on a telephone.
func leaves(t *testing.T, c *Call) {
	t.Helper()
	if _, byThem, err := c.WaitOver(within(t)); err != nil || !byThem {
		t.Fatalf("not hung up on: %v %v", byThem, err)
	}
}

// tells checks a CDR: its result, its steps, and how each leg ended, as
// "operator anna: completed".
func tells(t *testing.T, cdr CDR, result string, steps, legs []string) {
	t.Helper()
	var ended []string
	for _, l := range cdr.Legs {
		ended = append(ended, strings.Join(strings.Fields(l.Party+" "+l.Number+l.Operator), " ")+": "+l.Cause)
		if l.Cause == "completed" && (l.Audio.Received == 0 || l.Audio.Sent == 0) {
			t.Errorf("a leg without audio: %+v", l)
		}
	}
	if cdr.Result != result || !slices.Equal(cdr.Words(), steps) || !slices.Equal(ended, legs) {
		t.Errorf("CDR:\n%q\n%q\n%q\nwant:\n%q\n%q\n%q", cdr.Result, cdr.Words(), ended, result, steps, legs)
	}
}
