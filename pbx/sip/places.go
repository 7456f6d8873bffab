package sip

import (
	"net"
	"net/netip"
	"sync"
	"time"

	"cabline/pbx/gate"
)

const (
	maxPlaces    = 1000 // connections of TCP, TLS and WebSocket
	maxStrange   = 500  // of them, from where nobody of ours is known to be
	maxHousehold = 100  // of them, from one address or IPv6 /64, which may be an office's NAT
)

// places decides who may have a connection, and for how long. Some are kept for
// carriers, by their address, and for sources where somebody is at home: strangers
// cannot take the last one. Wherever it comes from, but from a carrier, a
// connection ends on which nobody shows a password, or the tags of a call that is
// up, within unproven, whatever else is said on it.
type places struct {
	carrier, home func(netip.Addr) bool
	unproven      time.Duration

	mu                      sync.Mutex // guards all below
	all, strange, household int        // that there may be
	taken, strangers        int
	per                     map[netip.Prefix]int
	unsure                  map[flow]*place // nobody has shown yet who they are
}

// flow is a connection by its network, as sipgo names it, and its other end.
type flow struct{ network, remote string }

// place is a connection's.
type place struct {
	in        *places
	flow      flow
	source    netip.Addr
	household netip.Prefix
	stranger  bool
	patience  *time.Timer // nil: it stays
}

func newPlaces(carrier, home func(netip.Addr) bool, unproven time.Duration) *places {
	return &places{carrier: carrier, home: home, unproven: unproven,
		all: maxPlaces, strange: maxStrange, household: maxHousehold,
		per: map[netip.Prefix]int{}, unsure: map[flow]*place{}}
}

// take gives a place to a connection that wants to come in; nil: there is none.
func (p *places) take(network string, from *net.TCPAddr) *place {
	l := &place{in: p, flow: flow{network, from.String()}, source: from.AddrPort().Addr().Unmap()}
	l.household, l.stranger = gate.Household(l.source), !l.carriers() && !p.home(l.source)
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.taken >= p.all || p.per[l.household] >= p.household || l.stranger && p.strangers >= p.strange {
		return nil
	}
	p.taken++
	p.per[l.household]++
	if l.stranger {
		p.strangers++
	}
	return l
}

// carriers says whether the connection comes from a carrier. None uses WebSockets.
func (l *place) carriers() bool { return l.flow.network != "WS" && l.in.carrier(l.source) }

// limit has the connection ended if nobody shows in time who they are.
func (l *place) limit(end func()) {
	if l.carriers() {
		return
	}
	l.in.mu.Lock()
	defer l.in.mu.Unlock()
	l.in.unsure[l.flow] = l
	l.patience = time.AfterFunc(l.in.unproven, func() {
		if !l.carriers() { // the DNS may have named it since
			end()
		}
	})
}

// proved lets a connection stay.
func (p *places) proved(network, remote string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if l := p.unsure[flow{network, remote}]; l != nil {
		l.known()
	}
}

// known ends the wait for who is there. The lock is held.
func (l *place) known() {
	if l.patience != nil {
		l.patience.Stop()
	}
	if l.in.unsure[l.flow] == l {
		delete(l.in.unsure, l.flow)
	}
	if l.stranger {
		l.stranger = false
		l.in.strangers--
	}
}

// leave gives the place back.
func (l *place) leave() {
	p := l.in
	p.mu.Lock()
	defer p.mu.Unlock()
	l.known()
	p.taken--
	if p.per[l.household]--; p.per[l.household] == 0 {
		delete(p.per, l.household)
	}
}
