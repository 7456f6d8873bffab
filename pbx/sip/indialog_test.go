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

// talking is a call from the trunk that is up.
func talking(t *testing.T) (*bench, *talk, *port) {
	t.Helper()
	b := start(t, answerAll, nil)
	k := b.phone().newTalk("79161234567", "74950000000")
	k.call()
	return b, k, wait(t, "port", b.ports)
}

func (k *talk) bye() {
	k.t.Helper()
	k.request("BYE", "")
	for !strings.HasSuffix(k.want("SIP/2.0 200").header("CSeq"), "BYE") { // a repetition of an earlier one
	}
}

const holdOffer = "Content-Type: application/sdp\n\nv=0\na=sendonly\n"

func TestAReINVITEIsAnsweredWithTheAudiosAnswer(t *testing.T) {
	_, k, port := talking(t)
	k.request("INVITE", holdOffer)
	ok := k.want("SIP/2.0 200")
	if !strings.Contains(ok.body(), "rtp answer") || ok.header("To") != k.to {
		t.Errorf("got\n%s", ok)
	}
	if got, _ := port.told(); len(got) != 2 || !strings.Contains(got[1], "sendonly") {
		t.Errorf("the audio was shown %q", got)
	}
	for range 4 { // until the ACK, with and without their repeating it
		k.again("INVITE", holdOffer)
		if again := k.wantAgain("SIP/2.0 200"); again != ok {
			t.Errorf("repeated as\n%s", again)
		}
		k.silent(wire.Timer_L / 2) // but for repetitions
	}
	if got, _ := port.told(); len(got) != 2 {
		t.Errorf("the audio was shown a repetition: %q", got)
	}
	k.request("ACK", "")
	k.bye()
}

func TestAHoldIsSeenAndItsEnd(t *testing.T) {
	b, k, _ := talking(t)
	leg := wait(t, "leg", b.legs)
	for _, method := range []string{"INVITE", "UPDATE"} {
		held, changed := leg.Held()
		if held {
			t.Error("on hold before the hold by", method)
		}
		for _, hold := range []bool{true, false} {
			k.request(method, map[bool]string{true: holdOffer, false: sdpOffer}[hold])
			k.want("SIP/2.0 200")
			wait(t, "change", changed)
			if held, changed = leg.Held(); held != hold {
				t.Errorf("on hold %v, want %v, by %s", held, hold, method)
			}
			if method == "INVITE" {
				k.request("ACK", "")
			}
		}
	}
	k.bye()
}

func TestAReINVITERightBehindTheACKOrWithoutItIsAnswered(t *testing.T) {
	b := start(t, answerAll, nil)
	k := b.phone().newTalk("79161234567", "74950000000")
	k.request("INVITE", sdpOffer)
	k.enter(k.want("SIP/2.0 200", "SIP/2.0 1"))
	k.request("INVITE", holdOffer)
	k.want("SIP/2.0 200")
	k.request("ACK", "")
	k.bye()
}

func TestAReINVITEWithoutSDPGetsAnOfferAndItsAnswerInTheACK(t *testing.T) {
	_, k, port := talking(t)
	k.request("INVITE", "")
	if ok := k.want("SIP/2.0 200"); !strings.Contains(ok.body(), "rtp offer") {
		t.Errorf("got\n%s", ok)
	}
	k.request("ACK", sdpOffer)
	if got := wait(t, "answer shown to the audio", port.accepted); !strings.Contains(got, "m=audio") {
		t.Errorf("the audio was shown %q", got)
	}
	k.bye()
}

func TestAReINVITEWithoutSDPToAPhoneWeCalledGetsAnOffer(t *testing.T) {
	b, carrier := startTrunk(t, answerAll, nil)
	k, leg := carrier.called(b, driver)
	port := wait(t, "port", b.ports)
	wait(t, "first answer", port.accepted)
	k.request("INVITE", "")
	if ok := k.want("SIP/2.0 200"); !strings.Contains(ok.body(), "rtp offer") {
		t.Errorf("got\n%s", ok)
	}
	k.request("ACK", answerSDP)
	if got := wait(t, "answer shown to the audio", port.accepted); !strings.Contains(got, "m=audio 4002") {
		t.Errorf("the audio was shown %q", got)
	}
	_ = leg.HangUp(context.Background(), nil)
	carrier.send(carrier.want("BYE").reply("200 OK", "", ""))
}

