package pbx

import (
	"slices"
	"sync"
	"time"
)

// Operator is a person who answers clients.
type Operator struct {
	Login    string
	Name     string
	Branches []string // empty: all
}

// OperatorState is an operator as others see them.
type OperatorState struct {
	Operator
	Online bool   // logged in with a phone or browser
	Ready  bool   // wants calls
	State  string // free, ringing or talking
	CallID string // the call they ring or talk in
}

// Waiting is a client in line.
type Waiting struct {
	CallID string
	Phone  Phone
	Line   Phone
	Branch string
	Since  time.Time
}

const (
	stateFree    = "free"
	stateRinging = "ringing"
	stateTalking = "talking"
)

// desk is the operators and the line of clients who wait for them. The oldest
// client is given every free operator of their branch: all of them ring. It
// is locked and never calls out, except changed.
type desk struct {
	changed func()

	mu        sync.Mutex
	operators []*seat // in the order of the config, which is the order they are shown in
	line      []*ticket
}

// seat is an operator's place. An operator belongs to one ticket at a time.
type seat struct {
	OperatorState
	resting bool // rang in vain a moment ago
}

// ticket is one client's place in line.
type ticket struct {
	Waiting
	desk *desk
	// offers are operators claimed for this client, each theirs until release
	// or talk. There is room for every operator: giving never blocks.
	offers chan Operator

	first []string    // operators who ring before all others; empty: everybody
	opens *time.Timer // when everybody may
}

// firstRing is how long the operators who took a client's order ring alone.
const firstRing = 10 * time.Second

// SetOperators says who works here. Those already known keep their state.
func (s *Switchboard) SetOperators(all []Operator) {
	s.init()
	d := &s.desk
	d.mu.Lock()
	defer d.unlock()
	seats := make([]*seat, 0, len(all))
	for _, o := range all {
		at := d.seat(o.Login)
		if at == nil {
			at = &seat{OperatorState: OperatorState{Ready: true, State: stateFree}}
		}
		at.Operator = o
		seats = append(seats, at)
	}
	d.operators = seats
}

// SetOnline says whether an operator has a phone or browser logged in.
func (s *Switchboard) SetOnline(login string, online bool) {
	s.init()
	s.desk.set(login, func(at *seat) { at.Online = online })
}

// SetReady says whether an operator wants calls.
func (s *Switchboard) SetReady(login string, ready bool) {
	s.init()
	s.desk.set(login, func(at *seat) { at.Ready = ready })
}

// Operators is every operator as they are now.
func (s *Switchboard) Operators() []OperatorState {
	d := &s.desk
	d.mu.Lock()
	defer d.mu.Unlock()
	all := make([]OperatorState, len(d.operators))
	for i, at := range d.operators {
		all[i] = at.OperatorState
	}
	return all
}

// Waiting is the clients in line, the one who waits longest first.
func (s *Switchboard) Waiting() []Waiting {
	d := &s.desk
	d.mu.Lock()
	defer d.mu.Unlock()
	all := make([]Waiting, len(d.line))
	for i, t := range d.line {
		all[i] = t.Waiting
	}
	return all
}

// enter puts a client in line. Where one of the operators who took the client's
// order is free, they ring first. The ticket must be left.
func (d *desk) enter(w Waiting, takenBy []string) *ticket {
	d.mu.Lock()
	defer d.unlock()
	t := &ticket{Waiting: w, desk: d, offers: make(chan Operator, len(d.operators)+1)}
	for _, login := range takenBy {
		if at := d.seat(login); at != nil && at.available() && at.serves(w.Branch) {
			t.first = append(t.first, login)
		}
	}
	t.opens = time.AfterFunc(firstRing, func() {
		d.mu.Lock()
		defer d.unlock()
		t.first = nil
	})
	d.line = append(d.line, t)
	return t
}

// leave takes the client out of line and frees the operators still offered.
func (t *ticket) leave() {
	d := t.desk
	d.mu.Lock()
	defer d.unlock()
	t.opens.Stop()
	d.line = slices.DeleteFunc(d.line, func(other *ticket) bool { return other == t })
	for len(t.offers) > 0 {
		d.free((<-t.offers).Login, t.CallID)
	}
}

// release gives an operator back who did not take the call. They rest a
// little: a phone that rejects at once must not be rung a hundred times a minute.
func (t *ticket) release(login string, rest time.Duration) {
	d := t.desk
	d.set(login, func(at *seat) { d.free(login, t.CallID); at.resting, t.first = rest > 0, nil })
	if rest > 0 {
		time.AfterFunc(rest, func() { d.set(login, func(at *seat) { at.resting = false }) })
	}
}

// ask claims one operator for a call, whatever branch it is of: a colleague
// wants them.
func (d *desk) ask(login, callID string) error {
	d.mu.Lock()
	defer d.unlock()
	switch at := d.seat(login); {
	case at == nil:
		return ErrUnreachable
	case !at.Online:
		return ErrAway
	case at.State != stateFree:
		return ErrBusy
	default:
		at.State, at.CallID = stateRinging, callID
		return nil
	}
}

// occupy marks an operator as talking until free is called.
func (d *desk) occupy(login, callID string) (free func()) {
	d.set(login, func(at *seat) { at.State, at.CallID = stateTalking, callID })
	return func() { d.giveBack(login, callID) }
}

func (d *desk) giveBack(login, callID string) {
	d.set(login, func(*seat) { d.free(login, callID) })
}

// free gives an operator back from a call, unless another one has them by now:
// one who dials out while their phone rings. The lock is held.
func (d *desk) free(login, callID string) {
	if at := d.seat(login); at != nil && at.CallID == callID {
		at.State, at.CallID = stateFree, ""
	}
}

func (d *desk) seat(login string) *seat {
	i := slices.IndexFunc(d.operators, func(at *seat) bool { return at.Login == login })
	if i < 0 {
		return nil
	}
	return d.operators[i]
}

func (d *desk) set(login string, change func(*seat)) {
	d.mu.Lock()
	defer d.unlock()
	if at := d.seat(login); at != nil {
		change(at)
	}
}

// unlock matches clients and operators anew after every change, and tells.
func (d *desk) unlock() {
	for _, t := range d.line {
		for _, at := range d.operators {
			if at.available() && t.wants(at) && len(t.offers) < cap(t.offers) {
				at.State, at.CallID = stateRinging, t.CallID
				t.offers <- at.Operator
			}
		}
	}
	d.mu.Unlock()
	d.changed()
}

// wants says whether an operator may ring for the client now.
func (t *ticket) wants(at *seat) bool {
	return at.serves(t.Branch) && (len(t.first) == 0 || slices.Contains(t.first, at.Login))
}

func (at *seat) available() bool {
	return at.Online && at.Ready && at.State == stateFree && !at.resting
}

func (at *seat) serves(branch string) bool {
	return branch == "" || len(at.Branches) == 0 || slices.Contains(at.Branches, branch)
}
