package pbx_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"cabline/media"
	"cabline/pbx"
	"cabline/pbx/pbxtest"
)

const (
	ourLine     pbx.Phone = "+74950000000"
	forwardLine pbx.Phone = "+74950000001"
	clientPhone pbx.Phone = "+79161234567"
	driverPhone pbx.Phone = "+79267654321"
	target      pbx.Phone = "+79990000001"
)

// scene is an exchange with everything around it made of memory.
type scene struct {
	board  *pbx.Switchboard
	dialer *pbxtest.Dialer
	store  *pbxtest.Store
	client *pbxtest.Leg
	driver *pbxtest.Leg
	anna   *pbxtest.Leg
}

func newScene(phones map[string]func(context.Context) (pbx.Leg, error)) *scene {
	s := &scene{
		dialer: &pbxtest.Dialer{Phones: phones}, store: &pbxtest.Store{},
		client: pbxtest.NewLeg(clientPhone), driver: pbxtest.NewLeg(driverPhone), anna: pbxtest.NewOperator("anna"),
	}
	eta := 4
	s.board = &pbx.Switchboard{
		Dispatch: pbxtest.Orders{clientPhone: {ID: "42", Status: pbx.StatusAccepted, Phone: clientPhone, Line: ourLine,
			Branch: "Центр", Driver: driverPhone, ETA: &eta}},
		Dialer: s.dialer, Store: s.store,
		Voices: map[string]pbx.Voice{"ru": pbxtest.Voice{}}, Language: "ru",
		Lines: []pbx.Line{
			{Number: ourLine, Trunk: "carrier", Branch: "Центр", Tariff: "Стандарт"},
			{Number: forwardLine, Trunk: "carrier", Forward: target},
		},
		MayDial: []string{"+7800"},
	}
	s.board.SetOperators([]pbx.Operator{{Login: "anna", Name: "Анна", Branches: []string{"Центр"}}})
	return s
}

func (s *scene) cdr(t *testing.T) pbx.CDR {
	t.Helper()
	cdrs := s.store.CDRs()
	if len(cdrs) != 1 {
		t.Fatalf("%d CDRs were written, want 1: always, once", len(cdrs))
	}
	return cdrs[0]
}

func steps(cdr pbx.CDR) []string {
	var what []string
	for _, step := range cdr.Steps {
		what = append(what, step.What)
	}
	return what
}

func after(d time.Duration, f func()) { time.AfterFunc(d, f) }

