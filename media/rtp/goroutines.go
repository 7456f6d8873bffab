package rtp

import (
	"fmt"
	"net"
	"net/netip"
	"sync"
	"time"
)

// goroutines is the plain wire: a goroutine for each socket. It serves systems
// without epoll, and tests as the oracle of the other.
type goroutines struct{ running sync.WaitGroup }

func (g *goroutines) open(at netip.AddrPort, to receiver) (socket, error) {
	network := "udp6"
	if at.Addr().Unmap().Is4() {
		network = "udp4"
	}
	conn, err := net.ListenUDP(network, net.UDPAddrFromAddrPort(at))
	if err != nil {
		return nil, fmt.Errorf("bind %v: %w", at, err)
	}
	c := &connection{conn, to}
	g.running.Go(c.run)
	return c, nil
}

func (g *goroutines) close() { g.running.Wait() }

// connection is a socket with its goroutine.
type connection struct {
	conn *net.UDPConn
	to   receiver
}

func (c *connection) run() {
	buf := make([]byte, maxDatagram+tailRoom)
	for {
		n, from, err := c.conn.ReadFromUDPAddrPort(buf[:maxDatagram])
		if err != nil {
			return // closed
		}
		from = netip.AddrPortFrom(from.Addr().Unmap(), from.Port())
		c.to.receive(buf[:n:n+tailRoom], from, time.Now())
	}
}

func (c *connection) local() netip.AddrPort {
	return c.conn.LocalAddr().(*net.UDPAddr).AddrPort()
}

func (c *connection) send(b []byte, to netip.AddrPort) bool {
	_, err := c.conn.WriteToUDPAddrPort(b, to)
	return err == nil
}

func (c *connection) close() { _ = c.conn.Close() }
