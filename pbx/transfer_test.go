package pbx_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"cabline/media"
	"cabline/pbx"
	"cabline/pbx/pbxtest"
)

// office is a scene with two operators, of whom only anna takes calls from the
// line, and a driver.
func office() (s *scene, boris *pbxtest.Leg) {
	s = newScene(map[string]func(context.Context) (pbx.Leg, error){})
	s.anna, boris = pbxtest.NewOperator("anna"), pbxtest.NewOperator("boris")
	s.board.SetOperators([]pbx.Operator{{Login: "anna"}, {Login: "boris", Branches: []string{"Север"}}})
	s.board.SetOnline("anna", true)
	s.board.SetOnline("boris", true)
	return s, boris
}

func states(s *scene) string {
	var all []string
	for _, o := range s.board.Operators() {
		all = append(all, o.Login+" "+o.State)
	}
	return strings.Join(all, ", ")
}

// hears says whether one of the two hears the other now, and nobody else does.
func hear(t *testing.T, a, b *pbxtest.Leg) {
	t.Helper()
	for _, pair := range [][2]*pbxtest.Leg{{a, b}, {b, a}} {
		pair[0].Port.Say("hallo")
		if said := pair[1].Port.Said(); len(said) == 0 || said[len(said)-1] != "hallo" {
			t.Errorf("heard %q at last", said)
		}
	}
}

func TestAnOperatorHandsAClientOver(t *testing.T) {
	for name, tc := range map[string]struct {
		to       pbx.Referral
		leaves   bool // anna hangs up at once
		phones   func(s *scene, boris *pbxtest.Leg)
		reported error
		said     string // to the client, after the referral
		steps    []string
		talking  string // after it
	}{
		"to the driver of an order, who answers": {
			to:      pbx.Referral{Number: driverPhone},
			phones:  func(s *scene, _ *pbxtest.Leg) { answers(s, driverPhone.Dialable(), s.driver) },
			said:    "ringback",
			steps:   []string{"operator anna hands over to " + driverPhone.String(), "dial target", "target answered", "talk to target"},
			talking: "anna free, boris free",
		},
		"to another operator, whatever their branch": {
			to:      pbx.Referral{Operator: "boris"},
			phones:  func(s *scene, boris *pbxtest.Leg) { answers(s, "boris", boris) },
			said:    "ringback",
			steps:   []string{"operator anna hands over to operator boris", "dial operator", "operator answered", "talk to operator boris"},
			talking: "anna free, boris talking",
		},
		"and hangs up without waiting": {
			to: pbx.Referral{Number: driverPhone}, leaves: true,
			phones:  func(s *scene, _ *pbxtest.Leg) { answers(s, driverPhone.Dialable(), s.driver) },
			said:    "ringback",
			steps:   []string{"operator anna hands over to " + driverPhone.String(), "dial target", "target answered", "talk to target"},
			talking: "anna free, boris free",
		},
		"to one who is busy, and comes back": {
			to: pbx.Referral{Number: driverPhone},
			phones: func(s *scene, _ *pbxtest.Leg) {
				s.dialer.Phones[driverPhone.Dialable()] = pbxtest.Refuses(pbx.ErrBusy)
			},
			reported: pbx.ErrBusy,
			steps: []string{"operator anna hands over to " + driverPhone.String(), "dial target", "target: busy",
				"hand-over: busy", "back to operator anna"},
			talking: "anna talking, boris free",
		},
		"to a number nobody may dial, and comes back": {
			to:       pbx.Referral{Number: "+33123456789"},
			phones:   func(*scene, *pbxtest.Leg) {},
			reported: pbx.ErrNotAllowed,
			steps:    []string{"operator anna hands over to " + pbx.Phone("+33123456789").String(), "hand-over: not allowed", "back to operator anna"},
			talking:  "anna talking, boris free",
		},
		"to an operator who is not there, and comes back": {
			to:       pbx.Referral{Operator: "vera"},
			phones:   func(*scene, *pbxtest.Leg) {},
			reported: pbx.ErrUnreachable,
			steps:    []string{"operator anna hands over to operator vera", "hand-over: unreachable", "back to operator anna"},
			talking:  "anna talking, boris free",
		},
		"in vain after hanging up, and is rung again": {
			to: pbx.Referral{Number: driverPhone}, leaves: true,
			phones: func(s *scene, _ *pbxtest.Leg) {
				s.dialer.Phones[driverPhone.Dialable()] = pbxtest.Refuses(pbx.ErrBusy)
				s.anna = pbxtest.NewOperator("anna")
				answers(s, "anna", s.anna)
			},
			reported: pbx.ErrBusy,
			said:     "ringback",
			steps: []string{"operator anna hands over to " + driverPhone.String(), "dial target", "target: busy",
				"hand-over: busy", "dial operator", "operator answered", "back to operator anna"},
			talking: "anna talking, boris free",
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, boris := office()
				s.dialer.Phones["anna"] = pbxtest.Answers(time.Second, s.anna, func(anna *pbxtest.Leg) {
					time.Sleep(10 * time.Second)
					tc.phones(s, boris)
					before, stepsBefore := len(s.client.Port.Said()), len(s.board.Live()[0].Steps)
					reported := anna.Refer(tc.to)
					if tc.leaves {
						anna.Leave()
					}
					time.Sleep(10 * time.Second)
					if err := <-reported; !errors.Is(err, tc.reported) {
						t.Errorf("reported %v, want %v", err, tc.reported)
					}
					rings := len(tc.steps) > 1 && strings.HasPrefix(tc.steps[1], "dial ")
					if told := anna.ToldRinging(); rings != (told == 1) {
						t.Errorf("anna's phone is told %d times that somebody rings", told)
					}
					live := s.board.Live()[0]
					if got := steps(live)[stepsBefore:]; !slices.Equal(got, tc.steps) || live.State != pbx.StateTalking {
						t.Errorf("%s: %q, want %q", live.State, got, tc.steps)
					}
					if said := strings.Join(s.client.Port.Said()[before:], " "); !strings.HasPrefix(said, tc.said) || tc.said == "" && said != "" && said != "ringback" {
						t.Errorf("the client heard %q", said)
					}
					if got := states(s); got != tc.talking {
						t.Errorf("%s, want %s", got, tc.talking)
					}
					with := s.anna
					if tc.reported == nil {
						with = map[bool]*pbxtest.Leg{true: s.driver, false: boris}[tc.to.Number != ""]
						if over, why := anna.HungUp(); !tc.leaves && (!over || why != nil) {
							t.Errorf("anna's phone hung up: %v, %v", over, why)
						}
					}
					hear(t, s.client, with)
					s.client.Leave()
				})
				s.board.Incoming(t.Context(), s.client, pbx.Arrival{From: "+79035550000", To: ourLine, Trunk: "carrier"})
				cdr := s.cdr(t)
				if cdr.Result != "completed" {
					t.Errorf("result %q", cdr.Result)
				}
				for _, to := range s.dialer.Dialed() {
					if to.Number != "" && to.From != ourLine {
						t.Errorf("%v was shown %v", to.Number, to.From)
					}
				}
				if got := states(s); got != "anna free, boris free" {
					t.Error("in the end", got)
				}
			})
		})
	}
}