func TestAReINVITETheAudioCannotTakeLeavesTheCallAsItWas(t *testing.T) {
	_, k, port := talking(t)
	port.fail(errors.New("no codec in common"))
	k.request("INVITE", holdOffer)
	k.want("SIP/2.0 488")
	k.again("ACK", "")
	k.bye()
}

func TestAnINVITEWithoutSDPGetsAnOfferAndItsAnswerInTheACK(t *testing.T) {
	answered := make(chan error, 1)
	b := start(t, func(ctx context.Context, leg pbx.Leg, a pbx.Arrival) {
		answered <- leg.Answer(ctx)
		answerAll(ctx, leg, a)
	}, nil)
	k := b.phone().newTalk("79161234567", "74950000000")
	k.request("INVITE", "")
	ok := k.want("SIP/2.0 200", "SIP/2.0 1")
	if !strings.Contains(ok.body(), "rtp offer") {
		t.Errorf("got\n%s", ok)
	}
	select {
	case err := <-answered:
		t.Errorf("answered before the ACK: %v", err)
	case <-time.After(2 * wire.T1):
	}
	k.enter(ok)
	k.request("ACK", sdpOffer)
	if err := wait(t, "end of Answer", answered); err != nil {
		t.Error(err)
	}
	k.bye()
}

func TestACallWhoseACKLacksTheAnswerToOurOfferIsOver(t *testing.T) {
	answered := make(chan error, 1)
	b := start(t, func(ctx context.Context, leg pbx.Leg, _ pbx.Arrival) { answered <- leg.Answer(ctx) }, withRTP(t))
	k := b.phone().newTalk("79161234567", "74950000000")
	k.request("INVITE", "")
	k.enter(k.want("SIP/2.0 200", "SIP/2.0 1"))
	k.request("ACK", "")
	k.send(k.want("BYE").reply("200 OK", "", ""))
	if err := wait(t, "end of Answer", answered); !errors.Is(err, pbx.ErrUnreachable) {
		t.Error(err)
	}
}

func TestAReINVITEThatOvertakesTheAnswerInTheACKIsToldToComeLater(t *testing.T) {
	b := start(t, answerAll, withRTP(t))
	k := b.phone().newTalk("79161234567", "74950000000")
	k.request("INVITE", "")
	k.enter(k.want("SIP/2.0 200", "SIP/2.0 1"))
	k.request("INVITE", sdpOffer)
	if m := k.want("SIP/2.0 500"); m.header("Retry-After") == "" {
		t.Errorf("got\n%s", m)
	}
	k.again("ACK", "")
	k.seq--
	k.request("ACK", answerSDP)
	k.seq++
	wait(t, "leg", b.legs).(*Leg).isAcked(t)
	k.request("INVITE", sdpOffer) // and now it is taken
	for k.want("SIP/2.0 200").header("CSeq") != "3 INVITE" {
	}
	k.request("ACK", "")
	k.bye()
}

func TestAnOfferTheAudioCannotTakeIsRefusedWith488(t *testing.T) {
	b := start(t, answerAll, func(c *Config) {
		open := c.RTP
		c.RTP = func(o RTPOptions) (Audio, error) {
			a, err := open(o)
			a.(*port).fail(errors.New("video only"))
			return a, err
		}
	})
	k := b.phone().newTalk("79161234567", "74950000000")
	k.request("INVITE", sdpOffer)
	k.want("SIP/2.0 488", "SIP/2.0 1")
	k.again("ACK", "")
	wait(t, "end of the audio", wait(t, "port", b.ports).closed)
}

