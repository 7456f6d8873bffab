package webrtc

import (
	"encoding/binary"
	"net"
	"net/netip"
	"sync"
)

// sieve is the socket of all browsers, less what pion need not see or should not.
//
// The one is the audio, which the ports open themselves. The other are those records
// of DTLS (RFC 6347) that nobody has signed and no browser needs to send, but that
// pion acts upon: anyone who can write a browser's address on a packet could end
// its call.
type sieve struct {
	*net.UDPConn

	mu     sync.RWMutex
	sealed map[netip.AddrPort]*Port // where the handshake is over for both sides
}

// ReadFromAddrPort and WriteToAddrPort are what pion looks for.
func (s *sieve) ReadFromAddrPort(b []byte) (int, netip.AddrPort, error) {
	for {
		n, from, err := s.ReadFromUDPAddrPort(b)
		if err != nil || s.lets(b[:n], from) {
			return n, from, err
		}
	}
}

// lets says whether a packet is for pion.
func (s *sieve) lets(packet []byte, from netip.AddrPort) bool {
	switch p := s.port(from); {
	case len(packet) == 0:
		return true
	case packet[0] >= 20 && packet[0] <= 63: // DTLS; RFC 7983 §7
		return sane(packet, p != nil)
	case packet[0] >= 128 && packet[0] <= 191: // SRTP
		return p == nil || !p.hears(packet)
	}
	return true
}

// port is the one whose browser is at an address, once the handshake with it is
// over for both sides.
func (s *sieve) port(at netip.AddrPort) *Port {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.sealed[canonical(at)]
}

func (s *sieve) WriteToAddrPort(b []byte, to netip.AddrPort) (int, error) {
	return s.WriteToUDPAddrPort(b, to)
}

func (s *sieve) ReadFrom(b []byte) (int, net.Addr, error) {
	n, from, err := s.ReadFromAddrPort(b)
	return n, net.UDPAddrFromAddrPort(from), err
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

// seal ends the handshake of a browser at an address.
func (s *sieve) seal(at netip.AddrPort, p *Port) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sealed[canonical(at)] = p
}

// forget opens a port's addresses for others.
func (s *sieve) forget(p *Port) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for at, other := range s.sealed {
		if other == p {
			delete(s.sealed, at)
		}
	}
}

func canonical(at netip.AddrPort) netip.AddrPort {
	return netip.AddrPortFrom(at.Addr().Unmap().WithZone(""), at.Port())
}
