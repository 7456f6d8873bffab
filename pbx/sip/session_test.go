package sip

import (
	"context"
	"errors"
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
	l.watches(t, 100*time.Millisecond, true)
	return b, k, l
}

func TestARefusedGlareIsTriedAgainAfterTheRFCsTimes(t *testing.T) {
	for range 1000 { // RFC 3261 §14.1
		if d := (&Leg{placed: true}).untilGlareEnds(); d < 2100*time.Millisecond || d > 4*time.Second || d%(10*time.Millisecond) != 0 {
			t.Fatalf("who owns the Call-ID waits %v", d)
		}
		if d := (&Leg{}).untilGlareEnds(); d < 0 || d > 2*time.Second || d%(10*time.Millisecond) != 0 {
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

// unanswered is a call in which our re-INVITE gets no more than 100.
func unanswered(t *testing.T) (k *talk, l *Leg, invite message) {
	t.Helper()
	b := start(t, answerAll, nil)
	k = b.phone().newTalk("79161234567", "74950000000")
	k.call()
	l = wait(t, "leg", b.legs).(*Leg)
	l.isAcked(t)
	l.Renew()
	invite = k.want("INVITE")
	k.send(invite.reply("100 Trying", "", ""))
	return k, l, invite
}

func TestAudioOfferedAnewThatMeets491IsOfferedAgain(t *testing.T) {
	for name, session := range map[string]string{
		"without a session timer": "", "with one, and UPDATE": "Allow: UPDATE\nSupported: timer\nSession-Expires: 1800\n",
	} {
		t.Run(name, func(t *testing.T) {
			b := start(t, answerAll, nil)
			k := b.phone().newTalk("79161234567", "74950000000")
			k.request("INVITE", session+sdpOffer)
			k.enter(k.want("SIP/2.0 200", "SIP/2.0 1"))
			k.request("ACK", "")
			l := wait(t, "leg", b.legs).(*Leg)
			l.isAcked(t)
			l.Renew()
			first := k.want("INVITE")
			k.send(first.reply("491 Request Pending", "", ""))
			k.want("ACK", "INVITE")
			again := k.wantAnother("INVITE", first, "ACK")
			if again.body() != first.body() || !strings.Contains(again.body(), "rtp offer") {
				t.Errorf("got\n%s", again)
			}
			k.send(again.reply("200 OK", "", "Contact: <sip:x@"+k.self+">\n"+answerSDP))
			k.want("ACK", "INVITE")
			if got := wait(t, "answer", wait(t, "port", b.ports).accepted); !strings.Contains(got, "m=audio 4002") {
				t.Errorf("the audio was shown %q", got)
			}
			k.bye()
		})
	}
}

// untilOver waits until nothing is left of a re-INVITE of ours.
func (l *Leg) untilOver(t *testing.T) {
	t.Helper()
	until(t, "the re-INVITE is over", func() bool { l.mu.Lock(); defer l.mu.Unlock(); return !l.inviting })
}

// takenBack answers a CANCEL, and the INVITE it is of.
func (k *talk) takenBack(invite message) {
	k.t.Helper()
	cancel := k.want("CANCEL", "INVITE")
	if via := cancel.header("Via"); via != invite.header("Via") || cancel.header("To") != invite.header("To") {
		k.t.Errorf("got\n%s", cancel)
	}
	k.send(cancel.reply("200 OK", "", ""))
	k.send(invite.reply("487 Terminated", "", ""))
	k.want("ACK", "INVITE")
}

func TestAReINVITEThatGetsNoMoreThan100IsTakenBackAndTheCallGoesOn(t *testing.T) {
	k, l, invite := unanswered(t)
	sent := time.Now()
	k.takenBack(invite)
	if took := time.Since(sent); took < 60*wire.T1 {
		t.Errorf("after %v", took)
	}
	l.untilOver(t)
	k.request("INVITE", holdOffer)
	k.want("SIP/2.0 200")
	k.request("ACK", "")
	k.bye()
}

func TestAReINVITEThatGetsNoMoreThan100EndsWithTheCall(t *testing.T) {
	for name, ours := range map[string]bool{"that we end": true, "that they end": false} {
		t.Run(name, func(t *testing.T) {
			k, l, invite := unanswered(t)
			wanted := map[string]bool{"CANCEL": true}
			if ours {
				wanted["BYE"] = true
				_ = l.HangUp(context.Background(), nil)
			} else {
				k.bye()
			}
			for len(wanted) > 0 {
				m := k.want("", "INVITE")
				method, _, _ := strings.Cut(string(m), " ")
				if !wanted[method] {
					t.Fatalf("got\n%s", m)
				}
				delete(wanted, method)
				k.send(m.reply("200 OK", "", ""))
			}
			k.send(invite.reply("487 Terminated", "", ""))
			k.want("ACK")
			l.untilOver(t)
		})
	}
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

func TestARefusalThatAsksForNoLongerSessionIsNotMetAtOnce(t *testing.T) {
	_, k, _ := refreshing(t, "Allow: UPDATE\n")
	first := k.want("UPDATE")
	k.send(first.reply("422 Too Small", "", ""))
	k.silent(8 * wire.T1)
	k.send(k.wantAnother("UPDATE", first).reply("200 OK", "", ""))
	k.bye()
}

func TestWhoRefreshesGoesOnDoingItAfterARefusalOfOurs(t *testing.T) {
	b := start(t, answerAll, nil)
	k := b.phone().newTalk("79161234567", "74950000000")
	k.request("INVITE", "Allow: UPDATE\n"+sdpOffer)
	k.enter(k.want("SIP/2.0 200", "SIP/2.0 1"))
	k.request("ACK", "")
	l := wait(t, "leg", b.legs).(*Leg)
	l.watches(t, 6*time.Second, false) // over after 4 s
	l.Renew()
	k.send(k.want("INVITE").reply("488 Not Acceptable Here", "", ""))
	k.want("ACK", "INVITE")
	k.send(k.want("BYE").reply("200 OK", "", "")) // with no refresh of ours before it
	if err := ended(t, l); err == nil || !strings.Contains(err.Error(), "session expired") {
		t.Error(err)
	}
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

// In each role, and whoever refreshes: a browser's session lives as long as it is
// refreshed, by UPDATE where the page knows that, and ends when it is not.
func TestTheSessionOfABrowserLivesByItsRefreshes(t *testing.T) {
	for name, c := range map[string]struct {
		theyCall bool
		expires  string // in the page's INVITE or 200
		allow    string
		ours     bool
		method   string // of the refresh
	}{
		"they call, we refresh":           {true, "90", "Allow: UPDATE\n", true, "UPDATE"},
		"they call and know no UPDATE":    {true, "90", "", true, "INVITE"},
		"they call and refresh":           {true, "90;refresher=uac", "Allow: UPDATE\n", false, ""},
		"we call and refresh":             {false, "1800;refresher=uac", "Allow: UPDATE\n", true, "UPDATE"},
		"we call a page without UPDATE":   {false, "1800;refresher=uac", "", true, "INVITE"},
		"we call, they refresh":           {false, "90;refresher=uas", "Allow: UPDATE\n", false, ""},
		"we call one that leaves it open": {false, "90", "Allow: UPDATE\n", true, "UPDATE"},
	} {
		t.Run(name, func(t *testing.T) {
			b := start(t, answerAll, nil)
			page := b.page()
			a := page.account("anna")
			a.register("Expires: 600\n")
			session := "Supported: timer\nSession-Expires: " + c.expires + "\n" + c.allow
			var l *Leg
			var k *talk
			if c.theyCall {
				k = a.newTalk("anna", "88005553535")
				k.request("INVITE", session+sdpOffer)
				challenge := k.want("SIP/2.0 407")
				k.again("ACK", "")
				k.request("INVITE", "Proxy-Authorization: "+a.credentials("INVITE", "sip:88005553535@pbx.test", challenge.header("Proxy-Authenticate"))+"\n"+session+sdpOffer)
				k.enter(k.want("SIP/2.0 200", "SIP/2.0 1"))
				k.request("ACK", "")
				l = wait(t, "leg", b.legs).(*Leg)
			} else {
				done := b.dial(context.Background(), pbx.Endpoint{Operator: "anna"})
				invite := page.want("INVITE")
				page.send(invite.reply("200 OK", "far", "Contact: <sip:x@page.invalid>\nRequire: timer\n"+session+sdpOffer))
				page.want("ACK")
				l = wait(t, "end of Dial", done).leg.(*Leg)
				k = &talk{phone: page, id: invite.header("Call-ID"), from: invite.header("To") + ";tag=far", to: invite.header("From"), target: invite.uri("Contact")}
			}
			l.mu.Lock()
			interval, ours := l.interval, l.ours
			l.watchSession(300*time.Millisecond, ours) // as if so much of it had gone by
			l.mu.Unlock()
			if want, _, _ := strings.Cut(c.expires, ";"); seconds(interval) != want || ours != c.ours {
				t.Fatalf("%v, ours: %v", interval, ours)
			}
			if !ours {
				bye := page.want("BYE")
				page.send(bye.reply("200 OK", "", ""))
				if err := ended(t, l); !errors.Is(err, pbx.ErrUnreachable) {
					t.Error(err)
				}
				return
			}
			refresh := page.want(c.method)
			if got := refresh.header("Session-Expires"); !strings.HasSuffix(got, ";refresher=uac") {
				t.Errorf("got\n%s", refresh)
			}
			page.send(refresh.reply("200 OK", "", "Contact: <sip:x@page.invalid>\nSession-Expires: 90;refresher=uac\n"))
			if c.method == "INVITE" {
				page.want("ACK")
			}
			k.bye() // it has gone on until here
		})
	}
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
