package sip

import (
	"context"
	"errors"
	"strings"
	"testing"

	wire "github.com/emiago/sipgo/sip"

	"cabline/pbx"
)

func TestACallThatIsCancelledEndsWith487AndAsHungUp(t *testing.T) {
	b := start(t, func(ctx context.Context, leg pbx.Leg, _ pbx.Arrival) {
		<-leg.Context().Done()
		if err := leg.Answer(ctx); !errors.Is(err, pbx.ErrHungUp) {
			t.Errorf("answer after the end: %v", err)
		}
	}, nil)
	k := b.phone().newTalk("79161234567", "74950000000")
	k.request("INVITE", sdpOffer)
	ringing := k.want("SIP/2.0 180", "SIP/2.0 100")
	k.again("CANCEL", "")
	var tags []string
	for range 2 { // one to each
		m := k.want("SIP/2.0")
		if want := map[string]string{"INVITE": "487", "CANCEL": "200"}[strings.Fields(m.header("CSeq"))[1]]; m.status() != want {
			t.Errorf("want %s, got\n%s", want, m)
		}
		tags = append(tags, m.header("To"))
	}
	for _, tag := range tags {
		if tag != ringing.header("To") {
			t.Errorf("To changed from %q to %q", ringing.header("To"), tag)
		}
	}
	k.to = tags[0]
	k.again("ACK", "")
	leg := wait(t, "leg", b.legs)
	if err := ended(t, leg); !errors.Is(err, pbx.ErrHungUp) {
		t.Errorf("cause %v", err)
	}
	if r := leg.Record(); r.Code != 487 || r.Cause != "hung up" || !r.Answered.IsZero() {
		t.Errorf("record %+v", r)
	}
	k.request("OPTIONS", "") // handled after the ACK
	k.want("SIP/2.0 ")
	k.noRepeat(10 * wire.T1)
}

func TestACANCELThatOvertakesItsINVITEIsRemembered(t *testing.T) {
	b := start(t, answerAll, nil)
	k := b.phone().newTalk("79161234567", "74950000000")
	k.branch, k.seq = "z9hG4bKovertaken", 1
	k.again("CANCEL", "")
	k.want("SIP/2.0 481")
	k.again("INVITE", sdpOffer)
	k.want("SIP/2.0 487")
}

func TestADialThatIsGivenUpIsCancelled(t *testing.T) {
	b, carrier := startTrunk(t, answerAll, nil)
	ctx, giveUp := context.WithCancelCause(context.Background())
	done := b.dial(ctx, driver)
	invite := carrier.want("INVITE")
	carrier.send(invite.reply("180 Ringing", "far", ""))
	giveUp(pbx.ErrNoAnswer)
	if d := wait(t, "end of Dial", done); !errors.Is(d.err, pbx.ErrNoAnswer) || d.leg != nil {
		t.Errorf("%v, %v", d.leg, d.err)
	}
	cancel := carrier.want("CANCEL")
	carrier.send(cancel.reply("200 OK", "far", ""))
	carrier.send(invite.reply("487 Request Terminated", "far", ""))
	if ack := carrier.want("ACK"); ack.header("Via") != invite.header("Via") {
		t.Errorf("the ACK is not of the transaction:\n%s", ack)
	}
}

func TestADialIsNotCancelledBeforeTheFirstSignOfLife(t *testing.T) {
	b, carrier := startTrunk(t, answerAll, nil)
	ctx, giveUp := context.WithCancelCause(context.Background())
	done := b.dial(ctx, driver)
	invite := carrier.want("INVITE")
	giveUp(pbx.ErrNoAnswer)
	wait(t, "end of Dial", done)
	carrier.wantAgain("INVITE") // a repetition, not CANCEL
	carrier.send(invite.reply("100 Trying", "", ""))
	carrier.send(carrier.want("CANCEL", "INVITE").reply("200 OK", "far", ""))
	carrier.send(invite.reply("487 Request Terminated", "far", ""))
	carrier.want("ACK", "INVITE")
}

func TestA200ThatCrossesOurCANCELIsAcknowledgedAndEnded(t *testing.T) {
	b, carrier := startTrunk(t, answerAll, nil)
	ctx, giveUp := context.WithCancelCause(context.Background())
	done := b.dial(ctx, driver)
	invite := carrier.want("INVITE")
	carrier.send(invite.reply("100 Trying", "", ""))
	giveUp(pbx.ErrNoAnswer)
	wait(t, "end of Dial", done)
	cancel := carrier.want("CANCEL")
	carrier.send(invite.reply("200 OK", "far", "Contact: <sip:gw@"+carrier.self+">\n"+sdpOffer))
	carrier.send(cancel.reply("481 Call/Transaction Does Not Exist", "far", ""))
	carrier.want("ACK")
	carrier.send(carrier.want("BYE").reply("200 OK", "", ""))
}
