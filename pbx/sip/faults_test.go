package sip

import (
	"context"
	"errors"
	"maps"
	"net"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	wire "github.com/emiago/sipgo/sip"

	"cabline/pbx"
)

// A trunk that cannot be asked where it is stands for a fault in what sees a message, or
// a connection, before anything else does.
func TestAMessageOverWhichTheReaderPanicsIsLeftOutAndTheNextOneIsRead(t *testing.T) {
	t.Parallel()
	b := startAlone(t, answerAll, func(c *Config) {
		c.Trunks[0].From = []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}
	}, func(s *Server) { s.trunks[0].Register, s.trunks[0].gateways = true, nil })
	strange := newPhoneAt(t, "127.0.0.9:0")
	b.peer(strange)
	good := b.phone()
	for dropped := range uint64(3) {
		strange.newTalk("1", "2").request("OPTIONS", "")
		until(t, "it is left out", func() bool { return b.Dropped() == dropped+1 })
		good.newTalk("79161234567", "74950000000").request("OPTIONS", "")
		good.want("SIP/2.0 200")
	}
	conn, err := at("127.0.0.9").Dial("tcp", b.tcpAddr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if n, err := conn.Read(make([]byte, 1)); err == nil {
		t.Errorf("%d bytes", n)
	}
	next := b.tcpPhone()
	next.newTalk("79161234567", "74950000000").request("OPTIONS", "")
	next.want("SIP/2.0 200")
}

// sipgo reads what strangers write: UDP for all of them on one goroutine of ours, and
// each stream on one of its own.
func TestAMessageOverWhichSipgoPanicsIsLeftOutOverEachTransport(t *testing.T) {
	b := start(t, answerAll, func(c *Config) {
		overTLS(c)
		headers := maps.Clone(wire.DefaultHeadersParser())
		headers["x-fault"] = func([]byte, string) (wire.Header, error) { panic("a bug of sipgo's") }
		c.parser = wire.NewParser(wire.WithHeadersParsers(headers))
	})
	talk := b.phone().newTalk("79161234567", "74950000000")
	talk.call()
	for name, open := range map[string]func() *phone{"UDP": b.phone, "TCP": b.tcpPhone, "TLS": b.tlsPhone, "WebSocket": b.page} {
		for range 3 {
			before := b.Faults()
			bad := open()
			bad.newTalk("1", "2").request("OPTIONS", "X-Fault: 1\n")
			until(t, name+": the fault is counted", func() bool { return b.Faults() == before+1 })
			if bad.gone != nil {
				wait(t, name+": the end of the connection", bad.gone)
			}
			good := open()
			good.newTalk("79161234567", "74950000000").request("OPTIONS", "")
			good.want("SIP/2.0 ")
		}
	}
	talk.bye()
}

// The 200 is repeated by a timer of ours.
func TestWhatTheGuardPanicsOverIsNotSentAndOthersGoOn(t *testing.T) {
	b := start(t, answerAll, func(c *Config) {
		c.Alarm = func(bool) { panic("a bug") }
		ports := c.RTP
		c.RTP = func(o RTPOptions) (Audio, error) {
			audio, err := ports(o)
			audio.(*port).name = "+79167654321" // stands in its SDP
			return audio, err
		}
	})
	k := b.phone().newTalk("79161234567", "74950000000")
	k.request("INVITE", sdpOffer)
	k.enter(k.want("SIP/2.0 200", "SIP/2.0 1"))
	leg := wait(t, "leg", b.legs)
	leg.Hide(secretPhone)
	k.noRepeat(3 * wire.T1)
	k.request("ACK", "")
	good := b.phone().newTalk("79161234567", "74950000000")
	good.call()
	good.bye()
	k.bye()
}

