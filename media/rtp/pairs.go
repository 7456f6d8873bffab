package rtp

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"sync"
	"syscall"
)

// ErrNoPorts says that every RTP port of the range is in use.
var ErrNoPorts = errors.New("no free RTP port")

// errOdd: the kernel chose an odd port.
var errOdd = errors.New("port is odd")

// kernelTries is how often the kernel is asked for an even port whose next is
// free too.
const kernelTries = 64

// pair is an even RTP port of a range, RTCP on the next, and who was heard there:
// those may speak on, and must not be heard in the next call.
type pair struct {
	port   uint16
	former []speaker
}

// pairs is the free pairs of a range. They go round from a random start: the
// one which rests longest is used next.
type pairs struct {
	mu   sync.Mutex
	ring []pair
	head int
	n    int // free ones, from head on
}

func newPairs(lo, hi uint16) *pairs {
	r := new(pairs)
	for port := int(lo) + int(lo)%2; port > 0 && port+1 <= int(hi); port += 2 {
		r.ring = append(r.ring, pair{port: uint16(port)})
	}
	if r.n = len(r.ring); r.n > 0 {
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
	p := r.ring[r.head]
	r.head = (r.head + 1) % len(r.ring)
	r.n--
	return p, true
}

// give puts a pair back behind all others.
func (r *pairs) give(p pair) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.ring[(r.head+r.n)%len(r.ring)] = p
	r.n++
}

// bindPair gives a port its two sockets.
func (r *Relay) bindPair(p *Port, ip netip.Addr) error {
	tries := kernelTries
	if r.pairs != nil {
		tries = len(r.pairs.ring)
	}
	for range tries {
		if r.pairs != nil {
			var ok bool
			if p.pair, ok = r.pairs.take(); !ok {
				return ErrNoPorts
			}
		}
		err := r.bind(p, ip)
		if err == nil {
			return nil
		}
		if r.pairs != nil {
			r.pairs.give(p.pair)
		}
		if !errors.Is(err, syscall.EADDRINUSE) && !errors.Is(err, errOdd) {
			return err // no such address, no descriptor left: another port is no help
		}
	}
	return fmt.Errorf("%w: others hold the rest", ErrNoPorts)
}

// bind binds the port's pair, or any even port and the next.
func (r *Relay) bind(p *Port, ip netip.Addr) error {
	rtp, err := r.wire.Open(netip.AddrPortFrom(ip, p.pair.port), (*datagrams)(p), 0)
	if err != nil {
		return err
	}
	port := rtp.Local().Port()
	if port%2 == 1 {
		rtp.Close()
		return errOdd
	}
	rtcp, err := r.wire.Open(netip.AddrPortFrom(ip, port+1), (*reports)(p), 0)
	if err != nil {
		rtp.Close()
		return err
	}
	p.here = port
	p.tx.rtp, p.tx.rtcp = rtp, rtcp
	p.rx.former = p.pair.former
	return nil
}
