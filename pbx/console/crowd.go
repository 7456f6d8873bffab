package console

import (
	"context"
	"net"
	"net/http"
	"net/netip"
	"sync"

	"cabline/pbx/gate"
)

// How many connections the web port holds. Those above are answered 503 and
// closed, and those above twice as many are closed at once. A page has up to
// seven; a WebSocket counts with SIP's.
const (
	maxConnections    = 2000
	maxConnectionsPer = 300 // from one source, which may be an office's NAT
)

// crowd counts open connections, all and per source.
type crowd struct {
	mu  sync.Mutex
	all int
	per map[netip.Prefix]int
}

// surplus marks the context of a connection that is one too many.
type surplus struct{}

// enter is http.Server's ConnContext.
func (c *crowd) enter(ctx context.Context, conn net.Conn) context.Context {
	from := householdOf(conn)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.per == nil {
		c.per = map[netip.Prefix]int{}
	}
	c.all++
	c.per[from]++
	switch all, per := c.all, c.per[from]; {
	case all > 2*maxConnections || per > 2*maxConnectionsPer:
		_ = conn.Close()
	case all > maxConnections || per > maxConnectionsPer:
		ctx = context.WithValue(ctx, surplus{}, true)
	}
	return ctx
}

// leave is http.Server's ConnState.
func (c *crowd) leave(conn net.Conn, state http.ConnState) {
	if state != http.StateClosed && state != http.StateHijacked {
		return
	}
	from := householdOf(conn)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.all--
	if c.per[from]--; c.per[from] <= 0 {
		delete(c.per, from)
	}
}

func householdOf(conn net.Conn) netip.Prefix {
	address, _ := netip.ParseAddrPort(conn.RemoteAddr().String())
	return gate.Household(address.Addr())
}

// spared turns away who came by a connection too many.
func spared(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Context().Value(surplus{}) != nil {
			w.Header().Set("Retry-After", "5")
			w.Header().Set("Connection", "close")
			writeProblem(w, http.StatusServiceUnavailable, "too many connections; try again in some seconds")
			return
		}
		next.ServeHTTP(w, r)
	})
}
