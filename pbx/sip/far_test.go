package sip

import (
	"context"
	"net"
	"sync"
	"testing"
)

// farNet has carriers made of memory, which a server finds over TCP. With it a
// whole server runs in a bubble of synctest, where no time passes but what all wait
// for; and a carrier can be gone, so that connecting to it takes as long as a test
// wants.
type farNet struct {
	t  *testing.T
	mu sync.Mutex // guards all below
	at map[string]*farEnd
}

// farEnd is what is at an address.
type farEnd struct {
	tried  chan struct{} // somebody connects
	opened chan *phone   // connections
	gone   chan struct{} // closed when it is there again; nil: it is there
	shut   error         // what connecting to it ends with; nil: a connection
	deaf   bool          // who is there reads no more than a test wants …
	stone  bool          // … or nothing, and is no phone
}

func newFarNet(t *testing.T) *farNet { return &farNet{t: t, at: map[string]*farEnd{}} }

// startFar runs a server whose trunks lead to carriers in memory, at their targets.
func startFar(t *testing.T, trunks ...Trunk) (*bench, *farNet) {
	t.Helper()
	n := newFarNet(t)
	b := startAlone(t, answerAll, func(c *Config) {
		c.Listen, c.Trunks, c.dial = nil, nil, n.dial
		for _, trunk := range trunks {
			trunk.Transport = "tcp"
			c.Trunks = append(c.Trunks, trunk)
		}
	}, nil)
	return b, n
}

func (n *farNet) end(at string) *farEnd {
	n.mu.Lock()
	defer n.mu.Unlock()
	e := n.at[at]
	if e == nil {
		e = &farEnd{tried: make(chan struct{}, 10), opened: make(chan *phone, 10)}
		n.at[at] = e
	}
	return e
}

// leave has whoever connects to an address wait until back is called.
func (n *farNet) leave(at string) (back func()) {
	gone := make(chan struct{})
	n.end(at).gone = gone
	back = sync.OnceFunc(func() { close(gone) })
	n.t.Cleanup(back)
	return back
}

// dial is Config.dial.
func (n *farNet) dial(_ context.Context, _ *net.Dialer, to string) (net.Conn, error) {
	far, err := net.ResolveTCPAddr("tcp", to)
	if err != nil {
		return nil, err
	}
	e := n.end(to)
	e.tried <- struct{}{}
	if e.gone != nil {
		<-e.gone
	}
	near := &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: int(serial.Add(1))}
	if e.shut != nil {
		return nil, e.shut
	}
	theirs, ours := net.Pipe()
	if e.stone {
		n.t.Cleanup(func() { _ = theirs.Close() })
		return innerConn{ours, near, far}, nil
	}
	e.opened <- streamOf(n.t, innerConn{theirs, far, near}, e.deaf)
	return innerConn{ours, near, far}, nil
}

// carrier is the next connection to the carrier at an address.
func (n *farNet) carrier(at string) *phone {
	n.t.Helper()
	e := n.end(at)
	wait(n.t, "try to connect to "+at, e.tried)
	return wait(n.t, "connection to "+at, e.opened)
}
