package sip

import (
	"cmp"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"

	wire "github.com/emiago/sipgo/sip"

	"cabline/pbx"
	"cabline/pbx/sip/locate"
)

// trunk is a carrier in service.
type trunk struct {
	Trunk
	host     string // of Target
	port     int    // 0: Target names none
	gateways *gateways
	*capacity
	reads, writes rewrites                 // of numbers
	readings      readings                 // of numbers that came
	learned       atomic.Pointer[[]string] // the registrar's realms
	trust         *trust                   // of TLS

	mu      sync.Mutex // guards all below
	state   TrunkState
	dead    string // why: it gives no sign of life; empty: it does
	refused string // why it does not register us; empty: it does, or was not asked
	returns int    // how often it has given signs of life again
}

func newTrunk(cfg Trunk) (*trunk, error) {
	t := &trunk{Trunk: cfg, capacity: newCapacity(cfg), state: TrunkState{Name: cfg.Name, Up: !cfg.Register}}
	switch t.Transport {
	case "", "udp", "tcp", "tls":
	default:
		return nil, fmt.Errorf("trunk %q: transport %q: only udp, tcp and tls", t.Name, t.Transport)
	}
	if !slices.Contains([]DTMF{"", DTMFAuto, DTMFEvents, DTMFInfo, DTMFInBand}, t.DTMF) || !slices.Contains([]SRTP{"", SRTPOff, SRTPOffered, SRTPRequired}, t.SRTP) {
		return nil, fmt.Errorf("trunk %q: DTMF %q or SRTP %q unknown", t.Name, t.DTMF, t.SRTP)
	}
	if !slices.Contains([]Symmetry{"", SymmetryOff, SymmetryFirst, SymmetryAlways}, t.Symmetric) {
		return nil, fmt.Errorf("trunk %q: symmetry %q unknown", t.Name, t.Symmetric)
	}
	if !slices.Contains([]Identity{"", InFrom, InPAI, InPPI, InRPID}, t.Identity) || t.NumberFormat != "" && !slices.Contains(pbx.Formats, t.NumberFormat) {
		return nil, fmt.Errorf("trunk %q: identity %q or number format %q unknown", t.Name, t.Identity, t.NumberFormat)
	}
	var err error
	first := locate.Target{Transport: t.Transport}
	if t.host, t.port, err = hostPort(t.Target); err == nil {
		first.Host, first.Port, err = hostPort(cmp.Or(t.Proxy, t.Target))
	}
	if err != nil {
		return nil, fmt.Errorf("trunk %q: %w", t.Name, err)
	}
	if t.reads, err = newRewrites(t.NumbersIn); err == nil {
		t.writes, err = newRewrites(t.NumbersOut)
	}
	if err != nil {
		return nil, fmt.Errorf("trunk %q: numbers: %w", t.Name, err)
	}
	t.gateways = newGateways(first)
	t.trust = trustOf(t)
	if t.Register && (t.Target == "" || t.user() == "") {
		return nil, fmt.Errorf("trunk %q: to register, it needs a target and a user", t.Name)
	}
	return t, nil
}

// hostPort takes a target apart; the port is 0 where it names none.
func hostPort(target string) (string, int, error) {
	name, port, err := net.SplitHostPort(target)
	if err != nil {
		name, port = strings.Trim(target, "[]"), "0"
	}
	number, err := strconv.ParseUint(port, 10, 16)
	if err != nil {
		return "", 0, fmt.Errorf("port %q", port)
	}
	if target != "" && (name == "" || !word(name)) {
		return "", 0, fmt.Errorf("target %q is no address", target)
	}
	return name, int(number), nil
}

// user is the name of our account at the carrier.
func (t *trunk) user() string {
	user, _, _ := strings.Cut(cmp.Or(t.FromUser, t.AuthUser), "@")
	return token(user)
}

// uri is the address of a user at the carrier.
func (t *trunk) uri(user string) wire.Uri {
	uri := wire.Uri{Scheme: "sip", User: user, Host: cmp.Or(t.Domain, t.host)}
	if t.Domain == "" && t.port != 5060 {
		uri.Port = t.port
	}
	return uri
}

