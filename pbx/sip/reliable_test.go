package sip

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	wire "github.com/emiago/sipgo/sip"

	"cabline/media"
	"cabline/pbx"
)

const (
	requires  = "Require: 100rel\n"
	supports  = "Supported: timer, 100rel\n"
	answerSDP = "Content-Type: application/sdp\n\nv=0\no=- 2 2 IN IP4 127.0.0.1\ns=-\nc=IN IP4 127.0.0.1\nt=0 0\nm=audio 4002 RTP/AVP 8\n"
)

// progressing answers when told to, after it has let the caller hear.
func progressing(answer <-chan struct{}) func(context.Context, pbx.Leg, pbx.Arrival) {
	return func(ctx context.Context, leg pbx.Leg, a pbx.Arrival) {
		_ = leg.Progress(ctx)
		<-answer
		answerAll(ctx, leg, a)
	}
}

// prack confirms a reliable response.
func (k *talk) prack(ringing message, more string) {
	k.t.Helper()
	k.enter(ringing)
	seq, _, _ := strings.Cut(ringing.header("CSeq"), " ")
	k.request("PRACK", fmt.Sprintf("RAck: %s %s INVITE\n", ringing.header("RSeq"), seq)+more)
}

func TestOurRingingIsReliableWhereTheCallerRequiresItAndWaitsForItsPRACK(t *testing.T) {
	answer := make(chan struct{})
	b := start(t, progressing(answer), nil)
	k := b.phone().newTalk("79161234567", "74950000000")
	k.request("INVITE", requires+sdpOffer)
	ringing := k.want("SIP/2.0 180", "SIP/2.0 100")
	if ringing.header("Require") != "100rel" || ringing.header("RSeq") == "" || ringing.body() != "" {
		t.Errorf("got\n%s", ringing)
	}
	for range 2 { // repeated until the PRACK, and nothing else comes before
		if again := k.wantAgain("SIP/2.0"); again != ringing {
			t.Errorf("repeated as\n%s", again)
		}
	}
	k.request("PRACK", "RAck: 1 1 INVITE\n")
	k.want("SIP/2.0 481", "SIP/2.0 180")
	k.prack(ringing, "")
	k.want("SIP/2.0 200", "SIP/2.0 180")
	k.again("PRACK", "") // its answer was lost
	progress := k.want("SIP/2.0 183", "SIP/2.0 180", "SIP/2.0 200")
	var first, second int
	fmt.Sscan(ringing.header("RSeq"), &first)
	fmt.Sscan(progress.header("RSeq"), &second)
	if second != first+1 || !strings.Contains(progress.body(), "rtp answer") {
		t.Errorf("after RSeq %d\n%s", first, progress)
	}
	close(answer)
	for again := message(""); again != progress; { // RFC 3262 §3: no 2xx before the SDP is confirmed
		if again = k.wantAgain("SIP/2.0"); again.of("INVITE") && again != progress {
			t.Errorf("before the PRACK\n%s", again)
		}
	}
	k.prack(progress, "")
	if ok := k.okOf("INVITE"); ok.body() != "" {
		t.Errorf("the answer was given already\n%s", ok)
	}
	k.seqOf("ACK", 1)
	k.bye()
}

// of says whether a message is a request of a method, or an answer to one.
func (m message) of(method string) bool { return strings.HasSuffix(m.header("CSeq"), " "+method) }

// okOf waits for the 200 to a method.
func (k *talk) okOf(method string) message {
	k.t.Helper()
	for {
		if m := k.want("SIP/2.0 200", "SIP/2.0 1", "SIP/2.0 200"); m.of(method) {
			return m
		}
	}
}

// seqOf sends an ACK for the INVITE with a number lower than the last.
func (k *talk) seqOf(method string, seq int) {
	k.t.Helper()
	last := k.seq
	k.seq = seq
	k.request(method, "")
	k.seq = last
}

