// Package locate finds where a SIP server takes requests, as RFC 3263 has it:
// the transport by NAPTR, the hosts and ports by SRV with priority and weight,
// their addresses by A and AAAA. It says how long what it found holds and
// whether every question was answered, and keeps nothing itself: what to do
// while the DNS is ill is for those who ask. It knows nothing of SIP messages,
// and does not log.
package locate

import (
	"cmp"
	"context"
	"encoding/binary"
	"fmt"
	"hash/fnv"
	"math"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/miekg/dns"
)

// How long an answer may hold, whatever the DNS says: a moved server is found
// within the hour, and nobody is asked all the time.
const (
	minTTL = 5 * time.Second
	maxTTL = time.Hour
)

// What a name may stand for at most.
const (
	maxHops     = 32
	maxServices = 4  // NAPTR records followed
	maxServers  = 16 // SRV records of one service
)

// Target is what a SIP server is known by.
type Target struct {
	Host      string // a name, or an address
	Port      int    // 0: none is given
	Transport string // "udp", "tcp" or "tls"; empty: none is given
}

// Hop is one place to send a request to.
type Hop struct {
	Transport string // "udp", "tcp" or "tls"
	Addr      netip.AddrPort
}

// Found is where a server is.
type Found struct {
	Hops  []Hop // the best first, at least one
	TTL   time.Duration
	Whole bool // false: some servers of the DNS gave no answer, and the rest had to do
}

// Find asks where a target is. ctx bounds all questions together.
func (r *Resolver) Find(ctx context.Context, t Target) (Found, error) {
	if addr, err := netip.ParseAddr(t.Host); err == nil {
		return Found{Hops: t.at(addr.Unmap()), TTL: maxTTL, Whole: true}, nil
	}
	s := &search{Resolver: r, ctx: ctx, Found: Found{TTL: maxTTL, Whole: true}}
	if t.Port == 0 && strings.Contains(t.Host, ".") {
		s.services(t)
	}
	if len(s.Hops) == 0 && !s.refused {
		for _, addr := range s.addresses(t.Host) {
			s.Hops = append(s.Hops, t.at(addr)...)
		}
	}
	switch {
	case ctx.Err() != nil:
		return Found{}, context.Cause(ctx)
	case len(s.Hops) == 0 && s.trouble != nil:
		return Found{}, s.trouble
	case len(s.Hops) == 0 && s.refused:
		return Found{}, fmt.Errorf("%s: the DNS says it offers no SIP", t.Host)
	case len(s.Hops) == 0:
		return Found{}, fmt.Errorf("look up %s: %w", t.Host, errNoName)
	}
	s.Hops = s.Hops[:min(len(s.Hops), maxHops)]
	s.TTL = max(s.TTL, minTTL)
	return s.Found, nil
}

// at is a target without more to be asked (RFC 3263 §4.1, §4.2).
func (t Target) at(addr netip.Addr) []Hop {
	transport := cmp.Or(t.Transport, "udp")
	return []Hop{{transport, netip.AddrPortFrom(addr, uint16(cmp.Or(t.Port, DefaultPort(transport))))}}
}

// DefaultPort is the port of SIP over a transport.
func DefaultPort(transport string) int {
	if transport == "tls" {
		return 5061
	}
	return 5060
}

// search is one way through the DNS.
type search struct {
	*Resolver
	Found
	ctx     context.Context // of one call of Find
	trouble error           // the first question that was not answered
	refused bool            // a service that was asked for is not offered (RFC 2782: ".")
}

// ask is query, with its trouble kept.
func (s *search) ask(name string, kind uint16) ([]dns.RR, error) {
	records, ttl, err := s.query(s.ctx, name, kind)
	if err != nil {
		s.trouble = cmp.Or(s.trouble, err)
		return nil, err
	}
	s.TTL = min(s.TTL, ttl)
	return records, nil
}

// service is a name with SRV records.
type service struct{ name, transport string }

