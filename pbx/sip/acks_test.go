package sip

import (
	"context"
	"testing"

	"cabline/pbx"
)

// The peer may be dead: connecting to it takes as long as it may, and meanwhile its
// leg can be hung up like any other. What waits for it goes in its order.
func TestAnACKThatWaitsForAConnectionHoldsUpNobodyAndGoesBeforeTheBYE(t *testing.T) {
	const at, elsewhere = "192.0.2.1:5060", "192.0.2.2:5060"
	for name, c := range map[string]struct {
		gone string
		up   func(b *bench, n *farNet, carrier *phone, done <-chan dialed) pbx.Leg
	}{
		"the callee is elsewhere": {elsewhere, func(_ *bench, n *farNet, carrier *phone, done <-chan dialed) pbx.Leg {
			carrier.send(carrier.want("INVITE").reply("200 OK", "far", "Contact: <sip:gw@"+elsewhere+";transport=tcp>\n"+sdpOffer))
			return wait(n.t, "end of Dial", done).leg
		}},
		"the connection is gone and the 200 comes again over another": {at, func(b *bench, n *farNet, carrier *phone, done <-chan dialed) pbx.Leg {
			invite := carrier.want("INVITE")
			carrier.pickUp(invite, "far")
			leg := wait(n.t, "end of Dial", done).leg
			carrier.hangUp()
			until(n.t, "the exchange has noticed", func() bool { return b.transport.Pool("tcp").Size() == 0 })
			b.tcpPhone().send(invite.reply("200 OK", "far", "Contact: <sip:gw@"+at+">\n"+sdpOffer))
			return leg
		}},
	} {
		for range 5 { // two that wait for one connection might go in the right order by chance
			t.Run(name, func(t *testing.T) {
				n := newFarNet(t)
				b := start(t, answerAll, func(c *Config) {
					c.dial, c.Trunks[0].Target, c.Trunks[0].Transport = n.dial, at, "tcp"
				})
				done := b.dial(context.Background(), driver)
				carrier := n.carrier(at)
				back := n.leave(c.gone)
				leg := c.up(b, n, carrier, done)
				wait(t, "try to connect", n.end(c.gone).tried)
				hung := make(chan error, 1)
				go func() { hung <- leg.HangUp(context.Background(), nil) }()
				wait(t, "end of HangUp", hung)
				_ = ended(t, leg)
				back()
				again := wait(t, "connection", n.end(c.gone).opened)
				again.want("ACK")
				again.send(again.want("BYE").reply("200 OK", "", ""))
			})
		}
	}
}