func TestOurRingingIsReliableWhereTheTrunksSettingWishesItAndTheCallerCan(t *testing.T) {
	for name, c := range map[string]struct {
		setting  bool
		headers  string
		reliable bool
	}{
		"set, and the caller can":    {true, supports, true},
		"set, and the caller cannot": {true, "", false},
		"not set":                    {false, supports, false},
	} {
		t.Run(name, func(t *testing.T) {
			b := start(t, answerAll, func(c2 *Config) { c2.Trunks[0].Prack = c.setting })
			k := b.phone().newTalk("79161234567", "74950000000")
			k.request("INVITE", c.headers+sdpOffer)
			ringing := k.want("SIP/2.0 180", "SIP/2.0 100")
			if got := ringing.header("RSeq") != ""; got != c.reliable {
				t.Errorf("reliable %v, want %v\n%s", got, c.reliable, ringing)
			}
			if c.reliable {
				k.prack(ringing, "")
			}
			ok := k.okOf("INVITE")
			if !strings.Contains(ok.body(), "rtp answer") { // the 180 had none
				t.Errorf("got\n%s", ok)
			}
			k.enter(ok)
			k.seqOf("ACK", 1)
			k.bye()
		})
	}
}

func TestACallWhosePRACKNeverComesIsRefused(t *testing.T) {
	b := start(t, answerAll, nil)
	k := b.phone().newTalk("79161234567", "74950000000")
	k.request("INVITE", requires+sdpOffer)
	k.want("SIP/2.0 504", "SIP/2.0 1")
	k.again("ACK", "")
	if err := ended(t, wait(t, "leg", b.legs)); !errors.Is(err, pbx.ErrUnreachable) {
		t.Errorf("cause %v", err)
	}
}

func TestWithoutAnOfferTheReliableRingingMakesOursAndThePRACKBringsTheAnswer(t *testing.T) {
	b := start(t, answerAll, nil)
	k := b.phone().newTalk("79161234567", "74950000000")
	k.request("INVITE", requires)
	ringing := k.want("SIP/2.0 180", "SIP/2.0 100")
	if !strings.Contains(ringing.body(), "rtp offer") {
		t.Errorf("got\n%s", ringing)
	}
	port := wait(t, "port", b.ports)
	k.prack(ringing, answerSDP)
	if got := wait(t, "answer shown to the audio", port.accepted); !strings.Contains(got, "m=audio 4002") {
		t.Errorf("the audio was shown %q", got)
	}
	if ok := k.okOf("INVITE"); ok.body() != "" {
		t.Errorf("got\n%s", ok)
	}
	k.seqOf("ACK", 1)
	k.bye()
}

func TestAPRACKMayMakeAnotherOffer(t *testing.T) {
	answer := make(chan struct{})
	b := start(t, progressing(answer), nil)
	k := b.phone().newTalk("79161234567", "74950000000")
	k.request("INVITE", requires+sdpOffer)
	ringing := k.want("SIP/2.0 180", "SIP/2.0 100")
	k.prack(ringing, "")
	k.prack(k.want("SIP/2.0 183", "SIP/2.0 180", "SIP/2.0 200"), holdOffer)
	ok := k.okOf("PRACK")
	for ; ok.body() == ""; ok = k.okOf("PRACK") { // the first one's
	}
	if !strings.Contains(ok.body(), "rtp answer") {
		t.Errorf("got\n%s", ok)
	}
	if offers, _ := wait(t, "port", b.ports).told(); len(offers) != 2 || !strings.Contains(offers[1], "sendonly") {
		t.Errorf("the audio was shown %q", offers)
	}
	close(answer)
	k.okOf("INVITE")
	k.seqOf("ACK", 1)
	k.bye()
}

