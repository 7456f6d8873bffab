package sip

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	wire "github.com/emiago/sipgo/sip"

	"cabline/pbx"
)

// dialed is how a Dial ended.
type dialed struct {
	leg pbx.Leg
	err error
}

func (b *bench) dial(ctx context.Context, to pbx.Endpoint) <-chan dialed {
	done := make(chan dialed, 1)
	go func() {
		leg, err := b.Dial(ctx, to)
		done <- dialed{leg, err}
	}()
	return done
}

var driver = pbx.Endpoint{Number: "+79990000001"}

// pickUp answers an INVITE with 200 and waits for the ACK.
func (p *phone) pickUp(invite message, tag string) (ack message) {
	p.t.Helper()
	p.send(invite.reply("200 OK", tag, "Contact: <sip:gw@"+p.self+">\n"+sdpOffer))
	return p.wantAgain("ACK", "INVITE") // which may have come again
}

func TestHangingUpBeforeTheAnswerSaysWhy(t *testing.T) {
	for _, c := range []struct {
		why  error
		code string
	}{
		{pbx.ErrBusy, "486"}, {pbx.ErrRejected, "603"}, {pbx.ErrNotAllowed, "403"}, {pbx.ErrNoChannel, "503"}, {pbx.ErrShutdown, "503"},
		{pbx.ErrUnreachable, "404"}, {pbx.ErrAway, "480"}, {pbx.ErrNoAnswer, "480"}, {pbx.ErrHungUp, "480"}, {nil, "480"}, {fmt.Errorf("dial: %w", pbx.ErrBusy), "486"},
		{fmt.Errorf("%w: %w", errDead, pbx.ErrUnreachable), "408"}, {Rejection{Code: 408}, "408"}, {Rejection{Code: 503}, "408"}, {Rejection{Code: 408, Rang: true}, "480"},
		{Rejection{Code: 404}, "404"}, {Rejection{Code: 604}, "404"}, {Rejection{Code: 480}, "480"}, {Rejection{Code: 500}, "480"},
	} {
		t.Run(fmt.Sprint(c.why), func(t *testing.T) {
			b := start(t, func(ctx context.Context, leg pbx.Leg, _ pbx.Arrival) { _ = leg.HangUp(ctx, c.why) }, nil)
			k := b.phone().newTalk("79161234567", "74950000000")
			k.request("INVITE", sdpOffer)
			m := k.want("SIP/2.0 "+c.code, "SIP/2.0 1")
			if c.code == "503" && m.header("Retry-After") == "" {
				t.Error("503 without Retry-After")
			}
			k.to = m.header("To")
			k.again("ACK", "")
		})
	}
}

func TestA200IsRepeatedUntilItsACKComes(t *testing.T) {
	b := start(t, answerAll, nil)
	k := b.phone().newTalk("79161234567", "74950000000")
	k.request("INVITE", sdpOffer)
	first := k.want("SIP/2.0 200", "SIP/2.0 1")
	for range 3 {
		if again := k.wantAgain("SIP/2.0 200"); again != first {
			t.Errorf("the 200 changed:\n%s\n%s", first, again)
		}
	}
	k.enter(first)
	k.request("ACK", "")
	k.request("OPTIONS", "") // handled after the ACK
	k.want("SIP/2.0 200")
	k.noRepeat(2 * wire.T2)
	k.request("BYE", "")
	k.want("SIP/2.0 200")
}

func TestACallWhoseACKNeverComesEndsWithBYE(t *testing.T) {
	b := start(t, answerAll, nil)
	k := b.phone().newTalk("79161234567", "74950000000")
	k.request("INVITE", sdpOffer)
	first := k.want("SIP/2.0 200", "SIP/2.0 1")
	began, last, many := time.Now(), time.Duration(0), 1
	m := first
	for ; m == first; m = k.wantAgain("") { // RFC 3261 §13.3.1.4: every T2 in the end, for 64*T1
		last, many = time.Since(began), many+1
	}
	if took := time.Since(began); took < 64*wire.T1-wire.T1 || last < 64*wire.T1-2*wire.T2 || many < 10 {
		t.Errorf("after %v and %d of them, the last after %v, came\n%s", took, many, last, m)
	}
	if !strings.HasPrefix(string(m), "BYE") {
		t.Fatalf("got\n%s", m)
	}
	k.send(m.reply("200 OK", "", ""))
	if err := ended(t, wait(t, "leg", b.legs)); !errors.Is(err, pbx.ErrUnreachable) {
		t.Errorf("cause %v", err)
	}
}

