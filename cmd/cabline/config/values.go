package config

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// origin is a host name, "*." for all below it, and perhaps a port.
var origin = regexp.MustCompile(`^(\*\.)?[a-z0-9-]+(\.[a-z0-9-]+)+(:[0-9]{1,5})?$`)

var dialPrefix = regexp.MustCompile(`^\+[1-9][0-9]{0,14}$`)

// Secret is a text that prints as "(secret)" however it is printed.
type Secret string

// Reveal is the text itself.
func (s Secret) Reveal() string { return string(s) }

// Format hides the text from every verb of fmt.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte("(secret)")) }

// MarshalText hides the text from JSON and YAML.
func (s Secret) MarshalText() ([]byte, error) { return []byte("(secret)"), nil }

// SIPListen is a socket for SIP.
type SIPListen struct {
	Transport string // udp, tcp or tls
	Addr      netip.AddrPort
}

func (l SIPListen) String() string { return l.Transport + "://" + l.Addr.String() }

// WebListen is the socket for browsers and the dispatch system.
type WebListen struct {
	Secure bool // https; plain http is for loopback only
	Addr   netip.AddrPort
}

func (l WebListen) String() string {
	if l.Secure {
		return "https://" + l.Addr.String()
	}
	return "http://" + l.Addr.String()
}

// Prefix is the beginning of numbers in international form: "+7", "+7495".
type Prefix string

// DNSServer is a name server; the port is 53 where the file has none.
type DNSServer netip.AddrPort

func (s DNSServer) String() string { return netip.AddrPort(s).String() }

// Origin is the host of other sites' pages: "panel.example.org",
// "*.example.org", with a port where it is not the usual one.
type Origin string

// OutboundProxy is the host, or host:port, of a proxy that calls and
// registrations pass; empty: none.
type OutboundProxy string

// PortRange is the UDP ports of RTP: the lowest, which is even, and the highest.
type PortRange [2]uint16

func (r PortRange) String() string { return fmt.Sprintf("%d-%d", r[0], r[1]) }

// size is how many ports there are.
func (r PortRange) size() int { return int(r[1]) - int(r[0]) + 1 }

// ParseSIPListen reads udp://, tcp:// or tls://ADDRESS:PORT.
func ParseSIPListen(text string) (SIPListen, error) {
	transport, addr, _ := strings.Cut(text, "://")
	if transport != "udp" && transport != "tcp" && transport != "tls" {
		return SIPListen{}, fmt.Errorf("%q is no SIP address; write udp://, tcp:// or tls://ADDRESS:PORT", text)
	}
	ap, err := parseAddrPort(addr)
	return SIPListen{transport, ap}, err
}

// ParseWebListen reads https://ADDRESS:PORT, or http:// on loopback.
func ParseWebListen(text string) (WebListen, error) {
	scheme, addr, _ := strings.Cut(text, "://")
	if scheme != "https" && scheme != "http" {
		return WebListen{}, fmt.Errorf("%q is no web address; write https://ADDRESS:PORT", text)
	}
	ap, err := parseAddrPort(addr)
	if err != nil {
		return WebListen{}, err
	}
	if scheme == "http" && !ap.Addr().IsLoopback() {
		return WebListen{}, fmt.Errorf("http:// is for loopback only: browsers give no microphone to a plain page elsewhere; write https://%s", ap)
	}
	return WebListen{scheme == "https", ap}, nil
}

func parseAddrPort(text string) (netip.AddrPort, error) {
	if port, ok := strings.CutPrefix(text, "localhost:"); ok {
		text = "127.0.0.1:" + port
	}
	ap, err := netip.ParseAddrPort(text)
	if err != nil {
		return netip.AddrPort{}, fmt.Errorf("%q is no address with a port, such as 192.168.1.10:5060 or [::1]:5060", text)
	}
	return ap, nil
}

func parseAddr(text string) (netip.Addr, error) {
	addr, err := netip.ParseAddr(text)
	if err != nil || addr.IsUnspecified() || addr.Zone() != "" {
		return netip.Addr{}, fmt.Errorf("%q is no IP address others can reach, such as 203.0.113.7", text)
	}
	return addr, nil
}

func parsePrefix(text string) (netip.Prefix, error) {
	if addr, err := netip.ParseAddr(text); err == nil && addr.Zone() == "" {
		return netip.PrefixFrom(addr, addr.BitLen()), nil
	}
	prefix, err := netip.ParsePrefix(text)
	if err != nil {
		return netip.Prefix{}, fmt.Errorf("%q is no IP address or network, such as 203.0.113.7 or 203.0.113.0/24", text)
	}
	return prefix.Masked(), nil
}

