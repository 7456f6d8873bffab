package sip

import (
	"context"
	"net"
	"testing"
)

// farNet has carriers made of memory, which a server finds over TCP. With it a
// whole server runs in a bubble of synctest, where no time passes but what all wait
// for.
type farNet struct {
	t      *testing.T
	opened map[string]chan *phone // connections, by the address they lead to
}

// startFar runs a server whose trunks lead to carriers in memory, at their targets.
func startFar(t *testing.T, trunks ...Trunk) (*bench, *farNet) {
	t.Helper()
	n := &farNet{t: t, opened: map[string]chan *phone{}}
	b := startAlone(t, answerAll, func(c *Config) {
		c.Listen, c.Trunks, c.dial = nil, nil, n.dial
		for _, trunk := range trunks {
			trunk.Transport = "tcp"
			c.Trunks = append(c.Trunks, trunk)
			n.opened[trunk.Target] = make(chan *phone, 10)
		}
	}, nil)
	return b, n
}

// dial is Config.dial.
func (n *farNet) dial(_ context.Context, _ *net.Dialer, to string) (net.Conn, error) {
	far, err := net.ResolveTCPAddr("tcp", to)
	if err != nil {
		return nil, err
	}
	near := &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: int(serial.Add(1))}
	theirs, ours := net.Pipe()
	n.opened[to] <- stream(n.t, innerConn{theirs, far, near})
	return innerConn{ours, near, far}, nil
}

// carrier is the next connection to the carrier at an address.
func (n *farNet) carrier(at string) *phone {
	n.t.Helper()
	return wait(n.t, "connection to "+at, n.opened[at])
}
