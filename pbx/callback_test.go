package pbx_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"cabline/pbx"
	"cabline/pbx/pbxtest"
)

const (
	secondClient pbx.Phone = "+79160000002"
	secondLine   pbx.Phone = "+74950000002"
)

// callScene is a scene in which parties call one after another.
type callScene struct {
	*scene
	t      *testing.T
	orders pbxtest.Orders
}

func newCallScene(t *testing.T) *callScene {
	s := &callScene{scene: newScene(map[string]func(context.Context) (pbx.Leg, error){}), t: t}
	s.orders = s.board.Dispatch.(pbxtest.Orders)
	s.board.Lines = append(s.board.Lines, pbx.Line{Number: secondLine, Trunk: "carrier"})
	s.board.Windows = &pbxtest.Windows{}
	s.board.Masking = pbx.Masking{
		Windows: map[pbx.Status]time.Duration{pbx.StatusAccepted: time.Hour, pbx.StatusCompleted: 24 * time.Hour, pbx.StatusMistake: 0},
		Other:   10 * time.Minute, LostItem: 24 * time.Hour,
	}
	s.dialer.Phones["anna"] = s.operatorAnswers("anna")
	s.board.SetOnline("anna", true)
	return s
}

// answers is a phone that is answered anew each time and left to talk a while.
func (s *callScene) answers() func(context.Context) (pbx.Leg, error) {
	return answering(func() *pbxtest.Leg { return pbxtest.NewLeg("") })
}

func (s *callScene) operatorAnswers(login string) func(context.Context) (pbx.Leg, error) {
	return answering(func() *pbxtest.Leg { return pbxtest.NewOperator(login) })
}

func answering(leg func() *pbxtest.Leg) func(context.Context) (pbx.Leg, error) {
	return func(ctx context.Context) (pbx.Leg, error) {
		return pbxtest.Answers(6*time.Second, leg(), func(l *pbxtest.Leg) { time.Sleep(10 * time.Second); l.Leave() })(ctx)
	}
}

// call is a call of somebody who presses keys when they have heard something;
// it returns its CDR, and what was said.
func (s *callScene) call(from pbx.Phone, keys string) (pbx.CDR, string) {
	s.t.Helper()
	return s.callLine(from, ourLine, keys)
}

func (s *callScene) callLine(from, line pbx.Phone, keys string) (pbx.CDR, string) {
	s.t.Helper()
	leg := pbxtest.NewLeg(from)
	go func() {
		time.Sleep(7 * time.Second)
		leg.Press(keys)
	}()
	before := len(s.store.CDRs())
	s.board.Incoming(s.t.Context(), leg, pbx.Arrival{From: from, To: line, Trunk: "carrier"})
	synctest.Wait()
	all := s.store.CDRs()
	if len(all) != before+1 {
		s.t.Fatalf("%d CDRs were written", len(all)-before)
	}
	return all[before], strings.Join(leg.Port.Said(), " ")
}

// talkedTo is with whom a call ended up.
func talkedTo(cdr pbx.CDR) string {
	last := ""
	for _, s := range cdr.Steps {
		if who, found := strings.CutPrefix(s.What, "talk to "); found {
			last = who
		}
	}
	return last
}

// lastDialled is the endpoint dialled last.
func (s *callScene) lastDialled() pbx.Endpoint {
	all := s.dialer.Dialed()
	return all[len(all)-1]
}

func TestAClientWhoMissedAMaskedCallReachesTheDriverWithoutAMenu(t *testing.T) {
	for name, missed := range map[string]func(*callScene){
		"the driver called": func(s *callScene) {
			s.call(driverPhone, "")
		},
		"dispatch joined them": func(s *callScene) {
			ctx, stop := context.WithCancel(s.t.Context())
			served := make(chan struct{})
			go func() { defer close(served); s.board.Serve(ctx) }()
			if _, err := s.board.Connect(s.t.Context(), pbx.ConnectRequest{OrderID: "42"}); err != nil {
				s.t.Error(err)
			}
			time.Sleep(time.Minute)
			stop()
			<-served
		},
		"dispatch joined two numbers of no order": func(s *callScene) {
			ctx, stop := context.WithCancel(s.t.Context())
			served := make(chan struct{})
			go func() { defer close(served); s.board.Serve(ctx) }()
			if _, err := s.board.Connect(s.t.Context(), pbx.ConnectRequest{Client: clientPhone, Driver: driverPhone}); err != nil {
				s.t.Error(err)
			}
			time.Sleep(time.Minute)
			stop()
			<-served
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newCallScene(t)
				s.dialer.Phones[clientPhone.Dialable()] = pbxtest.Rings
				s.dialer.Phones[driverPhone.Dialable()] = s.answers()
				missed(s)
				time.Sleep(5 * time.Minute)
				cdr, said := s.call(clientPhone, "")
				if talkedTo(cdr) != "driver" || !strings.HasPrefix(said, "silence connecting_driver menu_zero ringback") || strings.Contains(said, "order ") {
					t.Errorf("talked to %q, heard %q: %v", talkedTo(cdr), said, steps(cdr))
				}
				if to := s.lastDialled(); to.Number != driverPhone || to.From != ourLine {
					t.Errorf("dialled %+v", to)
				}
				// The call was returned: the next one is an ordinary one.
				if cdr, said := s.call(clientPhone, "1"); !strings.Contains(said, "order accepted") || talkedTo(cdr) != "driver" {
					t.Errorf("afterwards heard %q", said)
				}
			})
		})
	}
}

