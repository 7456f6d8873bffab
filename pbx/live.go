package pbx

import (
	"context"
	"slices"
	"strings"
	"sync"
)

// Card is what an operator sees of a call: the caller's order, or what a new
// one is filled in with.
type Card struct {
	CallID string
	Phone  Phone
	Party  Role // whose number that is
	Line   Phone
	Branch string
	Tariff string
	Order  *Order // nil: none active
}

// State is where a call stands.
type State string

const (
	StateLookup        State = "looking_up"
	StateMenu          State = "in_menu"
	StateCallingClient State = "calling_client"
	StateCallingDriver State = "calling_driver"
	StateWaiting       State = "waiting" // in line for an operator
	StateCallingTarget State = "calling_target"
	StateTalking       State = "talking"
	StateEnded         State = "ended"
)

// liveCalls are the calls in progress.
type liveCalls struct {
	mu    sync.Mutex
	calls map[string]liveCall
	over  sync.WaitGroup
}

type liveCall struct {
	call *Call
	end  context.CancelCauseFunc
}

func (l *liveCalls) add(c *Call, end context.CancelCauseFunc) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.calls == nil {
		l.calls = map[string]liveCall{}
	}
	l.calls[c.cdr.ID] = liveCall{c, end}
	l.over.Add(1)
}

func (l *liveCalls) remove(id string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if _, there := l.calls[id]; there {
		delete(l.calls, id)
		l.over.Done()
	}
}

func (l *liveCalls) wait() { l.over.Wait() }

func (l *liveCalls) find(id string) (liveCall, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	c, ok := l.calls[id]
	return c, ok
}

// with is a call that a number is a party of, nil when there is none.
func (l *liveCalls) with(number Phone) *Call {
	if number == "" {
		return nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, c := range l.calls {
		if cdr := &c.call.seen.Load().cdr; cdr.From == number || cdr.To == number {
			return c.call
		}
	}
	return nil
}

// Live is the calls in progress, oldest first, as they stand.
func (s *Switchboard) Live() []CDR {
	s.live.mu.Lock()
	defer s.live.mu.Unlock()
	all := make([]CDR, 0, len(s.live.calls))
	for _, c := range s.live.calls {
		all = append(all, c.call.seen.Load().cdr)
	}
	slices.SortFunc(all, func(a, b CDR) int {
		if c := a.Started.Compare(b.Started); c != 0 {
			return c
		}
		return strings.Compare(a.ID, b.ID)
	})
	return all
}

// Call is a call in progress as it stands.
func (s *Switchboard) Call(id string) (CDR, bool) {
	c, ok := s.live.find(id)
	if !ok {
		return CDR{}, false
	}
	return c.call.seen.Load().cdr, true
}

// Card is the operator's card of a call in progress.
func (s *Switchboard) Card(id string) (Card, bool) {
	c, ok := s.live.find(id)
	if !ok {
		return Card{}, false
	}
	return c.call.seen.Load().card, true
}

// HangUp ends a call in progress; false when there is no such call.
func (s *Switchboard) HangUp(id string) bool {
	c, ok := s.live.find(id)
	if ok {
		c.end(ErrHungUp)
	}
	return ok
}

// Changed is closed at the next change of the calls, the queue or the operators.
func (s *Switchboard) Changed() <-chan struct{} {
	s.init()
	return s.changes.next()
}

// changes wakes everyone who watches.
type changes struct {
	mu sync.Mutex
	ch chan struct{}
}

func (c *changes) init() { c.ch = make(chan struct{}) }

func (c *changes) next() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.ch
}

func (c *changes) signal() {
	c.mu.Lock()
	defer c.mu.Unlock()
	close(c.ch)
	c.ch = make(chan struct{})
}
