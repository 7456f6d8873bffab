package sip

import (
	"context"
	"strings"
	"testing"

	"cabline/pbx"
)

func TestTheCallerStandsWhereTheCarrierLooks(t *testing.T) {
	const pai, ppi, rpid = "P-Asserted-Identity", "P-Preferred-Identity", "Remote-Party-ID"
	for name, c := range map[string]struct {
		change             func(*Trunk)
		from, header, want string // want: the whole header
	}{
		"in From":                                    {func(t *Trunk) { t.Identity = InFrom }, "+74951111111", "", ""},
		"in From, written plainly":                   {func(t *Trunk) { t.NumberFormat = pbx.Plain }, "74951111111", "", ""},
		"in P-Asserted-Identity":                     {func(t *Trunk) { t.Identity, t.AuthUser = InPAI, "sip01@x" }, "sip01", pai, "<sip:+74951111111@carrier.test>"},
		"in P-Preferred-Identity":                    {func(t *Trunk) { t.Identity, t.AuthUser = InPPI, "sip01" }, "sip01", ppi, "<sip:+74951111111@carrier.test>"},
		"in Remote-Party-ID, nationally":             {func(t *Trunk) { t.Identity, t.AuthUser, t.NumberFormat = InRPID, "sip01", pbx.National }, "sip01", rpid, "<sip:84951111111@carrier.test>;party=calling;screen=no;privacy=off"},
		"in both, without an account":                {func(t *Trunk) { t.Identity = InPAI }, "+74951111111", pai, "<sip:+74951111111@carrier.test>"},
		"not in From where the carrier wants a name": {func(t *Trunk) { t.FromUser = "boss" }, "boss", "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			b, carrier := startCarrier(t, func(cfg *Config) {
				cfg.Trunks[0].Domain = "carrier.test"
				c.change(&cfg.Trunks[0])
			})
			done := b.dial(context.Background(), pbx.Endpoint{Number: "+79990000001", From: "+74951111111"})
			invite := carrier.want("INVITE")
			if got := invite.uri("From"); got != "sip:"+c.from+"@carrier.test" {
				t.Errorf("From %q, want %q", got, c.from)
			}
			for _, header := range []string{pai, ppi, rpid} {
				want := ""
				if header == c.header {
					want = c.want
				}
				if got := invite.header(header); got != want {
					t.Errorf("%s %q, want %q", header, got, want)
				}
			}
			if name == "in Remote-Party-ID, nationally" && !strings.HasPrefix(string(invite), "INVITE sip:89990000001@carrier.test SIP/2.0") {
				t.Errorf("the number called:\n%s", invite)
			}
			carrier.send(invite.reply("486 Busy", "far", ""))
			carrier.want("ACK")
			wait(t, "end of Dial", done)
		})
	}
}
