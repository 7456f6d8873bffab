package sip

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"cabline/pbx"
)

// called is the talk of a phone that was called: its own requests in it.
func (p *phone) called(b *bench, to pbx.Endpoint) (*talk, pbx.Leg) {
	p.t.Helper()
	return p.answers(b.dial(context.Background(), to))
}

// answers is called where the call is under way.
func (p *phone) answers(done <-chan dialed) (*talk, pbx.Leg) {
	p.t.Helper()
	invite := p.want("INVITE")
	tag := fmt.Sprint("far", serial.Add(1))
	p.pickUp(invite, tag)
	leg := wait(p.t, "end of Dial", done).leg
	return &talk{phone: p, id: invite.header("Call-ID"), from: invite.header("To") + ";tag=" + tag, to: invite.header("From"),
		target: invite.uri("Contact")}, leg
}

// told answers a NOTIFY and returns what it tells.
func (k *talk) told() string {
	k.t.Helper()
	m := k.want("NOTIFY", "SIP/2.0 200")
	k.send(m.reply("200 OK", "", ""))
	return strings.TrimSpace(m.body()) + " " + m.header("Subscription-State") + " " + m.header("Event")
}

func TestAnOperatorsREFERIsTakenAndItsPhoneIsToldHowItWent(t *testing.T) {
	for name, network := range map[string]func(*bench) *phone{
		"over UDP": (*bench).phone, "over TCP": (*bench).tcpPhone, "over WebSocket": (*bench).page,
	} {
		t.Run(name, func(t *testing.T) {
			b := start(t, answerAll, nil)
			p := network(b)
			p.account("anna").register("Expires: 600\n")
			k, leg := p.called(b, pbx.Endpoint{Operator: "anna"})
			for _, c := range []struct {
				to     string
				number pbx.Phone
				login  string
				err    error
				last   string
			}{
				{"<sip:89261234567@pbx.test>", "+79261234567", "", pbx.ErrBusy, "SIP/2.0 486 Busy Here"},
				{"tel:+79261234567", "+79261234567", "", pbx.ErrNotAllowed, "SIP/2.0 403 Forbidden"},
				{`"Борис" <sip:boris@pbx.test;transport=ws>`, "", "boris", nil, "SIP/2.0 200 OK"},
			} {
				k.request("REFER", "Refer-To: "+c.to+"\nReferred-By: <sip:anna@pbx.test>\n")
				k.want("SIP/2.0 202")
				id := fmt.Sprint("refer;id=", k.seq)
				if got := k.told(); got != "SIP/2.0 100 Trying active;expires=180 "+id {
					t.Error(got)
				}
				k.request("REFER", "Refer-To: "+c.to+"\n") // one at a time
				k.want("SIP/2.0 491")
				wish := wait(t, "referral", leg.Referrals())
				if wish.Number != c.number || wish.Operator != c.login || wish.Instead != nil {
					t.Errorf("%s is %+v", c.to, wish)
				}
				for range 2 { // two devices; it is told once
					wish.Ringing()
				}
				if got := k.told(); got != "SIP/2.0 180 Ringing active;expires=180 "+id {
					t.Error(got)
				}
				reported := make(chan struct{})
				go func() { wish.Report(context.Background(), c.err); close(reported) }()
				if got := k.told(); got != c.last+" terminated;reason=noresource "+id {
					t.Error(got)
				}
				wait(t, "end of Report", reported)
				wish.Ringing() // too late
			}
			k.bye()
		})
	}
}

func TestAREFERThatNamesAnotherCallOfTheSameOperator(t *testing.T) {
	b := start(t, answerAll, func(c *Config) { c.Trunks[0].From = nil })
	anna, boris := b.phone(), b.phone()
	anna.account("anna").register("Expires: 600\n")
	boris.account("boris").register("Expires: 600\n")
	first, leg := anna.called(b, pbx.Endpoint{Operator: "anna"})
	second, other := anna.called(b, pbx.Endpoint{Operator: "anna"})
	foreign, _ := boris.called(b, pbx.Endpoint{Operator: "boris"})
	replaces := func(k *talk) string {
		tag := func(header string) string { _, tag, _ := strings.Cut(header, "tag="); return tag }
		return fmt.Sprintf("%s%%3Bto-tag%%3D%s%%3Bfrom-tag%%3D%s", strings.ReplaceAll(k.id, "@", "%40"), tag(k.to), tag(k.from))
	}
	refer := func(to string) {
		first.request("REFER", "Refer-To: <sip:89261234567@pbx.test?Replaces="+to+">\n")
	}
	for name, to := range map[string]string{
		"another operator's call": replaces(foreign), "the call itself": replaces(first), "a call with a wrong tag": replaces(second) + "x",
		"no call at all": "x%3Bto-tag%3Dy%3Bfrom-tag%3Dz",
	} {
		refer(to)
		if m := first.want("SIP/2.0"); m.status() != "404" {
			t.Errorf("%s:\n%s", name, m)
		}
	}
	refer(replaces(second))
	first.want("SIP/2.0 202")
	first.told()
	wish := wait(t, "referral", leg.Referrals())
	if wish.Instead != other || wish.Number != "" || wish.Operator != "" {
		t.Errorf("%+v", wish)
	}
	reported := make(chan struct{})
	go func() { wish.Report(context.Background(), nil); close(reported) }()
	first.told()
	wait(t, "end of Report", reported)
	for _, k := range []*talk{first, second, foreign} {
		k.bye()
	}
}