// services looks for SRV records: of the transport given, or of those that
// NAPTR names, or of the first of all that has any (RFC 3263 §4.1).
func (s *search) services(t Target) {
	if t.Transport == "" {
		for _, named := range s.named(t.Host) {
			s.servers(named)
		}
	}
	for _, usual := range []service{{"_sip._udp.", "udp"}, {"_sip._tcp.", "tcp"}, {"_sips._tcp.", "tls"}} {
		if len(s.Hops) == 0 && s.ctx.Err() == nil && (t.Transport == "" || t.Transport == usual.transport) {
			s.servers(service{usual.name + t.Host, usual.transport})
		}
	}
}

// named are the services of a domain that its NAPTR records name, in their order.
func (s *search) named(host string) (all []service) {
	records, err := s.ask(host, dns.TypeNAPTR)
	if err != nil {
		s.Whole = false
	}
	slices.SortStableFunc(records, func(x, y dns.RR) int {
		a, b := x.(*dns.NAPTR), y.(*dns.NAPTR)
		return cmp.Or(cmp.Compare(a.Order, b.Order), cmp.Compare(a.Preference, b.Preference))
	})
	for _, rr := range records {
		n := rr.(*dns.NAPTR)
		transport := map[string]string{"SIP+D2U": "udp", "SIP+D2T": "tcp", "SIPS+D2T": "tls"}[strings.ToUpper(n.Service)]
		if transport != "" && strings.EqualFold(n.Flags, "s") && len(all) < maxServices {
			all = append(all, service{n.Replacement, transport})
		}
	}
	return all
}

// servers adds the hosts of a service, in the order of RFC 2782.
func (s *search) servers(of service) {
	records, err := s.ask(of.name, dns.TypeSRV)
	if err != nil {
		s.Whole = false
		return
	}
	slices.SortStableFunc(records, func(x, y dns.RR) int {
		a, b := x.(*dns.SRV), y.(*dns.SRV)
		return cmp.Or(cmp.Compare(a.Priority, b.Priority), cmp.Compare(s.draw(a), s.draw(b)))
	})
	for _, rr := range records[:min(len(records), maxServers)] {
		srv := rr.(*dns.SRV)
		if srv.Target == "." {
			s.refused = s.refused || len(records) == 1
			continue
		}
		for _, addr := range s.addresses(srv.Target) {
			s.Hops = append(s.Hops, Hop{of.transport, netip.AddrPortFrom(addr, srv.Port)})
		}
	}
}

// draw is a server's lot among those of its priority, the smallest first: each
// is first as often as its weight says (Efraimidis and Spirakis, 2006). A
// resolver draws once for each server and stays with it, as a registration and
// its calls belong together.
func (r *Resolver) draw(srv *dns.SRV) float64 {
	for r.seed.Load() == 0 {
		r.seed.CompareAndSwap(0, rand.Uint64())
	}
	h := fnv.New64a()
	_, _ = h.Write(binary.BigEndian.AppendUint64([]byte(strings.ToLower(srv.Target)), uint64(srv.Port)))
	lot := rand.New(rand.NewPCG(r.seed.Load(), h.Sum64())).Float64()
	const hardly = 1e-3 // weight 0 is "a very small chance"
	return -math.Log(1-lot) / max(float64(srv.Weight), hardly)
}

// addresses are those of a host, IPv4 before IPv6: carriers are mostly IPv4.
func (s *search) addresses(host string) []netip.Addr {
	if found := inFile(s.ctx, strings.TrimSuffix(host, ".")); len(found) > 0 {
		return found
	}
	for _, name := range s.names(host) {
		var found []netip.Addr
		four, err := s.ask(name, dns.TypeA)
		six, err6 := s.ask(name, dns.TypeAAAA)
		for _, rr := range append(four, six...) {
			var ip []byte
			switch rr := rr.(type) {
			case *dns.A:
				ip = rr.A.To4()
			case *dns.AAAA:
				ip = rr.AAAA
			}
			if addr, ok := netip.AddrFromSlice(ip); ok && !addr.IsUnspecified() && !addr.IsMulticast() {
				found = append(found, addr.Unmap())
			}
		}
		if err != nil || err6 != nil && len(four) == 0 {
			s.Whole = false
		}
		if len(found) > 0 {
			return found
		}
	}
	return nil
}
