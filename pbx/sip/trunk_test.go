package sip

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"cabline/media"
	"cabline/pbx"
)

func TestAnOfferWithSRTPThatIsRefusedIsMadeOnceWithout(t *testing.T) {
	for name, c := range map[string]struct {
		srtp    SRTP
		refusal string
		again   bool
	}{
		"offered, 488":            {SRTPOffered, "488 Not Acceptable Here", true},
		"offered, 415":            {SRTPOffered, "415 Unsupported Media Type", true},
		"offered, but it is busy": {SRTPOffered, "486 Busy Here", false},
		"required":                {SRTPRequired, "488 Not Acceptable Here", false},
		"off":                     {SRTPOff, "488 Not Acceptable Here", false},
	} {
		t.Run(name, func(t *testing.T) {
			b, carrier := startTrunk(t, answerAll, func(cfg *Config) { cfg.Trunks[0].SRTP = c.srtp })
			carrier = carrier.once()
			done := b.dial(context.Background(), driver)
			first := carrier.want("INVITE")
			carrier.send(first.reply(c.refusal, "a", ""))
			carrier.want("ACK", "INVITE")
			if c.again {
				again := carrier.wantAnother("INVITE", first, "ACK")
				if !strings.Contains(again.body(), "plain") || again.header("Call-ID") != first.header("Call-ID") {
					t.Errorf("got\n%s", again)
				}
				carrier.send(again.reply(c.refusal, "b", ""))
				carrier.want("ACK", "INVITE")
			}
			if err := wait(t, "end of Dial", done).err; err == nil {
				t.Error("the call stands")
			}
			carrier.none("INVITE")
		})
	}
}

func TestACallFromTheTrunkIsAnsweredAndEndedByTheCaller(t *testing.T) {
	b := start(t, answerAll, nil)
	k := b.phone().newTalk("79161234567", "74950000000")
	k.request("INVITE", sdpOffer)
	k.want("SIP/2.0 100")
	ringing := k.want("SIP/2.0 180")
	ok := k.want("SIP/2.0 200")
	if ringing.header("To") != ok.header("To") {
		t.Errorf("the To tag changed from %q to %q", ringing.header("To"), ok.header("To"))
	}
	if !strings.Contains(ok.body(), "rtp answer") || ok.header("Content-Type") != "application/sdp" {
		t.Errorf("no answer to the offer:\n%s", ok)
	}
	k.enter(ok)
	k.request("ACK", "")
	a, leg := wait(t, "arrival", b.arrived), wait(t, "leg", b.legs)
	if want := (pbx.Arrival{From: "+79161234567", To: "+74950000000", Trunk: "carrier"}); a != want {
		t.Errorf("arrival %#v, want %#v", a, want)
	}
	k.request("BYE", "")
	k.want("SIP/2.0 200")
	if err := ended(t, leg); !errors.Is(err, pbx.ErrHungUp) {
		t.Errorf("cause %v", err)
	}
	wait(t, "end of the audio", wait(t, "port", b.ports).closed)
	r := leg.Record()
	if r.ID != k.id || r.Number != "+79161234567" || r.Trunk != "carrier" || r.Cause != "hung up" || r.Code != 200 || r.Answered.IsZero() || r.Ended.IsZero() || r.Audio.Received != 7 {
		t.Errorf("record %+v", r)
	}
}

func TestWeEndACallFromTheTrunkWithBYEAndAReason(t *testing.T) {
	b := start(t, func(ctx context.Context, leg pbx.Leg, _ pbx.Arrival) {
		if err := leg.Answer(ctx); err != nil {
			t.Error(err)
		}
	}, nil)
	k := b.phone().newTalk("79161234567", "74950000000")
	k.call()
	bye := k.want("BYE")
	if got := bye.header("Reason"); got != `Q.850;cause=16;text="Normal call clearing"` {
		t.Errorf("Reason %q", got)
	}
	if !strings.HasPrefix(string(bye), "BYE sip:phone@"+k.self+" SIP/2.0\r\n") {
		t.Errorf("not sent to the Contact:\n%s", bye)
	}
	k.send(bye.reply("200 OK", "", ""))
}

