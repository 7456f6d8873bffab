package sip

import (
	"context"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"unicode/utf16"

	"cabline/pbx"
)

const (
	secretPhone pbx.Phone = "+79167654321"
	ownPhone    pbx.Phone = "+79267654321"
)

func TestAHiddenNumberIsKnownInEveryWriting(t *testing.T) {
	h := hide(ownPhone, []pbx.Phone{secretPhone})
	for name, text := range map[string]string{
		"international":           "X: +79167654321",
		"with an eight":           "X: 89167654321",
		"bare":                    "X: 9167654321",
		"from abroad":             "X: 0079167654321",
		"spaced":                  "X: +7 916 765 43 21",
		"dashed":                  "X: 8-916-765-43-21",
		"with brackets":           "X: +7 (916) 765-43-21",
		"dotted":                  "X: 916.765.4321",
		"with hard spaces":        "X: +7\u00a0916\u00a0765\u00a043\u00a021",
		"typeset":                 "X: +7\u202f916\u2009765\u201143\u201321",
		"in UTF-16":               "X: " + utf16BE("+79167654321"),
		"digit by digit":          "X: 9-1-6-7-6-5-4-3-2-1",
		"URL-encoded":             "X: %2B7916%37654321",
		"URL-encoded all":         "X: %39%31%36%37%36%35%34%33%32%31",
		"in hex":                  "X: " + hex.EncodeToString([]byte("+79167654321")),
		"in hex, capitals":        "X: " + strings.ToUpper(hex.EncodeToString([]byte("call +79167654321"))),
		"in hex, spaced":          "X: " + fmt.Sprintf("% x", "9167654321"),
		"in base64":               "X: " + base64.StdEncoding.EncodeToString([]byte("9167654321")),
		"in base64, +7":           "X: " + base64.StdEncoding.EncodeToString([]byte("+79167654321")),
		"in base64, 8":            "X: " + base64.StdEncoding.EncodeToString([]byte("89167654321")),
		"in base64, in the midst": "X: " + base64.URLEncoding.EncodeToString([]byte(`{"phone":"79167654321","x":1}`)),
		"as a tel URI":            "X: <tel:+7-916-765-4321;ext=1>",
		"between other digits":    "X: 1239167654321999",
	} {
		if h.in([]byte(text)) == nil {
			t.Errorf("%s: not seen in %q", name, text)
		}
	}
	for name, text := range map[string]string{
		"the party's own number": "To: <sip:+79267654321@carrier>",
		"one digit else":         "X: 9167654322",
		"over two lines":         "X: 91676\r\nY: 54321",
		"addresses and ports":    "c=IN IP4 91.67.65.43\r\nm=audio 21000 RTP/AVP 8",
		"letters between":        "X: 91676z54321",
		"the middle masked":      "X: +7***4321",
	} {
		if h.in([]byte(text)) != nil {
			t.Errorf("%s: seen in %q", name, text)
		}
	}
	if hide(ownPhone, []pbx.Phone{ownPhone, "", "1234"}) != nil {
		t.Error("a party's own number, none, and a short one are not to be hidden")
	}
}

func utf16BE(text string) string {
	var b strings.Builder
	for _, c := range utf16.Encode([]rune(text)) {
		b.Write([]byte{byte(c >> 8), byte(c)})
	}
	return b.String()
}

// The alphabets of base64 differ in two letters that digits never become.
func TestDigitsAreTheSameInBothAlphabetsOfBase64(t *testing.T) {
	h := hide(ownPhone, []pbx.Phone{secretPhone})
	for shift := range 3 {
		for _, code := range []*base64.Encoding{base64.StdEncoding, base64.RawStdEncoding, base64.URLEncoding, base64.RawURLEncoding} {
			text := code.EncodeToString([]byte("~?>"[:shift] + secretPhone.Dialable() + "~?>"))
			if h.in([]byte("X: "+text)) == nil {
				t.Errorf("shifted by %d: not seen in %s", shift, text)
			}
		}
	}
}

