package sip

import (
	"sync"
	"time"
)

// legTable finds legs by the tag we gave their dialog, which nobody can guess.
// It remembers the tags of legs that are over for a while: late repetitions of
// their messages are answered as the first ones were.
type legTable struct {
	mu     sync.Mutex
	live   map[string]*Leg
	recent map[string]*hidden // over since turned, with what is still to be hidden
	older  map[string]*hidden // over in the span before
	turned time.Time
}

// remembered is how long tags are known at least: 64*T1, what a peer may repeat
// a message for (RFC 3261 §17).
const remembered = 32 * time.Second

func (t *legTable) init() {
	t.live, t.recent, t.turned = map[string]*Leg{}, map[string]*hidden{}, time.Now()
}

// add enters a leg unless there are max already.
func (t *legTable) add(l *Leg, max int) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.live) >= max {
		return false
	}
	t.live[l.localTag] = l
	return true
}

func (t *legTable) remove(tag string) (was bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	l, was := t.live[tag]
	if !was {
		return false
	}
	delete(t.live, tag)
	if now := time.Now(); now.Sub(t.turned) > remembered {
		t.recent, t.older, t.turned = map[string]*hidden{}, t.recent, now
	}
	t.recent[tag] = l.hidden.Load()
	return true
}

// find returns the leg with a tag, and whether there was one lately.
func (t *legTable) find(tag string) (l *Leg, lately bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if l = t.live[tag]; l != nil {
		return l, true
	}
	if _, lately = t.recent[tag]; !lately {
		_, lately = t.older[tag]
	}
	return nil, lately
}

// hides is what the leg with a tag, which may be over, hides; nil: nothing.
func (t *legTable) hides(tag []byte) *hidden {
	if len(tag) == 0 {
		return nil
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if l := t.live[string(tag)]; l != nil {
		return l.hidden.Load()
	}
	if h := t.recent[string(tag)]; h != nil {
		return h
	}
	return t.older[string(tag)]
}

func (t *legTable) count() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.live)
}

func (t *legTable) all() []*Leg {
	t.mu.Lock()
	defer t.mu.Unlock()
	legs := make([]*Leg, 0, len(t.live))
	for _, l := range t.live {
		legs = append(legs, l)
	}
	return legs
}
