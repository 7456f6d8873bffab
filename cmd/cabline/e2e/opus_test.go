//go:build e2e && opus

package e2e

import (
	"strings"
	"testing"
	"time"

	"cabline/media"
)

// fullFirm is a firm where browsers and softphones speak Opus and nothing else,
// and the carrier what is given.
func fullFirm(firm, carrier string) string {
	return strings.NewReplacer("rtp: {ports: 20000-20999}", "rtp: {ports: 20000-20999, codecs: [opus]}",
		"host:", "codecs: ["+carrier+"], host:").Replace(firm)
}

func TestBrowserSpeaksOpus(t *testing.T) {
	b := OpenBrowser(t, microphone)
	for name, test := range map[string]func(*testing.T, *Browser){
		"an operator at our page talks to a client over G.711": anOperatorTalksInOpus,
		"JsSIP as it comes talks to a client over G.711":       aWebphoneTalksInOpus,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, b)
		})
	}
}

func anOperatorTalksInOpus(t *testing.T, b *Browser) {
	w, ctx := newWorldOf(t, fullFirm(SecureFirm, "pcma")), within(t)
	anna := logIn(t, b, w.Exchange, "anna")
	call := w.callFrom(t, clientPhone)
	anna.rings(clientPhone)
	anna.answers("Enter")
	anna.talks(call)

	anna.Click("keypad")
	anna.Click("key-5")
	until(t, "a key of the page reaches the client", func() bool { return call.Keys() == "5" })
	anna.soundsKey(call, "7")

	held := time.Now()
	anna.Click("hold")
	call.Tone(outside)
	hearsSince(t, call, held, media.Speech{w.music()})
	anna.Click("hold")
	anna.talks(call)
	anna.Click("hangup")
	leaves(t, call)
	cdr, err := w.WaitCDR(ctx, clientPhone)
	check(t, err)
	tells(t, cdr, "completed", []string{"look up order", "no order", "wait for operator", "ring operator anna", "talk to operator anna",
		"operator holds", "operator goes on", "ended: completed"}, []string{"client " + clientPhone + ": completed", "operator anna: hung up"})
}

func aWebphoneTalksInOpus(t *testing.T, b *Browser) {
	url := panel(t)
	config := strings.Replace(fullFirm(SecureFirm, "pcma"), ":8443}", ":8443, origins: ['127.0.0.1:"+url[strings.LastIndex(url, ":")+1:]+"']}", 1)
	w := newWorldOf(t, config)
	page := webphone{b.Open(t, "full", url)}
	page.register(w.Exchange, "anna", "secret-of-anna")
	page.tells("registered")
	call := w.callFrom(t, clientPhone)
	page.tells("call remote")
	page.do("answer()")
	page.tells("confirmed remote")
	page.talks(call)
	page.do("press('5#')")
	until(t, "keys of the webphone reach the client", func() bool { return call.Keys() == "5#" })
	page.soundsKey(call, "7")
	page.do("hangUp()")
	leaves(t, call)
}

func TestBaresipSpeaksOpus(t *testing.T) {
	for name, c := range map[string]struct{ trunk, called string }{
		"with one who does too":           {"opus", "opus/48000/2"},
		"with one who speaks G.711 alone": {"opus, pcma", "pcma"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			port := freePorts(t, 2)
			w := newWorldOf(t, fullFirm(baresipFirm(port, "transport: udp"), c.trunk))
			called := w.baresip(t, baresipOptions{Port: port, Login: "+79990000001", Tone: 1000, Codecs: c.called})
			caller := w.baresip(t, baresipOptions{Port: freePorts(t, 2), Login: clientPhone, Tone: 440, Codecs: "opus/48000/2"})
			caller.do("dial", "sip:"+forwardLine+"@"+w.phoneOf("udp"))
			called.tells("CALL_INCOMING")
			called.do("accept", "")
			caller.tells("CALL_ESTABLISHED")
			called.tells("CALL_ESTABLISHED")
			converse(caller, called)
			called.do("hangup", "")
			caller.tells("CALL_CLOSED")
		})
	}
}

func TestBaresipOfOpusAsAnOperatorsPhone(t *testing.T) {
	t.Parallel()
	w := newWorldOf(t, fullFirm(baresipOffice, "pcma"))
	anna := w.baresip(t, baresipOptions{Port: freePorts(t, 2), Login: "anna", Password: "secret-of-anna", Transport: "udp", Tone: 1000, Codecs: "opus/48000/2"})
	until(t, "anna is registered", func() bool { return strings.Contains(anna.said.String(), "200 OK () [1 binding]") })
	call, err := w.client.Call(menuLine)
	check(t, err)
	anna.tells("CALL_INCOMING")
	anna.do("accept", "")
	anna.tells("CALL_ESTABLISHED")
	anna.talks(call)
	call.Press("7")
	anna.keys("7")
	anna.do("sndcode", "5")
	until(t, "keys reach the client", func() bool { return call.Keys() == "5" })
	anna.do("hold", "")
	hears(t, call, media.Speech{w.music()})
	anna.do("resume", "")
	anna.goesOn(call)
	check(t, call.HangUp())
	anna.tells("CALL_CLOSED")
}
