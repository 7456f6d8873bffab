package sip

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	wire "github.com/emiago/sipgo/sip"

	"cabline/pbx"
	"cabline/pbx/gate"
)

func TestAStrangerWhoAsksTooMuchIsNotAnsweredAnyMore(t *testing.T) {
	b := start(t, answerAll, func(c *Config) { c.Trunks = nil })
	p := b.phone()
	answered, began := 0, time.Now()
	for range 2 * strangerBurst {
		k := p.newTalk("100", "00442079460000")
		k.request("OPTIONS", "")
	}
	for quiet := false; !quiet; {
		select {
		case <-p.got:
			answered++
		case <-time.After(time.Second):
			quiet = true
		}
	}
	if answered < strangerBurst/2 || answered > strangerBurst+strangerRate+int(time.Since(began).Seconds()*strangerRate) {
		t.Errorf("answered %d of %d", answered, 2*strangerBurst)
	}
}

func TestAStrangerIsChallengedOnceForEachAttempt(t *testing.T) {
	b := start(t, answerAll, func(c *Config) { c.Trunks = nil })
	k := b.phone().newTalk("79161234567", "74950000000")
	k.request("INVITE", sdpOffer)
	k.want("SIP/2.0 407")
	k.noRepeat(6 * wire.T1) // though no ACK came
	k.again("INVITE", sdpOffer)
	k.want("SIP/2.0 407")
}

func TestNoConnectionIsOpenedThatWeDidNotAskFor(t *testing.T) {
	b := start(t, answerAll, nil)
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	for _, network := range []string{"TCP", "TLS", "WS"} {
		d := dialog{path: path{network: network, flow: l.Addr().String(), here: netip.MustParseAddr("127.0.0.1"), port: 5060}, target: wire.Uri{Scheme: "sip", Host: "h"}}
		if _, err := b.transport.ClientRequestConnection(context.Background(), d.compose(wire.OPTIONS, 1)); !errors.Is(err, errNotAsked) {
			t.Errorf("%s: %v", network, err)
		}
	}
}

func TestStrangersAreForgotten(t *testing.T) {
	var s strangers
	addr := netip.MustParseAddr("10.0.0.0")
	for range 5 * strangersMax {
		addr = addr.Next()
		s.allow(new(gate.Gate).Key(gate.Visitor{Source: addr}))
	}
	if n := len(s.recent) + len(s.older); n > 2*strangersMax {
		t.Error("remembered:", n)
	}
}

func TestSourcesOfUDPAreForgottenWhileCallsGoOn(t *testing.T) {
	b, carrier := startTrunk(t, answerAll, func(c *Config) { c.maxSources = 5 })
	done := b.dial(context.Background(), driver)
	carrier.pickUp(carrier.want("INVITE"), "far")
	k := b.phone().newTalk("79161234567", "74950000000")
	k.call()
	for range 23 {
		p := b.phone()
		o := p.newTalk("1", "2")
		o.request("OPTIONS", "")
		o.want("SIP/2.0 200")
	}
	for deadline := time.Now().Add(forAMoment); b.transport.Pool("udp").Size() > 12; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("addresses remembered:", b.transport.Pool("udp").Size())
		}
	}
	k.bye()
	_ = wait(t, "end of Dial", done).leg.HangUp(context.Background(), nil)
	carrier.send(carrier.want("BYE").reply("200 OK", "", ""))
}

func TestAPanicInAHandlerIsAnswered500(t *testing.T) {
	b := start(t, answerAll, func(c *Config) {
		c.Trunks[0].Channels = 1
		c.RTP = func(RTPOptions) (Audio, error) { panic("a bug") }
	})
	for range 2 { // and the channel is free again
		k := b.phone().newTalk("79161234567", "74950000000")
		k.request("INVITE", sdpOffer)
		k.want("SIP/2.0 500", "SIP/2.0 1")
		k.again("ACK", "")
	}
}

func TestAPanicInACallEndsThatCall(t *testing.T) {
	b, k, port := talking(t)
	port.broken()
	k.request("INFO", "Content-Type: application/dtmf\n\n5")
	k.send(k.want("BYE", "SIP/2.0 500").reply("200 OK", "", ""))
	if err := ended(t, wait(t, "leg", b.legs)); !errors.Is(err, errFault) {
		t.Error(err)
	}
}

func TestACallIsOverWhenTheCallersConnectionClosesBeforeTheAnswer(t *testing.T) {
	b := start(t, func(_ context.Context, leg pbx.Leg, _ pbx.Arrival) { <-leg.Context().Done() }, nil)
	p := b.tcpPhone()
	k := p.newTalk("79161234567", "74950000000")
	k.request("INVITE", sdpOffer)
	k.want("SIP/2.0 180", "SIP/2.0 100")
	p.hangUp()
	if err := ended(t, wait(t, "leg", b.legs)); !errors.Is(err, pbx.ErrHungUp) {
		t.Error(err)
	}
}

func TestOverTCPACallComesInAndIsEndedOnTheSameConnection(t *testing.T) {
	b := start(t, func(ctx context.Context, leg pbx.Leg, _ pbx.Arrival) { _ = leg.Answer(ctx) }, nil)
	p := b.tcpPhone()
	k := p.newTalk("79161234567", "74950000000")
	k.request("INVITE", "Record-Route: <sip:192.0.2.7;transport=tcp;lr>\n"+sdpOffer)
	k.enter(k.want("SIP/2.0 200", "SIP/2.0 1"))
	k.request("ACK", "")
	k.send(k.want("BYE").reply("200 OK", "", ""))
}

func TestOverTCPACallGoesOut(t *testing.T) {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	b := start(t, answerAll, func(c *Config) { c.Trunks[0].Target, c.Trunks[0].Transport = l.Addr().String(), "tcp" })
	done := b.dial(context.Background(), driver)
	conn, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	carrier := stream(t, conn)
	invite := carrier.want("INVITE")
	if got := invite.uri("Contact"); got != "sip:cabline@"+b.tcpAddr+";transport=tcp" {
		t.Errorf("Contact %q", got)
	}
	carrier.send(invite.reply("200 OK", "far", "Contact: <sip:gw@"+l.Addr().String()+";transport=tcp>\n"+sdpOffer))
	carrier.want("ACK")
	_ = wait(t, "end of Dial", done).leg.HangUp(context.Background(), nil)
	carrier.send(carrier.want("BYE").reply("200 OK", "", ""))
}

func TestATrunkThatRefusesTheConnectionIsUnreachable(t *testing.T) {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	b := start(t, answerAll, func(c *Config) { c.Trunks[0].Target, c.Trunks[0].Transport = l.Addr().String(), "tcp" })
	if err := wait(t, "end of Dial", b.dial(context.Background(), driver)).err; err == nil || !strings.Contains(err.Error(), "unreachable") {
		t.Error(err)
	}
}
