package console

import (
	"net/http"
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

// sourceOf is the address a request comes from; zero where it is not known.
func sourceOf(r *http.Request) netip.Addr {
	address, _ := netip.ParseAddrPort(r.RemoteAddr)
	return address.Addr().Unmap()
}
