package sip

import (
	"net/netip"

	wire "github.com/emiago/sipgo/sip"
)

// maxRedirects bounds how often one call is sent on.
const maxRedirects = 5

// redirected says whether a 3xx sends the call on to another number of the same
// carrier, and aims the next INVITE there (RFC 3261 §8.1.3.4). To anywhere else,
// and without the trunk's setting, it is a refusal: who pays for a call decides
// where it goes.
func (l *Leg) redirected(res *wire.Response) bool {
	if l.trunk == nil || !l.trunk.Redirects || res.StatusCode < 300 || res.StatusCode > 302 {
		return false
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, h := range res.GetHeaders("contact") {
		c, ok := h.(*wire.ContactHeader)
		if !ok || !routable(&c.Address) || !l.samePlace(&c.Address) || numberIn(&c.Address, l.server.cfg.Country) == "" {
			continue
		}
		if l.redirects++; l.redirects > maxRedirects {
			return false
		}
		l.target.User = c.Address.User
		return true
	}
	return false
}

// samePlace says whether an address is the trunk's own. The lock is held.
func (l *Leg) samePlace(uri *wire.Uri) bool {
	if uri.Host == l.target.Host || uri.Host == l.trunk.host || l.trunk.Domain != "" && uri.Host == l.trunk.Domain {
		return true
	}
	addr, err := netip.ParseAddr(uri.Host)
	return err == nil && l.trunk.calls(addr)
}
