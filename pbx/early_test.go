package pbx_test

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"cabline/pbx"
	"cabline/pbx/pbxtest"
)

func TestTheClientHearsTheDriversNetworkBeforeTheAnswer(t *testing.T) {
	for name, tc := range map[string]struct {
		driver func(s *scene) func(context.Context) (pbx.Leg, error)
		says   time.Duration // when the network does
		said   string
		result string
	}{
		"from its first sound on, in place of the ringback": {
			driver: func(s *scene) func(context.Context) (pbx.Leg, error) {
				return pbxtest.Answers(20*time.Second, s.driver, (*pbxtest.Leg).Leave)
			},
			says: 4 * time.Second, said: "connecting_driver ringback a word a word", result: "completed",
		},
		"but not over our own words": {
			driver: func(s *scene) func(context.Context) (pbx.Leg, error) {
				return pbxtest.Answers(4*time.Second, s.driver, (*pbxtest.Leg).Leave)
			},
			says: time.Second / 2, said: "connecting_driver a word", result: "completed",
		},
		"ringback stays while the network says nothing": {
			driver: func(s *scene) func(context.Context) (pbx.Leg, error) {
				return pbxtest.Answers(10*time.Second, s.driver, (*pbxtest.Leg).Leave)
			},
			says: time.Hour, said: "connecting_driver ringback ringback", result: "completed",
		},
		"why nobody comes is heard, and the driver has not answered": {
			driver: func(*scene) func(context.Context) (pbx.Leg, error) {
				return func(ctx context.Context) (pbx.Leg, error) { time.Sleep(12 * time.Second); return nil, pbx.ErrBusy }
			},
			says: 4 * time.Second, said: "connecting_driver ringback a word a word driver_busy connecting_operator please_wait music", result: "hung up",
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newScene(map[string]func(context.Context) (pbx.Leg, error){})
				dial := tc.driver(s)
				s.dialer.Early = map[string]*pbxtest.Leg{driverPhone.Dialable(): s.driver}
				s.dialer.Phones[driverPhone.Dialable()] = func(ctx context.Context) (pbx.Leg, error) {
					for i := range 3 { // the first is heard by nobody: it only says that there will be more
						after(tc.says+time.Duration(i)*time.Second, func() { s.driver.Port.Say("a word") })
					}
					return dial(ctx)
				}
				go s.client.Press("1")
				after(20*time.Second, func() {
					if tc.result == "hung up" {
						s.client.Leave()
					}
				})
				s.board.Incoming(t.Context(), s.client, pbx.Arrival{From: clientPhone, To: ourLine, Trunk: "carrier"})
				if _, said, _ := strings.Cut(strings.Join(s.client.Port.Said(), " "), "order accepted "); said != tc.said {
					t.Errorf("heard %q, want %q", said, tc.said)
				}
				cdr := s.cdr(t)
				if cdr.Result != tc.result {
					t.Errorf("result %q, want %q", cdr.Result, tc.result)
				}
				if driver := cdr.Legs[1]; tc.result == "hung up" && (!driver.Answered.IsZero() || cdr.Talked != 0) {
					t.Errorf("early media counts as an answer: %+v", driver)
				}
			})
		})
	}
}

func TestACallerWhoIsNotAnsweredHearsTheTargetsNetworkAndPaysNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene(map[string]func(context.Context) (pbx.Leg, error){})
		s.dialer.Early = map[string]*pbxtest.Leg{target.Dialable(): s.driver}
		s.dialer.Phones[target.Dialable()] = func(context.Context) (pbx.Leg, error) {
			time.Sleep(3 * time.Second)
			s.driver.Port.Say("the subscriber is busy")
			time.Sleep(3 * time.Second)
			return nil, pbx.ErrBusy
		}
		s.board.Incoming(t.Context(), s.client, pbx.Arrival{From: clientPhone, To: forwardLine, Trunk: "carrier"})
		if said := strings.Join(s.client.Port.Said(), " "); said != "the subscriber is busy" || !s.client.Progressed() {
			t.Errorf("heard %q, progress %v", said, s.client.Progressed())
		}
		if cdr := s.cdr(t); !cdr.Answered.IsZero() || cdr.Result != "busy" {
			t.Errorf("CDR %+v", cdr)
		}
		s.driver.Port.Say("and goes on")
		if said := s.client.Port.Said(); len(said) != 1 {
			t.Errorf("heard after the end: %q", said)
		}
	})
}
