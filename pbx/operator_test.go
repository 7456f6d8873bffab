package pbx_test

import (
	"context"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"cabline/pbx"
	"cabline/pbx/pbxtest"
)

// slowLeg is a phone far away: it takes a second to learn that a call is over.
type slowLeg struct{ *pbxtest.Leg }

func (l slowLeg) HangUp(ctx context.Context, why error) error {
	time.Sleep(time.Second)
	return l.Leg.HangUp(ctx, why)
}

// A phone that still talks would refuse the next client, and then be left alone
// for a while.
func TestAnOperatorsPhoneIsHungUpOnBeforeItRingsAgain(t *testing.T) {
	leaves := func(l *pbxtest.Leg) { time.Sleep(9 * time.Second); l.Leave() }
	for name, talk := range map[string]func(*scene) (phone pbx.Leg, a pbx.Arrival){
		"after a client hung up": func(s *scene) (pbx.Leg, pbx.Arrival) {
			client := pbxtest.NewLeg(clientPhone)
			go leaves(client)
			return client, pbx.Arrival{From: "+79035550000", To: ourLine}
		},
		"after somebody hung up whom the operator had called": func(s *scene) (pbx.Leg, pbx.Arrival) {
			s.dialer.Phones["+78005550000"] = pbxtest.Answers(0, pbxtest.NewLeg("+78005550000"), leaves)
			return slowLeg{s.anna}, pbx.Arrival{Operator: "anna", To: "+78005550000"}
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newScene(map[string]func(context.Context) (pbx.Leg, error){})
				s.board.SetOnline("anna", true)
				var waits, rang atomic.Bool
				s.dialer.Phones["anna"] = func(ctx context.Context) (pbx.Leg, error) {
					if !waits.Load() {
						return slowLeg{s.anna}, s.anna.Answer(ctx)
					}
					rang.Store(true)
					if over, _ := s.anna.HungUp(); !over {
						t.Error("it rings while it still talks")
					}
					return pbxtest.Rings(ctx)
				}
				leg, arrival := talk(s)
				go s.board.Incoming(t.Context(), leg, arrival)
				time.Sleep(5 * time.Second)
				waits.Store(true)
				after(time.Minute, s.client.Leave)
				s.board.Incoming(t.Context(), s.client, pbx.Arrival{From: "+79045550000", To: ourLine})
				if !rang.Load() {
					t.Error("it never rang for the client who waited")
				}
			})
		})
	}
}

func TestTheOperatorWhoTookTheOrderRingsFirst(t *testing.T) {
	phones := []string{"anna", "boris", "vera"}
	for name, tc := range map[string]struct {
		takenBy []string
		online  []string
		refuses string
		rang    map[string]time.Duration // after the client asked for an operator
	}{
		"alone, for ten seconds": {takenBy: []string{"boris"}, online: phones,
			rang: map[string]time.Duration{"boris": 0, "anna": 10 * time.Second, "vera": 10 * time.Second}},
		"both who took it": {takenBy: []string{"vera", "boris"}, online: phones,
			rang: map[string]time.Duration{"boris": 0, "vera": 0, "anna": 10 * time.Second}},
		"others at once where it refuses": {takenBy: []string{"boris"}, online: phones, refuses: "boris",
			rang: map[string]time.Duration{"boris": 0, "anna": 0, "vera": 0}},
		"others at once where it is away": {takenBy: []string{"boris"}, online: []string{"anna", "vera"},
			rang: map[string]time.Duration{"anna": 0, "vera": 0}},
		"all where nobody is named": {online: phones,
			rang: map[string]time.Duration{"anna": 0, "boris": 0, "vera": 0}},
		"all where nobody of ours is named": {takenBy: []string{"somebody"}, online: phones,
			rang: map[string]time.Duration{"anna": 0, "boris": 0, "vera": 0}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newScene(map[string]func(context.Context) (pbx.Leg, error){})
				s.board.Dispatch.(pbxtest.Orders)[clientPhone].TakenBy = tc.takenBy
				s.board.SetOperators([]pbx.Operator{{Login: "anna"}, {Login: "boris"}, {Login: "vera"}})
				for _, login := range tc.online {
					s.board.SetOnline(login, true)
				}
				for _, login := range phones {
					s.dialer.Phones[login] = pbxtest.Rings
				}
				if tc.refuses != "" {
					s.dialer.Phones[tc.refuses] = pbxtest.Refuses(pbx.ErrRejected)
				}
				go s.client.Press("2")
				after(14*time.Second, s.client.Leave)
				s.board.Incoming(t.Context(), s.client, pbx.Arrival{From: clientPhone, To: ourLine})
				rang, asked := map[string]time.Duration{}, time.Time{}
				for _, step := range s.cdr(t).Steps {
					if step.What == "wait for operator" {
						asked = step.At
					}
					if login, ring := strings.CutPrefix(step.What, "ring operator "); ring {
						if _, twice := rang[login]; !twice {
							rang[login] = step.At.Sub(asked)
						}
					}
				}
				if diff := cmp.Diff(tc.rang, rang); diff != "" {
					t.Error(diff)
				}
			})
		})
	}
}