func TestACarrierThatRangMayBeSilentFor64T1(t *testing.T) {
	b, carrier := startTrunk(t, answerAll, nil)
	done := b.dial(context.Background(), driver)
	invite := carrier.want("INVITE")
	carrier.send(invite.reply("180 Ringing", "far", ""))
	carrier.silent(64*wire.T1 + wire.T2)
	carrier.pickUp(invite, "far")
	end := wait(t, "end of Dial", done)
	if end.err != nil {
		t.Fatal(end.err)
	}
	carrier.silent(4 * wire.T1)
	_ = end.leg.HangUp(context.Background(), nil)
	carrier.send(carrier.want("BYE").reply("200 OK", "", ""))
}

func TestHangingUpBeforeTheACKSendsBYEOnlyAfterIt(t *testing.T) {
	b := start(t, func(ctx context.Context, leg pbx.Leg, _ pbx.Arrival) { _ = leg.Answer(ctx) }, nil)
	k := b.phone().newTalk("79161234567", "74950000000")
	k.request("INVITE", sdpOffer)
	ok := k.want("SIP/2.0 200", "SIP/2.0 1")
	wait(t, "end of the leg", wait(t, "leg", b.legs).Context().Done())
	k.wantAgain("SIP/2.0 200") // a repetition, not the BYE
	k.enter(ok)
	k.request("ACK", "")
	k.send(k.want("BYE", "SIP/2.0 200").reply("200 OK", "", ""))
}

func TestARepeatedINVITEMakesNoSecondCall(t *testing.T) {
	b := start(t, answerAll, nil)
	k := b.phone().newTalk("79161234567", "74950000000")
	k.request("INVITE", sdpOffer)
	k.again("INVITE", sdpOffer)
	ok := k.want("SIP/2.0 200", "SIP/2.0 1")
	k.again("INVITE", sdpOffer)
	k.enter(ok)
	branch := k.branch
	k.request("ACK", "")
	k.request("BYE", "")
	k.want("SIP/2.0 200", "SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP "+k.self+";branch="+branch)
	wait(t, "leg", b.legs)
	k.branch, k.seq, k.to = branch, 1, "<sip:74950000000@pbx.test>"
	k.silent(wire.Timer_L + 100*time.Millisecond) // until the transaction is gone
	k.again("INVITE", sdpOffer)
	k.silent(4 * wire.T1)
	if len(b.legs) != 0 {
		t.Error("a late copy of the INVITE made a call")
	}
}

func TestARepeatedBYEIsAnsweredAgain(t *testing.T) {
	b := start(t, answerAll, nil)
	k := b.phone().newTalk("79161234567", "74950000000")
	k.call()
	k.request("BYE", "")
	k.want("SIP/2.0 200")
	k.again("BYE", "")
	k.wantAgain("SIP/2.0 200")
}

func TestABYEThatComesTwiceAtOnceIsNotRefused(t *testing.T) {
	b := start(t, answerAll, nil)
	for range 50 {
		k := b.phone().newTalk("79161234567", "74950000000")
		k.call()
		k.request("BYE", "")
		k.again("BYE", "")
		k.again("BYE", "")
		wait(t, "leg", b.legs)
		for more := true; more; {
			select {
			case m := <-k.got:
				if !strings.HasPrefix(string(m), "SIP/2.0 200") {
					t.Fatalf("answered\n%s", m)
				}
			case <-time.After(5 * time.Millisecond):
				more = false
			}
		}
	}
}

func TestBYEsThatCrossAreBothAnswered(t *testing.T) {
	b := start(t, func(ctx context.Context, leg pbx.Leg, _ pbx.Arrival) { _ = leg.Answer(ctx) }, nil)
	k := b.phone().newTalk("79161234567", "74950000000")
	k.call()
	ours := k.want("BYE")
	k.request("BYE", "")
	k.want("SIP/2.0 200")
	k.send(ours.reply("200 OK", "", ""))
}

func TestOurBYEIsRepeatedUntilItIsAnswered(t *testing.T) {
	b := start(t, func(ctx context.Context, leg pbx.Leg, _ pbx.Arrival) { _ = leg.Answer(ctx) }, nil)
	k := b.phone().newTalk("79161234567", "74950000000")
	k.call()
	first := k.want("BYE")
	if again := k.wantAgain("BYE"); again != first {
		t.Errorf("the BYE changed:\n%s\n%s", first, again)
	}
	k.send(first.reply("200 OK", "", ""))
}