func TestABodyThatIsNotSDPIsRefusedWith415(t *testing.T) {
	b := start(t, answerAll, nil)
	k := b.phone().newTalk("79161234567", "74950000000")
	k.request("INVITE", "Content-Type: text/plain\n\nhello")
	if m := k.want("SIP/2.0 415", "SIP/2.0 1"); !strings.Contains(m.header("Accept"), "application/sdp") {
		t.Errorf("got\n%s", m)
	}
	k.again("ACK", "")
}

func TestAnUPDATEIsAnswered(t *testing.T) {
	_, k, port := talking(t)
	k.request("UPDATE", "Supported: timer\nSession-Expires: 90;refresher=uac\n")
	if ok := k.want("SIP/2.0 200"); ok.header("Session-Expires") != "90;refresher=uac" || ok.header("Require") != "timer" || ok.body() != "" {
		t.Errorf("got\n%s", ok)
	}
	k.request("UPDATE", holdOffer)
	ok := k.want("SIP/2.0 200")
	if offers, _ := port.told(); !strings.Contains(ok.body(), "rtp answer") || len(offers) != 2 {
		t.Errorf("got\n%s", ok)
	}
	k.bye()
}

func TestATooShortSessionIsToldTheLeast(t *testing.T) {
	b := start(t, answerAll, nil)
	k := b.phone().newTalk("79161234567", "74950000000")
	k.request("INVITE", "Supported: timer\nSession-Expires: 30\n"+sdpOffer)
	if m := k.want("SIP/2.0 422", "SIP/2.0 1"); m.header("Min-SE") != "90" {
		t.Errorf("got\n%s", m)
	}
	k.again("ACK", "")
}

// isAcked waits until the ACK of a call is there: we send no re-INVITE before it
// (RFC 3261 §14.1).
func (l *Leg) isAcked(t *testing.T) {
	t.Helper()
	until(t, "the ACK is there", func() bool { l.mu.Lock(); defer l.mu.Unlock(); return l.acked })
}

// watches is watchSession of a call that is up.
func (l *Leg) watches(t *testing.T, interval time.Duration, ours bool) {
	t.Helper()
	l.isAcked(t)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.watchSession(interval, ours)
}

func TestWeRefreshTheSessionWhereWeMayChoose(t *testing.T) {
	for name, c := range map[string]struct{ allow, method string }{
		"with UPDATE": {"Allow: INVITE, ACK, BYE, UPDATE\n", "UPDATE"},
		"with re-INVITE where UPDATE is not known": {"", "INVITE"},
	} {
		t.Run(name, func(t *testing.T) {
			b := start(t, answerAll, nil)
			k := b.phone().newTalk("79161234567", "74950000000")
			k.request("INVITE", c.allow+"Supported: timer\nSession-Expires: 90\n"+sdpOffer)
			ok := k.want("SIP/2.0 200", "SIP/2.0 1")
			if ok.header("Session-Expires") != "90;refresher=uas" {
				t.Errorf("got\n%s", ok)
			}
			k.enter(ok)
			k.request("ACK", "")
			l := wait(t, "leg", b.legs).(*Leg)
			l.watches(t, 100*time.Millisecond, true) // in place of 90 s
			m := k.want(c.method)
			if m.header("Session-Expires") == "" || c.method == "INVITE" != strings.Contains(m.body(), "rtp answer") {
				t.Errorf("got\n%s", m)
			}
			k.send(m.reply("200 OK", "", "Contact: <sip:x@"+k.self+">\nSession-Expires: 90;refresher=uac\n"))
			if c.method == "INVITE" {
				k.want("ACK")
			}
			k.bye()
		})
	}
}