func TestInbound(t *testing.T) {
	talk40s := func(l *pbxtest.Leg) { time.Sleep(40 * time.Second); l.Leave() }
	lookup := []string{"look up order", "order 42", "menu: accepted"}
	for name, tc := range map[string]struct {
		driver, operator func(s *scene) func(context.Context) (pbx.Leg, error)
		online           bool
		from             pbx.Phone
		client           func(s *scene)
		steps            []string
		said             []string
		result           string
		talked           time.Duration
	}{
		"one key reaches the driver, and the key cuts the speech short": {
			driver: func(s *scene) func(context.Context) (pbx.Leg, error) {
				return pbxtest.Answers(6*time.Second, s.driver, talk40s)
			},
			client: func(s *scene) { s.client.Press("1") },
			steps:  append(slices.Clone(lookup), "chose driver", "dial driver", "driver answered", "talk to driver", "ended: completed"),
			said:   []string{"silence", "order accepted", "connecting_driver", "ringback"},
			result: "completed", talked: 40 * time.Second,
		},
		"the driver is busy, which is said, then an operator answers": {
			driver: func(*scene) func(context.Context) (pbx.Leg, error) { return pbxtest.Refuses(pbx.ErrBusy) },
			operator: func(s *scene) func(context.Context) (pbx.Leg, error) {
				return pbxtest.Answers(3*time.Second, s.anna, talk40s)
			},
			online: true,
			client: func(s *scene) { s.client.Press("1") },
			steps: append(slices.Clone(lookup), "chose driver", "dial driver", "driver: busy", "wait for operator",
				"ring operator anna", "talk to operator anna", "ended: completed"),
			said:   []string{"silence", "order accepted", "connecting_driver", "driver_busy", "connecting_operator", "ringback"},
			result: "completed", talked: 40 * time.Second,
		},
		"the driver does not answer for 25 s, then an operator": {
			driver: func(*scene) func(context.Context) (pbx.Leg, error) { return pbxtest.Rings },
			operator: func(s *scene) func(context.Context) (pbx.Leg, error) {
				return pbxtest.Answers(time.Second, s.anna, talk40s)
			},
			online: true,
			client: func(s *scene) { s.client.Press("1") },
			steps: append(slices.Clone(lookup), "chose driver", "dial driver", "driver: no answer", "wait for operator",
				"ring operator anna", "talk to operator anna", "ended: completed"),
			result: "completed", talked: 40 * time.Second,
		},
		"two wrong keys lead to an operator": {
			operator: func(s *scene) func(context.Context) (pbx.Leg, error) {
				return pbxtest.Answers(time.Second, s.anna, talk40s)
			},
			online: true,
			client: func(s *scene) { s.client.Press("57") },
			steps: append(slices.Clone(lookup), "no choice made", "wait for operator", "ring operator anna",
				"talk to operator anna", "ended: completed"),
			result: "completed", talked: 40 * time.Second,
		},
		"silence twice leads to an operator": {
			operator: func(s *scene) func(context.Context) (pbx.Leg, error) {
				return pbxtest.Answers(time.Second, s.anna, talk40s)
			},
			online: true,
			client: func(*scene) {},
			steps: append(slices.Clone(lookup), "no choice made", "wait for operator", "ring operator anna",
				"talk to operator anna", "ended: completed"),
			said: []string{"silence", "order accepted", "menu_driver", "menu_operator", "menu_repeat", "silence",
				"order accepted", "menu_driver", "menu_operator", "menu_repeat", "silence", "connecting_operator"},
			result: "completed", talked: 40 * time.Second,
		},
		"nine says it again, zero is the operator": {
			operator: func(s *scene) func(context.Context) (pbx.Leg, error) {
				return pbxtest.Answers(time.Second, s.anna, talk40s)
			},
			online: true,
			client: func(s *scene) { s.client.Press("9990") },
			steps: append(slices.Clone(lookup), "chose operator", "wait for operator", "ring operator anna",
				"talk to operator anna", "ended: completed"),
			result: "completed", talked: 40 * time.Second,
		},
		"a client without an order is greeted and gets an operator": {
			operator: func(s *scene) func(context.Context) (pbx.Leg, error) {
				return pbxtest.Answers(time.Second, s.anna, talk40s)
			},
			online: true,
			from:   "+79035550000",
			client: func(*scene) {},
			steps: []string{"look up order", "no order", "wait for operator", "ring operator anna",
				"talk to operator anna", "ended: completed"},
			said:   []string{"silence", "greeting"}, // while her phone rings
			result: "completed", talked: 40 * time.Second,
		},
		"music plays while no operator is free, then the first to come answers": {
			operator: func(s *scene) func(context.Context) (pbx.Leg, error) {
				return pbxtest.Answers(time.Second, s.anna, talk40s)
			},
			from:   "+79035550000",
			client: func(s *scene) { time.Sleep(11 * time.Second); s.board.SetOnline("anna", true) },
			steps: []string{"look up order", "no order", "wait for operator", "ring operator anna",
				"talk to operator anna", "ended: completed"},
			said:   []string{"silence", "greeting", "connecting_operator", "please_wait", "music", "please_wait", "music", "ringback"},
			result: "completed", talked: 40 * time.Second,
		},
		"nobody comes for ten minutes: the client is told, not left": {
			from:   "+79035550000",
			client: func(*scene) {},
			steps:  []string{"look up order", "no order", "wait for operator", "no operator came free", "ended: no answer"},
			result: "no answer",
		},
		"an operator who refuses is left alone for a while": {
			operator: func(*scene) func(context.Context) (pbx.Leg, error) { return pbxtest.Refuses(pbx.ErrRejected) },
			online:   true,
			from:     "+79035550000",
			client:   func(s *scene) { time.Sleep(25 * time.Second); s.client.Leave() },
			steps: []string{"look up order", "no order", "wait for operator", "ring operator anna", "operator anna: rejected",
				"ring operator anna", "operator anna: rejected", "ended: hung up"},
			result: "hung up",
		},
		"the client hangs up in the menu": {
			client: func(s *scene) { time.Sleep(time.Second); s.client.Leave() },
			steps:  append(slices.Clone(lookup), "ended: hung up"),
			result: "hung up",
		},
		"the client hangs up while the driver's phone rings": {
			driver: func(*scene) func(context.Context) (pbx.Leg, error) { return pbxtest.Rings },
			client: func(s *scene) { s.client.Press("1"); time.Sleep(7 * time.Second); s.client.Leave() },
			steps:  append(slices.Clone(lookup), "chose driver", "dial driver", "driver: hung up", "ended: hung up"),
			result: "hung up",
		},
		"a client who withholds the number gets an operator": {
			operator: func(s *scene) func(context.Context) (pbx.Leg, error) {
				return pbxtest.Answers(time.Second, s.anna, talk40s)
			},
			online: true,
			from:   "withheld",
			client: func(*scene) {},
			steps: []string{"look up order", "number withheld", "wait for operator", "ring operator anna",
				"talk to operator anna", "ended: completed"},
			result: "completed", talked: 40 * time.Second,
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newScene(map[string]func(context.Context) (pbx.Leg, error){})
				if tc.driver != nil {
					s.dialer.Phones[driverPhone.Dialable()] = tc.driver(s)
				}
				if tc.operator != nil {
					s.dialer.Phones["anna"] = tc.operator(s)
				}
				s.board.SetOnline("anna", tc.online)
				from := clientPhone
				switch tc.from {
				case "withheld":
					from = ""
				case "":
				default:
					from = tc.from
				}
				go tc.client(s)
				s.board.Incoming(t.Context(), s.client, pbx.Arrival{From: from, To: ourLine, Trunk: "carrier"})

				cdr := s.cdr(t)
				if got := steps(cdr); !slices.Equal(got, tc.steps) {
					t.Errorf("steps\n got %q\nwant %q", got, tc.steps)
				}
				if got := s.client.Port.Said(); tc.said != nil && !slices.Equal(got, tc.said) {
					t.Errorf("said\n got %q\nwant %q", got, tc.said)
				}
				if cdr.Result != tc.result || cdr.Talked != tc.talked {
					t.Errorf("result %q after %v of talk, want %q after %v", cdr.Result, cdr.Talked, tc.result, tc.talked)
				}
				if s.client.Context().Err() == nil || (tc.talked > 0 && s.driver.Context().Err() == nil && s.anna.Context().Err() == nil) {
					t.Error("a leg was left open")
				}
				if live := s.board.Live(); len(live) != 0 {
					t.Errorf("still live: %v", live)
				}
				for _, o := range s.board.Operators() {
					if o.State != "free" {
						t.Errorf("%s is left %s", o.Login, o.State)
					}
				}
				synctest.Wait()
				time.Sleep(time.Minute) // timers of resting operators
			})
		})
	}
}