func TestAREFERWithoutRightOrSense(t *testing.T) {
	b := start(t, answerAll, nil)
	p := b.page()
	p.account("anna").register("Expires: 600\n")
	k, leg := p.called(b, pbx.Endpoint{Operator: "anna"})
	for headers, code := range map[string]string{
		"": "400", "Refer-To: <sip:1@x>\nRefer-To: <sip:2@x>\n": "400", "Refer-To: <sip:nobody@x>\n": "404",
		"Refer-To: <sip:89261234567@pbx.test?Replaces=%zz>\n": "400",
	} {
		k.request("REFER", headers)
		if m := k.want("SIP/2.0"); m.status() != code || !strings.Contains(m.header("Allow"), "REFER") {
			t.Errorf("%q\n%s", headers, m)
		}
	}
	if n := len(leg.Referrals()); n != 0 {
		t.Error("referrals:", n)
	}
	k.bye()

	carrier := b.phone().newTalk("79161234567", "74950000000")
	carrier.call()
	carrier.request("REFER", "Refer-To: <sip:89261234567@pbx.test>\n")
	if m := carrier.want("SIP/2.0"); m.status() != "405" || strings.Contains(m.header("Allow"), "REFER") {
		t.Errorf("from a trunk\n%s", m)
	}
	carrier.bye()
}

func TestAPhoneThatREFERsAndHangsUpIsTakenAtItsWord(t *testing.T) {
	b := start(t, answerAll, nil)
	p := b.page()
	p.account("anna").register("Expires: 600\n")
	k, leg := p.called(b, pbx.Endpoint{Operator: "anna"})
	k.request("REFER", "Refer-To: <sip:89261234567@pbx.test>\n")
	k.want("SIP/2.0 202")
	k.told()
	k.bye()
	if err := ended(t, leg); !errors.Is(err, pbx.ErrHungUp) {
		t.Error(err)
	}
	wish := wait(t, "referral", leg.Referrals())
	wish.Report(context.Background(), nil) // does not wait for a phone that is gone
}

func TestAnOperatorDialsAColleagueByLogin(t *testing.T) {
	b := start(t, answerAll, func(c *Config) { c.Trunks = nil })
	a := b.page().account("anna")
	a.register("Expires: 600\n")
	k := a.newTalk("anna", "boris")
	k.request("INVITE", sdpOffer)
	challenge := k.want("SIP/2.0 407")
	k.again("ACK", "")
	k.request("INVITE", "Proxy-Authorization: "+a.credentials("INVITE", "sip:boris@pbx.test", challenge.header("Proxy-Authenticate"))+"\n"+sdpOffer)
	k.enter(k.want("SIP/2.0 200", "SIP/2.0 1"))
	k.request("ACK", "")
	if got := wait(t, "call", b.arrived); got.Desk != "boris" || got.To != "" || got.Operator != "anna" {
		t.Errorf("%+v", got)
	}
	k.bye()
}

func TestWhoeverDialsIsToldThatThePartyRings(t *testing.T) {
	b, carrier := startTrunk(t, answerAll, nil)
	page := b.page()
	page.account("anna").register("Expires: 600\n")
	for _, c := range []struct {
		to    pbx.Endpoint
		rings *phone
	}{{driver, carrier.once()}, {pbx.Endpoint{Operator: "anna"}, page}} {
		rung := make(chan bool, 9)
		c.to.Ringing = func() { rung <- true }
		done := b.dial(context.Background(), c.to)
		invite := c.rings.want("INVITE")
		c.rings.send(invite.reply("183 Session Progress", "far", ""))
		c.rings.send(invite.reply("180 Ringing", "far", ""))
		wait(t, "word of the ringing", rung)
		c.rings.send(invite.reply("486 Busy", "far", ""))
		c.rings.want("ACK")
		if err := wait(t, "end of Dial", done).err; !errors.Is(err, pbx.ErrBusy) || len(rung) > 0 {
			t.Errorf("%v, told %d times more", err, len(rung))
		}
	}
}
