package sip

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	wire "github.com/emiago/sipgo/sip"
	"github.com/gobwas/ws"

	"cabline/pbx"
)

// Connections of TCP and TLS. sipgo reads and writes them, but all are opened
// here: it would connect to wherever the Via of a request points when the
// connection it came by is gone, and knows one set of certificates for everybody.

// transports are sipgo's, kept from opening connections.
func transports() wire.TransportsConfig {
	never := func(net.Addr) net.Dialer {
		return net.Dialer{ControlContext: func(context.Context, string, string, syscall.RawConn) error { return errNotAsked }}
	}
	return wire.TransportsConfig{
		TCP: &wire.TransportTCP{DialerCreate: never},
		TLS: &wire.TransportTLS{TransportTCP: &wire.TransportTCP{DialerCreate: never}},
		WS: &wire.TransportWS{
			WriteTimeout: writeWithin,
			DialerCreate: func(net.Addr) ws.Dialer {
				return ws.Dialer{NetDial: func(context.Context, string, string) (net.Conn, error) { return nil, errNotAsked }}
			},
		},
	}
}

var errNotAsked = errors.New("not a connection we asked for")

// idle is how long nothing may come on a connection that has a place for good.
const idle = time.Hour

// door is where connections of TCP or TLS come in.
type door struct {
	net.Listener
	network string // "tcp" or "tls"
	server  *Server
	ctx     context.Context // of Serve, for the log
}

func (d *door) addr() netip.AddrPort { return unmap(d.Listener.Addr().(*net.TCPAddr).AddrPort()) }

// Accept caps the connections. It shakes no hands: the first Read does.
func (d *door) Accept() (net.Conn, error) {
	for {
		conn, err := d.Listener.Accept()
		if err != nil {
			return nil, err
		}
		if c := d.enter(conn); c != nil {
			return c, nil
		}
	}
}

// enter is a connection that has a place; nil: it has none.
func (d *door) enter(conn net.Conn) net.Conn {
	var fault error
	defer func() {
		if fault != nil {
			_ = conn.Close()
		}
	}()
	defer d.server.work.caught(&fault)
	network := strings.ToUpper(d.network)
	place := d.server.places.take(network, conn.RemoteAddr().(*net.TCPAddr))
	if d.network == "tls" {
		conn = tls.Server(conn, &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: d.server.cfg.Certificate})
	}
	if place == nil {
		d.server.turnAway(conn)
		return nil
	}
	_ = conn.SetReadDeadline(time.Now().Add(idle))
	c := d.server.newConnection(d.ctx, conn, network, place.leave)
	place.limit(func() { _ = c.Close() })
	return c
}

// connection is one of TCP or TLS as sipgo has it.
type connection struct {
	net.Conn
	outlet  *outlet
	lull    lull                  // of what is read; one goroutine reads
	ready   []byte                // was read and is not fetched yet
	trusted atomic.Pointer[trust] // who the peer has shown to be
	over    atomic.Bool           // nothing more can be read
	guard   func(message []byte) ([]byte, error)
}

// newConnection tells the register when the connection closes, and then calls gone.
func (s *Server) newConnection(ctx context.Context, conn net.Conn, network string, gone func()) *connection {
	closed := sync.OnceFunc(func() {
		s.work.Go(func() { // who ends it may hold any lock
			gone()
			s.flowClosed(ctx, network, conn.RemoteAddr().String())
		})
	})
	c := &connection{Conn: conn, guard: s.guard}
	c.outlet = &outlet{work: &s.work, write: c.writeOut,
		part:  func() { _ = conn.Close(); closed() },
		reset: func() { c.over.Store(true); reset(conn); closed() },
	}
	from, _ := netip.ParseAddrPort(conn.RemoteAddr().String())
	c.lull.look = func(head []byte) bool {
		answer, unfit := s.rebuffs(head, true, from)
		if answer != nil {
			_, _ = c.Write(answer)
		}
		return !unfit
	}
	return c
}

var errMisshapen = errors.New("a message that cannot be read")

// Read returns messages, or parts of them, and never what is between.
func (c *connection) Read(buf []byte) (n int, err error) {
	defer c.outlet.work.caught(&err)
	for len(c.ready) == 0 {
		if c.lull.spoilt {
			linger(c.Conn, time.Now().Add(lastWord))
			return 0, errMisshapen
		}
		n, err := c.Conn.Read(buf)
		var pings int
		c.ready, pings = c.lull.pass(buf[:n])
		if pings > 0 && err == nil {
			_, err = c.Write([]byte(strings.Repeat("\r\n", pings)))
		}
		if err == nil {
			err = c.SetReadDeadline(time.Now().Add(idle))
		}
		if err != nil {
			c.over.Store(true)
			if len(c.ready) == 0 {
				return 0, err
			}
		}
	}
	n = copy(buf, c.ready)
	c.ready = c.ready[n:]
	return n, nil
}

// Write has a message sent, and does not wait for that.
func (c *connection) Write(message []byte) (int, error) {
	kept, err := c.guard(message)
	if err == nil {
		err = c.outlet.take(kept)
	}
	if err != nil {
		return 0, err
	}
	return len(message), nil
}