func TestALegThatNeverAnsweredIsInTheCDR(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene(map[string]func(context.Context) (pbx.Leg, error){})
		s.dialer.Phones[driverPhone.Dialable()] = pbxtest.Refuses(&pbx.DialError{LegID: "call-id-7", Code: 486, Err: pbx.ErrBusy})
		s.dialer.Phones["anna"] = pbxtest.Answers(0, s.anna, (*pbxtest.Leg).Leave)
		s.board.SetOnline("anna", true)
		go s.client.Press("1")
		s.board.Incoming(t.Context(), s.client, pbx.Arrival{From: clientPhone, To: ourLine, Trunk: "carrier"})
		legs := s.cdr(t).Legs
		if len(legs) != 3 {
			t.Fatalf("%d legs: %+v", len(legs), legs)
		}
		driver := legs[2]
		if driver.Party != pbx.RoleDriver || driver.ID != "call-id-7" || driver.Code != 486 || driver.Cause != "busy" ||
			driver.Number != driverPhone || !driver.Answered.IsZero() || driver.Ended.IsZero() {
			t.Errorf("the driver's leg: %+v", driver)
		}
	})
}

func TestWhoIsNotHeardForTenSecondsIsAskedForTheirAudioAnewOnce(t *testing.T) {
	for name, tc := range map[string]struct {
		do      func(driver *pbxtest.Leg)
		renewed int
	}{
		"the driver is not heard":              {func(l *pbxtest.Leg) { l.Port.Fade(); time.Sleep(5 * time.Minute) }, 1},
		"the driver pauses for nine seconds":   {func(l *pbxtest.Leg) { l.Port.Fade(); time.Sleep(9 * time.Second) }, 0},
		"the driver holds for five minutes":    {func(l *pbxtest.Leg) { l.Hold(true); time.Sleep(5 * time.Minute) }, 0},
		"the driver is heard for five minutes": {func(*pbxtest.Leg) { time.Sleep(5 * time.Minute) }, 0},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newScene(map[string]func(context.Context) (pbx.Leg, error){})
				s.dialer.Phones[driverPhone.Dialable()] = pbxtest.Answers(0, s.driver, func(l *pbxtest.Leg) {
					tc.do(l)
					l.Leave()
				})
				go s.client.Press("1")
				s.board.Incoming(t.Context(), s.client, pbx.Arrival{From: clientPhone, To: ourLine, Trunk: "carrier"})
				told := 0
				for _, step := range s.cdr(t).Steps {
					if step.What == "driver is not heard" {
						told++
					}
				}
				if told != tc.renewed || s.driver.Renewed() != tc.renewed || s.client.Renewed() != 0 {
					t.Errorf("told %d times, the driver was asked %d times, the client %d", told, s.driver.Renewed(), s.client.Renewed())
				}
			})
		})
	}
}