// answers lets a phone ring for two seconds, and be answered for good.
func answers(s *scene, phone string, leg *pbxtest.Leg) {
	s.dialer.Phones[phone] = pbxtest.Answers(2*time.Second, leg, nil)
}

func TestAnOperatorJoinsTheirTwoCalls(t *testing.T) {
	for name, referredIn := range map[string]string{"from the client's call": "client", "from the other one": "driver"} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, _ := office()
				answers(s, driverPhone.Dialable(), s.driver)
				second := pbxtest.NewOperator("anna") // the leg of anna's other call
				s.dialer.Phones["anna"] = pbxtest.Answers(time.Second, s.anna, func(anna *pbxtest.Leg) {
					time.Sleep(10 * time.Second)
					anna.Hold(true)
					go s.board.Incoming(t.Context(), second, pbx.Arrival{Operator: "anna", To: driverPhone})
					time.Sleep(10 * time.Second)
					hear(t, second, s.driver)
					var reported <-chan error
					if referredIn == "client" {
						reported = anna.Refer(pbx.Referral{Instead: second})
					} else {
						reported = second.Refer(pbx.Referral{Instead: anna})
					}
					if err := <-reported; err != nil {
						t.Error("reported", err)
					}
					synctest.Wait()
					hear(t, s.client, s.driver)
					if anna.Context().Err() == nil || second.Context().Err() == nil {
						t.Error("anna's phone still has a call")
					}
					time.Sleep(time.Minute)
					if got := states(s); got != "anna free, boris free" {
						t.Error(got)
					}
					hear(t, s.client, s.driver)
					s.client.Leave()
				})
				s.board.Incoming(t.Context(), s.client, pbx.Arrival{From: "+79035550000", To: ourLine, Trunk: "carrier"})
				synctest.Wait()
				cdrs := s.store.CDRs()
				if len(cdrs) != 2 || cdrs[0].Result != "completed" || cdrs[1].Result != "completed" {
					t.Fatalf("CDRs %+v", cdrs)
				}
				gave, took := cdrs[0], cdrs[1]
				if !strings.Contains(strings.Join(steps(gave), " "), "goes on in another call") || !slices.Contains(steps(took), "operator anna joins two calls") {
					t.Errorf("%q and %q", steps(gave), steps(took))
				}
				if met := s.driver.Port.Met(); met[len(met)-1] != media.Sink(s.client.Port) {
					t.Errorf("the driver met %v", met)
				}
				if len(took.Legs) != 3 || took.Talked < time.Minute {
					t.Errorf("%v of talk, legs %+v", took.Talked, took.Legs)
				}
			})
		})
	}
}