// login begins to pass the challenges to one request.
func (t *trunk) login() login { return login{user: t.AuthUser, password: t.Password, mine: t.mine} }

// mine says whether a realm's challenges may see the trunk's password when we
// call: a callee's may not (RFC 3261 §22.1).
func (t *trunk) mine(realm string) bool {
	learned := t.learned.Load()
	switch {
	case realm == "":
		return false
	case t.Realm == "" && learned == nil:
		return realm == cmp.Or(t.Domain, t.host)
	}
	return realm == t.Realm || learned != nil && slices.Contains(*learned, realm)
}

// lead sets a dialog's first hop: a gateway, which the request line need not
// name, and the proxy before the carrier.
func (t *trunk) lead(d *dialog, h locate.Hop) {
	d.next = h.Addr.String()
	if t.Proxy != "" {
		d.routes = []wire.Uri{t.route()}
	}
}

// route is the proxy before the carrier, as a request leads by it. Without a
// transport a URI with a port or an address would mean UDP (RFC 3263 §4.1), and
// over TLS one without a port 5061.
func (t *trunk) route() wire.Uri {
	proxy := t.gateways.target
	uri := wire.Uri{Scheme: "sip", Host: proxy.Host}
	if proxy.Port != 5060 || t.Transport == "tls" {
		uri.Port = proxy.Port
	}
	if t.Transport == "tcp" || t.Transport == "tls" {
		uri.UriParams = append(uri.UriParams, wire.HeaderKV{K: "transport", V: t.Transport})
	}
	uri.UriParams = append(uri.UriParams, wire.HeaderKV{K: "lr"})
	return uri
}

// listed says whether an address is one that the trunk's calls come from.
func (t *trunk) listed(from netip.Addr) bool {
	return slices.ContainsFunc(t.From, func(p netip.Prefix) bool { return p.Contains(from) })
}

// calls says whether an address is one that the trunk's calls come from, or its
// registrar's.
func (t *trunk) calls(from netip.Addr) bool {
	return t.listed(from) || t.Register && t.gateways.has(from)
}

// carrierAt says whether an address is a carrier's.
func (s *Server) carrierAt(from netip.Addr) bool {
	return slices.ContainsFunc(s.trunks, func(t *trunk) bool { return t.calls(from) })
}

// dialled is the number a call from the trunk is for. A call to the account
// itself may have it in To, or nowhere.
func (t *trunk) dialled(req *wire.Request, country string) pbx.Phone {
	number := t.read(&req.Recipient, Called, country)
	if t.user() == "" || req.Recipient.User != t.user() || slices.Contains(t.Lines, number) {
		return number
	}
	if to := &req.To().Address; to.User != t.user() {
		if number := t.read(to, Called, country); number != "" {
			return number
		}
	}
	if len(t.Lines) > 0 {
		return t.Lines[0]
	}
	return number
}

// trunkFrom is the trunk a message comes from; nil: none. Several accounts may
// be at one address: the login that is called tells them apart, or the number.
// Besides those, a registrar says nothing to us; listed addresses may call any.
func (s *Server) trunkFrom(req *wire.Request) *trunk {
	source, err := netip.ParseAddrPort(req.Source())
	if err != nil || strings.HasPrefix(req.Transport(), "WS") {
		return nil
	}
	from := source.Addr().Unmap()
	var there []*trunk
	for _, t := range s.trunks {
		if t.calls(from) {
			there = append(there, t)
		}
	}
	for _, is := range []func(*trunk) bool{
		func(t *trunk) bool { return len(there) == 1 && t.listed(from) }, // the usual case, without reading numbers
		func(t *trunk) bool { return t.user() != "" && t.user() == req.Recipient.User },
		func(t *trunk) bool {
			return slices.Contains(t.Lines, t.read(&req.Recipient, Called, s.cfg.Country))
		},
		func(t *trunk) bool { return t.listed(from) },
	} {
		if i := slices.IndexFunc(there, is); i >= 0 {
			return there[i]
		}
	}
	return nil
}
