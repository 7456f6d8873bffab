package pbx_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"cabline/pbx"
	"cabline/pbx/pbxtest"
)

// What goes on beside a story has goroutines of its own, and a panic in one would end
// the exchange.
func TestAPanicBesideAStoryEndsItsCallAndNoOther(t *testing.T) {
	talks := func(breaks func(client, operator *pbxtest.Leg)) func(*scene) {
		return func(s *scene) {
			s.dialer.Phones["anna"] = pbxtest.Answers(time.Second, s.anna, func(l *pbxtest.Leg) {
				time.Sleep(time.Minute)
				breaks(s.client, s.anna)
			})
		}
	}
	for name, happens := range map[string]func(*scene){
		"the menu's player": func(s *scene) { after(300*time.Millisecond, s.client.Port.Break) },
		"the watch over who waits, or the music for them": func(s *scene) {
			s.dialer.Phones["anna"] = func(ctx context.Context) (pbx.Leg, error) {
				s.client.Port.Break()
				return pbxtest.Rings(ctx)
			}
		},
		"the watch over a talk": talks(func(client, _ *pbxtest.Leg) { client.Port.Break() }),
		"the music on hold": talks(func(client, operator *pbxtest.Leg) {
			operator.Hold(true)
			time.Sleep(time.Second)
			client.Port.Break()
		}),
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newScene(map[string]func(context.Context) (pbx.Leg, error){})
				s.board.SetOnline("anna", true)
				happens(s)
				go s.client.Press("0")
				began := time.Now()
				s.board.Incoming(t.Context(), s.client, pbx.Arrival{From: clientPhone, To: ourLine})
				if took := time.Since(began); took > 10*time.Minute || s.client.Context().Err() == nil {
					t.Errorf("it ends after %v: %v", took, steps(s.cdr(t)))
				}
				_ = s.cdr(t)
				time.Sleep(time.Second) // a key may be on its way
			})
		})
	}
}

// unending is a leg that panics when it is hung up.
type unending struct{ *pbxtest.Leg }

func (unending) HangUp(context.Context, error) error { panic("a fault of ours") }

func TestALegThatCannotBeHungUpKeepsNoCallFromBeingWrittenDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene(map[string]func(context.Context) (pbx.Leg, error){})
		after(time.Second, s.client.Leave)
		s.board.Incoming(t.Context(), unending{s.client}, pbx.Arrival{From: clientPhone, To: ourLine})
		_ = s.cdr(t)
	})
}

func TestAnOperatorWhomToRingPanicsIsPassedOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		boris := pbxtest.NewOperator("boris")
		s := newScene(map[string]func(context.Context) (pbx.Leg, error){
			"anna":  func(context.Context) (pbx.Leg, error) { panic("a fault of ours") },
			"boris": pbxtest.Answers(time.Second, boris, func(l *pbxtest.Leg) { time.Sleep(time.Minute); l.Leave() }),
		})
		s.board.SetOperators([]pbx.Operator{{Login: "anna", Branches: []string{"Центр"}}, {Login: "boris", Branches: []string{"Центр"}}})
		s.board.SetOnline("anna", true)
		s.board.SetOnline("boris", true)
		go s.client.Press("0")
		s.board.Incoming(t.Context(), s.client, pbx.Arrival{From: clientPhone, To: ourLine})
		if cdr := s.cdr(t); cdr.Result != "completed" || cdr.Talked != time.Minute {
			t.Errorf("result %q, talked %v, steps %q", cdr.Result, cdr.Talked, steps(cdr))
		}
	})
}