func TestARequestWithAnOldNumberIsRefused(t *testing.T) {
	b := start(t, answerAll, nil)
	k := b.phone().newTalk("79161234567", "74950000000")
	k.call()
	k.request("OPTIONS", "")
	k.want("SIP/2.0 200")
	k.seq -= 2
	k.request("OPTIONS", "")
	k.want("SIP/2.0 500")
	k.seq++
	k.request("BYE", "")
	k.want("SIP/2.0 200")
}

func TestARequestWithoutItsDialogGets481(t *testing.T) {
	b := start(t, answerAll, nil)
	for _, method := range []string{"BYE", "INFO", "UPDATE", "INVITE", "OPTIONS"} {
		k := b.phone().newTalk("79161234567", "74950000000")
		k.to += ";tag=unknown"
		k.request(method, "")
		k.want("SIP/2.0 481")
	}
	k := b.phone().newTalk("79161234567", "74950000000")
	k.call()
	from := k.from
	k.from = strings.Replace(from, "tag=", "tag=x", 1)
	k.request("BYE", "")
	k.want("SIP/2.0 481")
	k.from = from
	k.request("BYE", "")
	k.want("SIP/2.0 200")
}

func TestARepeated200IsAcknowledgedAgain(t *testing.T) {
	b, carrier := startTrunk(t, answerAll, nil)
	done := b.dial(context.Background(), driver)
	invite := carrier.want("INVITE")
	carrier.pickUp(invite, "far")
	leg := wait(t, "end of Dial", done).leg
	for range 2 {
		if ack := carrier.pickUp(invite, "far"); !strings.Contains(ack.header("To"), "tag=far") {
			t.Errorf("ACK\n%s", ack)
		}
	}
	if leg.Context().Err() != nil {
		t.Error("the call ended")
	}
	_ = leg.HangUp(context.Background(), nil)
	carrier.send(carrier.want("BYE").reply("200 OK", "", ""))
	carrier.pickUp(invite, "far") // even now
	carrier.send(carrier.want("BYE").reply("481 Unknown", "", ""))
}

func TestTheBranchOfAForkThatAnswersHasTheCall(t *testing.T) {
	b, carrier := startTrunk(t, answerAll, nil)
	done := b.dial(context.Background(), driver)
	invite := carrier.want("INVITE")
	for _, tag := range []string{"one", "two", "three"} {
		carrier.send(invite.reply("180 Ringing", tag, "Contact: <sip:"+tag+"@"+carrier.self+">\n"))
	}
	carrier.send(invite.reply("183 Progress", "one", "Contact: <sip:one@"+carrier.self+">\n"+answerSDP))
	port := wait(t, "port", b.ports)
	wait(t, "early answer", port.accepted)
	carrier.send(invite.reply("200 OK", "two", "Contact: <sip:two@"+carrier.self+">\n"+sdpOffer))
	if ack := carrier.want("ACK sip:two@", "INVITE"); !strings.Contains(ack.header("To"), "tag=two") {
		t.Errorf("got\n%s", ack)
	}
	if got := wait(t, "answer", port.accepted); !strings.Contains(got, "m=audio 4000") { // not what branch one said
		t.Errorf("the audio was shown %q", got)
	}
	_ = wait(t, "end of Dial", done).leg.HangUp(context.Background(), nil)
	carrier.send(carrier.want("BYE sip:two@").reply("200 OK", "", ""))
}

func TestASecond200FromAForkIsAcknowledgedAndEnded(t *testing.T) {
	b, carrier := startTrunk(t, answerAll, nil)
	done := b.dial(context.Background(), driver)
	invite := carrier.want("INVITE")
	carrier.pickUp(invite, "one")
	leg := wait(t, "end of Dial", done).leg
	if ack := carrier.pickUp(invite, "two"); !strings.Contains(ack.header("To"), "tag=two") {
		t.Errorf("ACK\n%s", ack)
	}
	bye := carrier.want("BYE")
	if !strings.Contains(bye.header("To"), "tag=two") {
		t.Errorf("BYE\n%s", bye)
	}
	carrier.send(bye.reply("200 OK", "", ""))
	if leg.Context().Err() != nil {
		t.Error("the first branch's call ended")
	}
	_ = leg.HangUp(context.Background(), nil)
	bye = carrier.want("BYE")
	if !strings.Contains(bye.header("To"), "tag=one") {
		t.Errorf("BYE\n%s", bye)
	}
	carrier.send(bye.reply("200 OK", "", ""))
}