func TestBrowsersAreNeverAskedForPRACKAndNeverGetIt(t *testing.T) {
	b := start(t, answerAll, func(c *Config) { c.Trunks[0].Prack = true })
	page := b.page()
	page.account("anna").register("Expires: 600\n")
	done := b.dial(context.Background(), pbx.Endpoint{Operator: "anna"})
	invite := page.want("INVITE")
	if got := invite.header("Supported"); strings.Contains(got, "100rel") {
		t.Errorf("Supported: %s", got)
	}
	page.send(invite.reply("180 Ringing", "far", "Require: 100rel\nRSeq: 1\nContact: <sip:x@"+page.self+">\n"))
	page.pickUp(invite, "far") // and no PRACK before the ACK
	leg := wait(t, "end of Dial", done).leg
	_ = leg.HangUp(context.Background(), nil)
	page.send(page.want("BYE").reply("200 OK", "", ""))
}

func TestABrowserThatRequiresPRACKIsTold420(t *testing.T) {
	b := start(t, answerAll, nil)
	a := b.page().account("anna")
	a.register("Expires: 600\n")
	k := a.newTalk("anna", "88005553535")
	k.request("INVITE", requires+sdpOffer)
	challenge := k.want("SIP/2.0 407")
	k.again("ACK", "")
	k.request("INVITE", "Proxy-Authorization: "+a.credentials("INVITE", "sip:88005553535@pbx.test", challenge.header("Proxy-Authenticate"))+"\n"+requires+sdpOffer)
	if m := k.want("SIP/2.0 420", "SIP/2.0 100"); m.header("Unsupported") != "100rel" {
		t.Errorf("got\n%s", m)
	}
	k.again("ACK", "")
}

// listener is told of early media.
type listener chan media.Port

func (l listener) EarlyMedia(_ context.Context, from media.Port) { l <- from }

func TestTheirReliableRingingIsConfirmedOnceAndInOrder(t *testing.T) {
	b, carrier := startTrunk(t, answerAll, func(c *Config) { c.Trunks[0].Prack = true })
	done := b.dial(context.Background(), driver)
	invite := carrier.want("INVITE")
	if got := invite.header("Supported"); got != "timer, 100rel" {
		t.Errorf("Supported: %s", got)
	}
	reliable := func(status string, rseq int, more string) {
		carrier.send(invite.reply(status, "far", fmt.Sprintf("Contact: <sip:gw@%s>\nRequire: 100rel\nRSeq: %d\n%s", carrier.self, rseq, more)))
	}
	reliable("180 Ringing", 7, "")
	prack := carrier.want("PRACK sip:gw@"+carrier.self, "INVITE")
	seq := strings.Fields(invite.header("CSeq"))[0]
	if prack.header("RAck") != "7 "+seq+" INVITE" || !strings.Contains(prack.header("To"), "tag=far") || prack.header("CSeq") == invite.header("CSeq") {
		t.Errorf("got\n%s", prack)
	}
	carrier.send(prack.reply("200 OK", "", ""))
	reliable("180 Ringing", 7, "") // it comes again
	reliable("183 Progress", 9, answerSDP)
	carrier.silent(4 * wire.T1) // 8 has not come yet
	reliable("183 Progress", 8, answerSDP)
	prack = carrier.wantAnother("PRACK", prack, "INVITE")
	if prack.header("RAck") != "8 "+seq+" INVITE" {
		t.Errorf("got\n%s", prack)
	}
	carrier.send(prack.reply("200 OK", "", ""))
	if got := wait(t, "early answer", wait(t, "port", b.ports).accepted); !strings.Contains(got, "m=audio 4002") {
		t.Errorf("the audio was shown %q", got)
	}
	carrier.send(invite.reply("200 OK", "far", "Contact: <sip:gw@"+carrier.self+">\n")) // without SDP: it was sent
	if ack := carrier.want("ACK", "INVITE", "PRACK"); ack.header("CSeq") != seq+" ACK" {
		t.Errorf("got\n%s", ack)
	}
	leg := wait(t, "end of Dial", done).leg
	if leg == nil {
		t.Fatal("no leg")
	}
	_ = leg.HangUp(context.Background(), nil)
	bye := carrier.want("BYE")
	if got := bye.header("CSeq"); got <= prack.header("CSeq") {
		t.Errorf("CSeq %s after %s", got, prack.header("CSeq"))
	}
	carrier.send(bye.reply("200 OK", "", ""))
}

