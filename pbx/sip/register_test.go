package sip

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/icholy/digest"

	"cabline/pbx"
)

// account is a phone's registration.
type account struct {
	*talk
	login, password string
}

func (p *phone) account(login string) *account {
	a := &account{talk: p.newTalk(login, login), login: login, password: "secret of " + login}
	a.target, a.to = "sip:pbx.test", "<sip:"+login+"@pbx.test>"
	return a
}

// register sends REGISTER and answers the challenge; it returns the last answer.
func (a *account) register(more string) message {
	a.t.Helper()
	a.request("REGISTER", more)
	first := a.want("SIP/2.0")
	if !strings.HasPrefix(string(first), "SIP/2.0 401") {
		return first
	}
	a.request("REGISTER", "Authorization: "+a.credentials("REGISTER", a.target, first.header("WWW-Authenticate"))+"\n"+more)
	return a.want("SIP/2.0")
}

func (a *account) credentials(method, uri, challenge string) string {
	a.t.Helper()
	c, err := digest.ParseChallenge(challenge)
	if err != nil {
		a.t.Fatal(err)
	}
	cred, err := digest.Digest(c, digest.Options{Method: method, URI: uri, Username: a.login, Password: a.password})
	if err != nil {
		a.t.Fatal(err)
	}
	return cred.String()
}

func (m message) status() string { return strings.TrimPrefix(string(m[:11]), "SIP/2.0 ") }

func TestAPageRegistersAndIsOfflineWhenItsSocketCloses(t *testing.T) {
	b := start(t, answerAll, nil)
	page := b.page()
	if got := page.account("anna").register("Expires: 600\n"); got.status() != "200" || !strings.Contains(got.header("Contact"), "expires=600") {
		t.Fatalf("not registered:\n%s", got)
	}
	if got := wait(t, "news", b.online); got != "anna true" {
		t.Error(got)
	}
	if r := b.Registrations(); len(r) != 1 || r[0].Login != "anna" || r[0].Transport != "WS" {
		t.Errorf("registrations %+v", r)
	}
	page.hangUp()
	if got := wait(t, "news", b.online); got != "anna false" {
		t.Error(got)
	}
}

func TestASoftphoneRegistersOver(t *testing.T) {
	for name, open := range map[string]func(*bench) *phone{"UDP": (*bench).phone, "TCP": (*bench).tcpPhone} {
		t.Run(name, func(t *testing.T) {
			b := start(t, answerAll, nil)
			if got := open(b).account("anna").register("Expires: 600\n"); got.status() != "200" {
				t.Fatalf("not registered:\n%s", got)
			}
			if r := b.Registrations(); len(r) != 1 || r[0].Transport != name {
				t.Errorf("registrations %+v", r)
			}
		})
	}
}

func TestAWrongPasswordAndAnUnknownLoginGetTheSameAnswer(t *testing.T) {
	b := start(t, answerAll, nil)
	answer := func(login string) string {
		a := b.phone().account(login)
		a.password = "wrong"
		m := string(a.register("Expires: 600\n"))
		if !strings.HasPrefix(m, "SIP/2.0 403") {
			t.Errorf("%s: want 403, got\n%s", login, m)
		}
		for _, own := range []string{a.branch, a.self[strings.Index(a.self, ":")+1:], a.id, a.from[strings.Index(a.from, "tag="):], login} {
			m = strings.ReplaceAll(m, own, "")
		}
		tag := m[strings.Index(m, "To: "):]
		tag = tag[:strings.Index(tag, "\r\n")]
		return strings.ReplaceAll(m, tag, "")
	}
	if wrong, unknown := answer("anna"), answer("nobody"); wrong != unknown {
		t.Errorf("the answers differ:\n%s\n%s", wrong, unknown)
	}
}

func TestNobodyRegistersForAnotherLogin(t *testing.T) {
	b := start(t, answerAll, nil)
	a := b.phone().account("anna")
	a.to = "<sip:boris@pbx.test>"
	if got := a.register("Expires: 600\n"); got.status() != "403" {
		t.Errorf("got\n%s", got)
	}
}

