package rtp

import (
	"testing"

	"cabline/media"
)

// A small range gives the pair of a call that is over to the next one.
func TestTheFormerCallIsNotHeardInTheNextAndItsPhoneIs(t *testing.T) {
	pair := freePair(t)
	for _, latching := range []Latching{LatchFirst, LatchAlways} {
		onBothWires(t, Config{Ports: pair}, func(t *testing.T, r *Relay) {
			told, phone := newPhone(t), newPhone(t) // behind a NAT: its address is not what it tells
			var p *Port
			next := func() {
				p = openPort(t, r, latching)
				told.call(p, "8")
				phone.to = told.to
			}
			taken := func(received, dropped uint64) {
				t.Helper()
				phone.say([]byte("sound"), 160)
				until(t, "it was taken or dropped", func() bool { s := p.Stats(); return s.Received == received && s.Dropped == dropped })
			}
			next()
			taken(1, 0)
			_ = p.Close()
			next()
			taken(0, 1) // it has not noticed that its call is over
			phone.packet.SSRC++
			taken(1, 1) // another call of the same phone
			taken(2, 1)
			p.WriteRTP(&media.Packet{Buf: make([]byte, 172, 236), Start: 12})
			until(t, "ours arrived", func() bool { return len(phone.all()) == 1 })
			_ = p.Close()
		})
	}
}
