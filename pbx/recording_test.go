package pbx_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"

	"cabline/media"
	"cabline/pbx"
	"cabline/pbx/pbxtest"
)

// tapes is a recorder that writes down what it is told, and nothing else.
type tapes struct {
	refuse bool
	names  map[media.Port]string

	mu   sync.Mutex
	told []string
	cdrs []pbx.CDR
}

func (r *tapes) note(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.told = append(r.told, fmt.Sprintf(format, args...))
}

func (r *tapes) Begin(_ zerolog.Logger, _ string, number int, left, right pbx.Role) pbx.Tape {
	if r.refuse {
		return nil
	}
	r.note("begin %d: %s, %s", number, left, right)
	return tape{r, number}
}

type tape struct {
	of     *tapes
	number int
}

func (t tape) Cross(left, right media.Port) func() {
	t.of.note("%d: %s with %s", t.number, t.of.names[left], t.of.names[right])
	unplug := media.Cross(left, right)
	return func() { t.of.note("%d: apart", t.number); unplug() }
}

func (t tape) End() { t.of.note("end %d", t.number) }

func (t tape) CallEnded(cdr pbx.CDR) {
	t.of.mu.Lock()
	defer t.of.mu.Unlock()
	t.of.cdrs = append(t.of.cdrs, cdr)
}

func TestOneRecordingForEachTalk(t *testing.T) {
	leaves := func(after time.Duration) func(*pbxtest.Leg) {
		return func(l *pbxtest.Leg) { time.Sleep(after); l.Leave() }
	}
	incoming := func(s *scene, leg *pbxtest.Leg, from pbx.Phone) {
		s.board.Incoming(context.Background(), leg, pbx.Arrival{From: from, To: ourLine, Trunk: "carrier"})
	}
	for name, tc := range map[string]struct {
		story    func(s *scene)
		told     string
		recorded int // steps that say so
	}{
		"a client and the driver": {func(s *scene) {
			s.dialer.Phones[driverPhone.Dialable()] = pbxtest.Answers(time.Second, s.driver, leaves(20*time.Second))
			go s.client.Press("1")
			incoming(s, s.client, clientPhone)
		}, "begin 1: client, driver; 1: client with driver; 1: apart; end 1", 1},
		"a driver and the client, who is on the left all the same": {func(s *scene) {
			s.dialer.Phones[clientPhone.Dialable()] = pbxtest.Answers(time.Second, s.client, leaves(20*time.Second))
			go s.driver.Press("1")
			incoming(s, s.driver, driverPhone)
		}, "begin 1: client, driver; 1: client with driver; 1: apart; end 1", 1},
		"an operator who holds": {func(s *scene) {
			s.board.SetOnline("anna", true)
			s.dialer.Phones["anna"] = pbxtest.Answers(time.Second, s.anna, func(*pbxtest.Leg) {
				time.Sleep(10 * time.Second)
				s.anna.Hold(true)
				time.Sleep(10 * time.Second)
				s.anna.Hold(false)
				time.Sleep(10 * time.Second)
				s.client.Leave()
			})
			incoming(s, s.client, "+79035550000")
		}, "begin 1: client, operator; 1: client with operator; 1: apart; 1: client with operator; 1: apart; end 1", 1},
		"an operator who hands over": {func(s *scene) {
			s.board.SetOnline("anna", true)
			s.dialer.Phones[driverPhone.Dialable()] = pbxtest.Answers(time.Second, s.driver, leaves(20*time.Second))
			s.dialer.Phones["anna"] = pbxtest.Answers(time.Second, s.anna, func(*pbxtest.Leg) {
				time.Sleep(10 * time.Second)
				<-s.anna.Refer(pbx.Referral{Number: driverPhone})
			})
			incoming(s, s.client, "+79035550000")
		}, "begin 1: client, operator; 1: client with operator; 1: apart; 1: client with driver; 1: apart; end 1", 1},
		"an operator who calls a client": {func(s *scene) {
			s.dialer.Phones[clientPhone.Dialable()] = pbxtest.Answers(time.Second, s.client, leaves(20*time.Second))
			s.board.Incoming(context.Background(), s.anna, pbx.Arrival{Operator: "anna", To: clientPhone})
		}, "begin 1: target, operator; 1: client with operator; 1: apart; end 1", 1},
		"a line that is forwarded": {func(s *scene) {
			s.dialer.Phones[target.Dialable()] = pbxtest.Answers(time.Second, s.driver, leaves(20*time.Second))
			s.board.Incoming(context.Background(), s.client, pbx.Arrival{From: clientPhone, To: forwardLine, Trunk: "carrier"})
		}, "begin 1: client, target; 1: client with driver; 1: apart; end 1", 1},
		"a client who talks to nobody": {func(s *scene) {
			after(5*time.Second, s.client.Leave)
			incoming(s, s.client, clientPhone)
		}, "", 0},
		"an exchange that is shut down in a talk": {func(s *scene) {
			s.dialer.Phones[driverPhone.Dialable()] = pbxtest.Answers(time.Second, s.driver, nil)
			go s.client.Press("1")
			ctx, stop := context.WithCancelCause(context.Background())
			after(20*time.Second, func() { stop(pbx.ErrShutdown) })
			s.board.Incoming(ctx, s.client, pbx.Arrival{From: clientPhone, To: ourLine, Trunk: "carrier"})
		}, "begin 1: client, driver; 1: client with driver; 1: apart; end 1", 1},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newScene(map[string]func(context.Context) (pbx.Leg, error){})
				r := &tapes{names: map[media.Port]string{s.client.Port: "client", s.driver.Port: "driver", s.anna.Port: "operator"}}
				s.board.Recorder = r
				tc.story(s)
				synctest.Wait()
				cdr := s.cdr(t)
				if told := strings.Join(r.told, "; "); told != tc.told {
					t.Errorf("the recorder was told\n%s, want\n%s\nin %q", told, tc.told, steps(cdr))
				}
				said := slices.DeleteFunc(steps(cdr), func(s string) bool { return s != "the talk is recorded" })
				if len(said) != tc.recorded || len(r.cdrs) != tc.recorded {
					t.Errorf("%d steps, %d CDRs", len(said), len(r.cdrs))
				}
				for _, told := range r.cdrs {
					if told.ID != cdr.ID || told.Ended.IsZero() || told.Result != cdr.Result {
						t.Errorf("it was told of the call %+v", told)
					}
				}
			})
		})
	}
}

func TestATalkThatIsNotRecordedGoesOnAsEver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene(map[string]func(context.Context) (pbx.Leg, error){})
		s.board.Recorder = &tapes{refuse: true}
		s.dialer.Phones[driverPhone.Dialable()] = pbxtest.Answers(time.Second, s.driver, func(l *pbxtest.Leg) {
			time.Sleep(time.Second)
			hear(t, s.client, s.driver)
			l.Leave()
		})
		go s.client.Press("1")
		s.board.Incoming(context.Background(), s.client, pbx.Arrival{From: clientPhone, To: ourLine, Trunk: "carrier"})
		if cdr := s.cdr(t); cdr.Result != "completed" || slices.Contains(steps(cdr), "the talk is recorded") {
			t.Errorf("%s: %q", cdr.Result, steps(cdr))
		}
		if met := s.client.Port.Met(); len(met) != 1 || met[0] != media.Sink(s.driver.Port) {
			t.Errorf("the client met %v", met) // nothing stands between the two
		}
	})
}
