package locate

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strings"
	"sync/atomic"
	"time"

	"github.com/miekg/dns"
)

// How long one server gets to answer, and how often all of them are asked.
const (
	tryFor = time.Second
	rounds = 2
)

// udpSize is what an answer may have over UDP before it is fetched over TCP; it
// passes everywhere in one piece.
const udpSize = 1232

// maxAliases bounds a chain of CNAMEs.
const maxAliases = 8

// Resolver asks the DNS. The zero value asks the servers of /etc/resolv.conf.
type Resolver struct {
	Servers []netip.AddrPort // instead of those of /etc/resolv.conf

	tryFor time.Duration // 1 s
	good   atomic.Int32  // the server that answered last
	seed   atomic.Uint64 // of the choice by weight; 0: not made yet
}

// errNoName is a name that has no address.
var errNoName = errors.New("no such name")

// query returns the records of a name, none where there are none, and how long
// they hold.
func (r *Resolver) query(ctx context.Context, name string, kind uint16) (records []dns.RR, ttl time.Duration, err error) {
	ttl = maxTTL
	name = dns.Fqdn(name)
	for range maxAliases {
		reply, err := r.askAll(ctx, name, kind)
		if err != nil {
			return nil, 0, fmt.Errorf("look up %s %s: %w", dns.TypeToString[kind], strings.TrimSuffix(name, "."), err)
		}
		end, found := follow(name, reply.Answer, kind)
		for _, rr := range reply.Answer {
			ttl = min(ttl, time.Duration(rr.Header().Ttl)*time.Second)
		}
		if len(found) > 0 || end == name {
			return found, ttl, nil
		}
		name = end // a forwarder that does not follow aliases itself
	}
	return nil, 0, fmt.Errorf("look up %s: an alias of an alias of an alias", name)
}

// follow goes along the aliases of an answer to the name that has the records.
func follow(name string, answer []dns.RR, kind uint16) (end string, found []dns.RR) {
	for range maxAliases {
		next := ""
		for _, rr := range answer {
			if !strings.EqualFold(rr.Header().Name, name) {
				continue
			}
			if rr.Header().Rrtype == kind {
				found = append(found, rr)
			} else if alias, ok := rr.(*dns.CNAME); ok {
				next = alias.Target
			}
		}
		if len(found) > 0 || next == "" {
			break
		}
		name = next
	}
	return name, found
}

// askAll asks one server after the other, the one first that answered last.
func (r *Resolver) askAll(ctx context.Context, name string, kind uint16) (*dns.Msg, error) {
	servers, err := r.servers()
	if err != nil {
		return nil, err
	}
	for range rounds {
		first := int(r.good.Load())
		for i := range servers {
			n := (first + i) % len(servers)
			var reply *dns.Msg
			if reply, err = r.ask(ctx, servers[n], name, kind); err == nil {
				r.good.Store(int32(n))
				return reply, nil
			}
			if ctx.Err() != nil {
				return nil, context.Cause(ctx)
			}
		}
	}
	return nil, err
}

// ask asks one server. That there is no such name is an answer.
func (r *Resolver) ask(ctx context.Context, server netip.AddrPort, name string, kind uint16) (*dns.Msg, error) {
	ask := new(dns.Msg)
	ask.SetQuestion(name, kind)
	ask.SetEdns0(udpSize, false)
	reply, err := r.exchange(ctx, "udp", server, ask)
	if err == nil && reply.Truncated {
		reply, err = r.exchange(ctx, "tcp", server, ask)
	}
	switch {
	case err != nil:
		return nil, fmt.Errorf("%s: %w", server, err)
	case reply.Rcode != dns.RcodeSuccess && reply.Rcode != dns.RcodeNameError:
		return nil, fmt.Errorf("%s answers %s", server, dns.RcodeToString[reply.Rcode])
	case len(reply.Question) != 1 || !strings.EqualFold(reply.Question[0].Name, name) || reply.Question[0].Qtype != kind:
		return nil, fmt.Errorf("%s answers another question", server)
	}
	return reply, nil
}

func (r *Resolver) exchange(ctx context.Context, network string, server netip.AddrPort, ask *dns.Msg) (*dns.Msg, error) {
	limit := r.tryFor
	if limit == 0 {
		limit = tryFor
	}
	ctx, cancel := context.WithTimeoutCause(ctx, limit, fmt.Errorf("no answer within %s", limit))
	defer cancel()
	client := dns.Client{Net: network, Timeout: limit}
	conn, err := client.DialContext(ctx, server.String())
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })()
	reply, _, err := client.ExchangeWithConnContext(ctx, ask, conn)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		<-ctx.Done() // its deadline is the connection's
		err = context.Cause(ctx)
	}
	return reply, err
}

// servers are those to ask. The system's are read anew each time: they change
// with its networks.
func (r *Resolver) servers() ([]netip.AddrPort, error) {
	if len(r.Servers) > 0 {
		return r.Servers, nil
	}
	system, err := dns.ClientConfigFromFile(systemFile)
	if err != nil {
		return nil, err
	}
	var servers []netip.AddrPort
	for _, text := range system.Servers {
		if addr, err := netip.ParseAddr(text); err == nil {
			servers = append(servers, netip.AddrPortFrom(addr, 53))
		}
	}
	if len(servers) == 0 {
		return nil, fmt.Errorf("%s names no server", systemFile)
	}
	return servers, nil
}

const systemFile = "/etc/resolv.conf"

// names are what a host may be called in full: the system completes names
// without a dot.
func (r *Resolver) names(host string) []string {
	if strings.Contains(host, ".") || len(r.Servers) > 0 {
		return []string{host}
	}
	system, err := dns.ClientConfigFromFile(systemFile)
	if err != nil {
		return []string{host}
	}
	return system.NameList(host)
}

// inFile looks a host up in /etc/hosts, where a resolver that cannot ask
// anybody ends.
func inFile(ctx context.Context, host string) []netip.Addr {
	file := net.Resolver{PreferGo: true, Dial: func(context.Context, string, string) (net.Conn, error) { return nil, errNoName }}
	found, err := file.LookupNetIP(ctx, "ip", host)
	if err != nil {
		return nil
	}
	for i := range found {
		found[i] = found[i].Unmap()
	}
	return found
}
