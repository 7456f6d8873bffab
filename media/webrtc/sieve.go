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

// sieve is the socket of all browsers, less what pion need not see or should not.
//
// The one is the audio, which the ports open themselves. The other are those records
// of DTLS (RFC 6347) that nobody has signed and no browser needs to send, but that
// pion acts upon: anyone who can write a browser's address on a packet could end
// its call.
type sieve struct {
	socket wire.Socket
	passed chan passed // to pion
	spare  sync.Pool   // of *[wire.MaxDatagram]byte
	gone   chan struct{}

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

// waiting is how many datagrams wait for pion: handshakes, checks and reports of
// all browsers. What comes on top is lost, as in a socket that is full.
const waiting = 1024

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
	if !s.lets(b, from, now) {
		return
	}
	buf := s.spare.Get().(*[wire.MaxDatagram]byte)
	select {
	case s.passed <- passed{buf, copy(buf[:], b), from}:
	default:
		s.spare.Put(buf)
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

// lets says whether a packet is for pion.
func (s *sieve) lets(packet []byte, from netip.AddrPort, now time.Time) bool {
	switch p := s.port(from); {
	case len(packet) == 0:
		return true
	case packet[0] >= 20 && packet[0] <= 63: // DTLS; RFC 7983 §7
		return sane(packet, p != nil && p.shaken.Load())
	case packet[0] >= 128 && packet[0] <= 191: // SRTP
		return p == nil || !p.hears(packet, now)
	}
	return true
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

// settle has a port's browser be at an address.
func (s *sieve) settle(at netip.AddrPort, p *Port) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ports[canonical(at)] = p
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
}

func canonical(at netip.AddrPort) netip.AddrPort {
	return netip.AddrPortFrom(at.Addr().Unmap().WithZone(""), at.Port())
}
