package rtp

import (
	"errors"
	"math/rand/v2"
	"net/netip"
	"sync"
)

// ErrNoPorts says that every RTP port of the range is in use.
var ErrNoPorts = errors.New("no free RTP port")

// pair is an even RTP port of a range, RTCP on the next, and who was last
// heard there: a party who did not notice that the call is over must not be
// heard in the next one.
type pair struct {
	port   uint16
	former netip.AddrPort
}

// pairs is the free port pairs of a range. They go round: the pair which rests
// longest is the next to be used, from a random start.
type pairs struct {
	mu   sync.Mutex
	free []pair // a ring
	head int
	n    int
}

func newPairs(lo, hi uint16) *pairs {
	var free []pair
	for port := int(lo) + int(lo)%2; port+1 <= int(hi); port += 2 {
		free = append(free, pair{port: uint16(port)})
	}
	r := &pairs{free: free, n: len(free)}
	if r.n > 0 {
		r.head = rand.IntN(r.n)
	}
	return r
}

// take is the pair that rests longest.
func (r *pairs) take() (pair, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.n == 0 {
		return pair{}, false
	}
	p := r.free[r.head]
	r.head = (r.head + 1) % len(r.free)
	r.n--
	return p, true
}

// give puts a pair back, behind all others.
func (r *pairs) give(p pair) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.free[(r.head+r.n)%len(r.free)] = p
	r.n++
}

// open binds a pair of sockets: of the range, where others may hold some, or
// where the range is empty of the kernel's choice.
func (r *Relay) open(ip netip.Addr, onRTP, onRTCP receiver) (p pair, rtp, rtcp socket, err error) {
	tries := 64
	if r.pairs != nil {
		tries = len(r.pairs.free)
	}
	err = ErrNoPorts
	for range tries {
		if r.pairs != nil {
			var ok bool
			if p, ok = r.pairs.take(); !ok {
				return pair{}, nil, nil, ErrNoPorts
			}
		}
		if rtp, rtcp, err = r.bind(ip, p.port, onRTP, onRTCP); err == nil {
			return p, rtp, rtcp, nil
		}
		if r.pairs != nil {
			r.pairs.give(p)
		}
		if !errors.Is(err, errInUse) {
			return pair{}, nil, nil, err // no such address, no descriptors left: another port does not help
		}
	}
	return pair{}, nil, nil, errors.Join(ErrNoPorts, err)
}

// bind binds an even port, 0: any, and the one after it.
func (r *Relay) bind(ip netip.Addr, port uint16, onRTP, onRTCP receiver) (rtp, rtcp socket, err error) {
	rtp, err = r.wire.open(netip.AddrPortFrom(ip, port), onRTP)
	if err != nil {
		return nil, nil, err
	}
	port = rtp.local().Port()
	if port%2 == 1 {
		rtp.close()
		return nil, nil, errOdd
	}
	rtcp, err = r.wire.open(netip.AddrPortFrom(ip, port+1), onRTCP)
	if err != nil {
		rtp.close()
		return nil, nil, err
	}
	return rtp, rtcp, nil
}