// writeOut writes a message, whole: what is left of one that was cut short would be
// taken for the beginning of the next.
func (c *connection) writeOut(message []byte) error {
	_ = c.SetWriteDeadline(time.Now().Add(writeWithin))
	if _, err := c.Conn.Write(message); err != nil {
		return err
	}
	return c.SetWriteDeadline(time.Time{}) // TLS writes when it reads, too
}

// Close does not wait, neither for what is still to be written nor for TLS, which says
// goodbye: sipgo holds the lock of all connections.
func (c *connection) Close() error {
	c.over.Store(true)
	c.outlet.close()
	return nil
}

// reset ends a connection whatever waits in it. TLS says nothing.
func reset(conn net.Conn) {
	if secure, ok := conn.(*tls.Conn); ok {
		conn = secure.NetConn()
	}
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	_ = conn.Close()
}

// opened is a listener whose connections are those we opened.
type opened struct {
	*innerListener
	giving sync.Mutex
	gave   bool          // Accept has returned one
	taken  chan struct{} // sipgo knows it
}

func newOpened() *opened {
	return &opened{innerListener: newInnerListener(), taken: make(chan struct{})}
}

// Accept is called again when sipgo has put what it got into its pool.
func (o *opened) Accept() (net.Conn, error) {
	if o.gave {
		select {
		case o.taken <- struct{}{}:
		case <-o.done:
		}
	}
	conn, err := o.innerListener.Accept()
	o.gave = err == nil
	return conn, err
}

// give lets sipgo use a connection.
func (o *opened) give(conn net.Conn) error {
	o.giving.Lock()
	defer o.giving.Unlock()
	select {
	case o.conns <- conn:
	case <-o.done:
		return errors.Join(net.ErrClosed, conn.Close())
	}
	select {
	case <-o.taken:
		return nil
	case <-o.done:
		return net.ErrClosed
	}
}

// connectionTo is the connection to an address; an error: there is none. sipgo
// ends the transactions of one that broke before it forgets it.
func (s *Server) connectionTo(network, addr string) (wire.Connection, error) {
	known, err := s.transport.GetConnection(network, addr)
	if err != nil {
		return nil, err
	}
	if stream, ok := known.(*wire.TCPConnection); ok && stream.Conn.(*connection).over.Load() {
		_, _ = known.TryClose()
		return nil, net.ErrClosed
	}
	return known, nil
}

// connectTime is how long a look-up and a connection to a carrier may take.
const connectTime = 5 * time.Second

// connect makes sure that there is a connection to a carrier, and over TLS that
// it is the carrier who is at its other end. local is our end of it. Connections
// are shared by all that goes to the same address, in both directions (RFC 5923).
func (s *Server) connect(ctx context.Context, network string, to netip.AddrPort, whom *trust) (local netip.AddrPort, err error) {
	known, err := s.connectionTo(network, to.String())
	if err != nil {
		// Who waits may give up; the others that wait for the same do not.
		opening := s.opening.DoChan(network+to.String(), func() (_ any, err error) {
			s.work.begin()
			defer s.work.done()
			defer s.work.caught(&err)
			return nil, s.open(context.WithoutCancel(ctx), network, to, whom)
		})
		select {
		case o := <-opening:
			err = o.Err
		case <-ctx.Done():
			err = context.Cause(ctx)
		}
		if err == nil {
			known, err = s.connectionTo(network, to.String())
		}
		if err != nil {
			return local, fmt.Errorf("connect to %s: %w: %w", to, pbx.ErrUnreachable, err)
		}
	}
	defer known.TryClose()
	if network == "TLS" {
		err = whom.knows(known.(*wire.TCPConnection).Conn.(*connection))
	}
	return unmap(known.LocalAddr().(*net.TCPAddr).AddrPort()), err
}

// open opens a connection and lets sipgo use it.
func (s *Server) open(ctx context.Context, network string, to netip.AddrPort, whom *trust) error {
	ctx, cancel := context.WithTimeoutCause(ctx, connectTime, fmt.Errorf("no connection within %s", connectTime))
	defer cancel()
	var dialer net.Dialer
	if d := s.doorFor(network, to.Addr()); d != nil && !d.addr().Addr().IsUnspecified() {
		dialer.LocalAddr = net.TCPAddrFromAddrPort(netip.AddrPortFrom(d.addr().Addr(), 0)) // carriers know us by it
	}
	conn, err := s.cfg.dial(ctx, &dialer, to.String())
	if err != nil {
		return err
	}
	if network == "TLS" {
		secure := tls.Client(conn, whom.config())
		if err := secure.HandshakeContext(ctx); err != nil {
			_ = conn.Close()
			return err
		}
		conn = secure
	}
	return s.opened[network].give(s.newConnection(ctx, conn, network, func() {}))
}

// doorFor is where a carrier at an address reaches us; nil: only by the
// connections we open.
func (s *Server) doorFor(network string, peer netip.Addr) *door {
	for _, d := range s.doors {
		if strings.EqualFold(d.network, network) && d.addr().Addr().Is4() == peer.Is4() {
			return d
		}
	}
	return nil
}
