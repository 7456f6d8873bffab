package sip

import (
	"context"
	"strings"
	"testing"
	"time"

	wire "github.com/emiago/sipgo/sip"

	"cabline/pbx"
)

// refreshing is a call whose session we shall refresh in a moment.
func refreshing(t *testing.T, allow string) (*bench, *talk, *Leg) {
	t.Helper()
	b := start(t, answerAll, nil)
	k := b.phone().newTalk("79161234567", "74950000000")
	k.request("INVITE", allow+sdpOffer)
	k.enter(k.want("SIP/2.0 200", "SIP/2.0 1"))
	k.request("ACK", "")
	l := wait(t, "leg", b.legs).(*Leg)
	l.mu.Lock()
	l.watchSession(100*time.Millisecond, true)
	l.mu.Unlock()
	return b, k, l
}

func TestARefusedGlareIsTriedAgainAfterTheRFCsTimes(t *testing.T) {
	pending := &wire.Response{StatusCode: wire.StatusRequestPending}
	for range 1000 { // RFC 3261 §14.1
		if d := (&Leg{placed: true}).soon(pending); d < 2100*time.Millisecond || d > 4*time.Second || d%(10*time.Millisecond) != 0 {
			t.Fatalf("who owns the Call-ID waits %v", d)
		}
		if d := (&Leg{}).soon(pending); d < 0 || d > 2*time.Second || d%(10*time.Millisecond) != 0 {
			t.Fatalf("who does not own it waits %v", d)
		}
	}
	_, k, _ := refreshing(t, "")
	first := k.want("INVITE")
	k.send(first.reply("491 Request Pending", "", ""))
	k.want("ACK", "INVITE")
	again := k.wantAnother("INVITE", first, "ACK")
	if again.header("CSeq") == first.header("CSeq") || again.body() != first.body() {
		t.Errorf("got\n%s", again)
	}
	k.send(again.reply("200 OK", "", "Contact: <sip:x@"+k.self+">\n"))
	k.want("ACK", "INVITE")
	k.bye()
}

func TestASessionThePeerFindsTooShortIsMadeLonger(t *testing.T) {
	_, k, _ := refreshing(t, "Allow: UPDATE\n")
	first := k.want("UPDATE")
	k.send(first.reply("422 Too Small", "", "Min-SE: 300\n"))
	if again := k.wantAnother("UPDATE", first); again.header("Session-Expires") != "300;refresher=uac" {
		t.Errorf("got\n%s", again)
	} else {
		k.send(again.reply("200 OK", "", "Session-Expires: 300;refresher=uac\n"))
	}
	k.bye()
}

func TestAPeerThatMovesInItsAnswerToOursIsFollowed(t *testing.T) {
	b, k, l := refreshing(t, "Allow: UPDATE\n")
	elsewhere := b.phone()
	update := k.want("UPDATE")
	k.send(update.reply("200 OK", "", "Contact: <sip:new@"+elsewhere.self+">\nSession-Expires: 90;refresher=uac\n"))
	for deadline := time.Now().Add(forAMoment); ; time.Sleep(time.Millisecond) {
		l.mu.Lock()
		there := l.target.User == "new"
		l.mu.Unlock()
		if there {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("not followed")
		}
	}
	_ = l.HangUp(context.Background(), nil)
	elsewhere.send(elsewhere.want("BYE sip:new@"+elsewhere.self).reply("200 OK", "", ""))
}

// JsSIP offers 90 s and would refresh every 45; its call would die with a
// connection that is down just then.
func TestWeRefreshTheSessionsOfJsSIP(t *testing.T) {
	for name, c := range map[string]struct{ offered, answered string }{
		"which it offers":               {"Session-Expires: 90\n", "90;refresher=uas"},
		"also where it offers to do it": {"Session-Expires: 90;refresher=uac\n", "90;refresher=uac"},
		"which it does not name":        {"", "1800;refresher=uas"},
	} {
		t.Run(name, func(t *testing.T) {
			b := start(t, answerAll, nil)
			a := b.page().account("anna")
			a.register("Expires: 600\n")
			k := a.newTalk("anna", "88005553535")
			k.request("INVITE", sdpOffer)
			challenge := k.want("SIP/2.0 407")
			k.again("ACK", "")
			k.request("INVITE", "Proxy-Authorization: "+a.credentials("INVITE", "sip:88005553535@pbx.test", challenge.header("Proxy-Authenticate"))+
				"\nSupported: timer, ice\nAllow: INVITE, ACK, CANCEL, BYE, UPDATE, INFO\n"+c.offered+sdpOffer)
			ok := k.want("SIP/2.0 200", "SIP/2.0 1")
			if got := ok.header("Session-Expires"); got != c.answered {
				t.Errorf("Session-Expires: %s, want %s", got, c.answered)
			}
			k.enter(ok)
			k.request("ACK", "")
			k.request("UPDATE", "Supported: timer\nSession-Expires: 90;refresher=uac\n") // it may do so anyhow
			if ok := k.want("SIP/2.0 200"); ok.header("Session-Expires") != "90;refresher=uac" {
				t.Errorf("got\n%s", ok)
			}
			k.bye()
		})
	}
	b := start(t, answerAll, nil)
	page := b.page()
	page.account("anna").register("Expires: 600\n")
	done := b.dial(context.Background(), pbx.Endpoint{Operator: "anna"})
	invite := page.want("INVITE")
	if got := invite.header("Session-Expires"); got != "1800;refresher=uac" || !strings.Contains(invite.header("Supported"), "timer") {
		t.Errorf("in our INVITE: %s", got)
	}
	page.pickUp(invite, "far")
	_ = wait(t, "end of Dial", done).leg.HangUp(context.Background(), nil)
	page.send(page.want("BYE").reply("200 OK", "", ""))
}
