package pbx_test

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

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