func TestAResponseSaysWhyNobodyAnswered(t *testing.T) {
	for _, c := range []struct {
		code int
		rang bool
		want error
	}{
		{486, true, pbx.ErrBusy}, {600, false, pbx.ErrBusy}, {480, true, pbx.ErrNoAnswer}, {480, false, pbx.ErrUnreachable}, {487, true, pbx.ErrNoAnswer},
		{408, true, pbx.ErrNoAnswer}, {408, false, pbx.ErrUnreachable}, {603, true, pbx.ErrRejected}, {403, false, pbx.ErrRejected}, {404, false, pbx.ErrUnreachable},
		{484, false, pbx.ErrUnreachable}, {410, false, pbx.ErrUnreachable}, {503, false, pbx.ErrUnreachable}, {500, true, pbx.ErrUnreachable},
		{302, false, pbx.ErrUnreachable}, {488, false, pbx.ErrUnreachable},
	} {
		t.Run(fmt.Sprint(c.code, " rang ", c.rang), func(t *testing.T) {
			b, carrier := startTrunk(t, answerAll, nil)
			done := b.dial(context.Background(), driver)
			invite := carrier.want("INVITE")
			carrier.send(invite.reply("100 Trying", "", ""))
			if c.rang {
				carrier.send(invite.reply("180 Ringing", "far", "Contact: <sip:gw@"+carrier.self+">\n"+answerSDP))
				wait(t, "answer", wait(t, "port", b.ports).accepted) // sipgo deals with messages that come together in any order
			}
			carrier.send(invite.reply(fmt.Sprint(c.code, " Because"), "far", ""))
			carrier.want("ACK")
			err := wait(t, "end of Dial", done).err
			var r Rejection
			if !errors.Is(err, c.want) || !errors.As(err, &r) || r.Code != c.code || r.Reason != "Because" {
				t.Errorf("%v, want %v", err, c.want)
			}
		})
	}
}

func TestACarrierThatSaysNothingIsUnreachable(t *testing.T) {
	b, carrier := startTrunk(t, answerAll, nil)
	done := b.dial(context.Background(), driver)
	invite := carrier.want("INVITE")
	if again := carrier.wantAgain("INVITE"); again != invite {
		t.Errorf("the INVITE changed:\n%s\n%s", invite, again)
	}
	if err := wait(t, "end of Dial", done).err; !errors.Is(err, pbx.ErrUnreachable) {
		t.Error(err)
	}
}

// A 404 would say that there is no such number, to the caller, their carrier and
// the CDR.
func TestACallersCarrierIsTold408WhereTheCalleeIsSilent(t *testing.T) {
	for name, to := range map[string]pbx.Endpoint{"a carrier": driver, "a phone": {Operator: "anna"}} {
		t.Run(name, func(t *testing.T) {
			dial := make(chan func(context.Context, pbx.Endpoint) (pbx.Leg, error), 1)
			b, carrier := startTrunk(t, func(ctx context.Context, leg pbx.Leg, _ pbx.Arrival) {
				_, err := (<-dial)(ctx, to)
				_ = leg.HangUp(ctx, err)
			}, nil)
			dial <- b.Dial
			p := b.phone()
			p.account("anna").register("Expires: 600\n")
			k := b.phone().newTalk("79161234567", "74950000000")
			k.request("INVITE", sdpOffer)
			if to.Operator == "" {
				p = carrier
			}
			p.want("INVITE")
			k.to = k.want("SIP/2.0 408", "SIP/2.0 1").header("To")
			k.again("ACK", "")
			leg := wait(t, "leg", b.legs)
			if err := ended(t, leg); leg.Record().Code != 408 || pbx.Ending(err) != "unreachable" {
				t.Errorf("the CDR has %d, %s", leg.Record().Code, pbx.Ending(err))
			}
		})
	}
}

// ready is a transaction whose answer comes when a test sends it.
type ready struct {
	responses chan *wire.Response
	done      chan struct{}
}

func (r *ready) Responses() <-chan *wire.Response { return r.responses }
func (r *ready) Done() <-chan struct{}            { return r.done }

