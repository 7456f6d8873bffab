package sip

import (
	"errors"
	"strings"
	"testing"

	"cabline/pbx"
)

// offersLate is a carrier who makes the offer though it is called.
func offersLate(t *Trunk) { t.LateOffer, t.Prack = true, true }

func (b *branch) wantNoOffer() {
	b.t.Helper()
	if b.invite.header("Content-Type") != "" || b.invite.header("Content-Length") != "0" || b.invite.body() != "" {
		b.t.Errorf("an INVITE with a body:\n%s", b.invite)
	}
}

func bringsAnswer(t *testing.T, m message) {
	t.Helper()
	if m.header("Content-Type") != "application/sdp" || strings.Count(m.body(), "m=audio ") != 1 || strings.Contains(m.body(), "m=audio 0") {
		t.Errorf("no answer:\n%s", m)
	}
}

func TestACarrierThatMakesTheOfferGetsTheAnswerInTheACK(t *testing.T) {
	early := make(listener, 1)
	to := driver
	to.Early = early
	done, b := ringingWith(t, offersLate, to, "one")
	b[0].wantNoOffer()
	b[0].answer("183 Progress", b[0].sdp()) // RFC 3262 §5: no offer, for it is not reliable
	b[0].answer("200 OK", b[0].sdp())
	ack := b[0].want("ACK", "INVITE")
	bringsAnswer(t, ack)
	b[0].answer("200 OK", b[0].sdp()) // the ACK was lost
	if again := b[0].wantAgain("ACK", "INVITE"); again.body() != ack.body() {
		t.Errorf("got\n%s\nafter\n%s", again, ack)
	}
	leg := wait(t, "end of Dial", done).leg
	if leg == nil {
		t.Fatal("no leg")
	}
	select {
	case <-early:
		t.Error("heard before there was an offer")
	default:
	}
	b[0].hears(leg)
	leg.Renew() // and an offer of ours: its ACK brings nothing
	renewed := b[0].want("INVITE", "ACK")
	bringsAnswer(t, renewed)
	b[0].send(renewed.reply("200 OK", "", "Contact: <sip:x@"+b[0].self+">\n"+b[0].sdp()))
	if ack := b[0].wantAnother("ACK", ack); ack.body() != "" {
		t.Errorf("got\n%s", ack)
	}
	b[0].bye()
	if err := ended(t, leg); !errors.Is(err, pbx.ErrHungUp) {
		t.Error(err)
	}
}

func TestACarrierThatRingsReliablyWithItsOfferGetsTheAnswerInThePRACK(t *testing.T) {
	early := make(listener, 1)
	to := driver
	to.Early = early
	done, b := ringingWith(t, offersLate, to, "one")
	b[0].wantNoOffer()
	b[0].answer("183 Progress", "Require: 100rel\nRSeq: 1\n"+b[0].sdp())
	prack := b[0].want("PRACK", "INVITE")
	bringsAnswer(t, prack)
	b[0].send(prack.reply("200 OK", "", ""))
	wait(t, "early audio", early)
	b[0].answer("200 OK", "")
	if ack := b[0].want("ACK", "INVITE", "PRACK"); ack.body() != "" {
		t.Errorf("it was answered before:\n%s", ack)
	}
	leg := wait(t, "end of Dial", done).leg
	b[0].hears(leg)
	b[0].bye()
}

func TestABranchThatOffersWhenItAnswersIsHeardThoughAnotherRangWithAnOffer(t *testing.T) {
	done, b := ringingWith(t, offersLate, driver, "one", "two")
	b[0].answer("183 Progress", "Require: 100rel\nRSeq: 1\n"+b[0].sdp())
	b[0].send(b[0].want("PRACK", "INVITE").reply("200 OK", "", ""))
	b[1].answer("200 OK", b[1].sdp())
	bringsAnswer(t, b[1].want("ACK", "INVITE", "PRACK"))
	leg := wait(t, "end of Dial", done).leg
	b[1].hears(leg)
	b[1].seq = 0
	b[1].bye()
}

func TestACarrierThatWasToMakeTheOfferAndDoesNotIsHungUpOn(t *testing.T) {
	for name, sdp := range map[string]string{"no SDP": "", "no audio in common": "Content-Type: application/sdp\n\nv=0\no=- 2 2 IN IP4 127.0.0.1\ns=-\nc=IN IP4 127.0.0.1\nt=0 0\nm=audio 4000 RTP/AVP 3\n"} {
		t.Run(name, func(t *testing.T) {
			done, b := ringingWith(t, offersLate, driver, "one")
			b[0].answer("200 OK", sdp)
			if ack := b[0].want("ACK", "INVITE"); ack.body() != "" {
				t.Errorf("got\n%s", ack)
			}
			b[0].send(b[0].want("BYE", "ACK").reply("200 OK", "", ""))
			if err := wait(t, "end of Dial", done).err; !errors.Is(err, pbx.ErrUnreachable) {
				t.Error(err)
			}
		})
	}
}