func TestACallOverTheTrunkIsAnsweredAndEndedByUs(t *testing.T) {
	b, carrier := startTrunk(t, answerAll, nil)
	legs := make(chan pbx.Leg)
	go func() {
		leg, err := b.Dial(context.Background(), pbx.Endpoint{Number: "+79990000001", From: "+74951111111"})
		if err != nil {
			t.Error(err)
		}
		legs <- leg
	}()
	invite := carrier.want("INVITE sip:+79990000001@" + carrier.self + " SIP/2.0")
	if from := invite.uri("From"); !strings.HasPrefix(from, "sip:+74951111111@") {
		t.Errorf("From %q", from)
	}
	if !strings.Contains(invite.body(), "rtp offer") {
		t.Errorf("no offer:\n%s", invite)
	}
	carrier.send(invite.reply("180 Ringing", "far", ""))
	carrier.send(invite.reply("200 OK", "far", "Contact: <sip:gw@"+carrier.self+";x=1?Subject=y>\n"+sdpOffer))
	ack := carrier.want("ACK sip:gw@" + carrier.self + ";x=1 SIP/2.0")
	if ack.header("CSeq") != strings.Replace(invite.header("CSeq"), "INVITE", "ACK", 1) {
		t.Errorf("CSeq %q after %q", ack.header("CSeq"), invite.header("CSeq"))
	}
	leg := wait(t, "leg", legs)
	if err := leg.HangUp(context.Background(), nil); err != nil {
		t.Error(err)
	}
	bye := carrier.want("BYE sip:gw@")
	carrier.send(bye.reply("200 OK", "", ""))
	if r := leg.Record(); r.Cause != "completed" || r.Number != "+79990000001" {
		t.Errorf("record %+v", r)
	}
}

func TestACallOverTheTrunkIsEndedByThem(t *testing.T) {
	b, carrier := startTrunk(t, answerAll, nil)
	legs := make(chan pbx.Leg)
	go func() {
		leg, _ := b.Dial(context.Background(), pbx.Endpoint{Number: "+79990000001"})
		legs <- leg
	}()
	invite := carrier.want("INVITE")
	carrier.send(invite.reply("200 OK", "far", "Contact: <sip:gw@"+carrier.self+">\n"+sdpOffer))
	ack := carrier.want("ACK")
	leg := wait(t, "leg", legs)
	carrier.send("BYE " + invite.uri("Contact") + " SIP/2.0\nVia: SIP/2.0/UDP " + carrier.self + ";branch=z9hG4bKbye\nFrom: " +
		ack.header("To") + "\nTo: " + ack.header("From") + "\nCall-ID: " + ack.header("Call-ID") + "\nCSeq: 1 BYE\n")
	carrier.want("SIP/2.0 200")
	if err := ended(t, leg); !errors.Is(err, pbx.ErrHungUp) {
		t.Errorf("cause %v", err)
	}
}

func TestTheAudioOfATrunkIsAsTheTrunkWantsIt(t *testing.T) {
	opened := make(chan RTPOptions, 2)
	b, carrier := startTrunk(t, answerAll, func(c *Config) {
		c.Trunks[0].DTMF, c.Trunks[0].SRTP, c.Trunks[0].Symmetric = DTMFInBand, SRTPOffered, SymmetryOff
		c.Trunks[0].Codecs = []media.Codec{media.G722}
		open := c.RTP
		c.RTP = func(o RTPOptions) (Audio, error) { opened <- o; return open(o) }
	})
	k := carrier.newTalk("79161234567", "74950000000")
	k.call()
	k.bye()
	done := b.dial(context.Background(), driver)
	invite := carrier.want("INVITE")
	carrier.send(invite.reply("503 No", "far", ""))
	carrier.want("ACK")
	wait(t, "end of Dial", done)
	for _, way := range []string{"in", "out"} {
		if o := <-opened; o.DTMF != DTMFInBand || o.SRTP != SRTPOffered || o.Symmetric != SymmetryOff || !slices.Equal(o.Codecs, []media.Codec{media.G722}) || o.Peer != o.Bind || o.Bind != netip.MustParseAddr("127.0.0.1") {
			t.Errorf("%s: %+v", way, o)
		}
	}
}

// RFC 3263 §4.1 on the URI alone has to lead where the request goes.
func TestTheRouteByAProxySaysTheTransportThatIsTaken(t *testing.T) {
	for _, c := range []struct{ proxy, transport, want string }{
		{"proxy.test", "", "sip:proxy.test;lr"},
		{"proxy.test:5060", "udp", "sip:proxy.test;lr"},
		{"proxy.test:5080", "udp", "sip:proxy.test:5080;lr"},
		{"proxy.test", "tcp", "sip:proxy.test;transport=tcp;lr"},
		{"192.0.2.1:5060", "tcp", "sip:192.0.2.1;transport=tcp;lr"},
		{"192.0.2.1:5061", "tls", "sip:192.0.2.1:5061;transport=tls;lr"},
		{"192.0.2.1:5060", "tls", "sip:192.0.2.1:5060;transport=tls;lr"}, // without a port it would be 5061
		{"proxy.test", "tls", "sip:proxy.test;transport=tls;lr"},
	} {
		tr, err := newTrunk(Trunk{Name: "carrier", Target: "carrier.test", Proxy: c.proxy, Transport: c.transport})
		if err != nil {
			t.Fatal(err)
		}
		route := tr.route()
		if got := route.String(); got != c.want {
			t.Errorf("by %s over %q: %s, want %s", c.proxy, c.transport, got, c.want)
		}
	}
}