func TestATalkInWhichNobodyIsHeardIsOver(t *testing.T) {
	for name, tc := range map[string]struct {
		silent []string
		result string
		talked time.Duration
	}{
		"both have been silent for a minute": {[]string{"client", "driver"}, "media lost", 70 * time.Second},
		"one still talks":                    {[]string{"client"}, "completed", 5 * time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newScene(map[string]func(context.Context) (pbx.Leg, error){})
				s.dialer.Phones[driverPhone.Dialable()] = pbxtest.Answers(0, s.driver, func(l *pbxtest.Leg) {
					time.Sleep(10 * time.Second)
					for _, who := range tc.silent {
						map[string]*pbxtest.Leg{"client": s.client, "driver": s.driver}[who].Port.Fade()
					}
					time.Sleep(5*time.Minute - 10*time.Second)
					l.Leave()
				})
				go s.client.Press("1")
				s.board.Incoming(t.Context(), s.client, pbx.Arrival{From: clientPhone, To: ourLine, Trunk: "carrier"})
				cdr := s.cdr(t)
				if cdr.Result != tc.result || cdr.Talked.Round(5*time.Second) != tc.talked {
					t.Errorf("%q after %v of talk, want %q after %v", cdr.Result, cdr.Talked, tc.result, tc.talked)
				}
				time.Sleep(10 * time.Minute) // the one who left the phone off the hook
			})
		})
	}
}

func TestNobodySeesTheOthersNumber(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene(map[string]func(context.Context) (pbx.Leg, error){})
		s.dialer.Phones[driverPhone.Dialable()] = pbxtest.Answers(time.Second, s.driver, func(l *pbxtest.Leg) { time.Sleep(time.Second); l.Leave() })
		go s.client.Press("1")
		s.board.Incoming(t.Context(), s.client, pbx.Arrival{From: clientPhone, To: ourLine, Trunk: "carrier"})
		want := pbx.Endpoint{Number: driverPhone, Trunk: "carrier", From: ourLine, Hidden: []pbx.Phone{clientPhone}}
		if diff := cmp.Diff([]pbx.Endpoint{want}, s.dialer.Dialed(), cmpopts.IgnoreFields(pbx.Endpoint{}, "Early")); diff != "" {
			t.Errorf("dialled otherwise:\n%s", diff)
		}
		if hidden := s.client.Hidden(); !slices.Equal(hidden, []pbx.Phone{driverPhone}) {
			t.Errorf("from the client's leg %v is hidden", hidden)
		}
		if hidden := s.driver.Hidden(); !slices.Equal(hidden, []pbx.Phone{clientPhone}) {
			t.Errorf("from the driver's leg %v is hidden", hidden)
		}
		if met := s.client.Port.Met(); len(met) != 1 || met[0] != media.Sink(s.driver.Port) {
			t.Errorf("the client's audio went to %v", met)
		}
	})
}

func TestConnectCallsTheClientFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene(map[string]func(context.Context) (pbx.Leg, error){})
		s.dialer.Phones[clientPhone.Dialable()] = pbxtest.Answers(5*time.Second, s.client, nil)
		s.dialer.Phones[driverPhone.Dialable()] = pbxtest.Answers(9*time.Second, s.driver, func(l *pbxtest.Leg) {
			time.Sleep(20 * time.Second)
			l.Leave()
		})
		ctx, stop := context.WithCancel(t.Context())
		served := make(chan struct{})
		go func() { s.board.Serve(ctx); close(served) }()
		id, err := s.board.Connect(ctx, pbx.ConnectRequest{OrderID: "42"})
		if err != nil {
			t.Fatal(err)
		}
		for _, see := range []struct {
			after time.Duration
			state pbx.State
		}{{time.Second, pbx.StateCallingClient}, {6 * time.Second, pbx.StateCallingDriver}, {16 * time.Second, pbx.StateTalking}} {
			after(see.after, func() {
				if now, ok := s.board.Call(id); !ok || now.State != see.state {
					t.Errorf("after %v the call is %q, want %q", see.after, now.State, see.state)
				}
			})
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		cdr := s.cdr(t)
		want := []string{"connect client and driver", "dial client", "client answered", "dial driver", "driver answered", "talk to driver", "ended: completed"}
		if got := steps(cdr); !slices.Equal(got, want) || cdr.ID != id || cdr.Talked != 20*time.Second || cdr.OrderID != "42" {
			t.Errorf("CDR %+v", cdr)
		}
		if said := strings.Join(s.client.Port.Said(), " "); said != "connecting_client ringback ringback" {
			t.Errorf("the client heard %q", said)
		}
		for _, to := range s.dialer.Dialed() {
			if to.From != ourLine {
				t.Errorf("%v was shown %v", to.Number, to.From)
			}
		}
		stop()
		<-served
	})
}

func TestAnExchangeThatIsToEndBeginsNoCallOfItsOwn(t *testing.T) {
	s := newScene(nil)
	s.board.Decline()
	if _, err := s.board.Connect(t.Context(), pbx.ConnectRequest{OrderID: "42"}); !errors.Is(err, pbx.ErrShutdown) {
		t.Error(err)
	}
	if _, err := s.board.CallTo(t.Context(), "anna", clientPhone); !errors.Is(err, pbx.ErrShutdown) {
		t.Error(err)
	}
	runAutodial(t, func(t *testing.T, a *autodial) {
		a.board.Decline()
		a.news(t, pbx.StatusArrived, 1)
		time.Sleep(10 * time.Minute)
		if dialed := a.dialer.Dialed(); len(dialed) > 0 {
			t.Errorf("called: %+v", dialed)
		}
		a.wantStates(t, "arrived waiting") // for the next start
	})
}

func TestConnectRefusesWhatItCannotJoin(t *testing.T) {
	s := newScene(nil)
	for name, tc := range map[string]struct {
		want pbx.ConnectRequest
		err  error
	}{
		"an order that does not exist": {pbx.ConnectRequest{OrderID: "7"}, pbx.ErrNoOrder},
		"a driver without a client":    {pbx.ConnectRequest{Driver: driverPhone}, pbx.ErrNotAPhone},
		"a client without a driver":    {pbx.ConnectRequest{Client: clientPhone}, pbx.ErrNotAPhone},
	} {
		if _, err := s.board.Connect(t.Context(), tc.want); !errors.Is(err, tc.err) {
			t.Errorf("%s: %v, want %v", name, err, tc.err)
		}
	}
}

