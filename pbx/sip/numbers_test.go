package sip

import (
	"context"
	"strings"
	"testing"

	"cabline/pbx"
)

func TestNumbersAreRewrittenByTheFirstRuleThatFits(t *testing.T) {
	rules, err := newRewrites([]Rewrite{
		{Match: `8(\d{10})`, To: "+7$1"},
		{Match: `(\d{5})`, To: "+738430$1", Only: Caller},
		{Match: `(\d)(\d)(\d)`, To: "$3$2$10"},
		{Match: `8.*`, To: "never"},
		{Match: `55555|66`, To: "$1#"},
		{Match: `\+7495(\d+)`, To: "$1"},
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		number string
		of     Party
		want   string // empty: no rule
	}{
		{"89161234567", Called, "+79161234567"},
		{"89161234567", Caller, "+79161234567"},
		{"12345", Caller, "+73843012345"},
		{"12345", Called, ""}, // not the caller's
		{"123", Called, "3210"},
		{"55555", Called, "#"},
		{"66", Caller, "#"},
		{"+74951234567", Called, "1234567"},
		{"0089161234567", Called, ""}, // the whole number, not a part of it
		{"891612345678", Called, "never"},
		{"", Called, ""},
		{"8" + strings.Repeat("1", 100), Called, ""},
	} {
		got, fits := rules.apply(c.number, c.of)
		if got != c.want || fits != (c.want != "") {
			t.Errorf("%s of the %s: %q, want %q", c.number, c.of, got, c.want)
		}
	}
	if _, err := newRewrites([]Rewrite{{Match: "("}}); err == nil {
		t.Error("a pattern that is none is taken")
	}
}

func TestATrunksRulesAreForNumbersInAndOut(t *testing.T) {
	b, carrier := startCarrier(t, func(c *Config) {
		c.Trunks[0].NumberFormat = pbx.National
		c.Trunks[0].NumbersIn = []Rewrite{
			{Match: `(\d{5})`, To: "+738430$1"},
			{Match: `9(8\d{10})`, To: "$1", Only: Called}, // a technical prefix
		}
		c.Trunks[0].NumbersOut = []Rewrite{
			{Match: `\+738430(\d{5})`, To: "$1"},
			{Match: `\+7(3843\d+)`, To: "98$1", Only: Called},
		}
	})
	for name, c := range map[string]struct {
		from, to string
		want     pbx.Arrival
	}{
		"a caller of the same town": {"12345", "989161234567", pbx.Arrival{From: "+73843012345", To: "+79161234567"}},
		"the town's own number":     {"89991234567", "54321", pbx.Arrival{From: "+79991234567", To: "+73843054321"}},
		"one that no rule fits":     {"79991234567", "74950000000", pbx.Arrival{From: "+79991234567", To: "+74950000000"}},
	} {
		t.Run("in: "+name, func(t *testing.T) {
			k := carrier.newTalk(c.from, c.to)
			k.call()
			a := wait(t, "arrival", b.arrived)
			if a.From != c.want.From || a.To != c.want.To {
				t.Errorf("from %s to %s", a.From.Dialable(), a.To.Dialable())
			}
			k.bye()
		})
	}
	for name, c := range map[string]struct {
		from, to         pbx.Phone
		wantFrom, wantTo string
	}{
		"a number of the same town":     {"+73843012345", "+73843054321", "12345", "54321"},
		"one of the next town":          {"+73843155555", "+73843155555", "83843155555", "983843155555"},
		"the rest in the usual format":  {"+74950000000", "+79161234567", "84950000000", "89161234567"},
		"a short number stays as it is": {"+74950000000", "112", "84950000000", "112"},
	} {
		t.Run("out: "+name, func(t *testing.T) {
			done := b.dial(context.Background(), pbx.Endpoint{Number: c.to, From: c.from})
			invite := carrier.want("INVITE sip:" + c.wantTo + "@")
			if got := invite.uri("From"); !strings.HasPrefix(got, "sip:"+c.wantFrom+"@") {
				t.Errorf("From %q, want %q", got, c.wantFrom)
			}
			if got := invite.uri("To"); !strings.HasPrefix(got, "sip:"+c.wantTo+"@") {
				t.Errorf("To %q, want %q", got, c.wantTo)
			}
			carrier.send(invite.reply("486 Busy", "far", ""))
			carrier.want("ACK")
			wait(t, "end of Dial", done)
		})
	}
}

func TestTheNetworksWordAboutTheCallerIsRewrittenToo(t *testing.T) {
	b, carrier := startCarrier(t, func(c *Config) { c.Trunks[0].NumbersIn = []Rewrite{{Match: `(\d{5})`, To: "+738430$1"}} })
	k := carrier.newTalk("100500", "74950000000")
	k.request("INVITE", "P-Asserted-Identity: <sip:12345@carrier>\n"+sdpOffer)
	k.enter(k.want("SIP/2.0 200", "SIP/2.0 1"))
	k.request("ACK", "")
	if a := wait(t, "arrival", b.arrived); a.From != "+73843012345" {
		t.Errorf("from %s", a.From.Dialable())
	}
	k.bye()
}
