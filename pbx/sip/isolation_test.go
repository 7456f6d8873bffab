package sip

import (
	"context"
	"strings"
	"testing"

	"cabline/pbx"
)

// The masking test: one leg is filled with marks in every field a peer can
// write, the other must not carry any of them.
func TestNothingOfOneLegReachesTheOther(t *testing.T) {
	started := make(chan pbx.Dialer, 1)
	b, carrier := startTrunk(t, func(ctx context.Context, leg pbx.Leg, a pbx.Arrival) {
		other, err := (<-started).Dial(ctx, pbx.Endpoint{Number: "+79990000001", From: a.To})
		if err != nil {
			t.Error(err)
			return
		}
		_ = leg.Answer(ctx)
		<-leg.Context().Done()
		_ = other.HangUp(ctx, context.Cause(leg.Context()))
	}, nil)
	started <- b
	caller := b.phone()
	k := caller.newTalk("79167654321", "74950000000")
	k.id, k.from = "call-79167654321@caller.mark", `"Mark 79167654321" <sip:79167654321@caller.mark;p=mark>;tag=mark79167654321;x=mark`
	k.to = `"Mark" <sip:74950000000@mark.test;y=mark>;z=mark`
	k.target = "sip:74950000000@mark.test;ring=mark"
	k.params = ";q=mark;mark"
	k.request("INVITE", strings.Join([]string{
		"P-Asserted-Identity: \"Mark\" <sip:79167654321@mark>", "P-Preferred-Identity: <sip:79167654321@mark>", "Remote-Party-ID: <sip:79167654321@mark>",
		"Diversion: <sip:79167654321@mark>", "History-Info: <sip:79167654321@mark>;index=1", "Referred-By: <sip:79167654321@mark>",
		"Call-Info: <http://mark/79167654321>", "Subject: mark 79167654321", "User-Agent: mark 79167654321", "Organization: mark", "X-Mark: 79167654321",
		"User-to-User: 6d61726b79167654321", "Alert-Info: <http://mark>", "Reply-To: <sip:79167654321@mark>", "Supported: mark", "Allow: MARK",
		"P-Charging-Vector: icid-value=mark79167654321", "Identity: mark79167654321", "Geolocation: <cid:mark79167654321>", "Session-Expires: 7916",
		"Record-Route: <sip:" + caller.self + ";lr;mark=79167654321>",
	}, "\n")+"\nContent-Type: application/sdp\n\nv=0\no=mark79167654321 79167654321 1 IN IP4 203.0.113.91\ns=mark\ni=mark\nu=mark\ne=mark\np=79167654321\nc=IN IP4 203.0.113.91\nt=0 0\na=mark:79167654321\nm=audio 7916 RTP/AVP 8\n")

	var sent []message
	take := func(what string) message {
		m := carrier.want(what)
		sent = append(sent, m)
		return m
	}
	invite := take("INVITE")
	carrier.send(invite.reply("200 OK", "far", "Contact: <sip:gw@"+carrier.self+">\n"+sdpOffer))
	take("ACK")
	k.enter(k.want("SIP/2.0 200", "SIP/2.0 1"))
	k.request("ACK", "")
	k.request("INFO", "X-Mark: 79167654321\nContent-Type: application/dtmf\n\n5")
	k.want("SIP/2.0 200")
	k.request("INVITE", "Subject: mark\n"+holdOffer)
	k.want("SIP/2.0 200")
	k.request("ACK", "")
	k.request("BYE", "Reason: SIP;text=\"mark 79167654321\"\n")
	k.want("SIP/2.0 200")
	bye := take("BYE")
	carrier.send(bye.reply("200 OK", "", ""))
	for _, m := range sent {
		for _, mark := range []string{"mark", "9167654321", "203.0.113.91", "7916", caller.self} {
			if i := strings.Index(strings.ToLower(string(m)), mark); i >= 0 {
				t.Errorf("%q left on the other leg:\n%s", mark, m)
			}
		}
	}
}

func TestNothingFromOutsideWritesAHeaderOfOurs(t *testing.T) {
	evil := "x\r\nX-Evil: 1\r\n\r\n\x00\n"
	b, carrier := startTrunk(t, answerAll, nil)
	soft := b.phone()
	soft.account("anna").register("Expires: 600\n")
	for _, to := range []pbx.Endpoint{
		{Number: pbx.Phone("+7999" + evil), From: pbx.Phone("+7495" + evil)},
		{Operator: "anna", From: pbx.Phone(evil), Name: evil, CallID: evil},
	} {
		done := b.dial(context.Background(), to)
		p := carrier
		if to.Operator != "" {
			p = soft
		}
		invite := p.want("INVITE")
		if head, _, _ := strings.Cut(string(invite), "\r\n\r\n"); strings.Contains(head, "\r\nX-Evil") || strings.ContainsAny(strings.ReplaceAll(head, "\r\n", ""), "\r\n\x00") {
			t.Errorf("got\n%q", invite)
		}
		p.send(invite.reply("486 Busy Here", "far", ""))
		p.want("ACK")
		if err := wait(t, "end of Dial", done).err; err == nil {
			t.Error("answered")
		}
	}
}

func TestAPeerThatAnswersWithAnAddressThatIsNoneIsNotCalledBack(t *testing.T) {
	for name, more := range map[string]string{
		"in Contact":      "Contact: <sip:gw@host\x0bX>\n",
		"in Record-Route": "Contact: <sip:gw@10.9.9.9>\nRecord-Route: <sip:a\x0b@host;lr>\n",
	} {
		t.Run(name, func(t *testing.T) {
			b, carrier := startTrunk(t, answerAll, nil)
			done := b.dial(context.Background(), driver)
			carrier.send(carrier.want("INVITE").reply("200 OK", "far", more+sdpOffer))
			if err := wait(t, "end of Dial", done).err; err == nil {
				t.Error("answered")
			}
		})
	}
}
