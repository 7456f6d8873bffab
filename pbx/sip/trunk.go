package sip

import (
	"cmp"
	"context"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	wire "github.com/emiago/sipgo/sip"

	"cabline/pbx"
)

// trunk is a carrier in service.
type trunk struct {
	Trunk
	host  string
	port  int
	busy  atomic.Int32 // channels in use
	found atomic.Pointer[found]
}

func newTrunk(cfg Trunk) (*trunk, error) {
	t := &trunk{Trunk: cfg, port: 5060}
	switch t.Transport {
	case "":
		t.Transport = "udp"
	case "udp", "tcp":
	default:
		return nil, fmt.Errorf("trunk %q: transport %q: only udp and tcp", t.Name, t.Transport)
	}
	t.host = strings.Trim(t.Target, "[]")
	if host, port, err := net.SplitHostPort(t.Target); err == nil {
		number, err := strconv.ParseUint(port, 10, 16)
		if err != nil {
			return nil, fmt.Errorf("trunk %q: port %q", t.Name, port)
		}
		t.host, t.port = host, int(number)
	}
	if t.Target != "" && !word(t.host) {
		return nil, fmt.Errorf("trunk %q: target %q is no address", t.Name, t.Target)
	}
	return t, nil
}

// login begins to pass the challenges to one request.
func (t *trunk) login() login {
	return login{user: t.AuthUser, password: t.Password, mine: func(realm string) bool { return realm == t.realm() }}
}

// realm is the one whose challenges may see the trunk's password: a callee's
// may not (RFC 3261 §22.1).
func (t *trunk) realm() string { return cmp.Or(t.Realm, t.host) }

// seize takes a channel; release gives it back.
func (t *trunk) seize() bool {
	if n := t.busy.Add(1); t.Channels > 0 && int(n) > t.Channels {
		t.busy.Add(-1)
		return false
	}
	return true
}

func (t *trunk) release() { t.busy.Add(-1) }

// How long a look-up holds, and how long one may take while a call waits.
const (
	lookUpHolds = time.Minute
	lookUpTime  = 3 * time.Second
)

// resolve returns the address calls are sent to. When the DNS is down the last
// good answer stays.
func (t *trunk) resolve(ctx context.Context) (netip.AddrPort, error) {
	if addr, err := netip.ParseAddr(t.host); err == nil {
		return netip.AddrPortFrom(addr, uint16(t.port)), nil
	}
	last := t.found.Load()
	if last != nil && time.Since(last.at) < lookUpHolds {
		return netip.AddrPortFrom(last.addr, uint16(t.port)), nil
	}
	limit, cancel := context.WithTimeout(ctx, lookUpTime)
	defer cancel()
	addr, err := lookUp(limit, t.host)
	switch {
	case err == nil:
		t.found.Store(&found{addr, time.Now()})
	case last != nil:
		addr = last.addr
	default:
		return netip.AddrPort{}, fmt.Errorf("trunk %s: %w: %w", t.Name, pbx.ErrUnreachable, err)
	}
	return netip.AddrPortFrom(addr, uint16(t.port)), nil
}

// found is what the DNS said.
type found struct {
	addr netip.Addr
	at   time.Time
}

// trunkFrom is the trunk a message comes from; nil: none.
func (s *Server) trunkFrom(req *wire.Request) *trunk {
	if n := req.Transport(); n != "UDP" && n != "TCP" {
		return nil
	}
	source, err := netip.ParseAddrPort(req.Source())
	if err != nil {
		return nil
	}
	for _, t := range s.trunks {
		for _, prefix := range t.From {
			if prefix.Contains(source.Addr().Unmap()) {
				return t
			}
		}
	}
	return nil
}

// seizeFor takes a channel of a trunk to call over.
func (s *Server) seizeFor(to pbx.Endpoint) (*trunk, error) {
	err := fmt.Errorf("no trunk %q: %w", to.Trunk, pbx.ErrUnreachable)
	for _, t := range s.trunks {
		if t.Target == "" || to.Trunk != "" && to.Trunk != t.Name {
			continue
		}
		if t.seize() {
			return t, nil
		}
		err = fmt.Errorf("trunk %s: %w", t.Name, pbx.ErrNoChannel)
	}
	return nil, err
}
