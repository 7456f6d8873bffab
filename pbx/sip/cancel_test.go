package sip

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

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

// RFC 3261 §9.2: a CANCEL changes nothing where the final answer was given.
func TestACANCELThatCrossesOur200LeavesTheCallAsItIs(t *testing.T) {
	for _, way := range ways[:2] {
		t.Run(way.network, func(t *testing.T) {
			b := start(t, answerAll, nil)
			k := way.open(b).newTalk("79161234567", "74950000000")
			k.request("INVITE", sdpOffer)
			ok := k.want("SIP/2.0 200", "SIP/2.0 1")
			k.again("CANCEL", "")
			m := k.wantAgain("SIP/2.0 200") // not 487
			for ; m == ok; m = k.wantAgain("SIP/2.0 200") {
			}
			if got, want := m.header("CSeq"), fmt.Sprint(k.seq, " CANCEL"); got != want || m.header("To") != ok.header("To") {
				t.Errorf("want the 200 of %s, got\n%s", want, m)
			}
			for range 3 {
				if again := k.wantAgain("SIP/2.0"); again != ok {
					t.Errorf("want the INVITE's 200 again, got\n%s", again)
				}
			}
			k.enter(ok)
			k.request("ACK", "")
			k.request("OPTIONS", "") // handled after the ACK
			k.want("SIP/2.0 200")
			k.noRepeat(2 * wire.T2)
			leg := wait(t, "leg", b.legs)
			if r := leg.Record(); leg.Context().Err() != nil || r.Code != 200 || r.Answered.IsZero() {
				t.Errorf("the leg is not up: %+v", r)
			}
			k.bye()
			if err := ended(t, leg); !errors.Is(err, pbx.ErrHungUp) {
				t.Errorf("cause %v", err)
			}
		})
	}
}

// finals returns the answers to an INVITE and its CANCEL, which come in any order.
func (k *talk) finals() (invite, cancel message) {
	k.t.Helper()
	for invite == "" || cancel == "" {
		m := k.want("SIP/2.0", "SIP/2.0 1")
		switch of := strings.Fields(m.header("CSeq"))[1]; {
		case m.status() < "200":
		case of == "CANCEL" && cancel == "":
			cancel = m
		case of == "INVITE" && invite == "":
			invite = m
		default:
			k.t.Fatalf("one answer too many:\n%s", m)
		}
	}
	return invite, cancel
}

func TestACANCELThatRacesWithOurAnswerHasOneOutcome(t *testing.T) {
	type result struct{ err error }
	head, answered := make(chan time.Duration), make(chan result)
	b := start(t, func(ctx context.Context, leg pbx.Leg, _ pbx.Arrival) {
		<-time.After(<-head)
		answered <- result{leg.Answer(ctx)}
		<-leg.Context().Done()
	}, nil)
	var all []*talk
	outcomes := map[string]int{}
	for round := range 60 {
		k := b.phone().newTalk("79161234567", "74950000000")
		all = append(all, k)
		k.request("INVITE", sdpOffer)
		k.want("SIP/2.0 180", "SIP/2.0 100")
		leg := wait(t, "leg", b.legs)
		head <- time.Duration(round%12) * 20 * time.Microsecond // the CANCEL has the longer way
		k.again("CANCEL", "")
		err := wait(t, "end of Answer", answered).err
		invite, cancel := k.finals()
		if cancel.status() != "200" || cancel.header("To") != invite.header("To") {
			t.Errorf("the CANCEL got\n%s", cancel)
		}
		outcomes[invite.status()]++
		r := leg.Record()
		switch invite.status() {
		case "200":
			if err != nil || leg.Context().Err() != nil || r.Code != 200 || r.Answered.IsZero() {
				t.Errorf("it got 200, but: %v, %+v", err, r)
			}
			k.enter(invite)
			k.request("ACK", "")
			k.bye()
		case "487":
			if !errors.Is(err, pbx.ErrHungUp) || r.Code != 487 || !r.Answered.IsZero() {
				t.Errorf("it got 487, but: %v, %+v", err, r)
			}
			k.to = invite.header("To")
			k.again("ACK", "")
			k.request("BYE", "")  // of a call that there is not
			k.want("SIP/2.0 200") // see inDialog: it crossed the end
		default:
			t.Fatalf("got\n%s", invite)
		}
		if err := ended(t, leg); !errors.Is(err, pbx.ErrHungUp) {
			t.Errorf("cause %v", err)
		}
	}
	t.Log(outcomes)
	all[len(all)-1].silent(4 * wire.T1) // no other outcome comes later
	for _, k := range all {
		k.silent(time.Millisecond)
	}
}
