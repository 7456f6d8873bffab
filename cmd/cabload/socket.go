package main

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"unsafe"

	"golang.org/x/sys/unix"
)

// socket is an RTP socket which the engine's thread reads and writes without
// ever waiting. Many calls share it: a PBX gives each leg a port of its own, so
// the far address tells the legs apart.
//
// System calls are made raw: the runtime's poller and its threads would cost
// more than the packets, and their wake-ups would be charged to the PBX.
type socket struct {
	fd   int
	rtcp int // the odd port beside it, bound so that the PBX's RTCP arrives somewhere
	addr netip.AddrPort
	side side

	lost uint32 // packets the kernel dropped because we were slow to read

	name    unix.RawSockaddrInet4
	buffer  [2048]byte
	control [128]byte
	vector  unix.Iovec
	header  unix.Msghdr
}

const receiveBuffer = 4 << 20 // octets; some seconds of a thousand calls

// openSocket binds an even port and the odd one above it (RFC 3550 §11).
func openSocket(host netip.Addr) (*socket, error) {
	for range 64 {
		fd, port, err := bindUDP(netip.AddrPortFrom(host, 0), unix.SO_TIMESTAMPNS, unix.SO_RXQ_OVFL)
		if err != nil {
			return nil, fmt.Errorf("open RTP socket: %w", err)
		}
		if port%2 == 1 {
			unix.Close(fd)
			continue
		}
		rtcp, _, err := bindUDP(netip.AddrPortFrom(host, port+1))
		if err != nil {
			unix.Close(fd)
			continue
		}
		s := &socket{fd: fd, rtcp: rtcp, addr: netip.AddrPortFrom(host, port)}
		s.header.Name, s.header.Control = (*byte)(unsafe.Pointer(&s.name)), &s.control[0]
		s.vector.Base = &s.buffer[0]
		s.vector.SetLen(len(s.buffer))
		s.header.Iov = &s.vector
		s.header.SetIovlen(1)
		return s, nil
	}
	return nil, fmt.Errorf("open RTP socket: no pair of free ports on %s", host)
}

// bindUDP binds a socket that never waits, with a large buffer and the options
// given.
func bindUDP(addr netip.AddrPort, options ...int) (fd int, port uint16, err error) {
	fd, err = unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return 0, 0, err
	}
	defer func() {
		if err != nil {
			unix.Close(fd)
		}
	}()
	if unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, receiveBuffer) != nil { // not root
		if err = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, receiveBuffer); err != nil {
			return 0, 0, err
		}
	}
	for _, option := range options {
		if err = unix.SetsockoptInt(fd, unix.SOL_SOCKET, option, 1); err != nil {
			return 0, 0, err
		}
	}
	if err = unix.Bind(fd, &unix.SockaddrInet4{Addr: addr.Addr().As4(), Port: int(addr.Port())}); err != nil {
		return 0, 0, fmt.Errorf("bind %s: %w", addr, err)
	}
	name, err := unix.Getsockname(fd)
	if err != nil {
		return 0, 0, err
	}
	return fd, uint16(name.(*unix.SockaddrInet4).Port), nil
}

func (s *socket) close() {
	unix.Close(s.fd)
	unix.Close(s.rtcp)
}

// send returns false when the kernel did not take the packet.
func (s *socket) send(packet []byte, to *unix.RawSockaddrInet4) bool {
	_, _, errno := unix.RawSyscall6(unix.SYS_SENDTO, uintptr(s.fd), uintptr(unsafe.Pointer(&packet[0])), uintptr(len(packet)),
		unix.MSG_DONTWAIT, uintptr(unsafe.Pointer(to)), unix.SizeofSockaddrInet4)
	return errno == 0
}

// receive takes one packet, if there is one. It is good until the next call.
// at is when the kernel got it, in nanoseconds since 1970.
func (s *socket) receive() (packet []byte, from uint64, at int64, ok bool) {
	s.header.Namelen = unix.SizeofSockaddrInet4
	s.header.SetControllen(len(s.control))
	n, _, errno := unix.RawSyscall(unix.SYS_RECVMSG, uintptr(s.fd), uintptr(unsafe.Pointer(&s.header)), unix.MSG_DONTWAIT)
	if errno != 0 {
		return nil, 0, 0, false
	}
	at = s.readControl(s.control[:s.header.Controllen])
	from = uint64(binary.BigEndian.Uint32(s.name.Addr[:]))<<16 | uint64(s.name.Port)
	return s.buffer[:n], from, at, true
}

// readControl walks the ancillary data (cmsg(3)) for the arrival time and the
// count of dropped packets.
func (s *socket) readControl(data []byte) (at int64) {
	for len(data) >= unix.SizeofCmsghdr {
		size := int(binary.NativeEndian.Uint64(data))
		kind := int32(binary.NativeEndian.Uint32(data[12:]))
		if size < unix.SizeofCmsghdr || size > len(data) {
			break
		}
		value := data[unix.SizeofCmsghdr:size]
		switch {
		case kind == unix.SO_TIMESTAMPNS && len(value) >= 16:
			at = int64(binary.NativeEndian.Uint64(value))*1e9 + int64(binary.NativeEndian.Uint64(value[8:]))
		case kind == unix.SO_RXQ_OVFL && len(value) >= 4:
			s.lost = binary.NativeEndian.Uint32(value)
		}
		data = data[min(len(data), (size+7)&^7):]
	}
	return at
}

// rawAddr is an address as the kernel takes it.
func rawAddr(a netip.AddrPort) unix.RawSockaddrInet4 {
	raw := unix.RawSockaddrInet4{Family: unix.AF_INET, Addr: a.Addr().Unmap().As4()}
	binary.BigEndian.PutUint16((*[2]byte)(unsafe.Pointer(&raw.Port))[:], a.Port())
	return raw
}
