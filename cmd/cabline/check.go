package main

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"cabline/cmd/cabline/config"
	"cabline/pbx/sip/locate"
)

type checkCommand struct {
	Config string `required:"" short:"c" placeholder:"FILE" help:"The config file."`
}

// Run reads the config and tries what it says, as far as that goes without
// calling anyone. What is right and what is doubtful goes to standard output,
// what is wrong to standard error.
func (c checkCommand) Run(ctx context.Context, to terminal) error {
	cfg, warnings, err := config.Load(c.Config, to.env)
	if err != nil {
		return err
	}
	v := &visit{cfg: cfg, to: to, here: ownAddresses()}
	v.ok("%s: every key and value can be used", c.Config)
	for _, w := range warnings {
		v.doubt("%s", w)
	}
	v.data()
	v.voices()
	v.sip(time.Now())
	v.web(time.Now())
	v.trunks(ctx)
	v.gootax()
	if v.problems > 0 {
		return fmt.Errorf("%s: problems: %d", c.Config, v.problems)
	}
	v.ok("Cabline can be started")
	return nil
}

// visit is one look at what a config says about this machine.
type visit struct {
	cfg      *config.Config
	to       terminal
	here     []netip.Addr // this machine's addresses
	problems int
}

func (v *visit) ok(format string, args ...any) { fmt.Fprintf(v.to.out, "ok: "+format+"\n", args...) }
func (v *visit) doubt(format string, args ...any) {
	fmt.Fprintf(v.to.out, "note: "+format+"\n", args...)
}

func (v *visit) wrong(format string, args ...any) {
	v.problems++
	fmt.Fprintf(v.to.err, "wrong: "+format+"\n", args...)
}

func (v *visit) data() {
	if err := writable(v.cfg.Data); err != nil {
		v.wrong("data: nothing can be written to %s: %v", v.cfg.Data, why(err))
		return
	}
	v.ok("data: %s can be written to", v.cfg.Data)
}

// writable tries a folder, or the one it would be made in.
func writable(folder string) error {
	info, err := os.Stat(folder)
	if errors.Is(err, fs.ErrNotExist) && folder != filepath.Dir(folder) {
		return writable(filepath.Dir(folder))
	}
	if err != nil {
		return err
	}
	if !info.IsDir() {
		return fmt.Errorf("%s is no folder", folder)
	}
	trial, err := os.CreateTemp(folder, ".cabline-check-")
	if err != nil {
		return err
	}
	return errors.Join(trial.Close(), os.Remove(trial.Name()))
}

func (v *visit) voices() {
	if v.cfg.Prompts != "" {
		if _, err := os.ReadDir(v.cfg.Prompts); err != nil {
			v.wrong("prompts: %s: %v", v.cfg.Prompts, why(err))
			return
		}
	}
	spoken, err := voices(v.cfg)
	if err != nil {
		v.wrong("%v", err)
		return
	}
	v.ok("prompts: all there in %s", strings.Join(slices.Sorted(maps.Keys(spoken)), ", "))
}

func (v *visit) sip(now time.Time) {
	for _, l := range v.cfg.SIP.Listen {
		if err := canListen(l.Transport, l.Addr); err != nil {
			v.wrong("sip.listen: %s: %s", l, v.whyNot(l.Addr, err))
			continue
		}
		v.ok("sip.listen: %s is free", l)
	}
	switch sip := v.cfg.SIP; {
	case sip.Cert != "":
		v.certificate("sip.cert", sip.Cert, sip.Key, "", now)
	case overTLS(v.cfg) && v.cfg.Web.Cert == "":
		v.doubt("sip: no certificate for tls://: Cabline signs its own, and phones must be told to trust it; set sip.cert and sip.key, or those of web")
	}
}

func (v *visit) web(now time.Time) {
	web := v.cfg.Web
	if err := canListen("tcp", web.Listen.Addr); err != nil {
		v.wrong("web.listen: %s: %s", web.Listen, v.whyNot(web.Listen.Addr, err))
	} else if err := canListen("udp", web.Listen.Addr); err != nil {
		v.wrong("web.listen: UDP %s, for the audio of browsers: %s", web.Listen.Addr, v.whyNot(web.Listen.Addr, err))
	} else {
		v.ok("web.listen: %s is free, and the UDP port of the same number", web.Listen)
	}
	switch {
	case web.Cert != "":
		v.certificate("web.cert", web.Cert, web.Key, web.Domain, now)
	case !web.Listen.Addr.Addr().IsLoopback():
		v.doubt("web: no certificate: Cabline signs its own, and browsers warn before they open the page; set web.cert and web.key")
	}
	// Chrome calls it Local Network Access.
	if v.private(web.Listen.Addr.Addr()) {
		v.doubt("web.listen: %s is on a private network: an operator who works in a page from the Internet (such as Gootax's panel) "+
			"is asked by Chrome 147 and newer whether that page may use the local network, and must allow it", web.Listen)
	}
}

