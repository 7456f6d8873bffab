package sip

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"cabline/pbx"
)

func TestA3xxIsRefusedUnlessTheTrunkAllowsItAndFollowedOnlyWithinTheTrunk(t *testing.T) {
	for name, c := range map[string]struct {
		allowed  bool
		status   string
		contact  string
		followed string
	}{
		"refused without the setting":             {false, "302 Moved", "<sip:79992223344@127.0.0.1>", ""},
		"followed with it":                        {true, "302 Moved", "<sip:79992223344@127.0.0.1>", "79992223344"},
		"to the first number of the trunk's own":  {true, "300 Choose", "<sip:79992223344@10.9.9.9>, \"B\" <sip:+79993334455@127.0.0.1;user=phone>;q=0.5", "+79993334455"},
		"refused to another carrier":              {true, "302 Moved", "<sip:79992223344@evil.example>", ""},
		"refused to what is no number":            {true, "301 Moved", "<sip:voicemail@127.0.0.1>", ""},
		"refused to what is no telephone address": {true, "302 Moved", "<mailto:79992223344@127.0.0.1>", ""},
		"refused to another proxy":                {true, "305 Use Proxy", "<sip:127.0.0.1>", ""},
	} {
		t.Run(name, func(t *testing.T) {
			b, carrier := startTrunk(t, answerAll, func(cfg *Config) { cfg.Trunks[0].Redirects = c.allowed })
			done := b.dial(context.Background(), driver)
			invite := carrier.want("INVITE")
			carrier.send(invite.reply(c.status, "far", "Contact: "+c.contact+"\n"))
			carrier.want("ACK", "INVITE")
			if c.followed == "" {
				err := wait(t, "end of Dial", done).err
				var r Rejection
				if !errors.As(err, &r) || r.Code/100 != 3 || !errors.Is(err, pbx.ErrUnreachable) {
					t.Error(err)
				}
				return
			}
			next := carrier.want("INVITE sip:"+c.followed+"@"+carrier.self+" ", "INVITE", "ACK")
			if next.header("To") != invite.header("To") ||
				next.header("CSeq") == invite.header("CSeq") || next.header("Call-ID") != invite.header("Call-ID") {
				t.Errorf("got\n%s", next)
			}
			carrier.pickUp(next, "there")
			_ = wait(t, "end of Dial", done).leg.HangUp(context.Background(), nil)
			carrier.send(carrier.want("BYE").reply("200 OK", "", ""))
		})
	}
}

func TestACallIsNotSentOnForEver(t *testing.T) {
	b, carrier := startTrunk(t, answerAll, func(cfg *Config) { cfg.Trunks[0].Redirects = true })
	done := b.dial(context.Background(), driver)
	for i, number := range []string{"+79990000001", "79992223340", "79992223341", "79992223342", "79992223343", "79992223344"} {
		carrier.send(carrier.want("INVITE sip:"+number+"@", "INVITE", "ACK").reply("302 Moved", "far", fmt.Sprintf("Contact: <sip:7999222334%d@127.0.0.1>\n", i)))
	}
	if err := wait(t, "end of Dial", done).err; !errors.Is(err, pbx.ErrUnreachable) {
		t.Error(err)
	}
	carrier.want("ACK", "INVITE")
}
