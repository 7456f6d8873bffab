// Package gate keeps out who guesses passwords: one Gate stands before SIP and
// the operators' pages alike, so that who is banned at one is banned at both.
//
// Failures are counted for a login from a source, for all strange logins from a
// source, and for a login from all strange sources. A login that was right from
// a source is at home there: it is not held up by what others do behind the
// same address, nor by what the rest of the world tries with its name. A device
// that was right is not even held up by those who guess at its own login from
// beside it. The gate knows nothing of passwords and does not log; it tells its
// caller when a ban begins.
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
// failures would shut out the office it stands in; but where the login is at
// home, it may be a neighbour's doing, so nobody waits for more than a minute.
var (
	strangeLogin = limit{5, time.Minute, time.Minute, time.Hour}
	homeLogin    = limit{5, time.Minute, time.Minute, time.Minute}
	anySource    = limit{20, 30 * time.Second, 10 * time.Minute, time.Hour}
	anyLogin     = limit{100, 10 * time.Second, time.Minute, time.Minute}
)

// maxKeys bounds each table of the gate, against floods from many sources.
const maxKeys = 10_000

// Gate counts failures. All its methods may be called at any time.
type Gate struct {
	mu     sync.Mutex
	pair   table[Key]
	source table[netip.Prefix]
	login  table[string]
	home   halves[Key, bool]
	homes  halves[netip.Prefix, bool] // households where somebody is at home
	begun  uint64
}

// Visitor is who wants in.
type Visitor struct {
	Source netip.Addr
	Login  string // may be empty
	Device string // what only this device can know, and says each time; empty: nothing
}

// Key is as whom a visitor counts: a household, a login that is at home there,
// or a device of it.
type Key struct {
	household     netip.Prefix
	login, device string
}

// New makes a gate at which nobody has failed yet.
func New() *Gate { return new(Gate) }

// Key is as whom a visitor counts with what others do who are not at home.
func (g *Gate) Key(v Visitor) Key {
	g.mu.Lock()
	defer g.mu.Unlock()
	if key, home := g.key(v); home {
		return key
	}
	return Key{household: Household(v.Source)}
}

// key tells whether the login of a visitor, or else its device, is at home.
func (g *Gate) key(v Visitor) (key Key, home bool) {
	key = Key{Household(v.Source), v.Login, v.Device}
	if _, home = g.home.find(key); !home && v.Device != "" {
		key.device = ""
		_, home = g.home.find(key)
	}
	return key, home
}

// Inhabited says whether anybody is at home at a source.
func (g *Gate) Inhabited(source netip.Addr) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	_, inhabited := g.homes.find(Household(source))
	return inhabited
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

// Closed says whether a visitor is not to be looked at at all, even with the
// right password.
func (g *Gate) Closed(v Visitor) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	now := time.Now()
	key, home := g.key(v)
	return g.pair.banned(key, now) || !home && (g.source.banned(key.household, now) || g.login.banned(v.Login, now))
}

// Failed counts a wrong password, or a login that does not exist, and returns
// the bans that begin with it.
func (g *Gate) Failed(v Visitor) (begun []Ban) {
	g.mu.Lock()
	defer g.mu.Unlock()
	now := time.Now()
	key, home := g.key(v)
	if home {
		if until, banned := g.pair.fail(key, now, homeLogin); banned {
			begun = append(begun, Ban{key.household, v.Login, until})
		}
	} else {
		if until, banned := g.pair.fail(key, now, strangeLogin); banned {
			begun = append(begun, Ban{key.household, v.Login, until})
		}
		if until, banned := g.source.fail(key.household, now, anySource); banned {
			begun = append(begun, Ban{Source: key.household, Until: until})
		}
		if until, banned := g.login.fail(v.Login, now, anyLogin); banned {
			begun = append(begun, Ban{Login: v.Login, Until: until})
		}
	}
	g.begun += uint64(len(begun))
	return begun
}

// Passed makes a login and its device at home where it comes from, and forgives
// it what it did there.
func (g *Gate) Passed(v Visitor) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, device := range []string{"", v.Device} {
		key := Key{Household(v.Source), v.Login, device}
		g.home.put(key, true)
		g.homes.put(key.household, true)
		if device == v.Device {
			g.pair.forget(key)
		}
	}
}

// Bans are those in force, the one that ends first before the others, and how
// many there have been since the start.
func (g *Gate) Bans() (now []Ban, begun uint64) {
	g.mu.Lock()
	defer g.mu.Unlock()
	at := time.Now()
	g.pair.each(at, func(key Key, until time.Time) { now = append(now, Ban{key.household, key.login, until}) })
	g.source.each(at, func(source netip.Prefix, until time.Time) { now = append(now, Ban{Source: source, Until: until}) })
	g.login.each(at, func(login string, until time.Time) { now = append(now, Ban{Login: login, Until: until}) })
	slices.SortFunc(now, func(a, b Ban) int { return cmp.Or(a.Until.Compare(b.Until), cmp.Compare(a.Login, b.Login)) })
	return now, g.begun
}