func TestZeroIsTheOperatorInsteadOfTheOtherParty(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newCallScene(t)
		s.dialer.Phones[clientPhone.Dialable()] = pbxtest.Rings
		s.dialer.Phones[driverPhone.Dialable()] = pbxtest.Rings
		s.call(driverPhone, "")
		cdr, _ := s.call(clientPhone, "0")
		if talkedTo(cdr) != "operator anna" || !slices.Contains(steps(cdr), "driver: operator wanted") {
			t.Errorf("the client's 0: %v", steps(cdr))
		}
		cdr, _ = s.call(driverPhone, "0")
		if talkedTo(cdr) != "operator anna" || cdr.OrderID != "42" {
			t.Errorf("the driver's 0: %v", steps(cdr))
		}
	})
}

func TestADriverReachesTheClientOfTheCurrentOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newCallScene(t)
		s.dialer.Phones[clientPhone.Dialable()] = s.answers()
		s.orders[clientPhone].Line = secondLine
		cdr, said := s.call(driverPhone, "")
		if talkedTo(cdr) != "client" || !strings.HasPrefix(said, "silence connecting_to_client menu_zero ringback") {
			t.Errorf("talked to %q, heard %q", talkedTo(cdr), said)
		}
		if to := s.lastDialled(); to.Number != clientPhone || to.From != secondLine || !slices.Equal(to.Hidden, []pbx.Phone{driverPhone}) {
			t.Errorf("dialled %+v", to)
		}
		if cdr.OrderID != "42" || cdr.From != driverPhone || cdr.To != clientPhone || cdr.Legs[0].Party != pbx.RoleDriver || cdr.Legs[1].Party != pbx.RoleClient {
			t.Errorf("CDR %+v", cdr)
		}
	})
}

func TestADriverIsToldWhyTheClientIsNotReachedAndGoesToAnOperator(t *testing.T) {
	for said, err := range map[string]error{"client_busy": pbx.ErrBusy, "client_no_answer": pbx.ErrNoAnswer, "client_unreachable": pbx.ErrRejected} {
		t.Run(said, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newCallScene(t)
				s.dialer.Phones[clientPhone.Dialable()] = pbxtest.Refuses(err)
				cdr, heard := s.call(driverPhone, "")
				if talkedTo(cdr) != "operator anna" || !strings.Contains(heard, said) {
					t.Errorf("talked to %q, heard %q", talkedTo(cdr), heard)
				}
			})
		})
	}
}

func TestADriverOfTwoOrdersChooses(t *testing.T) {
	for keys, want := range map[string]struct {
		with, step string
		dialled    pbx.Phone
	}{
		"1": {"client", "chose order 42", clientPhone},
		"2": {"client", "chose order 43", secondClient},
		"0": {"operator anna", "chose operator", ""},
		"":  {"operator anna", "no choice made", ""},
	} {
		t.Run("key "+keys, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newCallScene(t)
				s.dialer.Phones[clientPhone.Dialable()], s.dialer.Phones[secondClient.Dialable()] = s.answers(), s.answers()
				// The present one is the older, or the one that is not for afterwards.
				s.orders[secondClient] = &pbx.Order{ID: "43", Status: pbx.StatusAccepted, Phone: secondClient, Driver: driverPhone}
				cdr, said := s.call(driverPhone, keys)
				if talkedTo(cdr) != want.with || !slices.Contains(steps(cdr), want.step) || !strings.Contains(said, "menu_this_order menu_next_order menu_zero") {
					t.Errorf("talked to %q, heard %q: %v", talkedTo(cdr), said, steps(cdr))
				}
				if to := s.lastDialled(); to.Number != want.dialled {
					t.Errorf("dialled %v", to.Number)
				}
				if keys != "1" {
					return
				}
				s.orders[clientPhone].Status = pbx.StatusAcceptedNext
				if cdr, _ := s.call(driverPhone, "1"); cdr.OrderID != "43" {
					t.Errorf("the present order is taken for %s", cdr.OrderID)
				}
			})
		})
	}
}

