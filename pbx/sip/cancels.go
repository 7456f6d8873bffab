package sip

import (
	"sync"
	"time"

	wire "github.com/emiago/sipgo/sip"
)

// cancels remembers CANCELs that matched nothing: sipgo hands messages over in
// goroutines of their own, so that one may overtake its INVITE.
type cancels struct {
	mu   sync.Mutex
	seen map[string]time.Time
}

const (
	cancelKept = 10 * time.Second
	cancelsMax = 1000
)

func (c *cancels) note(req *wire.Request) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	if len(c.seen) >= cancelsMax {
		for key, at := range c.seen {
			if now.Sub(at) > cancelKept {
				delete(c.seen, key)
			}
		}
		if len(c.seen) >= cancelsMax {
			return // a flood; the loss is a call that rings until it is cancelled again
		}
	}
	if c.seen == nil {
		c.seen = map[string]time.Time{}
	}
	c.seen[cancelKey(req)] = now
}

// take says whether an INVITE has been cancelled already.
func (c *cancels) take(req *wire.Request) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.seen) == 0 {
		return false
	}
	key := cancelKey(req)
	at, ok := c.seen[key]
	delete(c.seen, key)
	return ok && time.Since(at) < cancelKept
}

// cancelKey is what a CANCEL has in common with its INVITE (RFC 3261 §9.1).
func cancelKey(req *wire.Request) string {
	branch, _ := req.Via().Params.Get("branch")
	return branch + " " + string(*req.CallID())
}
