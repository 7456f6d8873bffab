package webrtc

import (
	"encoding/binary"
	"errors"
	"net"
	"net/netip"
	"sync"
	"time"

	"cabline/media/wire"
)

// sieve is the socket of all browsers. ICE's checks go to pion; DTLS and audio go to
// the port whose browser is where they come from, by its SDP or because it has proven it
// to ICE, and from anywhere else nowhere.
//
// Those records of DTLS (RFC 6347) stay outside that nobody has signed and no browser
// needs to send, but that pion acts upon: anyone who can write a browser's address on a
// packet could end its call.
type sieve struct {
	socket wire.Socket
	passed chan passed // to pion
	spare  sync.Pool   // of *[wire.MaxDatagram]byte
	gone   chan struct{}
	at     *Port // whose datagram came last; of the goroutine that reads

	mu     sync.RWMutex
	ports  map[netip.AddrPort]*Port // by where their browsers are
	closed bool
}

// passed is a datagram on its way to pion.
type passed struct {
	buf  *[wire.MaxDatagram]byte
	size int
	from netip.AddrPort
}

const (
	// waiting is how many checks wait for pion. What comes on top is lost, as in a
	// socket that is full.
	waiting = 1024

	// maxAddresses is how many addresses one browser may have. One with cable, radio
	// and a tunnel has four, and some more after a restart of ICE.
	maxAddresses = 64
)

func newSieve() *sieve {
	return &sieve{
		passed: make(chan passed, waiting),
		spare:  sync.Pool{New: func() any { return new([wire.MaxDatagram]byte) }},
		gone:   make(chan struct{}),
		ports:  make(map[netip.AddrPort]*Port),
	}
}

// Receive takes what arrives at the socket.
func (s *sieve) Receive(b []byte, from netip.AddrPort, now time.Time) {
	if len(b) == 0 {
		return
	}
	switch first := b[0]; { // RFC 7983 §7
	case first <= 3: // STUN
		buf := s.spare.Get().(*[wire.MaxDatagram]byte)
		select {
		case s.passed <- passed{buf, copy(buf[:], b), from}:
		default:
			s.spare.Put(buf)
		}
	case first >= 20 && first <= 63: // DTLS
		if p := s.port(from); p != nil && sane(b, p.ear.begun.Load()) {
			s.at = p
			p.handshakes.take(b, canonical(from))
		}
	case first >= 128 && first <= 191: // SRTP
		if p := s.port(from); p != nil {
			s.at = p
			p.ear.take(b, now)
		}
	}
}

// Hurt implements wire.Receiver: the others hear on.
func (s *sieve) Hurt() {
	if s.at != nil {
		s.at.hurt()
	}
}

// ReadFromAddrPort and WriteToAddrPort are what pion looks for.
func (s *sieve) ReadFromAddrPort(b []byte) (int, netip.AddrPort, error) {
	select {
	case p := <-s.passed:
		n := copy(b, p.buf[:p.size])
		s.spare.Put(p.buf)
		return n, p.from, nil
	case <-s.gone:
		return 0, netip.AddrPort{}, net.ErrClosed
	}
}

var errNotSent = errors.New("the system took no datagram")

func (s *sieve) WriteToAddrPort(b []byte, to netip.AddrPort) (int, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.closed {
		return 0, net.ErrClosed
	}
	if !s.socket.Send(b, canonical(to)) {
		return 0, errNotSent
	}
	return len(b), nil
}

// ReadFrom and the rest make it a net.PacketConn. Nothing waits in a write, so that
// it needs no deadline.
func (s *sieve) ReadFrom(b []byte) (int, net.Addr, error) {
	n, from, err := s.ReadFromAddrPort(b)
	return n, net.UDPAddrFromAddrPort(from), err
}

func (s *sieve) WriteTo(b []byte, to net.Addr) (int, error) {
	addr, ok := to.(*net.UDPAddr)
	if !ok {
		return 0, errNotSent
	}
	return s.WriteToAddrPort(b, addr.AddrPort())
}

func (s *sieve) LocalAddr() net.Addr              { return net.UDPAddrFromAddrPort(s.socket.Local()) }
func (s *sieve) SetDeadline(time.Time) error      { return nil }
func (s *sieve) SetReadDeadline(time.Time) error  { return nil }
func (s *sieve) SetWriteDeadline(time.Time) error { return nil }

// Close closes the socket, once.
func (s *sieve) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.closed {
		s.closed = true
		s.socket.Close()
		close(s.gone)
	}
	return nil
}

// port is the one whose browser is at an address, if that is known.
func (s *sieve) port(at netip.AddrPort) *Port {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.ports[canonical(at)]
}

// sane says whether a packet of DTLS may pass, over: after the handshake.
func sane(packet []byte, over bool) bool {
	for len(packet) > 0 {
		if len(packet) < recordHeader {
			return false
		}
		size := recordHeader + int(binary.BigEndian.Uint16(packet[recordHeader-2:]))
		if size > len(packet) || !useful(packet[:size], over) {
			return false
		}
		packet = packet[size:]
	}
	return true
}

const recordHeader = 13 // type, version, epoch, sequence number, length

// Types of records. Data there is none: we carry audio alone.
const (
	changeCipherSpec = 20
	alert            = 21
	handshake        = 22
)

// useful says whether a record is of any use: over, after the handshake.
func useful(record []byte, over bool) bool {
	plain := record[3] == 0 && record[4] == 0 // epoch 0
	switch record[0] {
	case handshake:
		return !plain || !over
	case changeCipherSpec: // it has no signature in any epoch (RFC 5246 §7.1)
		return plain && !over && len(record) == recordHeader+1 && record[recordHeader] == 1
	case alert:
		return !plain
	}
	return false
}

// settle takes note that a port's browser is at an address, because it has proven it
// to ICE or only says so. It is false for one that is at too many, or says that it is
// where another is.
func (s *sieve) settle(at netip.AddrPort, p *Port, proven bool) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch other := s.ports[at]; {
	case p.broken.Load():
		return false
	case other == p:
		return true
	case other != nil && !proven, p.addresses == maxAddresses:
		return false
	}
	p.addresses++
	s.ports[at] = p
	return true
}

// forget takes a port's addresses from it.
func (s *sieve) forget(p *Port) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for at, other := range s.ports {
		if other == p {
			delete(s.ports, at)
		}
	}
	p.addresses = 0
}

func canonical(at netip.AddrPort) netip.AddrPort {
	return netip.AddrPortFrom(at.Addr().Unmap().WithZone(""), at.Port())
}