// certificate looks at a key's file; domain is what it has to be for, if anything.
func (v *visit) certificate(name, file, key, domain string, now time.Time) {
	cert, err := tls.LoadX509KeyPair(file, key)
	if err != nil {
		v.wrong("%s: %v", name, why(err))
		return
	}
	ends := cert.Leaf.NotAfter
	switch {
	case now.After(ends):
		v.wrong("%s: %s ended on %s", name, file, ends.Format(time.DateOnly))
	case domain != "" && cert.Leaf.VerifyHostname(domain) != nil:
		v.wrong("%s: %s is not for %s; it is for %s", name, file, domain, strings.Join(cert.Leaf.DNSNames, ", "))
	case now.AddDate(0, 0, 14).After(ends):
		v.doubt("%s: %s ends on %s", name, file, ends.Format(time.DateOnly))
	default:
		v.ok("%s: %s is good until %s", name, file, ends.Format(time.DateOnly))
	}
}

func (v *visit) trunks(ctx context.Context) {
	for _, t := range v.cfg.Trunks {
		if _, err := authorities(t.CA); err != nil {
			v.wrong("trunk %q: ca: %v", t.Name, err)
		}
		target := firstHop(t)
		hops, err := v.locate(ctx, target)
		if err != nil {
			v.wrong("trunk %q: the DNS does not say where %s is: %v", t.Name, target.Host, err)
			continue
		}
		v.ok("trunk %q: calls go to %s", t.Name, written(hops))
		var addrs []netip.Addr
		for _, h := range hops {
			if !slices.Contains(addrs, h.Addr.Addr()) {
				addrs = append(addrs, h.Addr.Addr())
			}
		}
		for _, a := range addrs {
			if len(t.From) > 0 && !slices.ContainsFunc(t.From, func(p netip.Prefix) bool { return p.Contains(a) }) {
				v.doubt("trunk %q: %s is an address of its host but not among those it may call from", t.Name, a)
			}
		}
		if public := slices.IndexFunc(addrs, isPublic); public >= 0 && !v.cfg.SIP.Public.IsValid() &&
			!slices.ContainsFunc(v.cfg.SIP.Listen, func(l config.SIPListen) bool { return !v.private(l.Addr.Addr()) }) {
			v.doubt("trunk %q: %s is on the Internet, and this machine has private addresses only: set sip.public to the router's outer address, "+
				"or callers may not be heard", t.Name, addrs[public])
		}
	}
}

// firstHop is where a trunk's requests are sent first.
func firstHop(t config.Trunk) locate.Target {
	target := locate.Target{Host: cmp.Or(string(t.OutboundProxy), t.Host), Transport: t.Transport}
	if host, port, err := net.SplitHostPort(target.Host); err == nil {
		target.Host = host
		target.Port, _ = strconv.Atoi(port) // config has checked it
	}
	return target
}

// locate asks the name servers that serve would ask.
func (v *visit) locate(ctx context.Context, t locate.Target) ([]locate.Hop, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, 5*time.Second, errors.New("the name server did not answer in 5 s"))
	defer cancel()
	found, err := (&locate.Resolver{Servers: nameServers(v.cfg)}).Find(ctx, t)
	return found.Hops, err
}

// written are places in their order, the first one first.
func written(hops []locate.Hop) string {
	var texts []string
	for _, h := range hops {
		texts = append(texts, h.Addr.String()+" over "+h.Transport)
	}
	return strings.Join(texts, ", then ")
}

// canListen opens a socket and closes it.
func canListen(network string, at netip.AddrPort) error {
	if network != "udp" {
		l, err := net.ListenTCP("tcp", net.TCPAddrFromAddrPort(at))
		if err != nil {
			return err
		}
		return l.Close()
	}
	c, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(at))
	if err != nil {
		return err
	}
	return c.Close()
}

// whyNot is in plain words why an address cannot be listened on.
func (v *visit) whyNot(at netip.AddrPort, err error) string {
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return "another program has this port; it may be Cabline itself, if it runs"
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return fmt.Sprintf("this machine has no such address; it has %s", join(v.here))
	case errors.Is(err, syscall.EACCES):
		return fmt.Sprintf("the system keeps port %d for root; choose one above 1023", at.Port())
	}
	return err.Error()
}

// why is the innermost cause, without the names of system calls around it.
func why(err error) error {
	var path *fs.PathError
	if errors.As(err, &path) {
		return path.Err
	}
	return err
}

func join(addrs []netip.Addr) string {
	var texts []string
	for _, a := range addrs {
		texts = append(texts, a.String())
	}
	return strings.Join(texts, ", ")
}

// ownAddresses are this machine's, those of single links aside.
func ownAddresses() []netip.Addr {
	var own []netip.Addr
	all, err := net.InterfaceAddrs()
	if err != nil {
		return nil
	}
	for _, a := range all {
		if p, err := netip.ParsePrefix(a.String()); err == nil && !p.Addr().IsLinkLocalUnicast() {
			own = append(own, p.Addr())
		}
	}
	return own
}

// private reports whether listening on an address is listening on private
// networks alone.
func (v *visit) private(at netip.Addr) bool {
	if !at.IsUnspecified() {
		return at.IsPrivate()
	}
	return slices.ContainsFunc(v.here, netip.Addr.IsPrivate) && !slices.ContainsFunc(v.here, isPublic)
}

// sharedSpace is what carriers give their customers behind one address (RFC 6598).
var sharedSpace = netip.MustParsePrefix("100.64.0.0/10")

func isPublic(a netip.Addr) bool {
	return a.IsGlobalUnicast() && !a.IsPrivate() && !sharedSpace.Contains(a)
}