func TestADriverOfTwoOrdersWhoMissedACallReturnsThatOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newCallScene(t)
		s.dialer.Phones[clientPhone.Dialable()] = s.answers()
		s.dialer.Phones[secondClient.Dialable()] = s.answers()
		s.dialer.Phones[driverPhone.Dialable()] = pbxtest.Rings
		s.orders[secondClient] = &pbx.Order{ID: "43", Status: pbx.StatusAcceptedNext, Phone: secondClient, Driver: driverPhone}
		s.call(secondClient, "1")
		cdr, said := s.call(driverPhone, "")
		if cdr.OrderID != "43" || talkedTo(cdr) != "client" || strings.Contains(said, "menu_this_order") {
			t.Errorf("order %s, heard %q", cdr.OrderID, said)
		}
	})
}

// history is a dispatch system that knows a driver's last order.
type history struct{ pbxtest.Orders }

func (h history) LastOrderByDriver(_ context.Context, driver pbx.Phone) (*pbx.Order, error) {
	for _, o := range h.Orders {
		if o.Driver == driver {
			return o, nil
		}
	}
	return nil, pbx.ErrNoOrder
}

func TestADriverWithoutAnOrderGoesToTheOperatorWhoSeesTheLastOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newCallScene(t)
		s.orders[clientPhone].Status, s.orders[clientPhone].Branch = pbx.StatusCompleted, "Север"
		s.board.Dispatch = history{s.orders}
		s.board.SetOperators([]pbx.Operator{{Login: "anna", Branches: []string{"Центр"}}, {Login: "boris", Branches: []string{"Север"}}})
		s.board.SetOnline("boris", true)
		s.dialer.Phones["boris"] = s.operatorAnswers("boris")
		cdr, said := s.call(driverPhone, "")
		if talkedTo(cdr) != "operator boris" || cdr.OrderID != "42" || cdr.Legs[0].Party != pbx.RoleDriver || strings.Contains(said, "order ") {
			t.Errorf("talked to %q, heard %q, CDR %+v", talkedTo(cdr), said, cdr)
		}
	})
}

func TestAfterTheWindowTheOperator(t *testing.T) {
	for name, c := range map[string]struct {
		status pbx.Status
		after  time.Duration
		with   string
	}{
		"accepted, within":   {pbx.StatusAccepted, 50 * time.Minute, "driver"},
		"completed, within":  {pbx.StatusCompleted, 23 * time.Hour, "driver"},
		"completed, after":   {pbx.StatusCompleted, 25 * time.Hour, "operator anna"},
		"no window at all":   {pbx.StatusMistake, time.Minute, "operator anna"},
		"any other, within":  {pbx.StatusRefused, 9 * time.Minute, "driver"},
		"any other, after":   {pbx.StatusRefused, 11 * time.Minute, "operator anna"},
		"an unknown, within": {"taximaster 7", 9 * time.Minute, "driver"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newCallScene(t)
				s.dialer.Phones[clientPhone.Dialable()] = pbxtest.Rings
				s.dialer.Phones[driverPhone.Dialable()] = s.answers()
				s.call(driverPhone, "")
				s.orders[clientPhone].Status = c.status // what counts is the status when they call back
				time.Sleep(c.after - 40*time.Second)
				if cdr, said := s.call(clientPhone, ""); talkedTo(cdr) != c.with {
					t.Errorf("talked to %q, heard %q: %v", talkedTo(cdr), said, steps(cdr))
				}
			})
		})
	}
}

