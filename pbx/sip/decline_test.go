package sip

import (
	"context"
	"testing"
)

func TestAnExchangeThatIsToEndRefusesNewCallsAndLetsOthersGoOn(t *testing.T) {
	b, carrier := startTrunk(t, answerAll, nil)
	k := carrier.newTalk("79161234567", "74950000000")
	k.call()
	operator := b.page().account("anna") // trunks come by UDP and TCP here
	if m := operator.register("Expires: 600\n"); m.status() != "200" {
		t.Fatal(m)
	}
	b.Decline()

	next := carrier.newTalk("79161234568", "74950000000")
	next.request("INVITE", sdpOffer)
	no := next.want("SIP/2.0 503")
	next.to = no.header("To")
	next.again("ACK", "")
	asks := carrier.newTalk("1", "2")
	asks.request("OPTIONS", "")
	health := asks.want("SIP/2.0 503") // RFC 3261 §11.2
	if no.header("Retry-After") == "" || health.header("Retry-After") == "" {
		t.Errorf("503 without Retry-After:\n%s\n%s", no, health)
	}
	operator.request("OPTIONS", "")
	operator.want("SIP/2.0 200")

	if m := operator.register("Expires: 600\n"); m.status() != "200" {
		t.Errorf("an operator who registers again: %s", m)
	}
	k.request("INVITE", holdOffer)
	k.want("SIP/2.0 200")
	k.request("ACK", "")
	done := b.dial(context.Background(), driver) // for the caller who waits
	carrier.pickUp(carrier.want("INVITE"), "far")
	leg := wait(t, "end of Dial", done).leg
	_ = leg.HangUp(context.Background(), nil)
	carrier.send(carrier.want("BYE").reply("200 OK", "", ""))
	k.bye()
}
