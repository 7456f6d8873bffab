package console

import (
	"net/netip"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// allowance is a number of tries for each key that fills up again with time.
type allowance struct {
	burst int
	every time.Duration // one more try

	mu sync.Mutex
	by map[string]*rate.Limiter
}

// maxKeys bounds the memory a flood from many addresses takes.
const maxKeys = 10_000

func newAllowance(burst int, every time.Duration) *allowance {
	return &allowance{burst: burst, every: every, by: map[string]*rate.Limiter{}}
}

// take uses one try up; false when there was none.
func (a *allowance) take(key string) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	limiter := a.by[key]
	if limiter == nil {
		a.makeRoom()
		limiter = rate.NewLimiter(rate.Every(a.every), a.burst)
		a.by[key] = limiter
	}
	return limiter.Allow()
}

// left says whether there is a try to take.
func (a *allowance) left(key string) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	limiter := a.by[key]
	return limiter == nil || limiter.Tokens() >= 1
}

func (a *allowance) forget(key string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.by, key)
}

// makeRoom drops the keys that have all their tries again; when there are none
// it drops them all rather than lock strangers out.
func (a *allowance) makeRoom() {
	if len(a.by) < maxKeys {
		return
	}
	for key, limiter := range a.by {
		if limiter.Tokens() >= float64(a.burst) {
			delete(a.by, key)
		}
	}
	if len(a.by) >= maxKeys {
		clear(a.by)
	}
}

// door slows down who guesses passwords: from one source, and at one login
// from many sources. Operators of a firm sit behind one address, so a login that
// was good from a source before is not held up by what others there or elsewhere
// do: it has tries of its own.
type door struct {
	pair   *allowance // a login from a source
	source *allowance // all strange logins from a source
	login  *allowance // a login from all strange sources

	mu    sync.Mutex
	known map[string]bool // pairs that have logged in
}

func newDoor() *door {
	return &door{
		pair:   newAllowance(5, 12*time.Second),
		source: newAllowance(30, 6*time.Second),
		login:  newAllowance(20, 30*time.Second),
		known:  map[string]bool{},
	}
}

// mayTry uses up one try of a login from a source.
func (d *door) mayTry(source, login string) bool {
	pair := source + " " + login
	d.mu.Lock()
	known := d.known[pair]
	d.mu.Unlock()
	return d.pair.take(pair) && (known || d.source.take(source) && d.login.take(login))
}

// passed remembers that a login was good.
func (d *door) passed(source, login string) {
	pair := source + " " + login
	d.pair.forget(pair)
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.known) >= maxKeys {
		clear(d.known)
	}
	d.known[pair] = true
}

// sourceOf is whom a remote address belongs to: an IPv6 household has 2⁶⁴
// addresses.
func sourceOf(remote string) string {
	address, err := netip.ParseAddrPort(remote)
	if err != nil {
		return remote
	}
	ip := address.Addr().Unmap().WithZone("")
	if ip.Is4() {
		return ip.String()
	}
	return netip.PrefixFrom(ip, 64).Masked().String()
}
