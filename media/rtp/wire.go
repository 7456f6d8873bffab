package rtp

import (
	"net/netip"
	"time"
)

// wire carries the datagrams of many sockets. There are two: epoll.go on Linux
// (a few goroutines, half the CPU time) and goroutines.go everywhere.
type wire interface {
	// open binds a UDP socket; port 0 is the kernel's choice.
	open(at netip.AddrPort, to receiver) (socket, error)
	// close ends what open started; the sockets have been closed before.
	close()
}

// socket is one bound UDP socket.
type socket interface {
	local() netip.AddrPort
	// send never waits; false: the datagram is lost.
	send(b []byte, to netip.AddrPort) bool
	// close may be called once; a datagram taken before it may still be given
	// to the receiver after.
	close()
}

// receiver takes what arrives at a socket.
type receiver interface {
	// receive takes a datagram. b is lent for the call and has tailRoom bytes of
	// capacity to spare. It must not wait for the network.
	receive(b []byte, from netip.AddrPort, now time.Time)
}

const (
	maxDatagram = 1500 // longer ones are cut; none of ours is near it
	tailRoom    = 64   // for the SRTP tag of the other leg
)

// expedited is the DSCP class EF as a TOS byte: voice before data (RFC 4594 §4.1).
const expedited = 46 << 2
