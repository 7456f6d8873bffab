package sip

import (
	"net/netip"
	"sync"
	"time"

	wire "github.com/emiago/sipgo/sip"
	"golang.org/x/time/rate"
)

// Whoever is neither a trunk nor registered may ask this much; more is not
// answered at all. An office behind one NAT fits in.
const (
	strangerRate  = 20  // requests a second, from one address
	strangerBurst = 200 // at once
	wrongCost     = 20  // of a request with wrong credentials
	strangersMax  = 20000
)

// strangers holds the allowances of addresses, the lately seen ones.
type strangers struct {
	mu     sync.Mutex
	recent map[netip.Addr]*rate.Limiter
	older  map[netip.Addr]*rate.Limiter
}

// allow charges an address; false: it has asked too much.
func (s *strangers) allow(from netip.Addr, cost int) bool {
	s.mu.Lock()
	l := s.recent[from]
	if l == nil {
		if l = s.older[from]; l == nil {
			l = rate.NewLimiter(strangerRate, strangerBurst)
		}
		if s.recent == nil || len(s.recent) >= strangersMax {
			s.recent, s.older = map[netip.Addr]*rate.Limiter{}, s.recent
		}
		s.recent[from] = l
	}
	s.mu.Unlock()
	return l.AllowN(time.Now(), cost)
}

// welcome says whether a request outside a dialog is dealt with at all.
func (s *Server) welcome(req *wire.Request) bool {
	source, err := netip.ParseAddrPort(req.Source())
	if err != nil {
		return false
	}
	return s.known(req) || s.strangers.allow(source.Addr().Unmap(), 1)
}

// known says whether a request comes from a trunk or a registered device.
func (s *Server) known(req *wire.Request) bool {
	return s.trunkFrom(req) != nil || s.register.knows(req.Transport(), req.Source())
}

// charge makes wrong credentials dear.
func (s *Server) charge(req *wire.Request) {
	if source, err := netip.ParseAddrPort(req.Source()); err == nil {
		s.strangers.allow(source.Addr().Unmap(), wrongCost)
	}
}
