package sip

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"sync"
	"time"

	wire "github.com/emiago/sipgo/sip"
)

// socket is a UDP socket and where it is bound.
type socket struct {
	net.PacketConn
	addr   netip.AddrPort
	ready  chan struct{} // closed when sipgo reads it, and so knows it
	once   sync.Once
	closed chan struct{}
	guard  func(message []byte) ([]byte, error)
}

// WriteTo sends a message, as far as it may leave.
func (s *socket) WriteTo(message []byte, to net.Addr) (int, error) {
	kept, err := s.guard(message)
	if err != nil {
		return 0, err
	}
	if _, err := s.PacketConn.WriteTo(kept, to); err != nil {
		return 0, err
	}
	return len(message), nil
}

func (s *socket) Close() error {
	close(s.closed)
	return s.PacketConn.Close()
}

// receiveBuffer is some 3,000 messages, in bytes.
const receiveBuffer = 4 << 20

func openSocket(addr netip.AddrPort, guard func([]byte) ([]byte, error)) (*socket, error) {
	conn, err := net.ListenPacket(family("udp", addr), addr.String())
	if err != nil {
		return nil, err
	}
	// A burst of INVITEs waits here while the machine is busy; what does not fit
	// comes again half a second later. The system may allow less.
	_ = conn.(*net.UDPConn).SetReadBuffer(receiveBuffer)
	return &socket{PacketConn: conn, guard: guard, addr: unmap(conn.LocalAddr().(*net.UDPAddr).AddrPort()), ready: make(chan struct{}), closed: make(chan struct{})}, nil
}

// family keeps 0.0.0.0 from becoming [::], and [::] from taking the port of
// 0.0.0.0 as well.
func family(network string, addr netip.AddrPort) string {
	if addr.Addr().Is4() {
		return network + "4"
	}
	return network + "6"
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
		r := &reader{socket: socket, rebuffs: s.rebuffs, max: s.cfg.maxSources, seen: map[netip.AddrPort]struct{}{},
			known: make(chan struct{}), full: make(chan struct{}), release: make(chan struct{})}
		ended := make(chan error, 1)
		readers.Go(func() { ended <- s.readUDP(r) })
		<-r.known
		socket.once.Do(func() { close(socket.ready) })
		if last != nil {
			close(last.release) // only now, or there would be a moment without a way out
		}
		select {
		case <-r.full:
			last = r
		case err := <-ended:
			if !errors.Is(err, errFault) {
				return err
			}
			last = nil // the message is left out, and a successor reads on
		}
	}
}

// readUDP lets sipgo read until the reader ends it, or a message that sipgo panics over.
func (s *Server) readUDP(r *reader) (err error) {
	defer s.work.caught(&err)
	return s.transport.ServeUDP(r)
}

// reader is a UDP socket as sipgo reads it for a while. One goroutine reads.
type reader struct {
	*socket
	rebuffs func(message []byte, isStream bool, from netip.AddrPort) (answer []byte, unfit bool)
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
	for len(r.seen) < r.max {
		n, from, err := r.PacketConn.ReadFrom(buf)
		addr, ok := from.(*net.UDPAddr)
		if err != nil || !ok {
			return n, from, err
		}
		if answer, unfit := r.rebuffs(buf[:n], false, addr.AddrPort()); unfit {
			if answer != nil {
				_, _ = r.WriteTo(answer, from)
			}
			continue
		}
		r.seen[addr.AddrPort()] = struct{}{}
		return n, from, nil
	}
	close(r.full)
	<-r.release
	select { // let what was read last be answered
	case <-time.After(time.Second):
	case <-r.closed:
	}
	return 0, nil, net.ErrClosed
}

// noDNS keeps sipgo from looking up what strangers write. Where we send
// ourselves we look up before.
var noDNS = &net.Resolver{PreferGo: true, Dial: func(context.Context, string, string) (net.Conn, error) { return nil, errNotAsked }}

// send begins a transaction. ctx ends only the look-up and the connecting.
func (s *Server) send(ctx context.Context, p path, req *wire.Request) (*wire.ClientTx, error) {
	if err := s.reach(ctx, p, req); err != nil {
		return nil, err
	}
	return s.transactions.Request(ctx, req)
}

// sendACK sends an ACK, which has no transaction. Lost, it is sent again when
// the 2xx comes again. ctx ends only the look-up and the connecting; the error says
// that it did, or that there is no way.
func (s *Server) sendACK(ctx context.Context, p path, ack *wire.Request) error {
	if err := s.reach(ctx, p, ack); err != nil {
		return err
	}
	conn, err := s.transport.ClientRequestConnection(ctx, ack)
	if err != nil {
		return err
	}
	_ = conn.WriteMsg(ack)
	_, _ = conn.TryClose()
	return nil
}

// reach makes a request ready to be sent: its destination is an address, and
// there is a connection to it. Where ctx has ended it waits for neither: they have
// to be there.
func (s *Server) reach(ctx context.Context, p path, req *wire.Request) error {
	target, err := targetOf(req)
	if err != nil {
		return err
	}
	if _, err := netip.ParseAddr(target.Host); err != nil {
		ctx, cancel := context.WithTimeout(ctx, connectTime)
		defer cancel()
		at, err := s.locate(ctx, target)
		if err != nil {
			return err
		}
		req.SetDestination(at.String())
	}
	if p.network == "UDP" || p.flow != "" {
		return nil
	}
	to, err := netip.ParseAddrPort(req.Destination())
	if err != nil {
		return err
	}
	_, err = s.connect(ctx, p.network, to, p.trust)
	return err
}