func TestAForwardedLineAnswersWhenItsTargetDoes(t *testing.T) {
	for name, tc := range map[string]struct {
		target func(s *scene) func(context.Context) (pbx.Leg, error)
		result string
		why    error
	}{
		"the target talks": {func(s *scene) func(context.Context) (pbx.Leg, error) {
			return pbxtest.Answers(4*time.Second, s.driver, func(l *pbxtest.Leg) { time.Sleep(time.Minute); l.Leave() })
		}, "completed", nil},
		"the target is busy": {func(*scene) func(context.Context) (pbx.Leg, error) { return pbxtest.Refuses(pbx.ErrBusy) }, "busy", pbx.ErrBusy},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newScene(map[string]func(context.Context) (pbx.Leg, error){})
				s.dialer.Phones[target.Dialable()] = tc.target(s)
				s.board.Incoming(t.Context(), s.client, pbx.Arrival{From: clientPhone, To: forwardLine, Trunk: "carrier"})
				cdr := s.cdr(t)
				if _, why := s.client.HungUp(); cdr.Result != tc.result || !errors.Is(why, tc.why) {
					t.Errorf("result %q, caller hung up because %v; want %q, %v", cdr.Result, why, tc.result, tc.why)
				}
				if answered := !s.client.Record().Answered.IsZero(); answered != (tc.result == "completed") {
					t.Errorf("caller answered: %v", answered)
				}
			})
		})
	}
}

func TestAnOperatorDialsOnlyWhoTheyMay(t *testing.T) {
	for name, tc := range map[string]struct {
		to     pbx.Phone
		result string
	}{
		"the client of an active order": {clientPhone, "completed"},
		"the driver of an active order": {driverPhone, "completed"},
		"an allowed beginning":          {"+78001234567", "completed"},
		"a stranger abroad":             {"+33123456789", "not allowed"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newScene(map[string]func(context.Context) (pbx.Leg, error){})
				s.dialer.Phones[tc.to.Dialable()] = pbxtest.Answers(time.Second, s.client, (*pbxtest.Leg).Leave)
				s.board.SetOnline("anna", true)
				s.board.Incoming(t.Context(), s.anna, pbx.Arrival{Operator: "anna", To: tc.to})
				if cdr := s.cdr(t); cdr.Result != tc.result || cdr.Kind != pbx.KindOutgoing {
					t.Errorf("%s call ended %q, want %q", cdr.Kind, cdr.Result, tc.result)
				}
			})
		})
	}
}

func TestAllFreeOperatorsOfTheBranchRingAndOneWins(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene(map[string]func(context.Context) (pbx.Leg, error){})
		s.board.SetOperators([]pbx.Operator{{Login: "anna", Branches: []string{"Центр"}}, {Login: "boris"},
			{Login: "vera", Branches: []string{"Север"}}, {Login: "galya", Branches: []string{"Центр"}}})
		var elsewhere error
		s.dialer.Phones["anna"] = func(ctx context.Context) (pbx.Leg, error) {
			<-ctx.Done()
			elsewhere = context.Cause(ctx)
			return nil, elsewhere
		}
		s.dialer.Phones["boris"] = pbxtest.Answers(2*time.Second, pbxtest.NewOperator("boris"), func(l *pbxtest.Leg) { time.Sleep(time.Minute); l.Leave() })
		s.dialer.Phones["vera"] = pbxtest.Rings
		for _, o := range []string{"anna", "boris", "vera"} {
			s.board.SetOnline(o, true) // galya is at home
		}
		after(20*time.Second, func() {
			states := map[string]string{}
			for _, o := range s.board.Operators() {
				states[o.Login] = o.State
			}
			if states["boris"] != "talking" || states["anna"] != "free" || len(s.board.Waiting()) != 0 {
				t.Errorf("while boris talks: %v, in line: %d", states, len(s.board.Waiting()))
			}
		})
		s.board.Incoming(t.Context(), s.client, pbx.Arrival{From: "+79035550000", To: ourLine, Trunk: "carrier"})
		var rang []string
		for _, to := range s.dialer.Dialed() {
			rang = append(rang, to.Operator)
		}
		slices.Sort(rang)
		if !slices.Equal(rang, []string{"anna", "boris"}) {
			t.Errorf("rang %q", rang)
		}
		if !errors.Is(elsewhere, pbx.ErrElsewhere) {
			t.Errorf("anna's phone stopped ringing because %v", elsewhere)
		}
		if cdr := s.cdr(t); cdr.Talked != time.Minute {
			t.Errorf("talked %v", cdr.Talked)
		}
	})
}

