package sip

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"sync"
	"syscall"
	"time"

	wire "github.com/emiago/sipgo/sip"
	"github.com/gobwas/ws"
)

// socket is a UDP socket and where it is bound.
type socket struct {
	net.PacketConn
	addr   netip.AddrPort
	ready  chan struct{} // closed when sipgo reads it, and so knows it
	once   sync.Once
	closed chan struct{}
}

func (s *socket) Close() error {
	close(s.closed)
	return s.PacketConn.Close()
}

// receiveBuffer is some 3,000 messages, in bytes.
const receiveBuffer = 4 << 20

func openSocket(addr netip.AddrPort) (*socket, error) {
	conn, err := net.ListenPacket(family("udp", addr), addr.String())
	if err != nil {
		return nil, err
	}
	// A burst of INVITEs waits here while the machine is busy; what does not fit
	// comes again half a second later. The system may allow less.
	_ = conn.(*net.UDPConn).SetReadBuffer(receiveBuffer)
	return &socket{PacketConn: conn, addr: unmap(conn.LocalAddr().(*net.UDPAddr).AddrPort()), ready: make(chan struct{}), closed: make(chan struct{})}, nil
}

// family keeps 0.0.0.0 from becoming [::].
func family(network string, addr netip.AddrPort) string {
	if addr.Addr().Is4() {
		return network + "4"
	}
	return network
}

func unmap(addr netip.AddrPort) netip.AddrPort {
	return netip.AddrPortFrom(addr.Addr().Unmap(), addr.Port())
}

// serveUDP lets sipgo read a socket. sipgo keeps an entry for every address it
// was ever sent something from; when there are too many, it is made to believe
// that the socket was closed, and forgets them, while a successor reads on.
func (s *Server) serveUDP(socket *socket) error {
	var readers sync.WaitGroup
	defer readers.Wait()
	var last *reader
	for {
		r := &reader{socket: socket, max: s.cfg.maxSources, seen: map[netip.AddrPort]struct{}{},
			known: make(chan struct{}), full: make(chan struct{}), release: make(chan struct{})}
		ended := make(chan error, 1)
		readers.Go(func() { ended <- s.transport.ServeUDP(r) })
		<-r.known
		socket.once.Do(func() { close(socket.ready) })
		if last != nil {
			close(last.release) // only now, or there would be a moment without a way out
		}
		select {
		case <-r.full:
			last = r
		case err := <-ended:
			return err
		}
	}
}

// reader is a UDP socket as sipgo reads it for a while. One goroutine reads.
type reader struct {
	*socket
	seen    map[netip.AddrPort]struct{}
	max     int
	known   chan struct{} // closed when sipgo reads
	full    chan struct{} // closed when it has seen enough
	release chan struct{} // closed when it may end
	reading bool
}

func (r *reader) ReadFrom(buf []byte) (int, net.Addr, error) {
	if !r.reading {
		r.reading = true
		close(r.known)
	}
	if len(r.seen) >= r.max {
		close(r.full)
		<-r.release
		select { // let what was read last be answered
		case <-time.After(time.Second):
		case <-r.closed:
		}
		return 0, nil, net.ErrClosed
	}
	n, from, err := r.PacketConn.ReadFrom(buf)
	if addr, ok := from.(*net.UDPAddr); ok {
		r.seen[addr.AddrPort()] = struct{}{}
	}
	return n, from, err
}

// transports are sipgo's, with limits on how long a peer may not read, and
// without its habit of connecting to wherever the Via of a request points when
// the connection it came by is gone.
func transports() wire.TransportsConfig {
	return wire.TransportsConfig{
		TCP: &wire.TransportTCP{
			WriteTimeout: writeWithin,
			DialerCreate: func(net.Addr) net.Dialer {
				return net.Dialer{ControlContext: func(ctx context.Context, _, _ string, _ syscall.RawConn) error {
					if ctx.Value(ours{}) == nil {
						return errNotAsked
					}
					return nil
				}}
			},
		},
		WS: &wire.TransportWS{
			WriteTimeout: writeWithin,
			DialerCreate: func(net.Addr) ws.Dialer {
				return ws.Dialer{NetDial: func(context.Context, string, string) (net.Conn, error) { return nil, errNotAsked }}
			},
		},
	}
}

// ours marks the context of a request we send ourselves.
type ours struct{}

