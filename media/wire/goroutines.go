package wire

import (
	"fmt"
	"net"
	"net/netip"
	"sync"
	"time"

	"cabline/media/faults"
)

// goroutines is the plain wire: a goroutine for each socket.
type goroutines struct {
	faults.Line
	running sync.WaitGroup
}

// Goroutines makes a wire of a goroutine for each socket. It serves systems without
// epoll, and tests as the oracle of the other.
func Goroutines() Wire { return new(goroutines) }

func (g *goroutines) Open(at netip.AddrPort, to Receiver, buffer int) (Socket, error) {
	network := "udp6"
	if at.Addr() == netip.IPv6Unspecified() {
		network = "udp" // of both
	}
	if at.Addr().Unmap().Is4() {
		network = "udp4"
	}
	conn, err := net.ListenUDP(network, net.UDPAddrFromAddrPort(at))
	if err != nil {
		return nil, fmt.Errorf("bind %v: %w", at, err)
	}
	if buffer > 0 {
		_ = conn.SetReadBuffer(buffer)
		_ = conn.SetWriteBuffer(buffer)
	}
	c := &connection{conn, to}
	g.running.Go(func() {
		for open := true; open; {
			g.Each(1, func(int) { c.run(); open = false }, func(int) { to.Hurt() })
		}
	})
	return c, nil
}

func (g *goroutines) Overflowed() uint64 { return 0 }

func (g *goroutines) Close() { g.running.Wait() }

// connection is a socket with its goroutine.
type connection struct {
	conn *net.UDPConn
	to   Receiver
}

func (c *connection) run() {
	buf := make([]byte, MaxDatagram+TailRoom)
	for {
		n, from, err := c.conn.ReadFromUDPAddrPort(buf[:MaxDatagram])
		if err != nil {
			return // closed
		}
		from = netip.AddrPortFrom(from.Addr().Unmap(), from.Port())
		c.to.Receive(buf[:n:n+TailRoom], from, time.Now())
	}
}

func (c *connection) Local() netip.AddrPort {
	return c.conn.LocalAddr().(*net.UDPAddr).AddrPort()
}

func (c *connection) Send(b []byte, to netip.AddrPort) bool {
	_, err := c.conn.WriteToUDPAddrPort(b, to)
	return err == nil
}

func (c *connection) Close() { _ = c.conn.Close() }