func TestAnOperatorWhoDialsOutWhileRingingIsNotFreeAgainWhenTheRingingEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene(map[string]func(context.Context) (pbx.Leg, error){"anna": pbxtest.Rings})
		s.dialer.Phones[driverPhone.Dialable()] = pbxtest.Answers(0, s.driver, func(l *pbxtest.Leg) { time.Sleep(5 * time.Minute); l.Leave() })
		s.board.SetOnline("anna", true)
		after(time.Minute, s.client.Leave)
		after(5*time.Second, func() { s.board.Incoming(t.Context(), s.anna, pbx.Arrival{Operator: "anna", To: driverPhone}) })
		after(2*time.Minute, func() {
			if anna := s.board.Operators()[0]; anna.State != "talking" {
				t.Errorf("anna is %s while she talks", anna.State)
			}
		})
		s.board.Incoming(t.Context(), s.client, pbx.Arrival{From: "+79035550000", To: ourLine, Trunk: "carrier"})
		time.Sleep(10 * time.Minute)
		if anna := s.board.Operators()[0]; anna.State != "free" {
			t.Errorf("anna is %s after her call", anna.State)
		}
		rang := 0
		for _, to := range s.dialer.Dialed() {
			if to.Operator == "anna" {
				rang++
			}
		}
		if rang != 1 {
			t.Errorf("anna's phone was rung %d times, before and during her call", rang)
		}
	})
}

func TestClientsAreServedInTheOrderTheyCame(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene(map[string]func(context.Context) (pbx.Leg, error){})
		talks := func(l *pbxtest.Leg) { time.Sleep(30 * time.Second); l.Leave() }
		s.dialer.Phones["anna"] = func(ctx context.Context) (pbx.Leg, error) {
			return pbxtest.Answers(time.Second, pbxtest.NewOperator("anna"), talks)(ctx)
		}
		var done []string
		finished := make(chan string)
		for i, name := range []string{"first", "second", "third"} {
			after(time.Duration(i)*time.Second, func() {
				s.board.Incoming(t.Context(), pbxtest.NewLeg(clientPhone), pbx.Arrival{From: "+79035550000", To: ourLine})
				finished <- name
			})
		}
		after(15*time.Second, func() { s.board.SetOnline("anna", true) })
		for range 3 {
			done = append(done, <-finished)
		}
		if !slices.Equal(done, []string{"first", "second", "third"}) {
			t.Errorf("served %q", done)
		}
	})
}

func TestAFaultOfOursLeadsToAnOperator(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene(map[string]func(context.Context) (pbx.Leg, error){
			driverPhone.Dialable(): func(context.Context) (pbx.Leg, error) { panic("a fault of ours") },
		})
		s.dialer.Phones["anna"] = pbxtest.Answers(time.Second, s.anna, func(l *pbxtest.Leg) { time.Sleep(time.Minute); l.Leave() })
		s.board.SetOnline("anna", true)
		go s.client.Press("1")
		s.board.Incoming(t.Context(), s.client, pbx.Arrival{From: clientPhone, To: ourLine})
		if cdr := s.cdr(t); cdr.Result != "completed" || cdr.Talked != time.Minute {
			t.Errorf("result %q, talked %v, steps %q", cdr.Result, cdr.Talked, steps(cdr))
		}
	})
}

func TestAPanicInAStoryEndsOneCallAndIsWrittenDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene(map[string]func(context.Context) (pbx.Leg, error){
			target.Dialable(): func(context.Context) (pbx.Leg, error) { panic("a fault of ours") },
		})
		s.board.Incoming(t.Context(), s.client, pbx.Arrival{From: clientPhone, To: forwardLine})
		if cdr := s.cdr(t); cdr.Result != "failed" || s.client.Context().Err() == nil {
			t.Errorf("result %q, client's leg ended: %v", cdr.Result, s.client.Context().Err())
		}
	})
}
