package sip

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"time"

	wire "github.com/emiago/sipgo/sip"

	"cabline/pbx/sip/locate"
)

// maxNames is how many peers are remembered that are known by a name.
const maxNames = 1000

// namedPeers are the peers that a Contact or a Record-Route names. An ACK and a BYE
// do not wait for the DNS where it has answered once: as with gateways, an answer
// stands until there is a better one, which is asked for beside.
type namedPeers struct {
	mu   sync.Mutex // guards all below
	each map[locate.Target]*named
}

// named is one of them; what is its own is guarded by namedPeers.
type named struct {
	*gateways
	asking bool
	until  time.Time // its answer need not be asked for again
	used   time.Time
}

// of is what is known of a target; due: the DNS is to be asked, and then told of
// by asked.
func (n *namedPeers) of(t locate.Target) (found *named, due bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	found, now := n.each[t], time.Now()
	if found == nil {
		if len(n.each) >= maxNames {
			n.forget()
		}
		found = &named{gateways: newGateways(t)}
		n.each[t] = found
	}
	found.used = now
	if due = !found.asking && !now.Before(found.until); due {
		found.asking = true
		found.reopen()
	}
	return found, due
}

// forget makes room for one more. The lock is held.
func (n *namedPeers) forget() {
	var oldest *named
	for _, x := range n.each {
		if oldest == nil || x.used.Before(oldest.used) {
			oldest = x
		}
	}
	delete(n.each, oldest.target)
}

func (n *namedPeers) asked(x *named, wait time.Duration) {
	n.mu.Lock()
	defer n.mu.Unlock()
	x.asking, x.until = false, time.Now().Add(wait)
}

// targetOf is where a request goes; port 0: it names none.
func targetOf(req *wire.Request) (locate.Target, error) {
	host, port, err := net.SplitHostPort(req.Destination())
	if err != nil {
		return locate.Target{}, err
	}
	number, err := strconv.ParseUint(port, 10, 16)
	if err != nil {
		return locate.Target{}, fmt.Errorf("port %q: %w", port, err)
	}
	return locate.Target{Host: strings.ToLower(host), Port: int(number), Transport: strings.ToLower(req.Transport())}, nil
}

// locate finds a peer that a Contact or a Record-Route names.
func (s *Server) locate(ctx context.Context, t locate.Target) (netip.AddrPort, error) {
	n, due := s.names.of(t)
	if due {
		ctx := context.WithoutCancel(ctx) // others may wait for it
		s.work.Go(func() {
			ctx, cancel := context.WithTimeoutCause(ctx, connectTime, fmt.Errorf("the DNS did not answer within %s", connectTime))
			defer cancel()
			wait, _ := s.lookUp(ctx, n.gateways)
			s.names.asked(n, wait)
		})
	}
	hops, err := n.all(ctx)
	if err != nil {
		return netip.AddrPort{}, err
	}
	return hops[0].Addr, nil
}