func parseDialPrefix(text string) (Prefix, error) {
	if !dialPrefix.MatchString(text) {
		return "", fmt.Errorf("%q is no beginning of numbers, such as +7 or +7495", text)
	}
	return Prefix(text), nil
}

func parseOrigin(text string) (Origin, error) {
	host := strings.ToLower(text)
	if !origin.MatchString(host) {
		return "", fmt.Errorf("%q is no host of pages, such as panel.example.org or *.example.org", text)
	}
	return Origin(host), nil
}

func parseOutboundProxy(text string) (OutboundProxy, error) {
	host, params, _ := strings.Cut(strings.TrimPrefix(text, "sip:"), ";")
	at, ok := parseHost(host)
	if !ok || params != "" && params != "lr" { // all proxies are loose routers since RFC 3261
		return "", fmt.Errorf("%q is no proxy, such as ip.carrier.ru;lr or ip.carrier.ru:5060", text)
	}
	return OutboundProxy(at), nil
}

// parseHost reads a host by name or address, with or without a port: with one,
// the DNS is not asked for it (RFC 3263 §4.2).
func parseHost(text string) (at string, ok bool) {
	host, port, err := net.SplitHostPort(text)
	if err != nil {
		host, port = strings.Trim(text, "[]"), ""
	}
	if _, err := netip.ParseAddr(host); err != nil && !hostname(host) {
		return "", false
	}
	if port == "" {
		return host, err != nil
	}
	n, err := strconv.ParseUint(port, 10, 16)
	return net.JoinHostPort(host, port), err == nil && n > 0
}

func parseDNSServer(text string) (DNSServer, error) {
	if addr, err := netip.ParseAddr(text); err == nil {
		return DNSServer(netip.AddrPortFrom(addr, 53)), nil
	}
	ap, err := netip.ParseAddrPort(text)
	if err != nil {
		return DNSServer{}, fmt.Errorf("%q is no name server's address, such as 77.88.8.8", text)
	}
	return DNSServer(ap), nil
}

func parseBool(text string) (bool, error) {
	switch strings.ToLower(text) {
	case "true", "yes", "on":
		return true, nil
	case "false", "no", "off":
		return false, nil
	}
	return false, fmt.Errorf("%q is neither true nor false", text)
}

func parsePorts(text string) (PortRange, error) {
	low, high, _ := strings.Cut(text, "-")
	lo, err1 := strconv.ParseUint(strings.TrimSpace(low), 10, 16)
	hi, err2 := strconv.ParseUint(strings.TrimSpace(high), 10, 16)
	r := PortRange{uint16(lo), uint16(hi)}
	switch {
	case err1 != nil || err2 != nil:
		return r, fmt.Errorf("%q is no range of ports, such as 20000-29999", text)
	case lo > hi:
		return r, fmt.Errorf("the range %s is the wrong way round; write %d-%d", r, hi, lo)
	case lo < 1024:
		return r, fmt.Errorf("the range %s begins below 1024, where ports belong to the system", r)
	case lo%2 != 0:
		return r, fmt.Errorf("the range %s begins with an odd port; RTP uses even ones (RFC 3550 §11), begin with %d", r, lo+1)
	case lo == hi:
		return r, fmt.Errorf("the range %s has no room for one call: a leg takes two ports", r)
	}
	return r, nil
}

// parseDuration reads what Go does, and whole days.
func parseDuration(text string) (time.Duration, error) {
	if days, ok := strings.CutSuffix(text, "d"); ok {
		if n, err := strconv.ParseUint(days, 10, 16); err == nil {
			return time.Duration(n) * aDay, nil
		}
	}
	d, err := time.ParseDuration(text)
	if err != nil {
		return 0, fmt.Errorf("%q is no length of time, such as 25s, 500ms, 10m or 90d", text)
	}
	return d, nil
}

func parseZone(text string) (*time.Location, error) {
	zone, err := time.LoadLocation(text)
	if err != nil {
		return nil, fmt.Errorf("unknown timezone %q; write a name such as Europe/Moscow or Asia/Yekaterinburg", text)
	}
	return zone, nil
}

func parseInt(text string) (int, error) {
	n, err := strconv.Atoi(text)
	if errors.Is(err, strconv.ErrRange) || n > 1_000_000 {
		return 0, fmt.Errorf("%s is too large", text)
	}
	if err != nil {
		return 0, fmt.Errorf("%q is no whole number", text)
	}
	if n < 0 {
		return 0, fmt.Errorf("%d is less than nothing", n)
	}
	return n, nil
}