func TestAnUPDATEBeforeTheAnswerChangesTheSessionOnceItIsAgreed(t *testing.T) {
	answer := make(chan struct{})
	b := start(t, progressing(answer), nil)
	k := b.phone().newTalk("79161234567", "74950000000")
	k.request("INVITE", requires+sdpOffer)
	ringing := k.want("SIP/2.0 180", "SIP/2.0 100")
	k.prack(ringing, "")
	progress := k.want("SIP/2.0 183", "SIP/2.0 180", "SIP/2.0 200")
	k.enter(progress)
	k.request("UPDATE", holdOffer)
	k.want("SIP/2.0 500", "SIP/2.0 183", "SIP/2.0 200") // our answer is not confirmed yet
	k.prack(progress, "")
	k.okOf("PRACK")
	k.request("UPDATE", "")
	k.okOf("UPDATE")
	k.request("UPDATE", holdOffer)
	if ok := k.okOf("UPDATE"); !strings.Contains(ok.body(), "rtp answer") {
		t.Errorf("got\n%s", ok)
	}
	if offers, _ := wait(t, "port", b.ports).told(); len(offers) != 2 {
		t.Errorf("the audio was shown %q", offers)
	}
	close(answer)
	k.okOf("INVITE")
	k.seqOf("ACK", 1)
	k.bye()
}

func TestAnUPDATEOfOneWhoRingsIsAnswered(t *testing.T) {
	out, carrier := startTrunk(t, answerAll, nil)
	done := out.dial(context.Background(), driver)
	invite := carrier.want("INVITE")
	carrier.send(invite.reply("183 Progress", "far", "Contact: <sip:gw@"+carrier.self+">\nRequire: 100rel\nRSeq: 1\n"+answerSDP))
	carrier.send(carrier.want("PRACK", "INVITE").reply("200 OK", "", ""))
	far := &talk{phone: carrier, id: invite.header("Call-ID"), from: invite.header("To") + ";tag=far", to: invite.header("From"), target: invite.uri("Contact")}
	far.request("UPDATE", holdOffer)
	if ok := far.want("SIP/2.0 200"); !strings.Contains(ok.body(), "rtp answer") {
		t.Errorf("got\n%s", ok)
	}
	far.from = invite.header("To") + ";tag=another"
	far.request("UPDATE", holdOffer)
	far.want("SIP/2.0 481")
	carrier.send(invite.reply("200 OK", "far", "Contact: <sip:gw@"+carrier.self+">\n"))
	carrier.want("ACK", "INVITE", "PRACK")
	_ = wait(t, "end of Dial", done).leg.HangUp(context.Background(), nil)
	carrier.send(carrier.want("BYE").reply("200 OK", "", ""))
}

