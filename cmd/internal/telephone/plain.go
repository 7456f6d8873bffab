package telephone

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"

	"cabline/cmd/internal/siptext"
)

// plain is RTP and RTCP over UDP (RFC 3550 §11).
type plain struct{ rtp, rtcp *net.UDPConn }

// openPlain binds an even port and the odd one above it.
func openPlain(s *sound, host netip.Addr) (*plain, error) {
	for range 64 {
		w := &plain{}
		var err error
		if w.rtp, err = net.ListenUDP("udp4", net.UDPAddrFromAddrPort(netip.AddrPortFrom(host, 0))); err != nil {
			return nil, fmt.Errorf("open audio: %w", err)
		}
		if port := w.addr().Port(); port%2 == 0 {
			w.rtcp, err = net.ListenUDP("udp4", net.UDPAddrFromAddrPort(netip.AddrPortFrom(host, port+1)))
			if err == nil {
				s.call.phone.workers.Go(func() { receive(w.rtp, s.hear) })
				s.call.phone.workers.Go(func() { receive(w.rtcp, func(b []byte) { s.record(false, "RTCP", b) }) })
				return w, nil
			}
		}
		w.rtp.Close()
	}
	return nil, errors.New("open audio: no pair of free ports")
}

func receive(conn *net.UDPConn, take func([]byte)) {
	buf := make([]byte, 2048)
	for {
		n, err := conn.Read(buf)
		switch {
		case errors.Is(err, net.ErrClosed):
			return
		case err == nil: // else an ICMP error of a port that closed
			take(buf[:n])
		}
	}
}

func (w *plain) addr() netip.AddrPort { return w.rtp.LocalAddr().(*net.UDPAddr).AddrPort() }

func (w *plain) describe(a siptext.Audio, version int, _ bool) []byte {
	a.Addr = w.addr()
	return a.SDP(version)
}

func (w *plain) agree([]byte, bool) {}

func (w *plain) write(packet []byte, to netip.AddrPort, canary string) []byte {
	packet = extend(packet, canary)
	if canary != "" && binary.BigEndian.Uint16(packet[2:])%50 == 0 {
		report := report(binary.BigEndian.Uint32(packet[8:]), canary)
		_, _ = w.rtcp.WriteToUDPAddrPort(report, netip.AddrPortFrom(to.Addr(), to.Port()+1))
	}
	_, _ = w.rtp.WriteToUDPAddrPort(packet, to) // lost packets are the network's right
	return packet
}

func (w *plain) close() {
	w.rtp.Close()
	w.rtcp.Close()
}