func TestAnOldNonceIsChallengedAgainAsStale(t *testing.T) {
	d := newDigester("cabline", nil)
	old := d.nonce("1.2.3.4:5060", time.Now().Add(-nonceLife))
	for name, c := range map[string]struct {
		nonce, source string
		ours, fresh   bool
	}{
		"a new one":                   {d.nonce("1.2.3.4:5060", time.Now()), "1.2.3.4:9", true, true},
		"an old one":                  {old, "1.2.3.4:5060", true, false},
		"one of another address":      {old, "1.2.3.5:5060", false, false},
		"one of another process":      {newDigester("cabline", nil).nonce("1.2.3.4:5060", time.Now()), "1.2.3.4:5060", false, false},
		"one from the future":         {d.nonce("1.2.3.4:5060", time.Now().Add(time.Hour)), "1.2.3.4:5060", true, false},
		"none":                        {"", "1.2.3.4:5060", false, false},
		"text that is not even close": {"Москва", "1.2.3.4:5060", false, false},
	} {
		if ours, fresh := d.fresh(c.nonce, c.source, time.Now()); ours != c.ours || fresh != c.fresh {
			t.Errorf("%s: ours %v, fresh %v", name, ours, fresh)
		}
	}
}

func TestARegistrationExpires(t *testing.T) {
	b := start(t, answerAll, nil)
	b.phone().account("anna").register("Expires: 1\n")
	for _, want := range []string{"anna true", "anna false"} {
		if got := wait(t, "news", b.online); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

func TestARegistrationIsTakenBack(t *testing.T) {
	for name, contact := range map[string]string{"by expires=0": "Expires: 0\n", "by an asterisk": "Expires: 0\nContact: *\n"} {
		t.Run(name, func(t *testing.T) {
			b := start(t, answerAll, nil)
			a := b.phone().account("anna")
			a.register("Expires: 600\n")
			if contact != "Expires: 0\n" {
				a.noContact = true
			}
			if got := a.register(contact); got.status() != "200" || got.header("Contact") != "" {
				t.Errorf("got\n%s", got)
			}
			if r := b.Registrations(); len(r) != 0 {
				t.Errorf("registrations %+v", r)
			}
		})
	}
}

func TestATooShortRegistrationIsToldTheLeast(t *testing.T) {
	b := start(t, answerAll, func(c *Config) { c.minExpires = 0 })
	if got := b.phone().account("anna").register("Expires: 59\n"); got.status() != "423" || got.header("Min-Expires") != "60" {
		t.Errorf("got\n%s", got)
	}
}

func TestAnOperatorIsCalledOnAllDevicesAndTheFirstToAnswerHasTheCall(t *testing.T) {
	b := start(t, answerAll, nil)
	page, soft := b.page(), b.phone()
	page.account("anna").register("Expires: 600\n")
	soft.account("anna").register("Expires: 600\n")
	legs := make(chan pbx.Leg)
	go func() {
		leg, err := b.Dial(context.Background(), pbx.Endpoint{Operator: "anna", From: "+79161234567", Name: `Клиент "VIP"`, CallID: "c42"})
		if err != nil {
			t.Error(err)
		}
		legs <- leg
	}()
	rings := page.want("INVITE")
	if got := rings.header("X-Cabline-Call"); got != "c42" {
		t.Errorf("X-Cabline-Call %q", got)
	}
	if got := rings.header("From"); !strings.HasPrefix(got, `"Клиент VIP" <sip:+79161234567@`) {
		t.Errorf("From %q", got)
	}
	if got := rings.header("Session-Expires"); got != "1800;refresher=uac" {
		t.Errorf("Session-Expires %q", got)
	}
	if !strings.Contains(rings.body(), "browser offer") {
		t.Errorf("a page was offered\n%s", rings.body())
	}
	other := soft.want("INVITE")
	soft.send(other.reply("180 Ringing", "soft", ""))
	page.send(rings.reply("200 OK", "page", "Contact: <sip:x@"+page.self+";transport=ws>\n"+sdpOffer))
	page.want("ACK")
	cancel := soft.want("CANCEL")
	if got := cancel.header("Reason"); got != `SIP;cause=200;text="Call completed elsewhere"` {
		t.Errorf("Reason %q", got)
	}
	if cancel.header("Via") != other.header("Via") || cancel.header("CSeq") != strings.Replace(other.header("CSeq"), "INVITE", "CANCEL", 1) {
		t.Errorf("the CANCEL does not match its INVITE:\n%s\n%s", cancel, other)
	}
	soft.send(cancel.reply("200 OK", "soft", ""))
	soft.send(other.reply("487 Request Terminated", "soft", ""))
	soft.want("ACK")
	leg := wait(t, "leg", legs)
	if r := leg.Record(); r.Operator != "anna" || r.Number != "" {
		t.Errorf("record %+v", r)
	}
	_ = leg.HangUp(context.Background(), nil)
	page.send(page.want("BYE").reply("200 OK", "", ""))
}

func TestAnOperatorWhoIsNotRegisteredIsUnreachableAtOnce(t *testing.T) {
	b := start(t, answerAll, nil)
	if _, err := b.Dial(context.Background(), pbx.Endpoint{Operator: "anna"}); !errors.Is(err, pbx.ErrUnreachable) {
		t.Error(err)
	}
}

func TestAnOperatorsCallIsAuthenticatedAndKnownByTheLogin(t *testing.T) {
	b := start(t, answerAll, nil)
	page := b.page()
	a := page.account("anna")
	a.register("Expires: 600\n")
	k := page.newTalk("anna", "89161234567")
	k.request("INVITE", sdpOffer)
	challenge := k.want("SIP/2.0 407")
	k.to = challenge.header("To")
	k.again("ACK", "")
	k.to = "<sip:89161234567@pbx.test>"
	k.request("INVITE", "Proxy-Authorization: "+a.credentials("INVITE", k.target, challenge.header("Proxy-Authenticate"))+"\nSupported: timer\n"+sdpOffer)
	ok := k.want("SIP/2.0 200", "SIP/2.0 1")
	if got := ok.header("Session-Expires"); got != "1800;refresher=uas" {
		t.Errorf("Session-Expires %q", got)
	}
	k.enter(ok)
	k.request("ACK", "")
	if got, want := wait(t, "arrival", b.arrived), (pbx.Arrival{To: "+79161234567", Operator: "anna"}); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
	k.request("BYE", "")
	k.want("SIP/2.0 200")
}

func TestCredentialsMadeForOneNumberDoNotCallAnother(t *testing.T) {
	b := start(t, answerAll, nil)
	page := b.page()
	a := page.account("anna")
	k := page.newTalk("anna", "89161234567")
	k.request("INVITE", sdpOffer)
	challenge := k.want("SIP/2.0 407")
	k.again("ACK", "")
	k.request("INVITE", "Proxy-Authorization: "+a.credentials("INVITE", "sip:88005553535@pbx.test", challenge.header("Proxy-Authenticate"))+"\n"+sdpOffer)
	k.want("SIP/2.0 403")
}

func TestACallOfAPageGoesOnOverItsNewConnection(t *testing.T) {
	b := start(t, answerAll, nil)
	page := b.page()
	a := page.account("anna")
	a.params = `;+sip.instance="<urn:uuid:1>";reg-id=1`
	a.register("Expires: 600\n")
	legs := make(chan pbx.Leg)
	go func() {
		leg, _ := b.Dial(context.Background(), pbx.Endpoint{Operator: "anna"})
		legs <- leg
	}()
	rings := page.want("INVITE")
	page.send(rings.reply("200 OK", "page", "Contact: <sip:x@"+page.self+";transport=ws>\n"+sdpOffer))
	page.want("ACK")
	leg := wait(t, "leg", legs)
	page.hangUp()
	wait(t, "news", b.online)
	if got := wait(t, "news", b.online); got != "anna false" {
		t.Error(got)
	}
	if err := context.Cause(leg.Context()); err != nil {
		t.Fatal("the call ended with its connection:", err)
	}
	_ = leg.HangUp(context.Background(), nil) // held until the page is back
	again := b.page()
	again.self = page.self
	a = again.account("anna")
	a.params = `;+sip.instance="<urn:uuid:1>";reg-id=1`
	a.request("REGISTER", "Expires: 600\n")
	a.request("REGISTER", "Authorization: "+a.credentials("REGISTER", a.target, a.want("SIP/2.0 401").header("WWW-Authenticate"))+"\nExpires: 600\n")
	bye := again.want("BYE", "SIP/2.0 200")
	again.send(bye.reply("200 OK", "", ""))
}

func TestACallEndsWhenItsMediaIsLost(t *testing.T) {
	b := start(t, answerAll, nil)
	page := b.page()
	page.account("anna").register("Expires: 600\n")
	legs := make(chan pbx.Leg)
	go func() {
		leg, _ := b.Dial(context.Background(), pbx.Endpoint{Operator: "anna"})
		legs <- leg
	}()
	page.send(page.want("INVITE").reply("200 OK", "page", "Contact: <sip:x@"+page.self+";transport=ws>\n"+sdpOffer))
	page.want("ACK")
	leg := wait(t, "leg", legs)
	close(wait(t, "port", b.ports).lost)
	bye := page.want("BYE")
	if got := bye.header("Reason"); !strings.Contains(got, "cause=41") {
		t.Errorf("Reason %q", got)
	}
	page.send(bye.reply("200 OK", "", ""))
	if err := ended(t, leg); !errors.Is(err, pbx.ErrMediaLost) {
		t.Error(err)
	}
}

func TestAPageThatHangsUpIsNoLossOfMedia(t *testing.T) {
	b, k, port := talking(t)
	close(port.lost) // what the page's end of audio says may be here before its BYE
	k.bye()
	if err := ended(t, wait(t, "leg", b.legs)); !errors.Is(err, pbx.ErrHungUp) {
		t.Error(err)
	}
}

func TestAWebSocketWithoutTheSIPSubprotocolOrFromAnotherOriginIsRefused(t *testing.T) {
	b := start(t, answerAll, nil)
	for name, header := range map[string]string{
		"another origin": "Origin: https://evil.example\r\nSec-WebSocket-Protocol: sip\r\n",
		"no subprotocol": "",
		"no known one":   "Sec-WebSocket-Protocol: chat\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			if got := upgrade(t, b.web(), header); strings.Contains(got, " 101 ") && !strings.Contains(got, "\x88") {
				t.Errorf("got %q", got)
			}
		})
	}
}