// sent is what is left of a message, "" where it may not leave.
func sent(h *hidden, text string) string {
	kept, _, err := h.mend([]byte(crlf(text)))
	if err != nil {
		return ""
	}
	return string(kept)
}

const (
	guardHead = "Via: SIP/2.0/UDP 127.0.0.1;branch=z9\nFrom: <sip:74950000000@pbx>;tag=ours\n"
	guardRest = "Call-ID: abc\nCSeq: 2 %s\nContact: <sip:cabline@pbx>\n"
)

// Every kind of message is stopped, or mended where it may do without.
func TestAMessageLeavesWithoutTheHeaderThatTells(t *testing.T) {
	h := hide(ownPhone, []pbx.Phone{secretPhone})
	outside := "To: <sip:79267654321@carrier>\n"
	inside := "To: <sip:79267654321@carrier>;tag=theirs\n"
	for _, method := range []string{"INVITE", "ACK", "CANCEL", "BYE", "INFO", "UPDATE", "NOTIFY", "REFER", "PRACK", "MESSAGE"} {
		to, rest := inside, fmt.Sprintf(guardRest, method)
		if method == "INVITE" || method == "CANCEL" {
			to = outside
		}
		clean := method + " sip:79267654321@carrier SIP/2.0\n" + guardHead + to + rest
		leak := clean + "Reason: Q.850;cause=16;text=\"+7 916 765-43-21\"\nX-Debug: 39313637363534333231\nSubject: taxi\n"
		if got := sent(h, leak); got != crlf(clean+"Subject: taxi\n") {
			t.Errorf("%s with a header that tells: left as\n%s", method, got)
		}
		if got := sent(h, clean+"Content-Type: text/plain\n\ncall 89167654321"); got != "" {
			t.Errorf("%s with a body that tells left:\n%s", method, got)
		}
	}
	for _, status := range []string{"100 Trying", "180 Ringing", "181 Call Is Being Forwarded", "183 Session Progress", "200 OK", "302 Moved", "486 Busy", "491 Pending", "603 Decline"} {
		clean := "SIP/2.0 " + status + "\n" + guardHead + inside + fmt.Sprintf(guardRest, "INVITE")
		if got := sent(h, clean+"Diversion: <sip:89167654321@x>\nWarning: 399 x \"+79167654321\"\n"); got != crlf(clean) {
			t.Errorf("%s with headers that tell: left as\n%s", status, got)
		}
	}
}

func TestWhatBecomesOfAFieldThatTells(t *testing.T) {
	h := hide(ownPhone, []pbx.Phone{secretPhone})
	invite := func(from, to, contact, body string) string {
		m := "INVITE sip:79267654321@carrier SIP/2.0\nFrom: " + from + "\nTo: " + to + "\nCall-ID: abc\nCSeq: 1 INVITE\nContact: " + contact + "\n"
		if body != "" {
			m += "Content-Type: application/sdp\n\n" + body
		}
		return m
	}
	const us, them, here = "<sip:74950000000@pbx>;tag=1", "<sip:79267654321@carrier>", "<sip:cabline@pbx>"
	const sdp = "v=0\no=- 1 1 IN IP4 127.0.0.1\ns=-\nc=IN IP4 127.0.0.1\nt=0 0\nm=audio 4000 RTP/AVP 8\n"
	for name, c := range map[string]struct{ message, left string }{
		"nothing tells":                  {invite(us, them, here, sdp), invite(us, them, here, sdp)},
		"the name before From":           {invite(`"89167654321" `+us, them, here, ""), invite(us, them, here, "")},
		"the number in From":             {invite("<sip:89167654321@pbx>;tag=1", them, here, ""), ""},
		"the number in To":               {invite(us, "<sip:89167654321@pbx>", here, ""), ""},
		"the number in Contact":          {invite(us, them, "<sip:89167654321@pbx>", ""), ""},
		"the request line":               {strings.Replace(invite(us, them, here, ""), "79267654321", "79167654321", 1), ""},
		"the Call-ID":                    {strings.Replace(invite(us, them, here, ""), "abc", "89167654321@pbx", 1), ""},
		"a reason phrase":                {"SIP/2.0 486 89167654321 is busy\nTo: <sip:x@y>;tag=1\n", "SIP/2.0 486 \nTo: <sip:x@y>;tag=1\n"},
		"words in a session description": {invite(us, them, here, sdp+"i=call 89167654321\na=x:+7-916-765-43-21\na=ptime:20\n"), invite(us, them, here, sdp+"a=ptime:20\n")},
		"the session's name":             {invite(us, them, here, strings.Replace(sdp, "s=-", "s=89167654321", 1)), invite(us, them, here, sdp)},
		"the session's origin":           {invite(us, them, here, strings.Replace(sdp, "o=-", "o=89167654321", 1)), ""},
	} {
		left := ""
		if c.left != "" {
			left = crlf(c.left)
		}
		if got := sent(h, c.message); got != left {
			t.Errorf("%s: left as\n%q, want\n%q", name, got, left)
		}
	}
}

