package webrtc_test

import (
	"net"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/pion/ice/v4"
	pion "github.com/pion/webrtc/v4"

	"cabline/internal/lacking"
	"cabline/media"
)

// wire is a browser's socket. It can be deafened, for what a browser does with
// what it hears costs allocations, and keep what is said on it.
type wire struct {
	*net.UDPConn
	closed chan struct{}
	once   sync.Once
	deaf   atomic.Bool

	mu   sync.Mutex
	tape [][]byte // nil: what is said is sent
}

func newWire(t *testing.T) *wire {
	t.Helper()
	conn, err := net.ListenUDP("udp4", net.UDPAddrFromAddrPort(netip.MustParseAddrPort(loopback)))
	if err != nil {
		t.Fatal(err)
	}
	return &wire{UDPConn: conn, closed: make(chan struct{})}
}

func (w *wire) ReadFrom(b []byte) (int, net.Addr, error) {
	n, from, err := w.UDPConn.ReadFrom(b)
	if w.deaf.Load() {
		<-w.closed
		return 0, nil, net.ErrClosed
	}
	return n, from, err
}

func (w *wire) WriteTo(b []byte, to net.Addr) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.tape != nil {
		w.tape = append(w.tape, slices.Clone(b))
		return len(b), nil
	}
	return w.UDPConn.WriteTo(b, to)
}

func (w *wire) Close() error {
	w.once.Do(func() { close(w.closed) })
	return w.UDPConn.Close()
}

// record has it keep what is said, and returns what do says as packets of a call.
func (w *wire) record(do func()) (said [][]byte) {
	w.mu.Lock()
	w.tape = [][]byte{}
	w.mu.Unlock()
	do()
	w.mu.Lock()
	defer w.mu.Unlock()
	said, w.tape = w.tape, nil
	return slices.DeleteFunc(said, func(b []byte) bool { return b[0]>>6 != 2 || b[1] >= 192 && b[1] <= 223 }) // STUN, RTCP
}

// bell is a sink that rings for each packet.
type bell chan struct{}

func (b bell) WriteRTP(*media.Packet) { b <- struct{}{} }

func TestAPacketOfABrowsersCallCostsNoAllocation(t *testing.T) {
	lacking.Unraced(t)
	const runs = 500
	b := listen(t, netip.Addr{})
	p, w := open(t, b), newWire(t)
	mux := ice.NewUDPMuxDefault(ice.UDPMuxParams{UDPConn: w})
	t.Cleanup(func() { _ = mux.Close() })
	c := newChromeOver(t, func(s *pion.SettingEngine) { s.SetICEUDPMux(mux) })
	c.call(p, false)
	heard := make(bell, 1)
	p.Plug(heard)
	c.WriteRTP(frame())
	<-heard
	said := w.record(func() {
		for seq := range uint16(runs + 1) {
			packet := frame()
			packet.Seq, packet.Time = seq+1, 160*uint32(seq+1)
			c.WriteRTP(packet)
		}
	})
	w.deaf.Store(true)

	// The checks of ICE, one in two seconds, cost some; on average it is none.
	packet := frame()
	before := p.Stats().Sent
	if n := testing.AllocsPerRun(runs, func() { packet.Seq++; packet.Time += 160; p.WriteRTP(packet) }); n > 0 || p.Stats().Sent != before+runs+1 {
		t.Errorf("to the browser: %v allocations a packet, %d sent", n, p.Stats().Sent-before)
	}
	to, i := b.Addr(), 0
	n := testing.AllocsPerRun(runs, func() {
		if _, err := w.WriteToUDPAddrPort(said[i], to); err != nil {
			t.Fatal(err)
		}
		i++
		<-heard
	})
	if n > 0 {
		t.Errorf("from the browser: %v allocations a packet", n)
	}
}