// A phone takes its time to confirm what became of its REFER. The colleague has the
// client by then, and is not free for another.
func TestAColleagueWhoIsGivenAClientIsNotRungForTheNextInLine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, boris := office()
		s.board.SetOperators([]pbx.Operator{{Login: "anna"}, {Login: "boris"}})
		s.board.SetOnline("boris", false)
		second, next, rung := pbxtest.NewOperator("anna"), pbxtest.NewLeg("+79035550001"), 0
		s.dialer.Phones["boris"] = func(ctx context.Context) (pbx.Leg, error) {
			if rung++; rung > 1 {
				return pbxtest.Rings(ctx)
			}
			return pbxtest.Answers(time.Second, boris, nil)(ctx)
		}
		s.dialer.Phones["anna"] = pbxtest.Answers(time.Second, s.anna, func(anna *pbxtest.Leg) {
			time.Sleep(10 * time.Second)
			anna.Hold(true)
			s.board.SetOnline("boris", true)
			go s.board.Incoming(t.Context(), second, pbx.Arrival{Operator: "anna", Desk: "boris"})
			time.Sleep(10 * time.Second)
			go s.board.Incoming(t.Context(), next, pbx.Arrival{From: "+79035550001", To: ourLine, Trunk: "carrier"})
			time.Sleep(10 * time.Second)
			s.board.SetReady("anna", false)
			reported := anna.Refer(pbx.Referral{Instead: second, Report: func(context.Context, error) { time.Sleep(2 * time.Second) }})
			if err := <-reported; err != nil {
				t.Error("reported", err)
			}
			time.Sleep(20 * time.Second)
			hear(t, s.client, boris)
			if got := states(s); got != "anna free, boris talking" || rung > 1 || len(s.board.Waiting()) != 1 {
				t.Errorf("%s, who was rung %d times; %d wait", got, rung, len(s.board.Waiting()))
			}
			next.Leave()
			s.client.Leave()
		})
		s.board.Incoming(t.Context(), s.client, pbx.Arrival{From: "+79035550000", To: ourLine, Trunk: "carrier"})
		synctest.Wait()
		if got := states(s); got != "anna free, boris free" {
			t.Error(got)
		}
	})
}

func TestTwoCallsThatCannotBeJoinedStayAsTheyAre(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, _ := office()
		s.dialer.Phones["anna"] = pbxtest.Answers(time.Second, s.anna, func(anna *pbxtest.Leg) {
			time.Sleep(10 * time.Second)
			if err := <-anna.Refer(pbx.Referral{Instead: pbxtest.NewOperator("anna")}); !errors.Is(err, pbx.ErrUnreachable) {
				t.Error("reported", err)
			}
			synctest.Wait()
			hear(t, s.client, anna)
			s.client.Leave()
		})
		s.board.Incoming(t.Context(), s.client, pbx.Arrival{From: "+79035550000", To: ourLine, Trunk: "carrier"})
	})
}

func TestAClientWhoLeavesDuringAHandOverEndsIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, _ := office()
		s.dialer.Phones[driverPhone.Dialable()] = pbxtest.Rings
		s.dialer.Phones["anna"] = pbxtest.Answers(time.Second, s.anna, func(anna *pbxtest.Leg) {
			time.Sleep(10 * time.Second)
			after(5*time.Second, s.client.Leave)
			if err := <-anna.Refer(pbx.Referral{Number: driverPhone}); !errors.Is(err, pbx.ErrHungUp) {
				t.Error("reported", err)
			}
		})
		s.board.Incoming(t.Context(), s.client, pbx.Arrival{From: "+79035550000", To: ourLine, Trunk: "carrier"})
		if cdr := s.cdr(t); cdr.Result != "hung up" {
			t.Errorf("result %q", cdr.Result)
		}
		if over, _ := s.anna.HungUp(); !over || states(s) != "anna free, boris free" {
			t.Errorf("anna's phone: %v; %s", over, states(s))
		}
	})
}

func TestAnOperatorCallsAColleague(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, boris := office()
		s.dialer.Phones["boris"] = pbxtest.Answers(2*time.Second, boris, func(*pbxtest.Leg) {
			time.Sleep(5 * time.Second)
			if got := states(s); got != "anna talking, boris talking" {
				t.Error(got)
			}
			hear(t, s.anna, boris)
			s.anna.Leave()
		})
		s.board.Incoming(t.Context(), s.anna, pbx.Arrival{Operator: "anna", Desk: "boris"})
		if cdr := s.cdr(t); cdr.Result != "completed" || states(s) != "anna free, boris free" {
			t.Errorf("%q; %s", cdr.Result, states(s))
		}
	})
}