func TestAnAnswerThatHasComeCountsThoughTheTimeHasRunOut(t *testing.T) {
	for name, late := range map[string]time.Duration{"it waits": 0, "it comes at the same moment": time.Minute, "it is on its way from the socket": time.Minute + onItsWay/2} {
		t.Run(name, func(t *testing.T) {
			for range 50 { // a select would throw dice
				synctest.Test(t, func(t *testing.T) {
					r := &ready{make(chan *wire.Response, 1), make(chan struct{})}
					res := wire.NewResponse(200, "OK")
					silence := time.After(time.Minute)
					time.AfterFunc(late, func() { r.responses <- res })
					if late == 0 {
						time.Sleep(time.Hour)
					}
					if got, why := next(t.Context(), r, silence); got != res || why != nil {
						t.Errorf("%v, %v", got, why)
					}
				})
			}
		})
	}
}

func TestATransactionThatEndsWithAnAnswerHasAnswered(t *testing.T) {
	for range 50 {
		r := &ready{make(chan *wire.Response, 1), make(chan struct{})}
		r.responses <- wire.NewResponse(486, "Busy")
		close(r.done)
		if res, why := next(t.Context(), r, nil); res == nil || why != nil {
			t.Fatalf("%v, %v", res, why)
		}
		if res, why := next(t.Context(), r, nil); res != nil || why != nil {
			t.Fatalf("and then %v, %v", res, why)
		}
	}
}

func TestACallToATrunkWithoutAFreeChannelFailsAtOnce(t *testing.T) {
	b, carrier := startTrunk(t, answerAll, func(c *Config) { c.Trunks[0].Channels = 1 })
	done := b.dial(context.Background(), driver)
	carrier.pickUp(carrier.want("INVITE"), "far")
	leg := wait(t, "end of Dial", done).leg
	if err := wait(t, "end of Dial", b.dial(context.Background(), driver)).err; !errors.Is(err, pbx.ErrNoChannel) {
		t.Error(err)
	}
	k := carrier.newTalk("79161234567", "74950000000")
	k.request("INVITE", sdpOffer)
	if m := k.want("SIP/2.0 503"); m.header("Retry-After") == "" {
		t.Error("503 without Retry-After")
	}
	k.again("ACK", "")
	_ = leg.HangUp(context.Background(), nil)
	carrier.send(carrier.want("BYE").reply("200 OK", "", ""))
	k.request("INVITE", sdpOffer) // the channel is free again
	k.enter(k.want("SIP/2.0 200", "SIP/2.0 1"))
	k.request("ACK", "")
	k.request("BYE", "")
	k.want("SIP/2.0 200")
}

func TestAStoryThatPanicsEndsItsCallAndNothingElse(t *testing.T) {
	b := start(t, func(ctx context.Context, leg pbx.Leg, a pbx.Arrival) {
		if a.From == "+79160000666" {
			panic("a bug")
		}
		answerAll(ctx, leg, a)
	}, nil)
	bad := b.phone().newTalk("79160000666", "74950000000")
	bad.request("INVITE", sdpOffer)
	bad.to = bad.want("SIP/2.0 480", "SIP/2.0 1").header("To")
	bad.again("ACK", "")
	good := b.phone().newTalk("79161234567", "74950000000")
	good.call()
	good.request("BYE", "")
	good.want("SIP/2.0 200")
}

func TestCallsThatAreLeftWhenTheServerStopsAreHungUp(t *testing.T) {
	b := start(t, func(ctx context.Context, leg pbx.Leg, a pbx.Arrival) {
		_ = leg.Answer(ctx)
		<-ctx.Done()
		if !errors.Is(context.Cause(ctx), pbx.ErrShutdown) {
			t.Errorf("cause %v", context.Cause(ctx))
		}
		_ = leg.HangUp(ctx, context.Cause(ctx))
	}, nil)
	k := b.phone().newTalk("79161234567", "74950000000")
	k.call()
	wait(t, "leg", b.legs)
	stopped := make(chan struct{})
	go func() { b.stop(); close(stopped) }()
	bye := k.want("BYE")
	if got := bye.header("Reason"); !strings.Contains(got, "cause=31") {
		t.Errorf("Reason %q", got)
	}
	k.send(bye.reply("200 OK", "", ""))
	wait(t, "end of the server", stopped)
}

// sipgo starts a transaction's timers when the request is written. An answer that
// comes before that would leave them running, if it were not held until we read
// it, which we do after that.
func TestSipgoHoldsAnAnswerUntilItsTimersRun(t *testing.T) {
	if n := cap(wire.NewClientTx("", nil, nil, nil).Responses()); n != 0 {
		t.Errorf("%d answers are not held: what is sent early would be given up after 64*T1 though it rings", n)
	}
}