// A party whose own network has used the number knows it; a call must not die
// of repeating its words.
func TestWhatAPartyHasSaidItselfIsRepeatedToIt(t *testing.T) {
	h := hide(ownPhone, []pbx.Phone{secretPhone})
	for name, message := range map[string]string{
		"in a dialog": "BYE sip:89167654321@gw SIP/2.0\nRoute: <sip:p;x=89167654321;lr>\nFrom: <sip:1@x>;tag=1\nTo: \"89167654321\" <sip:x@y>;tag=89167654321\nCall-ID: 89167654321\nCSeq: 2 BYE\n",
		"in a response": "SIP/2.0 200 OK\nVia: SIP/2.0/UDP h;branch=89167654321\nFrom: <sip:89167654321@x>;tag=1\nTo: <sip:89167654321@x>;tag=2\n" +
			"Call-ID: 89167654321\nCSeq: 1 INVITE\nRecord-Route: <sip:p;x=89167654321>\nTimestamp: 89167654321\n",
	} {
		if got := sent(h, message); got != crlf(message) {
			t.Errorf("%s: left as\n%s", name, got)
		}
	}
}

// The guard is on the sockets themselves, of every kind.
func TestTheGuardIsTheLastStepBeforeTheWire(t *testing.T) {
	var mended, refused atomic.Int32
	b, carrier := startTrunk(t, answerAll, func(c *Config) {
		c.UserAgent = "Cabline for " + secretPhone.Dialable()
		c.Alarm = func(sent bool) {
			if sent {
				mended.Add(1)
			} else {
				refused.Add(1)
			}
		}
	})
	clean := func(m message) {
		t.Helper()
		if hide(ownPhone, []pbx.Phone{secretPhone}).in([]byte(m)) != nil {
			t.Errorf("this has left:\n%s", m)
		}
	}
	hidden := []pbx.Phone{secretPhone}

	done := b.dial(context.Background(), pbx.Endpoint{Number: ownPhone, Trunk: "carrier", Hidden: hidden})
	invite := carrier.want("INVITE")
	clean(invite)
	if invite.header("User-Agent") != "" || mended.Load() != 1 {
		t.Errorf("mended %d times:\n%s", mended.Load(), invite)
	}
	carrier.send(invite.reply("486 Busy Here", "far", ""))
	carrier.want("ACK")
	if end := wait(t, "the end of dialling", done); !errors.Is(end.err, pbx.ErrBusy) {
		t.Errorf("the call did not go on: %v", end.err)
	}

	done = b.dial(context.Background(), pbx.Endpoint{Number: secretPhone, Trunk: "carrier", From: ownPhone, Hidden: []pbx.Phone{ownPhone}})
	if end := wait(t, "the end of dialling", done); !errors.Is(end.err, errTold) || !errors.Is(end.err, pbx.ErrUnreachable) || errors.Is(end.err, errDead) {
		t.Errorf("a call that would show the number ended with %v", end.err)
	}
	if refused.Load() == 0 {
		t.Error("and nobody was told")
	}

	page := b.page()
	page.account("anna").register("Expires: 600\n")
	_ = b.dial(context.Background(), pbx.Endpoint{Operator: "anna", Name: secretPhone.Dialable(), CallID: secretPhone.Dialable(), Hidden: hidden})
	invite = page.want("INVITE")
	clean(invite)
	if invite.header("X-Cabline-Call") != "" || invite.header("From") == "" {
		t.Errorf("left over WebSocket:\n%s", invite)
	}
	page.send(invite.reply("603 Decline", "far", ""))
	page.want("ACK")
}

