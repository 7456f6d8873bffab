// Package rtp is the audio of parties over plain RTP (RFC 3550, RFC 3551): the
// sockets, what is accepted on them and sent from them, RTCP, and the SDP that
// agrees on it all.
//
// Packets of one party go straight to the port of the other, on the goroutine
// that read them: no queue, no copy, no allocation. The package knows nothing
// of SIP dialogs or calls. It does not log: it returns errors and counts.
package rtp

import (
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"time"

	"cabline/media"
	"cabline/media/faults"
	"cabline/media/wire"
)

// ErrClosed is returned for what can not be done after Close.
var ErrClosed = errors.New("closed")

// Config is what a relay needs.
type Config struct {
	// Ports is the range of UDP ports, both ends included; each party takes an
	// even one and the next. Zeros: the kernel's choice.
	Ports [2]uint16
	// Wire is what moves the packets; it is closed after the relay. nil: one of the
	// relay's own.
	Wire wire.Wire
	// Clock paces what is played to the ports; it is closed after the relay.
	Clock *media.Clock
}

// Relay holds the ports and what drives them. It is safe for concurrent use.
type Relay struct {
	line  faults.Line
	clock *media.Clock
	wire  wire.Wire
	own   bool   // it is nobody else's
	pairs *pairs // nil: the kernel's choice

	quit, done chan struct{}

	mu     sync.Mutex
	ports  map[*Port]struct{}
	closed bool
}

// Listen starts a relay; Close ends it.
func Listen(c Config) (*Relay, error) {
	r := &Relay{
		clock: c.Clock,
		wire:  c.Wire,
		quit:  make(chan struct{}),
		done:  make(chan struct{}),
		ports: map[*Port]struct{}{},
	}
	if c.Ports != [2]uint16{} {
		if r.pairs = newPairs(c.Ports[0], c.Ports[1]); r.pairs.n == 0 {
			return nil, fmt.Errorf("RTP ports %d-%d: no even port with the next one in the range", c.Ports[0], c.Ports[1])
		}
	}
	if r.own = r.wire == nil; r.own {
		var err error
		if r.wire, err = wire.New(0); err != nil {
			return nil, err
		}
	}
	go r.reportAll()
	return r, nil
}

// Report has panics in what a port does by itself reported to a desk, and of a wire
// of the relay's own. A port that has panicked is of no more use; see WhenLost.
func (r *Relay) Report(to *faults.Desk) {
	r.line.Report(to)
	if r.own {
		r.wire.Report(to)
	}
}

// Taken is how many pairs of ports are in use.
func (r *Relay) Taken() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.ports)
}

// Free is how many pairs of the range nobody uses; -1: the kernel chooses ports.
func (r *Relay) Free() int {
	if r.pairs == nil {
		return -1
	}
	r.pairs.mu.Lock()
	defer r.pairs.mu.Unlock()
	return r.pairs.n
}

// Latching is what becomes of a party's address when its packets come from
// another one than its SDP said (symmetric RTP, RFC 4961).
type Latching uint8

const (
	// LatchFirst takes the address of the first packet, if it comes from the host
	// of the SDP or of the signalling, then no other but the one of the SDP. A new
	// address in SDP opens it again.
	LatchFirst Latching = iota
	// LatchOff takes packets from the address of the SDP alone.
	LatchOff
	// LatchAlways follows the latest packet, wherever it comes from: for peers
	// that move without telling; anyone who finds the port can speak.
	LatchAlways
)

// Options are what a port needs.
type Options struct {
	Bind      netip.Addr // the address to receive at and send from
	Advertise netip.Addr // written into SDP where the party reaches us by another; zero: Bind
	Latching  Latching
	// Signalling is the host the party's SIP comes from: behind a NAT its audio
	// does too, whatever its SDP says. Zero: not known, so that any host may speak
	// first.
	Signalling netip.Addr
	SRTP       Security
	Keys       Keys
	Codecs     []media.Codec // best first; none: PCMA and PCMU
}

// Keys is how pressed keys travel between a party and us. An event or an INFO
// of the party counts in any case.
type Keys uint8

const (
	// KeysAuto is telephone-event where it is agreed on, and tones in the sound
	// both ways where it is not.
	KeysAuto Keys = iota
	// KeysEvents is telephone-event. A party who takes none is sent tones.
	KeysEvents
	// KeysInBand is tones in the sound; telephone-event is neither offered nor
	// agreed to. To look for them costs some 2 µs a packet.
	KeysInBand
)

// Open takes a port for one party. ErrNoPorts: all are in use.
func (r *Relay) Open(o Options) (*Port, error) {
	if !o.Advertise.IsValid() {
		o.Advertise = o.Bind
	}
	o.Bind, o.Advertise = o.Bind.Unmap(), o.Advertise.Unmap()
	if !o.Bind.IsValid() || o.Advertise.IsUnspecified() || o.Advertise.Zone() != "" {
		return nil, fmt.Errorf("open RTP port: no address to tell the party: bind %v, advertise %v", o.Bind, o.Advertise)
	}
	p := newPort(r, o)
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return nil, fmt.Errorf("open RTP port: %w", ErrClosed)
	}
	if err := r.bindPair(p, o.Bind); err != nil {
		return nil, fmt.Errorf("open RTP port: %w", err)
	}
	r.ports[p] = struct{}{}
	return p, nil
}

// Close closes all ports and waits for all that the relay started.
func (r *Relay) Close() {
	r.mu.Lock()
	if r.closed {
		r.mu.Unlock()
		<-r.done
		return
	}
	r.closed = true
	ports := r.list()
	r.mu.Unlock()
	for _, p := range ports {
		_ = p.Close()
	}
	close(r.quit)
	<-r.done
	if r.own {
		r.wire.Close()
	}
}

// list is the open ports; r.mu is held.
func (r *Relay) list() []*Port {
	ports := make([]*Port, 0, len(r.ports))
	for p := range r.ports {
		ports = append(ports, p)
	}
	return ports
}

func (r *Relay) forget(p *Port) {
	r.mu.Lock()
	delete(r.ports, p)
	r.mu.Unlock()
}

// reportAll sends the RTCP reports of all ports.
func (r *Relay) reportAll() {
	defer close(r.done)
	tick := time.NewTicker(500 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-r.quit:
			return
		case now := <-tick.C:
			r.report(now)
		}
	}
}

// report sends those that are due.
func (r *Relay) report(now time.Time) {
	r.mu.Lock()
	ports := r.list()
	r.mu.Unlock()
	r.line.Each(len(ports), func(i int) { ports[i].reportWhenDue(now) }, func(i int) { ports[i].hurt() })
}
