package pbx_test

import (
	"context"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"cabline/pbx"
	"cabline/pbx/pbxtest"
)

// told remembers what a switchboard tells of its calls.
type told struct {
	mu     sync.Mutex
	events []pbx.Event
}

func (t *told) tell(e pbx.Event) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.events = append(t.events, e)
}

func (t *told) all() []pbx.Event {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.Clone(t.events)
}

func TestACallTellsThatItStartedAndWhoAnswered(t *testing.T) {
	for name, tc := range map[string]struct {
		begin func(s *scene)
		kinds []pbx.EventKind
		state []pbx.State
		order []string
	}{
		"a client reaches the driver": {
			func(s *scene) {
				go s.client.Press("1")
				s.board.Incoming(context.Background(), s.client, pbx.Arrival{From: clientPhone, To: ourLine, Trunk: "carrier"})
			},
			[]pbx.EventKind{pbx.EventCallStarted, pbx.EventCallAnswered},
			[]pbx.State{pbx.StateLookup, pbx.StateTalking}, []string{"", "42"},
		},
		"a client hangs up in the menu": {
			func(s *scene) {
				after(time.Second, s.client.Leave)
				s.board.Incoming(context.Background(), s.client, pbx.Arrival{From: clientPhone, To: ourLine, Trunk: "carrier"})
			},
			[]pbx.EventKind{pbx.EventCallStarted}, []pbx.State{pbx.StateLookup}, []string{""},
		},
		"a forwarded line": {
			func(s *scene) {
				s.board.Incoming(context.Background(), s.client, pbx.Arrival{From: clientPhone, To: forwardLine, Trunk: "carrier"})
			},
			[]pbx.EventKind{pbx.EventCallStarted, pbx.EventCallAnswered}, []pbx.State{pbx.StateCallingTarget, pbx.StateTalking}, []string{"", ""},
		},
		"an operator dials": {
			func(s *scene) {
				s.board.Incoming(context.Background(), s.anna, pbx.Arrival{Operator: "anna", To: driverPhone})
			},
			[]pbx.EventKind{pbx.EventCallStarted, pbx.EventCallAnswered}, []pbx.State{pbx.StateCallingTarget, pbx.StateTalking}, []string{"", ""},
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newScene(map[string]func(context.Context) (pbx.Leg, error){})
				talks := func(l *pbxtest.Leg) { time.Sleep(time.Minute); l.Leave() }
				s.dialer.Phones[driverPhone.Dialable()] = pbxtest.Answers(time.Second, s.driver, talks)
				s.dialer.Phones[target.Dialable()] = pbxtest.Answers(time.Second, s.driver, talks)
				var told told
				s.board.Tell = told.tell
				tc.begin(s)
				cdr := s.cdr(t)
				var kinds []pbx.EventKind
				var states []pbx.State
				var orders []string
				for _, e := range told.all() {
					kinds, states, orders = append(kinds, e.Kind), append(states, e.CDR.State), append(orders, e.OrderID)
					if e.CallID != cdr.ID || e.At.IsZero() || e.CDR.From != cdr.From || !e.CDR.Ended.IsZero() {
						t.Errorf("told of %+v", e)
					}
				}
				if !slices.Equal(kinds, tc.kinds) || !slices.Equal(states, tc.state) || !slices.Equal(orders, tc.order) {
					t.Errorf("told %q in states %q about orders %q, want %q %q %q", kinds, states, orders, tc.kinds, tc.state, tc.order)
				}
			})
		})
	}
}