func TestAPartyThatIsNotHeardIsOfferedItsAudioAnew(t *testing.T) {
	for name, c := range map[string]struct {
		answer string
		taken  bool
	}{
		"it answers":             {"200 OK", true},
		"it refuses, and is let": {"488 Not Acceptable Here", false},
	} {
		t.Run(name, func(t *testing.T) {
			b, k, port := talking(t)
			l := wait(t, "leg", b.legs).(*Leg)
			l.isAcked(t)
			l.Renew()
			m := k.want("INVITE")
			if m.header("Session-Expires") != "" || !strings.Contains(m.body(), "rtp offer") {
				t.Errorf("got\n%s", m)
			}
			k.send(m.reply(c.answer, "", "Contact: <sip:x@"+k.self+">\n"+sdpOffer))
			k.want("ACK")
			if c.taken && !strings.Contains(wait(t, "answer", port.accepted), "m=audio") {
				t.Error("the answer did not reach the audio")
			}
			k.bye()
		})
	}
}

func TestACallEndsWhenTheRefresherVanishes(t *testing.T) {
	b, k, _ := talking(t)
	l := wait(t, "leg", b.legs).(*Leg)
	l.watches(t, 100*time.Millisecond, false)
	k.send(k.want("BYE").reply("200 OK", "", ""))
	if err := ended(t, l); !errors.Is(err, pbx.ErrUnreachable) {
		t.Error(err)
	}
}

func TestACallEndsWhenARefreshIsNotAnswered(t *testing.T) {
	b := start(t, answerAll, nil)
	k := b.phone().newTalk("79161234567", "74950000000")
	k.request("INVITE", "Allow: UPDATE\n"+sdpOffer)
	k.enter(k.want("SIP/2.0 200", "SIP/2.0 1"))
	k.request("ACK", "")
	l := wait(t, "leg", b.legs).(*Leg)
	l.watches(t, 100*time.Millisecond, true)
	k.send(k.want("UPDATE").reply("481 Gone", "", ""))
	k.send(k.want("BYE").reply("481 Gone", "", ""))
	if err := ended(t, l); !errors.Is(err, pbx.ErrUnreachable) {
		t.Error(err)
	}
}

func TestAReINVITEThatMeetsOursGets491(t *testing.T) {
	b, k, _ := talking(t)
	l := wait(t, "leg", b.legs).(*Leg)
	l.watches(t, 50*time.Millisecond, true)
	ours := k.want("INVITE")
	k.request("INVITE", holdOffer)
	k.want("SIP/2.0 491", "INVITE")
	k.again("ACK", "")
	k.send(ours.reply("200 OK", "", "Contact: <sip:x@"+k.self+">\n"))
	k.want("ACK", "INVITE")
	k.bye()
}

func TestAKeyInAnINFOIsHeard(t *testing.T) {
	_, k, port := talking(t)
	for _, body := range []string{
		"Content-Type: application/dtmf-relay\n\nSignal=5\nDuration=160\n", "Content-Type: application/dtmf-relay\n\nDuration=160\nSignal= #\n",
		"Content-Type: application/dtmf\n\n*", "Content-Type: application/dtmf-relay\n\nSignal=11\n", "Content-Type: Application/DTMF-Relay;x=y\n\nsignal=d\n",
	} {
		k.request("INFO", body)
		k.want("SIP/2.0 200")
	}
	for body, code := range map[string]string{
		"": "200", "Content-Type: application/dtmf-relay\n\nSignal=hash\n": "400", "Content-Type: application/dtmf\n\n16": "400", "Content-Type: text/plain\n\n5": "415",
	} {
		k.request("INFO", body)
		k.want("SIP/2.0 " + code)
	}
	k.bye()
	if _, got := port.told(); got != "5#*#D" {
		t.Errorf("heard %q", got)
	}
}

func TestMethodsWeDoNotTakePartInAreRefused(t *testing.T) {
	_, k, _ := talking(t)
	for method, code := range map[string]string{"REFER": "405", "SUBSCRIBE": "405", "NOTIFY": "405", "MESSAGE": "405", "PRACK": "481"} {
		k.request(method, "")
		if m := k.want("SIP/2.0 " + code); code == "405" && !strings.Contains(m.header("Allow"), "INVITE") {
			t.Errorf("got\n%s", m)
		}
	}
	k.bye()
	out := k.phone.newTalk("79161234567", "74950000000")
	for method, code := range map[string]string{"REFER": "405", "SUBSCRIBE": "405", "MESSAGE": "405", "PUBLISH": "405", "NOTIFY": "481", "DANCE": "501"} {
		out.request(method, "")
		out.want("SIP/2.0 " + code)
	}
}