func ExampleRejection() {
	err := error(Rejection{Code: 486, Reason: "Busy Here"})
	fmt.Println(err, errors.Is(err, pbx.ErrBusy))
	// Output: SIP 486 "Busy Here" true
}

func TestAnOperatorsPhoneIsToldWhereTheCallersCardIs(t *testing.T) {
	b := start(t, answerAll, nil)
	soft := b.phone()
	soft.account("anna").register("Expires: 600\n")
	for link, want := range map[string]string{
		"": "",
		"https://panel.example/card?access_token=t&clid=79161234567":           "<https://panel.example/card?access_token=t&clid=79161234567>;purpose=info",
		"https://panel.example/>;purpose=icon\r\nRoute: <sip:evil.example;lr>": "<https://panel.example/purpose=iconRoute:sip:evil.examplelr>;purpose=info",
	} {
		dialled := make(chan struct{})
		go func() {
			_, _ = b.Dial(context.Background(), pbx.Endpoint{Operator: "anna", Link: link})
			close(dialled)
		}()
		rings := soft.want("INVITE")
		if got := rings.header("Call-Info"); got != want || rings.header("Route") != "" {
			t.Errorf("Call-Info %q, Route %q; want %q", got, rings.header("Route"), want)
		}
		soft.send(rings.reply("486 Busy", "soft", ""))
		soft.want("ACK")
		<-dialled
	}
}
