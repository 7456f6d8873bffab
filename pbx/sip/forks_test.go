package sip

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"cabline/media"
	"cabline/media/rtp"
	"cabline/pbx"
)

// branch is one of those a call of ours rings at, with an ear of its own.
type branch struct {
	*talk
	ear    net.PacketConn
	invite message
	rseq   int
}

// withRTP gives a server the audio of the real exchange.
func withRTP(t *testing.T) func(*Config) {
	t.Helper()
	clock := media.NewClock()
	relay, err := rtp.Listen(rtp.Config{Clock: clock})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { relay.Close(); clock.Close() }) // after the server's end
	return func(c *Config) {
		c.RTP = func(o RTPOptions) (Audio, error) {
			return relay.Open(rtp.Options{Bind: o.Bind, Advertise: o.Advertise})
		}
	}
}

// ringing calls branches.
func ringing(t *testing.T, tags ...string) (done <-chan dialed, all []*branch) {
	t.Helper()
	return ringingWith(t, func(*Trunk) {}, driver, tags...)
}

func ringingWith(t *testing.T, set func(*Trunk), to pbx.Endpoint, tags ...string) (done <-chan dialed, all []*branch) {
	t.Helper()
	audio := withRTP(t)
	b, carrier := startTrunk(t, answerAll, func(c *Config) { audio(c); set(&c.Trunks[0]) })
	done = b.dial(context.Background(), to)
	invite := carrier.want("INVITE")
	for _, tag := range tags {
		ear, err := net.ListenPacket("udp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { ear.Close() })
		all = append(all, &branch{ear: ear, invite: invite, talk: &talk{phone: carrier, seq: 100, id: invite.header("Call-ID"),
			from: invite.header("To") + ";tag=" + tag, to: invite.header("From"), target: invite.uri("Contact")}})
	}
	return done, all
}

// sdp is where the branch hears.
func (b *branch) sdp() string {
	port := b.ear.LocalAddr().(*net.UDPAddr).Port
	return fmt.Sprintf("Content-Type: application/sdp\n\nv=0\no=- 2 2 IN IP4 127.0.0.1\ns=-\nc=IN IP4 127.0.0.1\nt=0 0\nm=audio %d RTP/AVP 8\n", port)
}

func (b *branch) answer(status, more string) {
	b.t.Helper()
	_, tag, _ := strings.Cut(b.from, ";tag=")
	b.send(b.invite.reply(status, tag, "Contact: <sip:"+tag+"@"+b.self+">\n"+more))
}

// says answers reliably before the call is taken.
func (b *branch) says() {
	b.t.Helper()
	b.rseq++
	b.answer("183 Progress", fmt.Sprintf("Require: 100rel\nRSeq: %d\n%s", b.rseq, b.sdp()))
	b.send(b.want("PRACK", "INVITE").reply("200 OK", "", ""))
}

// update offers where the branch hears now.
func (b *branch) update() {
	b.t.Helper()
	b.request("UPDATE", b.sdp())
	if ok := b.want("SIP/2.0 200", "INVITE"); !strings.Contains(ok.body(), "m=audio ") {
		b.t.Errorf("got\n%s", ok)
	}
}

// takes picks up, is heard, and hangs up.
func (b *branch) takes(done <-chan dialed, more string) {
	b.t.Helper()
	b.answer("200 OK", more)
	b.want("ACK", "INVITE", "PRACK")
	end := wait(b.t, "end of Dial", done)
	if end.err != nil {
		b.t.Fatal(end.err)
	}
	b.hears(end.leg)
	b.bye()
	if err := ended(b.t, end.leg); !errors.Is(err, pbx.ErrHungUp) {
		b.t.Error(err)
	}
}

// hears waits for audio of the leg's.
func (b *branch) hears(leg pbx.Leg) {
	b.t.Helper()
	talk, stop := context.WithCancel(context.Background())
	defer stop()
	go func() { _ = leg.Audio().Play(talk, media.Speech{media.Silence(forAMoment)}) }()
	_ = b.ear.SetReadDeadline(time.Now().Add(forAMoment))
	if n, _, err := b.ear.ReadFrom(make([]byte, 1500)); err != nil || n < 12 {
		b.t.Errorf("heard %d bytes: %v", n, err)
	}
}

// RFC 3261 §13.2.1: once the answer is there, other descriptions do not count.
func TestWhatA200SaysAfterAReliableAnswerAndAnUPDATEDoesNotCount(t *testing.T) {
	done, b := ringing(t, "one", "deaf")
	b[0].says()
	b[0].update()
	b[0].takes(done, b[1].sdp())
}

func TestABranchThatDidNotRingAnswersThoughAnotherHasChangedTheSession(t *testing.T) {
	done, b := ringing(t, "one", "two")
	b[0].says()
	b[0].update()
	b[1].seq = 0 // its requests are counted from 1
	b[1].takes(done, b[1].sdp())
}

func TestABranchAnswersThatWasHeardBeforeAnother(t *testing.T) {
	for name, updates := range map[string]bool{"with what it said": false, "with what it offered in UPDATE": true} {
		t.Run(name, func(t *testing.T) {
			done, b := ringing(t, "one", "two")
			b[0].says()
			if updates {
				b[0].update()
			}
			b[1].says()
			b[0].takes(done, "")
		})
	}
}
