package sip

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"

	wire "github.com/emiago/sipgo/sip"

	"cabline/pbx"
)

// path is how messages of a leg travel.
type path struct {
	network string     // as sipgo names it: UDP, TCP, TLS, WS
	trust   *trust     // TLS of a trunk: who has to be where the route set leads
	flow    string     // the connection or the NATed peer; empty: where the route set leads
	socket  wire.Addr  // UDP: the socket to send from
	bind    netip.Addr // what the socket is bound to; may be unspecified
	here    netip.Addr // ours, in Via, Contact and SDP
	port    int
	peer    netip.Addr // theirs, as it was when the path was found
}

// dialog is what RFC 3261 §12 keeps. It is part of a leg and under its lock.
type dialog struct {
	path
	callID              string
	localTag, remoteTag string
	localName           string
	local, remote       wire.Uri // as in From and To
	target              wire.Uri // where requests are sent: the peer's Contact
	routes              []wire.Uri
	next                string // host:port of a carrier, until it has said where it is
	localSeq, remoteSeq uint32
	secured             bool // they called us by a SIPS URI
}

// allowed are the methods we take part in, for Allow.
const allowed = "INVITE, ACK, CANCEL, BYE, OPTIONS, INFO, UPDATE, PRACK"

// compose builds a request of the dialog from its own fields and nothing else.
func (d *dialog) compose(method wire.RequestMethod, seq uint32) *wire.Request {
	target, routes := d.target, d.routes
	if len(routes) > 0 && !routes[0].UriParams.Has("lr") {
		// A strict router (RFC 3261 §12.2.1.1) wants itself in the request line.
		target = routes[0]
		routes = append(append([]wire.Uri(nil), routes[1:]...), d.target)
	}
	req := wire.NewRequest(method, target)
	via := &wire.ViaHeader{
		ProtocolName: "SIP", ProtocolVersion: "2.0", Transport: d.network, Host: d.here.String(), Port: d.port,
		Params: wire.HeaderParams{{K: "branch", V: newBranch()}, {K: "rport"}},
	}
	if d.network != "UDP" && d.flow == "" { // use the connection that we open, too (RFC 5923 §5)
		via.Params = append(via.Params, wire.HeaderKV{K: "alias"})
	}
	req.AppendHeader(via)
	for _, r := range routes {
		req.AppendHeader(&wire.RouteHeader{Address: r})
	}
	from := &wire.FromHeader{DisplayName: d.localName, Address: d.local, Params: wire.HeaderParams{{K: "tag", V: d.localTag}}}
	to := &wire.ToHeader{Address: d.remote}
	if d.remoteTag != "" {
		to.Params = wire.HeaderParams{{K: "tag", V: d.remoteTag}}
	}
	callID, hops := wire.CallIDHeader(d.callID), wire.MaxForwardsHeader(70)
	req.AppendHeader(from)
	req.AppendHeader(to)
	req.AppendHeader(&callID)
	req.AppendHeader(&wire.CSeqHeader{SeqNo: seq, MethodName: method})
	req.AppendHeader(&hops)
	req.SetBody(nil)
	d.aim(req)
	return req
}

// aim sets where a request goes: down its flow, or to the next hop (RFC 3261
// §12.2.1.1 and §8.1.2).
func (d *dialog) aim(req *wire.Request) {
	req.SetTransport(d.network)
	req.Laddr = d.socket
	if d.flow != "" {
		req.SetDestination(d.flow)
		return
	}
	if d.next != "" {
		req.SetDestination(d.next)
		return
	}
	next := &d.target
	if len(d.routes) > 0 {
		next = &d.routes[0]
	}
	host, port := strings.Trim(next.Host, "[]"), next.Port
	if _, err := netip.ParseAddr(host); err == nil && port == 0 { // a name has its port in the DNS
		port = wire.DefaultPort(d.network)
	}
	req.SetDestination(net.JoinHostPort(host, strconv.Itoa(port)))
}

// contact is where the peer reaches this leg.
func (d *dialog) contact() *wire.ContactHeader {
	c := &wire.ContactHeader{Address: wire.Uri{Scheme: "sip", User: "cabline", Host: d.here.String(), Port: d.port}}
	if d.sips() {
		c.Address.Scheme = "sips"
	} else if d.network != "UDP" {
		c.Address.UriParams = wire.HeaderParams{{K: "transport", V: strings.ToLower(d.network)}}
	}
	return c
}

// sips says whether our Contact has to be a SIPS URI (RFC 3261 §8.1.1.8, §12.1.1).
func (d *dialog) sips() bool {
	first := &d.target
	if len(d.routes) > 0 {
		first = &d.routes[0]
	}
	return d.secured || d.target.Scheme == "sips" || first.Scheme == "sips"
}

