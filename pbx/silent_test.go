package pbx_test

import (
	"context"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"cabline/pbx"
	"cabline/pbx/pbxtest"
)

// A caller whose phone lost the network sends no BYE.
func TestACallerWhoVanishesWhileWaitingIsNotWaitedFor(t *testing.T) {
	const answerless = 32 * time.Second // until a re-INVITE has failed
	for name, tc := range map[string]struct {
		from   pbx.Phone
		driver func(context.Context) (pbx.Leg, error)
		client func(client *pbxtest.Leg)
		took   time.Duration
		last   string // step but one
	}{
		"in the menu": {from: clientPhone, client: func(l *pbxtest.Leg) { l.Vanish() },
			took: 10*time.Second + answerless, last: "wait for operator"},
		"in line": {from: "+79035550000", client: func(l *pbxtest.Leg) { time.Sleep(time.Minute); l.Vanish() },
			took: 70*time.Second + answerless, last: "wait for operator"},
		"in line, after minutes of a muted phone": {from: "+79035550000", client: func(l *pbxtest.Leg) { l.Port.Fade(); time.Sleep(5 * time.Minute); l.Vanish() },
			took: 6*time.Minute + answerless, last: "wait for operator"},
		"while the driver rings": {from: clientPhone, driver: pbxtest.Rings, client: func(l *pbxtest.Leg) { l.Press("1"); time.Sleep(time.Second); l.Vanish() },
			took: 12*time.Second + answerless, last: "dial driver"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newScene(map[string]func(context.Context) (pbx.Leg, error){driverPhone.Dialable(): tc.driver})
				s.board.Limits.DriverRing = time.Hour
				go tc.client(s.client)
				s.board.Incoming(t.Context(), s.client, pbx.Arrival{From: tc.from, To: ourLine, Trunk: "carrier"})
				cdr := s.cdr(t)
				took := cdr.Ended.Sub(cdr.Started)
				if got := steps(cdr); cdr.Result != "unreachable" || took < tc.took-2*time.Second || took > tc.took+2*time.Second || !slices.Contains(got, tc.last) {
					t.Errorf("%q after %v, want %v: %q", cdr.Result, took, tc.took, got)
				}
			})
		})
	}
}

func TestAClientWhoIsSilentWaitsOn(t *testing.T) {
	for name, tc := range map[string]struct {
		client  func(client *pbxtest.Leg)
		renewed int // at least; 0: never
	}{
		"a muted phone that sends nothing is asked for its audio": {func(l *pbxtest.Leg) { l.Port.Fade() }, 1},
		"one that is heard is not":                                {func(*pbxtest.Leg) {}, 0},
		"one that holds is not":                                   {func(l *pbxtest.Leg) { l.Port.Fade(); l.Hold(true) }, 0},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newScene(map[string]func(context.Context) (pbx.Leg, error){})
				tc.client(s.client)
				s.board.Incoming(t.Context(), s.client, pbx.Arrival{From: clientPhone, To: ourLine, Trunk: "carrier"})
				cdr := s.cdr(t)
				if cdr.Result != "no answer" || cdr.Waited != 10*time.Minute {
					t.Errorf("%q after %v in line", cdr.Result, cdr.Waited)
				}
				if n := s.client.Renewed(); (n > 0) != (tc.renewed > 0) || n > 12 { // a minute apart
					t.Errorf("asked %d times", n)
				}
			})
		})
	}
}
