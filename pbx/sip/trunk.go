package sip

import (
	"cmp"
	"context"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	wire "github.com/emiago/sipgo/sip"

	"cabline/pbx"
)

// trunk is a carrier in service.
type trunk struct {
	Trunk
	host    string // of Target
	port    int
	hop     string // where requests are sent first: the proxy, or the target
	hopPort int
	busy    atomic.Int32 // channels in use
	found   atomic.Pointer[found]
	learned atomic.Pointer[string] // the registrar's realm
	trust   *trust                 // of TLS

	mu    sync.Mutex // guards all below
	state TrunkState
	dead  bool // gives no sign of life
}

func newTrunk(cfg Trunk) (*trunk, error) {
	t := &trunk{Trunk: cfg, state: TrunkState{Name: cfg.Name, Up: !cfg.Register}}
	switch t.Transport {
	case "":
		t.Transport = "udp"
	case "udp", "tcp", "tls":
	default:
		return nil, fmt.Errorf("trunk %q: transport %q: only udp, tcp and tls", t.Name, t.Transport)
	}
	if !slices.Contains([]DTMF{"", DTMFAuto, DTMFEvents, DTMFInfo, DTMFInBand}, t.DTMF) || !slices.Contains([]SRTP{"", SRTPOff, SRTPOffered, SRTPRequired}, t.SRTP) {
		return nil, fmt.Errorf("trunk %q: DTMF %q or SRTP %q unknown", t.Name, t.DTMF, t.SRTP)
	}
	if !slices.Contains([]Symmetry{"", SymmetryOff, SymmetryFirst, SymmetryAlways}, t.Symmetric) {
		return nil, fmt.Errorf("trunk %q: symmetry %q unknown", t.Name, t.Symmetric)
	}
	if !slices.Contains([]Identity{"", InFrom, InPAI, InPPI, InRPID}, t.Identity) || !slices.Contains([]Format{"", E164, Plain, National}, t.NumberFormat) {
		return nil, fmt.Errorf("trunk %q: identity %q or number format %q unknown", t.Name, t.Identity, t.NumberFormat)
	}
	var err error
	if t.host, t.port, err = hostPort(t.Target); err == nil {
		t.hop, t.hopPort, err = hostPort(cmp.Or(t.Proxy, t.Target))
	}
	if err != nil {
		return nil, fmt.Errorf("trunk %q: %w", t.Name, err)
	}
	t.trust = trustOf(t)
	if t.Register && (t.Target == "" || t.user() == "") {
		return nil, fmt.Errorf("trunk %q: to register, it needs a target and a user", t.Name)
	}
	return t, nil
}

// hostPort takes a target apart; the port is 5060 where it names none.
func hostPort(target string) (string, int, error) {
	name, port, err := net.SplitHostPort(target)
	if err != nil {
		name, port = strings.Trim(target, "[]"), "5060"
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
	return realm == t.Realm || learned != nil && realm == *learned
}

// lead sets a dialog's first hop: the peer, which the request line need not
// name, and the proxy before it.
func (t *trunk) lead(d *dialog, peer netip.AddrPort) {
	d.next = peer.String()
	if t.Proxy != "" {
		d.routes = []wire.Uri{{Scheme: "sip", Host: t.hop, UriParams: wire.HeaderParams{{K: "lr"}}}}
		if t.hopPort != 5060 {
			d.routes[0].Port = t.hopPort
		}
	}
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

// How long a look-up holds, and how long one may take while a call waits.
const (
	lookUpHolds = time.Minute
	lookUpTime  = 3 * time.Second
)

// resolve returns the address calls are sent to. When the DNS is down the last
// good answer stays.
func (t *trunk) resolve(ctx context.Context) (netip.AddrPort, error) {
	last := t.found.Load()
	if last != nil && time.Since(last.at) < lookUpHolds {
		return last.first(t), nil
	}
	limit, cancel := context.WithTimeout(ctx, lookUpTime)
	defer cancel()
	addrs, err := lookUpAll(limit, t.hop)
	switch {
	case err == nil:
		last = &found{addrs, time.Now()}
		t.found.Store(last)
	case last == nil:
		return netip.AddrPort{}, fmt.Errorf("trunk %s: %w: %w", t.Name, pbx.ErrUnreachable, err)
	}
	return last.first(t), nil
}

// found is what the DNS said.
type found struct {
	addrs []netip.Addr // never empty
	at    time.Time
}

func (f *found) first(t *trunk) netip.AddrPort {
	return netip.AddrPortFrom(f.addrs[0], uint16(t.hopPort))
}

// calls says whether calls of this trunk come from an address.
func (t *trunk) calls(from netip.Addr) bool {
	if len(t.From) > 0 {
		return slices.ContainsFunc(t.From, func(p netip.Prefix) bool { return p.Contains(from) })
	}
	last := t.found.Load()
	return t.Register && last != nil && slices.Contains(last.addrs, from)
}

// dialled is the number a call from the trunk is for.
func (t *trunk) dialled(req *wire.Request, country string) pbx.Phone {
	if !t.Register || req.Recipient.User != t.user() {
		return numberIn(&req.Recipient, country)
	}
	if to := &req.To().Address; to.User != t.user() {
		if number := numberIn(to, country); number != "" {
			return number
		}
	}
	return cmp.Or(t.Line, numberIn(&req.Recipient, country))
}

// trunkFrom is the trunk a message comes from; nil: none. Of several accounts at
// one address it is the one that is called.
func (s *Server) trunkFrom(req *wire.Request) *trunk {
	if strings.HasPrefix(req.Transport(), "WS") {
		return nil
	}
	source, err := netip.ParseAddrPort(req.Source())
	if err != nil {
		return nil
	}
	var other *trunk
	for _, t := range s.trunks {
		switch {
		case !t.calls(source.Addr().Unmap()):
		case t.Register && t.user() == req.Recipient.User:
			return t
		case other == nil && len(t.From) > 0:
			other = t
		}
	}
	return other
}