// hear takes over what an INVITE or a response to ours says about where the
// peer is (RFC 3261 §12.1). routes are the Record-Routes in the order in which
// we shall use them.
func (d *dialog) hear(contact *wire.ContactHeader, routes []wire.Uri) error {
	if contact == nil {
		return fmt.Errorf("no Contact: %w", errMalformed)
	}
	target := *contact.Address.Clone()
	target.Headers = nil // RFC 3261 §19.1.1: not allowed in a request line
	if !routable(&target) {
		return fmt.Errorf("Contact: %w", errMalformed)
	}
	for i := range routes {
		if !routable(&routes[i]) {
			return fmt.Errorf("Record-Route: %w", errMalformed)
		}
	}
	d.target, d.routes, d.next = target, routes, ""
	return nil
}

func routable(uri *wire.Uri) bool {
	return (uri.Scheme == "sip" || uri.Scheme == "sips") && uri.Host != "" && !uri.Wildcard && cleanURI(uri)
}

// recordRoutes returns the Record-Routes of a message, from the top.
func recordRoutes(msg wire.Message) []wire.Uri {
	var routes []wire.Uri
	for _, h := range msg.GetHeaders("record-route") {
		if r, ok := h.(*wire.RecordRouteHeader); ok {
			routes = append(routes, *r.Address.Clone())
		}
	}
	return routes
}

// pathBack is the path to whoever sent req.
func (s *Server) pathBack(req wire.Message, fromTrunk bool) (path, error) {
	p := path{network: req.Transport()}
	source, err := netip.ParseAddrPort(req.Source())
	if err != nil {
		return path{}, fmt.Errorf("source %q: %w", req.Source(), err)
	}
	p.peer = source.Addr().Unmap()
	if p.network != "UDP" || !fromTrunk {
		// Connections are used both ways; a phone's Contact may lie behind its NAT.
		p.flow = req.Source()
	}
	conn, err := s.transport.GetConnection(p.network, req.Source())
	if err != nil {
		return path{}, fmt.Errorf("connection of %s: %w", req.Source(), err)
	}
	defer conn.TryClose()
	var local netip.AddrPort
	switch addr := conn.LocalAddr().(type) {
	case *net.UDPAddr:
		local = addr.AddrPort()
		p.socket = wire.Addr{IP: addr.IP, Port: addr.Port}
	case *net.TCPAddr:
		local = addr.AddrPort()
	}
	p.bind, p.here, p.port = local.Addr().Unmap(), s.advertised(local.Addr(), source.Addr(), fromTrunk), int(local.Port())
	return p, nil
}

// pathTo is the path to a trunk's gateway, which we call first.
func (s *Server) pathTo(ctx context.Context, network string, peer netip.AddrPort, whom *trust) (path, error) {
	p := path{network: strings.ToUpper(network), trust: whom, peer: peer.Addr().Unmap()}
	if network == "udp" {
		for _, socket := range s.udp {
			if socket.addr.Addr().Is4() != peer.Addr().Is4() {
				continue
			}
			select {
			case <-socket.ready:
			case <-ctx.Done():
				return path{}, context.Cause(ctx)
			}
			return s.datagrams(socket.addr, peer, true), nil
		}
		return path{}, fmt.Errorf("no %s address to be reached at from %s: %w", network, peer, pbx.ErrUnreachable)
	}
	local, err := s.connect(ctx, p.network, peer, whom)
	if err != nil {
		return path{}, err
	}
	if d := s.doorFor(network, peer.Addr()); d != nil {
		local = netip.AddrPortFrom(local.Addr(), d.addr().Port())
	}
	p.bind, p.here, p.port = local.Addr(), s.advertised(local.Addr(), peer.Addr(), true), int(local.Port())
	return p, nil
}

// datagrams is the path from a UDP socket of ours to a peer.
func (s *Server) datagrams(local, peer netip.AddrPort, isTrunk bool) path {
	return path{network: "UDP", socket: wire.Addr{IP: local.Addr().AsSlice(), Port: int(local.Port())}, bind: local.Addr(), peer: peer.Addr().Unmap(),
		here: s.advertised(local.Addr(), peer.Addr(), isTrunk), port: int(local.Port())}
}

// advertised is the address the peer finds us at: the public one towards
// trunks and the internet, our own towards phones in the same network.
func (s *Server) advertised(local, peer netip.Addr, isTrunk bool) netip.Addr {
	near := peer.IsPrivate() || peer.IsLoopback() || peer.IsLinkLocalUnicast()
	if s.cfg.Public.IsValid() && s.cfg.Public.Is4() == peer.Unmap().Is4() && (isTrunk || !near) {
		return s.cfg.Public
	}
	if local.IsValid() && !local.IsUnspecified() {
		return local.Unmap()
	}
	// Connecting a UDP socket sends nothing; it asks the routing table.
	if conn, err := net.Dial("udp", netip.AddrPortFrom(peer, 9).String()); err == nil {
		defer conn.Close()
		return conn.LocalAddr().(*net.UDPAddr).AddrPort().Addr().Unmap()
	}
	return local.Unmap()
}