func TestOPTIONSIsAnswered(t *testing.T) {
	b := start(t, answerAll, nil)
	k := b.phone().newTalk("79161234567", "74950000000")
	k.request("OPTIONS", "")
	if m := k.want("SIP/2.0 200"); !strings.Contains(m.header("Allow"), "UPDATE") || m.header("Accept") == "" {
		t.Errorf("got\n%s", m)
	}
}

func TestARouteSetIsKept(t *testing.T) {
	b := start(t, func(ctx context.Context, leg pbx.Leg, _ pbx.Arrival) { _ = leg.Answer(ctx) }, nil)
	proxy := b.phone()
	k := b.phone().newTalk("79161234567", "74950000000")
	routes := "Record-Route: <sip:" + proxy.self + ";lr>, <sip:10.9.9.9;lr;x=2>\n"
	k.request("INVITE", routes+sdpOffer)
	ok := k.want("SIP/2.0 200", "SIP/2.0 1")
	if got := ok.header("Record-Route"); got != "<sip:"+proxy.self+";lr>" {
		t.Errorf("Record-Route %q", got)
	}
	k.enter(ok)
	k.request("ACK", "")
	bye := proxy.want("BYE sip:phone@" + k.self)
	if n := strings.Count(string(bye), "\r\nRoute: "); n != 2 || bye.header("Route") != "<sip:"+proxy.self+";lr>" {
		t.Errorf("got\n%s", bye)
	}
	proxy.send(bye.reply("200 OK", "", ""))
}

func TestARouteSetOfACallWePlacedIsReversed(t *testing.T) {
	b, carrier := startTrunk(t, answerAll, nil)
	proxy := b.phone()
	done := b.dial(context.Background(), driver)
	invite := carrier.want("INVITE")
	carrier.send(invite.reply("200 OK", "far", "Contact: <sip:gw@10.9.9.8>\nRecord-Route: <sip:10.9.9.9;lr>\nRecord-Route: <sip:"+proxy.self+";lr>\n"+sdpOffer))
	ack := proxy.want("ACK sip:gw@10.9.9.8 SIP/2.0")
	if got := ack.header("Route"); got != "<sip:"+proxy.self+";lr>" || strings.Count(string(ack), "\r\nRoute: ") != 2 {
		t.Errorf("got\n%s", ack)
	}
	_ = wait(t, "end of Dial", done).leg.HangUp(context.Background(), nil)
	proxy.send(proxy.want("BYE").reply("200 OK", "", ""))
}

func TestAStrictRouterStandsInTheRequestLine(t *testing.T) {
	b, carrier := startTrunk(t, answerAll, nil)
	done := b.dial(context.Background(), driver)
	invite := carrier.want("INVITE")
	carrier.send(invite.reply("200 OK", "far", "Contact: <sip:gw@10.9.9.8>\nRecord-Route: <sip:"+carrier.self+">\n"+sdpOffer))
	ack := carrier.want("ACK sip:" + carrier.self + " SIP/2.0")
	if got := ack.header("Route"); got != "<sip:gw@10.9.9.8>" {
		t.Errorf("got\n%s", ack)
	}
	_ = wait(t, "end of Dial", done).leg.HangUp(context.Background(), nil)
	carrier.send(carrier.want("BYE").reply("200 OK", "", ""))
}

func TestAPeerThatMovesIsFollowed(t *testing.T) {
	b, k, _ := talking(t)
	elsewhere := b.phone()
	k.noContact = true
	k.request("INVITE", "Contact: <sip:new@"+elsewhere.self+">\n"+holdOffer)
	k.want("SIP/2.0 200")
	k.request("ACK", "")
	_ = wait(t, "leg", b.legs).HangUp(context.Background(), nil)
	elsewhere.send(elsewhere.want("BYE sip:new@"+elsewhere.self).reply("200 OK", "", ""))
}
