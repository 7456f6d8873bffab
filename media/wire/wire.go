// Package wire carries the datagrams of many UDP sockets to those who hear them and
// from those who speak, with as little as a packet can cost. It knows nothing of
// what is in them, and it does not log.
package wire

import (
	"net/netip"
	"time"

	"cabline/media/faults"
)

// Wire is what the sockets are opened on. There are two: New's, on Linux a few
// goroutines for all sockets, which takes half the CPU time, and Goroutines.
type Wire interface {
	// Open binds a UDP socket; port 0 is the kernel's choice, [::] is of both
	// families. buffer is how many bytes wait in it each way, as far as the system
	// grants that; 0: as many as is usual.
	Open(at netip.AddrPort, to Receiver, buffer int) (Socket, error)
	// Overflowed is how many datagrams the kernel has thrown away so far because they
	// were not read in time; 0 where it does not tell.
	Overflowed() uint64
	// Report has panics of receivers reported to a desk; until then one ends the
	// program.
	Report(to *faults.Desk)
	// Close ends what Open started; the sockets have been closed before.
	Close()
}

// Socket is one bound UDP socket. It is safe for concurrent use, but that nothing
// may be sent once Close was called.
type Socket interface {
	Local() netip.AddrPort
	// Send never waits; false: the datagram is lost.
	Send(b []byte, to netip.AddrPort) bool
	// Close may be called once; a datagram taken before it may still be given
	// to the receiver after.
	Close()
}

// Receiver takes what arrives at a socket, one datagram at a time.
type Receiver interface {
	// Receive takes a datagram. b is lent for the call and has TailRoom bytes of
	// capacity to spare. It must not wait for the network.
	Receive(b []byte, from netip.AddrPort, now time.Time)
	// Hurt is called, by the same goroutine, when Receive has panicked. It leaves out
	// whoever's datagram that was: the next one may do the same.
	Hurt()
}

const (
	MaxDatagram = 1500 // longer ones are cut; no network carries them in one piece
	TailRoom    = 64   // for the SRTP tag of another leg
)

// expedited is the DSCP class EF as a TOS byte: voice before data (RFC 4594 §4.1).
const expedited = 46 << 2