func TestEverythingOfALegGoesThroughTheGuard(t *testing.T) {
	for _, network := range []string{"UDP", "TCP"} {
		t.Run(network, func(t *testing.T) {
			hidden := make(chan struct{})
			b := start(t, func(ctx context.Context, leg pbx.Leg, a pbx.Arrival) {
				leg.Hide(secretPhone)
				close(hidden)
				answerAll(ctx, leg, a)
			}, func(c *Config) {
				c.RTP = func(RTPOptions) (Audio, error) { return newPort(secretPhone.Dialable()), nil } // its SDP tells
			})
			phone := b.phone()
			if network == "TCP" {
				phone = b.tcpPhone()
			}
			var got []message
			k := phone.newTalk("79267654321", "74950000000")
			k.request("INVITE", sdpOffer)
			<-hidden
			take := func(what string) {
				t.Helper()
				got = append(got, k.want(what, "SIP/2.0 1"))
			}
			take("SIP/2.0 200")
			k.enter(got[0])
			k.request("ACK", "")
			k.request("INVITE", holdOffer)
			take("SIP/2.0 200")
			k.request("ACK", "")
			k.request("UPDATE", sdpOffer)
			take("SIP/2.0 200")
			k.request("INFO", "Content-Type: application/dtmf\n\n5")
			take("SIP/2.0 200")
			k.request("BYE", "")
			take("SIP/2.0 200")
			for _, m := range got {
				if hide(ownPhone, []pbx.Phone{secretPhone}).in([]byte(m)) != nil {
					t.Errorf("this has left:\n%s", m)
				}
				if m.header("CSeq") == "1 INVITE" && !strings.Contains(m.body(), "s=-") {
					t.Errorf("the session description was lost:\n%s", m)
				}
			}
		})
	}
}

func TestALegThatIsOverIsStillGuarded(t *testing.T) {
	b := start(t, answerAll, nil)
	k := b.phone().newTalk("79267654321", "74950000000")
	k.call()
	leg := wait(t, "the leg", b.legs)
	leg.Hide(secretPhone)
	k.request("BYE", "")
	k.want("SIP/2.0 200")
	_ = ended(t, leg)
	late := crlf("BYE sip:x@y SIP/2.0\nFrom: <sip:1@x>;tag=" + leg.(*Leg).localTag + "\nTo: <sip:2@x>;tag=9\nCall-ID: 1\nCSeq: 9 BYE\nContent-Type: text/plain\n\n89167654321")
	to, err := net.ResolveUDPAddr("udp4", k.self)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.udp[0].WriteTo([]byte(late), to); !errors.Is(err, errTold) {
		t.Errorf("a message of a leg that is over: %v", err)
	}
}

func BenchmarkGuard(b *testing.B) {
	s := &Server{}
	s.legs.init()
	l := &Leg{dialog: dialog{localTag: "ours"}}
	l.Hide(secretPhone)
	s.legs.add(l, 1)
	message := []byte(crlf("INVITE sip:79267654321@carrier SIP/2.0\n" + guardHead + "To: <sip:79267654321@carrier>\n" + fmt.Sprintf(guardRest, "INVITE") + sdpOffer))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := s.guard(message); err != nil {
			b.Fatal(err)
		}
	}
}
