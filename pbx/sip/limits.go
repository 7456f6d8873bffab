package sip

import (
	"context"
	"net/netip"
	"sync"
	"sync/atomic"

	wire "github.com/emiago/sipgo/sip"
	"github.com/rs/zerolog"
	"golang.org/x/time/rate"

	"cabline/pbx/gate"
)

// Whoever is neither a trunk nor registered may ask this much; more is not
// answered at all. An office behind one NAT fits in.
const (
	strangerRate  = 20  // requests a second, from one address
	strangerBurst = 200 // at once
	strangersMax  = 20000
)

// strangers holds the allowances of those lately seen.
type strangers struct {
	mu     sync.Mutex
	recent map[gate.Key]*rate.Limiter
	older  map[gate.Key]*rate.Limiter
}

// allow charges for a request; false: there have been too many.
func (s *strangers) allow(who gate.Key) bool {
	s.mu.Lock()
	l := s.recent[who]
	if l == nil {
		if l = s.older[who]; l == nil {
			l = rate.NewLimiter(strangerRate, strangerBurst)
		}
		if s.recent == nil || len(s.recent) >= strangersMax {
			s.recent, s.older = map[gate.Key]*rate.Limiter{}, s.recent
		}
		s.recent[who] = l
	}
	s.mu.Unlock()
	return l.Allow()
}

// welcome says whether a request outside a dialog is dealt with at all.
func (s *Server) welcome(req *wire.Request) bool {
	if s.known(req) {
		return true
	}
	login := s.claimed(req)
	if s.shut(req, login) || !s.strangers.allow(s.cfg.Gate.Key(visitor(req, login))) {
		s.dropped.Add(1)
		return false
	}
	return true
}

// shut says whether a login is not looked at from where a request comes. A device
// that is registered keeps its own.
func (s *Server) shut(req *wire.Request, login string) bool {
	return s.cfg.Gate.Closed(visitor(req, login)) && s.register.at(login, req.Transport(), req.Source()) == nil
}

// known says whether a request comes from a trunk or a registered device.
func (s *Server) known(req *wire.Request) bool {
	return s.trunkFrom(req) != nil || s.register.knows(req.Transport(), req.Source())
}

// How much of a login and a Call-ID is looked at, in bytes.
const (
	maxLogin  = 64
	maxDevice = 128
)

// claimed is the login a request is about: of its credentials, or the one that
// it will be challenged for.
func (s *Server) claimed(req *wire.Request) string {
	header, login := "proxy-authorization", ""
	if from := req.From(); from != nil {
		login = from.Address.User
	}
	if to := req.To(); req.Method == wire.REGISTER && to != nil {
		header, login = "authorization", to.Address.User
	}
	if cred := s.digest.credentials(req, header); cred != nil {
		login = cred.Username
	}
	return login
}

// guessed counts wrong credentials and says so when that bans somebody.
func (s *Server) guessed(ctx context.Context, req *wire.Request, login string) {
	for _, ban := range s.cfg.Gate.Failed(visitor(req, login)) {
		zerolog.Ctx(ctx).Warn().EmbedObject(ban).Msg("banned for wrong passwords")
	}
}

// visitor is who a request with a login comes from. A phone is told by the
// Call-ID that it registers with again and again (RFC 3261 §10.2), which nobody
// else can know.
func visitor(req *wire.Request, login string) gate.Visitor {
	source, _ := netip.ParseAddrPort(req.Source()) // the zero address, too, is one
	v := gate.Visitor{Source: source.Addr(), Login: truncate(login, maxLogin)}
	if id := req.CallID(); id != nil && req.Method == wire.REGISTER {
		v.Device = truncate(string(*id), maxDevice)
	}
	return v
}

// Dropped counts the messages that were not answered: of scanners, of sources
// that are banned, and what exceeded a stranger's allowance.
func (s *Server) Dropped() uint64 { return s.dropped.Load() }

// Faults counts the panics that were caught; the log tells of each place, once.
func (s *Server) Faults() uint64 { return s.faults.Count() }

// pending counts the transactions of requests that are not over.
type pending struct{ n atomic.Int64 }

// placesFor is with whose a request's transaction is counted: strangers cannot
// take the places of those we know, or of the calls that are up. Who has the tag
// of a dialog of ours is in it, for nobody can guess one.
func (s *Server) placesFor(req *wire.Request) *pending {
	if to := req.To(); to != nil {
		tag, _ := to.Params.Get("tag")
		if _, lately := s.legs.find(tag); lately {
			return &s.pending
		}
	}
	if s.known(req) {
		return &s.pending
	}
	return &s.strange
}

// begin counts one, unless there are max already.
func (p *pending) begin(tx *wire.ServerTx, max int) bool {
	if p.n.Add(1) > int64(max) {
		p.n.Add(-1)
		return false
	}
	if !tx.OnTerminate(func(string, error) { p.n.Add(-1) }) {
		p.n.Add(-1)
	}
	return true
}
