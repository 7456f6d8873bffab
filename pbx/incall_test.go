package pbx_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"cabline/pbx"
	"cabline/pbx/pbxtest"
)

// callsIn has the client call the firm and returns when the call is over.
func (a *autodial) callsIn(t *testing.T, leg *pbxtest.Leg) {
	a.board.Incoming(t.Context(), leg, pbx.Arrival{From: clientPhone, To: ourLine, Trunk: "carrier"})
	synctest.Wait()
}

func TestNewsForAClientWhoTalksToUs(t *testing.T) {
	talk := func(d time.Duration) func(l *pbxtest.Leg) { return func(l *pbxtest.Leg) { time.Sleep(d); l.Leave() } }
	t.Run("is told in the menu at once, in place of what was said, and nobody is rung", func(t *testing.T) {
		runAutodial(t, func(t *testing.T, a *autodial) {
			go func() {
				time.Sleep(time.Second) // "your car is on its way …"
				a.news(t, pbx.StatusArrived, 2)
				time.Sleep(20 * time.Second)
				a.client.Leave()
			}()
			a.callsIn(t, a.client)
			time.Sleep(time.Hour)
			want := []string{"silence", "order accepted", "order arrived", "order arrived, the last word", "menu_driver", "menu_operator", "menu_repeat", "silence",
				"order arrived", "menu_driver"}
			if got := a.client.Port.Said()[:len(want)]; !slices.Equal(got, want) {
				t.Errorf("said\n got %q\nwant %q", got, want)
			}
			a.wantStates(t, "arrived delivered")
			if n := len(a.dialer.Dialed()); n != 0 {
				t.Errorf("%d calls", n)
			}
			cdr := a.cdr(t)
			if got := a.journal(t, 1); !slices.Equal(got, []string{"waiting: to be told", "speaking: told in call " + cdr.ID, "delivered: heard in the menu"}) {
				t.Errorf("journal %q", got)
			}
		})
	})
	t.Run("is told in line for an operator, while phones ring too", func(t *testing.T) {
		runAutodial(t, func(t *testing.T, a *autodial) {
			a.board.SetOnline("anna", true)
			a.dialer.Phones["anna"] = pbxtest.Answers(18*time.Second, a.anna, talk(10*time.Second))
			go func() {
				a.client.Press("2")
				time.Sleep(5 * time.Second)
				a.news(t, pbx.StatusArrived, 2)
			}()
			a.callsIn(t, a.client)
			time.Sleep(time.Hour)
			if got := toldTo(a.client); !slices.Equal(got, []string{"arrived"}) {
				t.Errorf("told %q of %q", got, a.client.Port.Said())
			}
			a.wantStates(t, "arrived delivered")
			if n := len(a.dialer.Dialed()); n != 1 {
				t.Errorf("%d calls, one is to the operator", n)
			}
			if cdr := a.cdr(t); cdr.Talked != 10*time.Second {
				t.Errorf("talked %v", cdr.Talked)
			}
		})
	})
	t.Run("that an operator's answer cuts off is told after the talk", func(t *testing.T) {
		runAutodial(t, func(t *testing.T, a *autodial) {
			a.board.SetOnline("anna", true)
			a.dialer.Phones["anna"] = pbxtest.Answers(6*time.Second, a.anna, talk(2*time.Minute))
			legs := a.clientAnswers(time.Second, nil)
			go func() {
				a.client.Press("2")
				time.Sleep(5 * time.Second) // the operator answers in the middle of the text
				a.news(t, pbx.StatusArrived, 2)
			}()
			a.callsIn(t, a.client)
			ended := time.Now()
			time.Sleep(time.Hour)
			if all := legs(); len(all) != 1 || !slices.Equal(toldTo(all[0]), []string{"arrived"}) {
				t.Fatalf("%d calls", len(all))
			}
			if answered := legs()[0].Record().Answered.Sub(ended); answered < time.Second || answered > 2*time.Second {
				t.Errorf("answered %v after the talk, of which 1 s is ringing", answered)
			}
			a.wantStates(t, "arrived delivered")
			if journal := a.journal(t, 1); !slices.Contains(journal, "waiting: cut off") {
				t.Errorf("journal %q", journal)
			}
		})
	})
	t.Run("waits for the end of a talk, and is told when it is over", func(t *testing.T) {
		runAutodial(t, func(t *testing.T, a *autodial) {
			a.dialer.Phones[driverPhone.Dialable()] = pbxtest.Answers(time.Second, a.driver, talk(5*time.Minute))
			legs := a.clientAnswers(time.Second, nil)
			go func() {
				a.client.Press("1")
				time.Sleep(time.Minute)
				a.news(t, pbx.StatusArrived, 2)
			}()
			a.callsIn(t, a.client)
			ended := time.Now()
			time.Sleep(time.Hour)
			if all := legs(); len(all) != 1 || !slices.Equal(toldTo(all[0]), []string{"arrived"}) {
				t.Errorf("%d calls", len(all))
			} else if all[0].Record().Started.Before(ended) {
				t.Error("the client was called while they talked")
			}
			a.wantStates(t, "arrived delivered")
		})
	})
	t.Run("is dropped, where the firm wishes so", func(t *testing.T) {
		runAutodial(t, func(t *testing.T, a *autodial) {
			a.Policy.TellInCall = false
			a.dialer.Phones[driverPhone.Dialable()] = pbxtest.Answers(time.Second, a.driver, talk(5*time.Minute))
			go func() {
				a.client.Press("1")
				time.Sleep(time.Minute)
				a.news(t, pbx.StatusArrived, 2)
			}()
			a.callsIn(t, a.client)
			time.Sleep(time.Hour)
			a.wantStates(t, "arrived dropped")
			if got := a.journal(t, 1); got[len(got)-1] != "dropped: the client was talking to us" {
				t.Errorf("journal %q", got)
			}
		})
	})
	t.Run("that they hear when they call themselves is not told again", func(t *testing.T) {
		runAutodial(t, func(t *testing.T, a *autodial) {
			a.dialer.Phones[clientPhone.Dialable()] = pbxtest.Refuses(pbx.ErrBusy)
			a.news(t, pbx.StatusArrived, 2)
			time.Sleep(20 * time.Second) // called back by the client between two tries
			go func() { time.Sleep(15 * time.Second); a.client.Leave() }()
			a.callsIn(t, a.client)
			time.Sleep(time.Hour)
			a.wantStates(t, "arrived delivered")
			if n := len(a.dialer.Dialed()); n != 1 {
				t.Errorf("%d calls", n)
			}
		})
	})
	t.Run("is told in the call for other news, after it", func(t *testing.T) {
		runAutodial(t, func(t *testing.T, a *autodial) {
			legs := a.clientAnswers(time.Second, func(_ int, l *pbxtest.Leg) {
				time.Sleep(3 * time.Second) // in the middle of the text
				a.news(t, pbx.StatusArrived, 3)
			})
			a.news(t, pbx.StatusAccepted, 2)
			time.Sleep(5 * time.Second)
			live := a.board.Live()
			card, _ := a.board.Card(live[0].ID)
			time.Sleep(time.Hour)
			if card.Order == nil || card.Order.Status != pbx.StatusAccepted {
				t.Errorf("a card that an operator looked at has become %+v", card.Order)
			}
			a.wantStates(t, "accepted delivered", "arrived delivered")
			if all := legs(); len(all) != 1 || !slices.Equal(toldTo(all[0]), []string{"accepted", "arrived"}) {
				t.Errorf("%d calls", len(all))
			}
		})
	})
	t.Run("of another order is told beside that of the one they call about", func(t *testing.T) {
		runAutodial(t, func(t *testing.T, a *autodial) {
			other := pbx.Order{ID: "43", Status: pbx.StatusNoDriver, Phone: clientPhone, Line: ourLine}
			go func() {
				time.Sleep(time.Second)
				if err := a.Notify(t.Context(), pbx.Notice{OrderID: "43", Status: other.Status, Version: 1, Order: other}); err != nil {
					t.Error(err)
				}
				time.Sleep(30 * time.Second)
				a.client.Leave()
			}()
			a.callsIn(t, a.client)
			a.wantStates(t, "no_driver delivered")
			if said := strings.Join(a.client.Port.Said(), ", "); !strings.Contains(said, "order no_driver, order no_driver, the last word, menu_operator") {
				t.Errorf("said %q", said)
			}
		})
	})
	t.Run("reaches a client whose order the dispatch system does not find", func(t *testing.T) {
		runAutodial(t, func(t *testing.T, a *autodial) {
			a.dialer.Phones[clientPhone.Dialable()] = pbxtest.Refuses(pbx.ErrBusy)
			a.news(t, pbx.StatusArrived, 2)
			time.Sleep(20 * time.Second)
			a.order.mu.Lock()
			a.order.err = errors.New("down")
			a.order.mu.Unlock()
			go func() { time.Sleep(15 * time.Second); a.client.Leave() }()
			a.callsIn(t, a.client)
			a.wantStates(t, "arrived delivered")
		})
	})
}

// One client, two orders: never two phones ringing at once.
func TestAClientIsCalledAboutOneThingAtATime(t *testing.T) {
	runAutodial(t, func(t *testing.T, a *autodial) {
		var ringing, most atomic.Int32
		a.board.Dispatch = fails{}
		a.dialer.Phones[clientPhone.Dialable()] = func(ctx context.Context) (pbx.Leg, error) {
			most.Store(max(most.Load(), ringing.Add(1)))
			defer ringing.Add(-1)
			<-ctx.Done()
			return nil, context.Cause(ctx)
		}
		for _, id := range []string{"1", "2", "3"} {
			if err := a.Notify(t.Context(), pbx.Notice{OrderID: id, Status: pbx.StatusAccepted, Version: 1, Order: pbx.Order{Phone: clientPhone, Line: ourLine}}); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(time.Hour)
		if most.Load() != 1 || len(a.dialer.Dialed()) != 9 {
			t.Errorf("%d phones rang at once, %d calls in all", most.Load(), len(a.dialer.Dialed()))
		}
		a.wantStates(t, "accepted no_answer", "accepted no_answer", "accepted no_answer")
	})
}
