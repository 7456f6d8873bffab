package sip

import (
	"net/netip"
	"testing"
)

// acquainted is a server with a carrier, one call of whose is up, and a phone that is
// registered; strangers are at 127.0.0.1, and ten requests of theirs are many.
type acquainted struct {
	*bench
	carrier *phone
	live    *talk
	anna    *account
}

func startAcquainted(t *testing.T) *acquainted {
	t.Helper()
	b := start(t, answerAll, func(c *Config) {
		c.Trunks[0].From = []netip.Prefix{netip.MustParsePrefix("127.0.0.2/32")}
		c.maxPending = 10
	})
	k := &acquainted{bench: b, carrier: newPhoneAt(t, "127.0.0.2:0"), anna: b.phone().account("anna")}
	b.peer(k.carrier)
	k.live = k.carrier.newTalk("79161234567", "74950000000")
	k.live.call()
	k.anna.register("Expires: 600\n")
	return k
}

// served fails the test where those we know are not.
func (k *acquainted) served() {
	k.t.Helper()
	if m := k.carrier.mayCall(); m.status() != "200" {
		k.t.Errorf("a carrier's call:\n%s", m)
	}
	k.live.bye()
	if m := k.anna.register("Expires: 600\n"); m.status() != "200" {
		k.t.Errorf("a registered phone:\n%s", m)
	}
}

func TestStrangersFillNoPlaceWithRequestsThatBeginNothing(t *testing.T) {
	for _, method := range []string{"INVITE", "INFO", "UPDATE", "PRACK", "BYE", "CANCEL", "NOTIFY", "MESSAGE", "OPTIONS", "REGISTER", "HELLO"} {
		for name, tag := range map[string]string{"": "", " of a dialog there is not": ";tag=invented"} {
			t.Run(method+name, func(t *testing.T) {
				k := startAcquainted(t)
				mallory := k.phone()
				for range 2 * k.cfg.maxPending {
					q := mallory.newTalk("100", "anna")
					q.to += tag
					q.request(method, "")
					if m := mallory.want("SIP/2.0"); m.status() == "503" || m.status() < "200" {
						t.Fatalf("got\n%s", m)
					}
				}
				until(t, "all of them are forgotten", func() bool { return k.strange.n.Load() == 0 })
				k.served()
			})
		}
	}
}

// A password lets a call in that holds its place until the ACK.
func TestStrangersWhoFillTheirPlacesDoNotTakeThoseOfOthers(t *testing.T) {
	k := startAcquainted(t)
	p := k.phone()
	for i := range k.cfg.maxPending {
		a := p.account("boris")
		a.target, a.to = "sip:nobody@pbx.test", "<sip:nobody@pbx.test>"
		a.request("INVITE", sdpOffer)
		asked := a.want("SIP/2.0 407").header("Proxy-Authenticate")
		until(t, "the question for the password holds no place", func() bool { return k.strange.n.Load() == int64(i) })
		a.request("INVITE", "Proxy-Authorization: "+a.credentials("INVITE", a.target, asked)+"\n"+sdpOffer)
		a.want("SIP/2.0 404", "SIP/2.0 1", "SIP/2.0 407")
	}
	for _, method := range []string{"INVITE", "INFO", "UPDATE", "PRACK", "OPTIONS"} {
		q := k.phone().newTalk("100", "anna")
		q.request(method, "")
		if m := q.want("SIP/2.0 503"); m.header("Retry-After") == "" {
			t.Errorf("%s: 503 without Retry-After", method)
		}
	}
	k.served()
}
