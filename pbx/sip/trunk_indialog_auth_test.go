package sip

import (
	"context"
	"strings"
	"testing"
	"time"

	wire "github.com/emiago/sipgo/sip"

	"cabline/pbx"
)

const askProxy = `Proxy-Authenticate: Digest realm="carrier.test", nonce="%", qop="auth"` + "\n"

// challenge refuses a request and returns it as it comes again.
func (p *phone) challenge(m message, nonce string) message {
	p.t.Helper()
	method, _, _ := strings.Cut(string(m), " ")
	p.send(m.reply("407 Who", "", strings.Replace(askProxy, "%", nonce, 1)))
	again := p.wantAnother(method, m, "ACK")
	knowsPassword(p.t, again, "Proxy-Authorization", "login", "carrier.test", "pass word")
	return again
}

func TestTheACKOfA2xxHasTheCredentialsOfItsINVITE(t *testing.T) {
	b, carrier := startCarrier(t, withPassword)
	done := b.dial(context.Background(), driver)
	first := carrier.want("INVITE")
	carrier.send(first.reply("407 Who", "a", strings.Replace(askProxy, "%", "1", 1)))
	if ack := carrier.want("ACK"); ack.header("Proxy-Authorization") != "" {
		t.Errorf("got\n%s", ack)
	}
	second := carrier.want("INVITE", "ACK")
	want := second.header("Proxy-Authorization")
	if ack := carrier.pickUp(second, "one"); ack.header("Proxy-Authorization") != want || want == "" {
		t.Errorf("in the INVITE %s, but\n%s", want, ack)
	}
	leg := wait(t, "end of Dial", done).leg
	ack := carrier.pickUp(second, "two") // another branch picks up, too
	if ack.header("Proxy-Authorization") != want || !strings.Contains(ack.header("To"), "tag=two") {
		t.Errorf("in the INVITE %s, but\n%s", want, ack)
	}
	carrier.send(carrier.challenge(carrier.want("BYE"), "2").reply("200 OK", "", ""))
	_ = leg.HangUp(context.Background(), nil)
	carrier.send(carrier.want("BYE").reply("200 OK", "", ""))
}

func TestAChallengeWithinACallIsAnswered(t *testing.T) {
	for _, method := range []string{"UPDATE", "INVITE", "INFO"} {
		t.Run(method, func(t *testing.T) {
			b, carrier := startCarrier(t, func(c *Config) {
				withPassword(c)
				c.Trunks[0].DTMF = DTMFInfo
			})
			done := b.dial(context.Background(), driver)
			carrier.send(carrier.want("INVITE").reply("200 OK", "far", "Contact: <sip:gw@"+carrier.self+">\nAllow: UPDATE\n"+sdpOffer))
			carrier.want("ACK")
			l := wait(t, "end of Dial", done).leg.(*Leg)
			switch method {
			case "UPDATE":
				l.watches(t, 100*time.Millisecond, true)
			case "INVITE":
				l.Renew()
			case "INFO":
				l.press('5')
			}
			again := carrier.challenge(carrier.want(method), "1")
			carrier.send(again.reply("200 OK", "", "Contact: <sip:gw@"+carrier.self+">\nSession-Expires: 90;refresher=uac\n"))
			if method == "INVITE" {
				if ack := carrier.want("ACK"); ack.header("CSeq") != strings.Replace(again.header("CSeq"), "INVITE", "ACK", 1) ||
					ack.header("Proxy-Authorization") != again.header("Proxy-Authorization") {
					t.Errorf("got\n%s", ack)
				}
			}
			_ = l.HangUp(context.Background(), nil)
			carrier.send(carrier.challenge(carrier.want("BYE"), "2").reply("200 OK", "", ""))
			carrier.silent(4 * wire.T1)
		})
	}
}

func TestAChallengeToAPRACKIsAnswered(t *testing.T) {
	b, carrier := startCarrier(t, withPassword)
	done := b.dial(context.Background(), driver)
	invite := carrier.want("INVITE")
	carrier.send(invite.reply("180 Ringing", "far", "Contact: <sip:gw@"+carrier.self+">\nRequire: 100rel\nRSeq: 7\n"))
	prack := carrier.want("PRACK")
	again := carrier.challenge(prack, "1")
	if again.header("RAck") != prack.header("RAck") || !strings.Contains(again.header("To"), "tag=far") {
		t.Errorf("got\n%s", again)
	}
	carrier.send(again.reply("200 OK", "", ""))
	carrier.pickUp(invite, "far")
	_ = wait(t, "end of Dial", done).leg.HangUp(context.Background(), nil)
	carrier.send(carrier.want("BYE").reply("200 OK", "", ""))
}

func TestTheBYEOfACallFromTheTrunkIsAuthorised(t *testing.T) {
	b := start(t, func(ctx context.Context, leg pbx.Leg, _ pbx.Arrival) { _ = leg.Answer(ctx) }, withPassword)
	k := b.phone().newTalk("79161234567", "74950000000")
	k.call()
	k.send(k.challenge(k.want("BYE"), "1").reply("200 OK", "", ""))
}

func TestAStrangersChallengeWithinACallGetsNothing(t *testing.T) {
	b, carrier := startCarrier(t, withPassword)
	k, leg := carrier.called(b, driver)
	_ = leg.HangUp(context.Background(), nil)
	k.send(k.want("BYE").reply("407 Who", "", `Proxy-Authenticate: Digest realm="evil.test", nonce="1", qop="auth"`+"\n"))
	k.silent(4 * wire.T1)
}

func TestAWrongPasswordWithinACallIsShownOnce(t *testing.T) {
	b, carrier := startCarrier(t, withPassword)
	k, leg := carrier.called(b, driver)
	_ = leg.HangUp(context.Background(), nil)
	again := k.challenge(k.want("BYE"), "1")
	k.send(again.reply("407 Who", "", strings.Replace(askProxy, "%", "2", 1)))
	k.silent(4 * wire.T1)
}
