package wire

import (
	"net"
	"net/netip"
	"sync/atomic"
	"testing"
	"time"

	"cabline/media/faults"
)

// touchy panics at what it hears, until it is hurt.
type touchy struct {
	heard, hurt atomic.Int32
	done        chan struct{}
}

func (r *touchy) Receive([]byte, netip.AddrPort, time.Time) {
	if r.heard.Add(1) > 1 {
		r.done <- struct{}{}
		return
	}
	panic("a bug")
}

func (r *touchy) Hurt() { r.hurt.Add(1) }

func TestAReceiverThatPanicsIsToldAndTheOthersHearOn(t *testing.T) {
	onBoth(t, func(t *testing.T, w Wire) {
		desk := faults.NewDesk(func(any, []byte) {})
		w.Report(desk)
		bad, e := &touchy{done: make(chan struct{}, 10)}, echo{make(chan Socket, 1)}
		var sockets []Socket
		for _, to := range []Receiver{bad, e} {
			s, err := w.Open(netip.MustParseAddrPort("127.0.0.1:0"), to, 0)
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			sockets = append(sockets, s)
		}
		e.at <- sockets[1]
		c, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(sockets[0].Local()))
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		for range 3 {
			if _, err := c.Write([]byte("hello")); err != nil {
				t.Fatal(err)
			}
			echoes(t, "the other", sockets[1].Local())
		}
		for range 2 {
			<-bad.done
		}
		if bad.hurt.Load() != 1 || desk.Count() != 1 {
			t.Errorf("hurt %d times, %d faults counted", bad.hurt.Load(), desk.Count())
		}
		<-e.at // nobody sends any more
	})
}
