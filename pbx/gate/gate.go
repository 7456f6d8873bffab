// Package gate keeps out who guesses passwords: one Gate stands before SIP and
// the operators' pages alike, so that who is banned at one is banned at both.
//
// Failures are counted for a login from a source, for all strange logins from a
// source, and for a login from all strange sources. A login that was right from
// a source is at home there: it is not held up by what others do behind the
// same address, nor by what the rest of the world tries with its name. The gate
// knows nothing of passwords and does not log; it tells its caller when a ban
// begins.
package gate

import (
	"cmp"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/rs/zerolog"
)

// Ban is somebody who is kept out until a time.
type Ban struct {
	Source netip.Prefix // an address, or an IPv6 household; zero: everywhere the login is not at home
	Login  string       // empty: all that are not at home there
	Until  time.Time
}

// MarshalZerologObject is for the log.
func (b Ban) MarshalZerologObject(e *zerolog.Event) {
	if b.Source.IsValid() {
		e.Stringer("source", b.Source)
	}
	if b.Login != "" {
		e.Str("operator", b.Login)
	}
	e.Time("until", b.Until)
}

// limit is how many failures lead to a ban, how fast they are forgiven, and how
// long the first ban is. Each ban that follows is twice as long.
type limit struct {
	failures int
	forgiven time.Duration // one failure in each
	first    time.Duration
	longest  time.Duration
}

// A person who forgot a password gets five tries and waits a minute. A phone
// with a wrong one that tries for ever is soon asked to wait an hour, before its
// failures would shut out the office it stands in.
func limits() (pair, source, login limit) {
	return limit{5, time.Minute, time.Minute, time.Hour},
		limit{20, 30 * time.Second, 10 * time.Minute, time.Hour},
		limit{100, 10 * time.Second, time.Minute, time.Minute}
}

// maxKeys bounds each table of the gate, against floods from many sources. Who
// has failed lately is remembered for at least as many others.
const maxKeys = 10_000

// Gate counts failures. All its methods may be called at any time.
type Gate struct {
	mu     sync.Mutex
	pair   table[pair]
	source table[netip.Prefix]
	login  table[string]
	home   map[pair]bool
	begun  uint64
}

type pair struct {
	source netip.Prefix
	login  string
}

// New makes a gate at which nobody has failed yet.
func New() *Gate {
	g := &Gate{home: map[pair]bool{}}
	g.pair.limit, g.source.limit, g.login.limit = limits()
	return g
}

// Household is what an address stands for: itself, or the 2⁶⁴ addresses that
// one IPv6 connection has.
func Household(addr netip.Addr) netip.Prefix {
	addr = addr.Unmap().WithZone("")
	bits := addr.BitLen()
	if addr.Is6() {
		bits = 64
	}
	household, _ := addr.Prefix(bits) // of the zero address, the zero prefix
	return household
}

// AtHome says whether a login was right from a source.
func (g *Gate) AtHome(source netip.Addr, login string) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.home[pair{Household(source), login}]
}

// Closed says whether a login from a source is not to be looked at at all, even
// with the right password. The login may be empty.
func (g *Gate) Closed(source netip.Addr, login string) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	now, who := time.Now(), pair{Household(source), login}
	return g.pair.banned(who, now) || !g.home[who] && (g.source.banned(who.source, now) || g.login.banned(login, now))
}

// Failed counts a wrong password, or a login that does not exist, and returns
// the bans that begin with it.
func (g *Gate) Failed(source netip.Addr, login string) (begun []Ban) {
	g.mu.Lock()
	defer g.mu.Unlock()
	now, who := time.Now(), pair{Household(source), login}
	if until, banned := g.pair.fail(who, now); banned {
		begun = append(begun, Ban{who.source, login, until})
	}
	if !g.home[who] {
		if until, banned := g.source.fail(who.source, now); banned {
			begun = append(begun, Ban{Source: who.source, Until: until})
		}
		if until, banned := g.login.fail(login, now); banned {
			begun = append(begun, Ban{Login: login, Until: until})
		}
	}
	g.begun += uint64(len(begun))
	return begun
}

// Passed makes a login at home at a source, and forgives it what it did there.
func (g *Gate) Passed(source netip.Addr, login string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	who := pair{Household(source), login}
	g.pair.forget(who)
	if len(g.home) >= maxKeys {
		clear(g.home) // of some thousand places the operators have been at
	}
	g.home[who] = true
}

// Bans are those in force, the one that ends first before the others, and how
// many there have been since the start.
func (g *Gate) Bans() (now []Ban, begun uint64) {
	g.mu.Lock()
	defer g.mu.Unlock()
	at := time.Now()
	g.pair.each(at, func(who pair, until time.Time) { now = append(now, Ban{who.source, who.login, until}) })
	g.source.each(at, func(source netip.Prefix, until time.Time) { now = append(now, Ban{Source: source, Until: until}) })
	g.login.each(at, func(login string, until time.Time) { now = append(now, Ban{Login: login, Until: until}) })
	slices.SortFunc(now, func(a, b Ban) int { return cmp.Or(a.Until.Compare(b.Until), cmp.Compare(a.Login, b.Login)) })
	return now, g.begun
}
