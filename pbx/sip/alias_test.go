package sip

import (
	"strings"
	"testing"

	"cabline/pbx"
)

func TestAnOperatorWhoSeesNoNumbersDialsWhatStandsForOne(t *testing.T) {
	aliases := pbx.NewAliases("secret")
	b := start(t, answerAll, func(c *Config) { c.Alias = aliases.Phone })
	page := b.page()
	a := page.account("anna")
	a.register("Expires: 600\n")
	_, seal, _ := strings.Cut(aliases.Of("+79161234567"), "~")
	for name, dialled := range map[string]string{"as it is": "~" + seal, "escaped": "%7E" + seal} {
		k := page.newTalk("anna", dialled)
		k.request("INVITE", sdpOffer)
		challenge := k.want("SIP/2.0 407")
		k.to = challenge.header("To")
		k.again("ACK", "")
		k.to = "<sip:" + dialled + "@pbx.test>"
		k.request("INVITE", "Proxy-Authorization: "+a.credentials("INVITE", k.target, challenge.header("Proxy-Authenticate"))+"\n"+sdpOffer)
		k.enter(k.want("SIP/2.0 200", "SIP/2.0 1"))
		k.request("ACK", "")
		if got, want := wait(t, "arrival", b.arrived), (pbx.Arrival{To: "+79161234567", Operator: "anna"}); got != want {
			t.Errorf("%s: %+v, want %+v", name, got, want)
		}
		k.request("BYE", "")
		k.want("SIP/2.0 200")
	}
}