// Renew sends a re-INVITE by a goroutine beside the story.
func TestALegBesideWhichSomethingPanicsEndsWithBYE(t *testing.T) {
	b, carrier := startTrunk(t, answerAll, nil)
	done := b.dial(context.Background(), driver)
	k, leg := carrier.answers(done)
	wait(t, "port", b.ports).broken()
	leg.(*Leg).Renew()
	again := k.want("INVITE")
	k.send(again.reply("200 OK", "", "Contact: <sip:gw@"+carrier.self+">\n"+sdpOffer))
	k.want("ACK")
	k.send(k.want("BYE").reply("200 OK", "", ""))
	if err := ended(t, leg); !errors.Is(err, errFault) {
		t.Error(err)
	}
}

func TestALegAtWhoseTimerSomethingPanicsEnds(t *testing.T) {
	b, carrier := startTrunk(t, answerAll, nil)
	k, leg := carrier.answers(b.dial(context.Background(), driver))
	leg.(*Leg).after(0, func() { panic("a bug") })
	k.send(k.want("BYE").reply("200 OK", "", ""))
	if err := ended(t, leg); !errors.Is(err, errFault) {
		t.Error(err)
	}
}

func TestACallThatPanicsOverAnAnswerGivesItsChannelBack(t *testing.T) {
	ports := make(chan *port, 10)
	b, carrier := startTrunk(t, answerAll, func(c *Config) {
		c.Trunks[0].Channels = 1
		c.RTP = func(RTPOptions) (Audio, error) {
			p := newPort("rtp")
			ports <- p
			return p, nil
		}
	})
	done := b.dial(context.Background(), driver)
	invite := carrier.want("INVITE")
	wait(t, "port", ports).broken()
	carrier.send(invite.reply("183 Session Progress", "far", "Contact: <sip:gw@"+carrier.self+">\n"+sdpOffer))
	if err := wait(t, "end of Dial", done).err; !errors.Is(err, errFault) {
		t.Error(err)
	}
	k, leg := carrier.answers(b.dial(context.Background(), driver))
	_ = leg.HangUp(context.Background(), nil)
	k.send(k.want("BYE", "INVITE").reply("200 OK", "", ""))
}

func TestALegWhoseAudioIsBrokenEndsWithBYE(t *testing.T) {
	b, carrier := startTrunk(t, answerAll, nil)
	k, leg := carrier.answers(b.dial(context.Background(), driver))
	wait(t, "port", b.ports).whenLost()
	k.send(k.want("BYE").reply("200 OK", "", ""))
	if err := ended(t, leg); !errors.Is(err, pbx.ErrMediaLost) {
		t.Error(err)
	}
}

func TestWhatGoesOnAllTheTimeBeginsAnewAfterAPanic(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		faults, runs := 0, 0
		w := &work{fault: func(any) { faults++ }}
		ctx, end := context.WithCancel(t.Context())
		w.Keep(ctx, func() {
			if runs++; runs < 3 {
				panic("a bug")
			}
			<-ctx.Done()
		})
		time.Sleep(3 * afterFault)
		if synctest.Wait(); faults != 2 || runs != 3 {
			t.Errorf("%d runs, %d faults", runs, faults)
		}
		end()
		<-w.wait()
	})
}

// Who dials waits for a connection that all to the same address share.
func TestWhereOpeningAConnectionPanicsTheNextTrunkHasTheCall(t *testing.T) {
	n := newFarNet(t)
	b := start(t, answerAll, func(c *Config) {
		c.Trunks = []Trunk{{Name: "first", Target: farFirst, Transport: "tcp"}, {Name: "second", Target: farSecond, Transport: "tcp"}}
		c.dial = func(ctx context.Context, from *net.Dialer, to string) (net.Conn, error) {
			if to == farFirst {
				panic("a bug")
			}
			return n.dial(ctx, from, to)
		}
	})
	done := b.dial(context.Background(), overFirst)
	second := n.carrier(farSecond)
	second.send(second.want("INVITE").reply("486 Busy", "b", ""))
	second.want("ACK")
	wait(t, "end of Dial", done)
}
