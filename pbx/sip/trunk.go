package sip

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"sync/atomic"

	wire "github.com/emiago/sipgo/sip"

	"cabline/pbx"
)

// trunk is a carrier in service.
type trunk struct {
	Trunk
	host string
	port int
	busy atomic.Int32 // channels in use
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

// seize takes a channel; release gives it back.
func (t *trunk) seize() bool {
	if n := t.busy.Add(1); t.Channels > 0 && int(n) > t.Channels {
		t.busy.Add(-1)
		return false
	}
	return true
}

func (t *trunk) release() { t.busy.Add(-1) }

// resolve returns the address calls are sent to.
func (t *trunk) resolve(ctx context.Context) (netip.AddrPort, error) {
	if ip, err := netip.ParseAddr(t.host); err == nil {
		return netip.AddrPortFrom(ip, uint16(t.port)), nil
	}
	found, err := net.DefaultResolver.LookupNetIP(ctx, "ip", t.host)
	if err != nil {
		return netip.AddrPort{}, fmt.Errorf("trunk %s: %w: %w", t.Name, pbx.ErrUnreachable, err)
	}
	for _, ip := range found { // carriers in Russia are IPv4
		if ip.Unmap().Is4() {
			return netip.AddrPortFrom(ip.Unmap(), uint16(t.port)), nil
		}
	}
	return netip.AddrPortFrom(found[0], uint16(t.port)), nil
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
