package sip

import (
	"context"
	"sync"
	"time"
)

// partings are the calls of operators that are over for us while their phones
// may not have heard of it: BYE or CANCEL is under way. Requests of different
// calls overtake each other, and a page that is rung while it still talks says
// that it is busy.
type partings struct {
	mu   sync.Mutex
	open map[string]int // by login
	news chan struct{}  // closed when one ends
}

// partingWait is how long the next call waits at most: a phone that does not
// answer may still ring.
const partingWait = time.Second

// begin counts one until end is called. A trunk's calls have no login and are
// not counted.
func (p *partings) begin(login string) (end func()) {
	if login == "" {
		return func() {}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.open == nil {
		p.open, p.news = map[string]int{}, make(chan struct{})
	}
	p.open[login]++
	return func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		if p.open[login]--; p.open[login] == 0 {
			delete(p.open, login)
		}
		close(p.news)
		p.news = make(chan struct{})
	}
}

// wait returns when an operator's phones know of all that is over.
func (p *partings) wait(ctx context.Context, login string) {
	limit := time.NewTimer(partingWait)
	defer limit.Stop()
	for {
		p.mu.Lock()
		open, news := p.open[login], p.news
		p.mu.Unlock()
		if open == 0 {
			return
		}
		select {
		case <-news:
		case <-limit.C:
			return
		case <-ctx.Done():
			return
		}
	}
}