func TestAMissedCallIsReturnedThoughDispatchIsDead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newCallScene(t)
		s.dialer.Phones[clientPhone.Dialable()] = pbxtest.Rings
		s.dialer.Phones[driverPhone.Dialable()] = s.answers()
		s.call(driverPhone, "")
		s.board.Dispatch = fails{}
		if cdr, _ := s.call(clientPhone, ""); talkedTo(cdr) != "driver" {
			t.Errorf("%v", steps(cdr))
		}
		s.board.Dispatch = hangs{}
		started := time.Now()
		leg := pbxtest.NewLeg("+79990001122")
		go s.board.Incoming(t.Context(), leg, pbx.Arrival{From: "+79990001122", To: ourLine, Trunk: "carrier"})
		for len(leg.Port.Met()) == 0 && time.Since(started) < time.Minute {
			time.Sleep(100 * time.Millisecond)
		}
		if waited := time.Since(started); waited > 12*time.Second { // the greeting and the operator's ringing in it
			t.Errorf("a stranger waited %v while dispatch hangs", waited)
		}
		leg.Leave()
		time.Sleep(2 * time.Hour) // what hangs goes on hanging, and must not outlive the test
	})
}

func TestTheNewDriverOfAnOrderIsCalledBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newCallScene(t)
		s.dialer.Phones[clientPhone.Dialable()] = pbxtest.Rings
		s.dialer.Phones["+79030000003"] = s.answers()
		s.call(driverPhone, "")
		s.orders[clientPhone].Driver = "+79030000003"
		if cdr, _ := s.call(clientPhone, ""); talkedTo(cdr) != "driver" || s.lastDialled().Number != "+79030000003" {
			t.Errorf("%v", steps(cdr))
		}
	})
}

func TestALostItemWindowIsOpenedByAnOperator(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newCallScene(t)
		s.dialer.Phones[clientPhone.Dialable()] = s.answers()
		s.dialer.Phones[driverPhone.Dialable()] = s.answers()
		s.orders[clientPhone].Status = pbx.StatusCompleted
		if cdr, _ := s.call(clientPhone, ""); talkedTo(cdr) != "operator anna" {
			t.Errorf("without a window: %v", steps(cdr))
		}
		w, err := s.board.OpenLostItem(t.Context(), "42")
		if err != nil || w.Until.Sub(w.Opened) != 24*time.Hour {
			t.Fatalf("%+v %v", w, err)
		}
		for range 2 { // it is not closed by being used
			if cdr, said := s.call(clientPhone, ""); talkedTo(cdr) != "driver" || !strings.Contains(said, "connecting_driver menu_zero") {
				t.Errorf("the client: %q, %v", said, steps(cdr))
			}
			if cdr, said := s.call(driverPhone, ""); talkedTo(cdr) != "client" || !strings.Contains(said, "connecting_to_client") {
				t.Errorf("the driver: %q, %v", said, steps(cdr))
			}
		}
		// A ride of today goes before what was lost yesterday.
		s.orders[clientPhone].Status = pbx.StatusAccepted
		if _, said := s.call(clientPhone, "0"); !strings.Contains(said, "order accepted") {
			t.Errorf("a client with a ride heard %q", said)
		}
		s.orders[clientPhone].Status = pbx.StatusCompleted
		if err := s.board.CloseLostItem(t.Context(), "42"); err != nil {
			t.Fatal(err)
		}
		if cdr, _ := s.call(clientPhone, ""); talkedTo(cdr) != "operator anna" {
			t.Errorf("closed: %v", steps(cdr))
		}
		if _, err := s.board.OpenLostItem(t.Context(), "42"); err != nil {
			t.Fatal(err)
		}
		time.Sleep(25 * time.Hour)
		if cdr, _ := s.call(driverPhone, ""); talkedTo(cdr) != "operator anna" {
			t.Errorf("a day later: %v", steps(cdr))
		}
		if _, err := s.board.OpenLostItem(t.Context(), "99"); !errors.Is(err, pbx.ErrNoOrder) {
			t.Errorf("of no order: %v", err)
		}
		s.orders[clientPhone].Driver = ""
		if _, err := s.board.OpenLostItem(t.Context(), "42"); !errors.Is(err, pbx.ErrNoParty) {
			t.Errorf("of an order without a driver: %v", err)
		}
	})
}

func TestADriverWhoIsHisOwnClientGoesToAnOperator(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newCallScene(t)
		s.orders[driverPhone] = &pbx.Order{ID: "50", Status: pbx.StatusInProgress, Phone: driverPhone, Driver: driverPhone}
		s.orders[clientPhone].Status = pbx.StatusCompleted
		if cdr, _ := s.call(driverPhone, ""); talkedTo(cdr) != "operator anna" {
			t.Errorf("%v", steps(cdr))
		}
	})
}