var errNotAsked = errors.New("not a connection we asked for")

// noDNS keeps sipgo from looking up what strangers write. Where we send
// ourselves we look up before.
var noDNS = &net.Resolver{PreferGo: true, Dial: func(context.Context, string, string) (net.Conn, error) { return nil, errNotAsked }}

// connectTime is how long a look-up and a connection to a carrier may take.
const connectTime = 5 * time.Second

// send begins a transaction. ctx ends only the connecting, which is limited.
func (s *Server) send(ctx context.Context, req *wire.Request) (*wire.ClientTx, error) {
	ctx, done, err := s.direct(ctx, req)
	if err != nil {
		return nil, err
	}
	defer done()
	return s.transactions.Request(ctx, req)
}

// sendACK sends an ACK, which has no transaction. Lost, it is sent again when
// the 2xx comes again.
func (s *Server) sendACK(ctx context.Context, ack *wire.Request) {
	ctx, done, err := s.direct(ctx, ack)
	if err != nil {
		return
	}
	defer done()
	conn, err := s.transport.ClientRequestConnection(ctx, ack)
	if err != nil {
		return
	}
	_ = conn.WriteMsg(ack)
	_, _ = conn.TryClose()
}

// direct makes a request ready to be sent: its destination is an address, and
// connecting there is allowed and limited.
func (s *Server) direct(ctx context.Context, req *wire.Request) (context.Context, context.CancelFunc, error) {
	host, port, err := net.SplitHostPort(req.Destination())
	if err != nil {
		return nil, nil, err
	}
	_, err = netip.ParseAddr(host)
	if err == nil && req.Transport() == "UDP" {
		return ctx, func() {}, nil // the usual case, without a timer
	}
	ctx, cancel := context.WithTimeout(context.WithValue(ctx, ours{}, true), connectTime)
	if err != nil {
		addr, err := lookUp(ctx, host)
		if err != nil {
			cancel()
			return nil, nil, err
		}
		req.SetDestination(net.JoinHostPort(addr.String(), port))
	}
	return ctx, cancel, nil
}

// lookUp finds the address of a host.
func lookUp(ctx context.Context, host string) (netip.Addr, error) {
	found, err := lookUpAll(ctx, host)
	if err != nil {
		return netip.Addr{}, err
	}
	return found[0], nil
}

// lookUpAll finds the addresses of a host, which may be one itself; carriers in
// Russia are IPv4, so those come first.
func lookUpAll(ctx context.Context, host string) ([]netip.Addr, error) {
	found, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host)
	if err != nil {
		return nil, fmt.Errorf("look up %s: %w", host, err)
	}
	for i := range found {
		found[i] = found[i].Unmap()
	}
	slices.SortStableFunc(found, func(a, b netip.Addr) int { return a.BitLen() - b.BitLen() })
	return found, nil
}

// A TCP connection must speak within firstWord and then at least every idle.
const (
	firstWord = 10 * time.Second
	idle      = time.Hour
)

// guarded caps the connections of a TCP listener and tells the register when
// one closes.
type guarded struct {
	net.Listener
	server *Server
	ctx    context.Context // of Serve, for the log
}

func (g *guarded) Accept() (net.Conn, error) {
	for {
		conn, err := g.Listener.Accept()
		if err != nil {
			return nil, err
		}
		from := conn.RemoteAddr().(*net.TCPAddr).AddrPort().Addr().Unmap()
		if !g.server.sockets.open(from) {
			_ = conn.Close()
			continue
		}
		_ = conn.SetReadDeadline(time.Now().Add(firstWord))
		return &guardedConn{Conn: conn, closed: sync.OnceFunc(func() {
			g.server.work.Go(func() { // sipgo may hold its pool's lock when it closes
				g.server.sockets.close(from)
				g.server.flowClosed(g.ctx, "TCP", conn.RemoteAddr().String())
			})
		})}, nil
	}
}

type guardedConn struct {
	net.Conn
	closed func()
}

func (c *guardedConn) Read(buf []byte) (int, error) {
	n, err := c.Conn.Read(buf)
	if err == nil {
		err = c.SetReadDeadline(time.Now().Add(idle))
	}
	return n, err
}

func (c *guardedConn) Close() error {
	err := c.Conn.Close()
	c.closed()
	return err
}