func TestReliableRingingOfAForkIsConfirmedInEachBranch(t *testing.T) {
	b, carrier := startTrunk(t, answerAll, nil) // required of us without our having offered it
	done := b.dial(context.Background(), driver)
	invite := carrier.want("INVITE")
	for i, tag := range []string{"one", "two"} {
		carrier.send(invite.reply("183 Progress", tag, fmt.Sprintf("Contact: <sip:%s@%s>\nRequire: 100rel\nRSeq: %d\n%s", tag, carrier.self, 10*i+1, answerSDP)))
		prack := carrier.want("PRACK sip:"+tag+"@", "INVITE", "PRACK")
		if !strings.Contains(prack.header("To"), "tag="+tag) || !strings.HasPrefix(prack.header("RAck"), fmt.Sprint(10*i+1, " ")) {
			t.Errorf("got\n%s", prack)
		}
		carrier.send(prack.reply("200 OK", "", ""))
	}
	ack := carrier.pickUp(invite, "one")
	if !strings.Contains(ack.header("To"), "tag=one") {
		t.Errorf("got\n%s", ack)
	}
	leg := wait(t, "end of Dial", done).leg
	carrier.send(invite.reply("200 OK", "two", "Contact: <sip:two@"+carrier.self+">\n"+sdpOffer)) // it answers too
	carrier.want("ACK sip:two@")
	bye := carrier.want("BYE sip:two@")
	var seq int
	if fmt.Sscan(bye.header("CSeq"), &seq); seq <= 3 { // above any PRACK there
		t.Errorf("got\n%s", bye)
	}
	carrier.send(bye.reply("200 OK", "", ""))
	_ = leg.HangUp(context.Background(), nil)
	carrier.send(carrier.want("BYE").reply("200 OK", "", ""))
}

func TestEarlyMediaIsPassedOnOrReplacedByTheTrunksSetting(t *testing.T) {
	for setting, passed := range map[EarlyMedia]bool{"": true, Pass: true, Ringback: false} {
		t.Run("early_media: "+string(setting), func(t *testing.T) {
			b, carrier := startTrunk(t, answerAll, func(c *Config) { c.Trunks[0].EarlyMedia = setting })
			early := make(listener, 5)
			to := driver
			to.Early = early
			done := b.dial(context.Background(), to)
			invite := carrier.want("INVITE")
			carrier.send(invite.reply("180 Ringing", "far", ""))
			carrier.send(invite.reply("183 Progress", "far", answerSDP))
			port := wait(t, "port", b.ports)
			wait(t, "early answer", port.accepted)
			carrier.send(invite.reply("183 Progress", "far", answerSDP)) // again, as some do each minute
			wait(t, "early answer", port.accepted)
			carrier.send(invite.reply("486 Busy", "far", ""))
			carrier.want("ACK", "INVITE", "PRACK")
			end := wait(t, "end of Dial", done)
			var failed *pbx.DialError
			if !errors.Is(end.err, pbx.ErrBusy) || !errors.As(end.err, &failed) || failed.Code != 486 {
				t.Errorf("%v", end.err)
			}
			if got := len(early) == 1; got != passed || passed && <-early != media.Port(port) {
				t.Errorf("told of early media: %v, want %v", got, passed)
			}
		})
	}
}

func TestACallerWhoIsNotAnsweredHearsUsBy183(t *testing.T) {
	for name, c := range map[string]struct{ offer, status string }{
		"with our SDP":                       {sdpOffer, "SIP/2.0 183"},
		"not where they have offered no SDP": {"", "SIP/2.0 200"},
	} {
		t.Run(name, func(t *testing.T) {
			answer := make(chan struct{})
			b := start(t, progressing(answer), nil)
			k := b.phone().newTalk("79161234567", "74950000000")
			k.request("INVITE", c.offer)
			k.want("SIP/2.0 180", "SIP/2.0 100")
			leg := wait(t, "leg", b.legs)
			if c.offer != "" {
				progress := k.want(c.status)
				if !strings.Contains(progress.body(), "rtp answer") || progress.header("Contact") == "" || progress.header("Require") != "" {
					t.Errorf("got\n%s", progress)
				}
			}
			k.silent(time.Millisecond)
			if !leg.Record().Answered.IsZero() {
				t.Error("counts as answered")
			}
			close(answer)
			ok := k.want("SIP/2.0 200")
			if ok.body() == "" {
				t.Errorf("got\n%s", ok)
			}
			k.enter(ok)
			k.request("ACK", c.offer+map[bool]string{true: sdpOffer}[c.offer == ""])
			k.bye()
		})
	}
}
