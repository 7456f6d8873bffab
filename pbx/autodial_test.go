package pbx_test

import (
	"cmp"
	"context"
	"errors"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"cabline/pbx"
	"cabline/pbx/pbxtest"
	"cabline/pbx/store"
)

// autodial is a scene with a firm that calls its clients about news.
type autodial struct {
	*scene
	*pbx.Autodial
	db     *store.Store
	posted *outbox
	order  *ride
}

// ride is a dispatch system with the client's order 42.
type ride struct {
	pbxtest.Orders
	mu    sync.Mutex
	asked int
	is    pbx.Order
	err   error
}

func (r *ride) Order(_ context.Context, id string) (*pbx.Order, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.asked++
	if r.err != nil || id != r.is.ID {
		return nil, cmp.Or(r.err, pbx.ErrNoOrder)
	}
	order := r.is
	return &order, nil
}

func (r *ride) OrderByPhone(ctx context.Context, phone pbx.Phone) (*pbx.Order, error) {
	if phone != clientPhone {
		return nil, pbx.ErrNoOrder
	}
	return r.Order(ctx, "42")
}

// becomes changes the order and returns it.
func (r *ride) becomes(status pbx.Status) pbx.Order {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.is.Status != status {
		r.is.Status, r.is.Updated = status, time.Now()
	}
	return r.is
}

// outbox is what dispatch would be told.
type outbox struct {
	mu     sync.Mutex
	events []pbx.Event
}

func (o *outbox) Post(_ context.Context, e pbx.Event) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.events = append(o.events, e)
	return nil
}

// outcomes are what dispatch was told of notices, in order.
func (o *outbox) outcomes() []string {
	o.mu.Lock()
	defer o.mu.Unlock()
	var all []string
	for _, e := range o.events {
		if e.Notice != nil {
			all = append(all, string(e.Notice.Status)+" "+e.Notice.Outcome)
		}
	}
	return all
}

// usual is a rule with the defaults of the config.
func usual(menu ...pbx.NoticeKey) pbx.NoticeRule {
	return pbx.NoticeRule{On: true, Menu: menu, Tries: 3, KeepFor: time.Hour, RingMobile: 30 * time.Second, RingLandline: 45 * time.Second,
		Again: pbx.Again{Busy: time.Minute, NoAnswer: 3 * time.Minute, Unreachable: 10 * time.Minute}, Next: "sms"}
}

func withAutodial(t *testing.T, path string) *autodial {
	t.Helper()
	s := newScene(map[string]func(context.Context) (pbx.Leg, error){})
	db, err := store.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	a := &autodial{scene: s, db: db, posted: &outbox{}}
	a.Autodial = &pbx.Autodial{Board: s.board, Store: db, Outbox: a.posted, Policy: pbx.NoticePolicy{
		Enabled: true, TellInCall: true, Zone: time.UTC,
		Statuses: map[pbx.Status]pbx.NoticeRule{
			pbx.StatusAccepted:      usual(pbx.KeyDriver, pbx.KeyOperator, pbx.KeyCancel),
			pbx.StatusArrived:       usual(pbx.KeyDriver, pbx.KeyOperator, pbx.KeyComingOut, pbx.KeyFiveMinutes),
			pbx.StatusNoDriver:      usual(pbx.KeyKeepLooking, pbx.KeyOperator, pbx.KeyCancel),
			pbx.StatusDriverRefused: usual(pbx.KeyOperator, pbx.KeyCancel),
		},
	}}
	s.board.Notices = a.Autodial
	a.order = &ride{is: *s.board.Dispatch.(pbxtest.Orders)[clientPhone]}
	s.board.Dispatch = a.order
	return a
}

// runAutodial tells a story in fake time: f runs while the exchange serves; then
// the exchange ends.
func runAutodial(t *testing.T, f func(t *testing.T, a *autodial), before ...func(a *autodial)) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "cabline.db")
	synctest.Test(t, func(t *testing.T) {
		a := withAutodial(t, path)
		for _, change := range before {
			change(a)
		}
		ctx, end := context.WithCancel(t.Context())
		var serving sync.WaitGroup
		serving.Go(func() { a.board.Serve(ctx) })
		synctest.Wait()
		f(t, a)
		end()
		serving.Wait()
		if err := a.db.Close(); err != nil {
			t.Error(err)
		}
	})
}

// news is that the client's order 42 comes to a status.
func (a *autodial) news(t *testing.T, status pbx.Status, version int) {
	t.Helper()
	order := a.order.becomes(status)
	if err := a.Notify(t.Context(), pbx.Notice{OrderID: order.ID, Status: status, Version: version, Order: order, Source: "test"}); err != nil {
		t.Fatal(err)
	}
}

// journal is the steps of the notice with an ID, "state: what".
func (a *autodial) journal(t *testing.T, id int64) []string {
	t.Helper()
	_, steps, err := a.db.Notice(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, s := range steps {
		all = append(all, string(s.State)+": "+s.What)
	}
	return all
}

func TestTheSameNoticeTenTimesAtOnceIsOneCall(t *testing.T) {
	runAutodial(t, func(t *testing.T, a *autodial) {
		a.dialer.Phones[clientPhone.Dialable()] = pbxtest.Answers(3*time.Second, a.client, nil)
		var told sync.WaitGroup
		for range 10 {
			told.Go(func() { a.news(t, pbx.StatusAccepted, 2) })
		}
		told.Wait()
		time.Sleep(time.Hour)
		if dialed := a.dialer.Dialed(); len(dialed) != 1 || dialed[0].Number != clientPhone || dialed[0].From != ourLine {
			t.Errorf("dialled %+v, want the client once", dialed)
		}
		want := []string{"waiting: to be told", "dialling: call 1", "answered: the client answered", "speaking: the client is told", "delivered: heard"}
		if got := a.journal(t, 1); !slices.Equal(got, want) {
			t.Errorf("journal\n got %q\nwant %q", got, want)
		}
		if got := a.posted.outcomes(); !slices.Equal(got, []string{"accepted running", "accepted delivered"}) {
			t.Errorf("dispatch was told %q", got)
		}
		saidTwice := []string{"silence", "notice_greeting", "order accepted", "order accepted, the last word", "menu_driver", "menu_operator", "menu_cancel", "silence",
			"notice_greeting", "order accepted", "menu_driver", "menu_operator", "menu_cancel", "silence"}
		if got := a.client.Port.Said(); !slices.Equal(got, saidTwice) {
			t.Errorf("said\n got %q\nwant %q", got, saidTwice)
		}
	})
}

// states are how the notices stand, the oldest first: "accepted delivered".
func (a *autodial) states(t *testing.T) []string {
	t.Helper()
	all, err := a.db.Notices(t.Context(), store.NoticeQuery{Limit: 100})
	if err != nil {
		t.Fatal(err)
	}
	var states []string
	for _, r := range slices.Backward(all) {
		states = append(states, string(r.Status)+" "+string(r.State))
	}
	return states
}

func (a *autodial) wantStates(t *testing.T, want ...string) {
	t.Helper()
	if got := a.states(t); !slices.Equal(got, want) {
		t.Errorf("notices stand %q, want %q", got, want)
	}
}

// toldTo is which statuses a party was told whole, in order.
func toldTo(l *pbxtest.Leg) []string {
	var all []string
	for _, clip := range l.Port.Said() {
		if status, whole := strings.CutSuffix(clip, ", the last word"); whole {
			all = append(all, strings.TrimPrefix(status, "order "))
		}
	}
	return all
}

// client answers every call after some ringing, each with a leg of its own, and
// talks as f says; nil: says nothing. legs are those of the calls so far.
func (a *autodial) clientAnswers(after time.Duration, f func(n int, l *pbxtest.Leg)) (legs func() []*pbxtest.Leg) {
	var mu sync.Mutex
	var all []*pbxtest.Leg
	a.dialer.Phones[clientPhone.Dialable()] = func(ctx context.Context) (pbx.Leg, error) {
		leg := pbxtest.NewLeg(clientPhone)
		mu.Lock()
		n := len(all)
		all = append(all, leg)
		mu.Unlock()
		var talks func(*pbxtest.Leg)
		if f != nil {
			talks = func(l *pbxtest.Leg) { f(n, l) }
		}
		return pbxtest.Answers(after, leg, talks)(ctx)
	}
	return func() []*pbxtest.Leg {
		mu.Lock()
		defer mu.Unlock()
		return slices.Clone(all)
	}
}

func TestANoticeIsStoredBeforeNotifyReturns(t *testing.T) {
	path := filepath.Join(t.TempDir(), "cabline.db")
	synctest.Test(t, func(t *testing.T) {
		a := withAutodial(t, path) // nobody serves: nobody calls yet
		a.news(t, pbx.StatusAccepted, 1)
		a.wantStates(t, "accepted waiting")
		if err := a.db.Close(); err != nil {
			t.Fatal(err)
		}
		if err := a.Notify(t.Context(), pbx.Notice{OrderID: "43", Status: pbx.StatusAccepted}); err == nil {
			t.Error("a notice that could not be stored was taken")
		}
	})
}

func TestWhatIsNoNoticeIsRefused(t *testing.T) {
	runAutodial(t, func(t *testing.T, a *autodial) {
		for name, n := range map[string]pbx.Notice{
			"no order": {Status: "accepted"}, "no status": {OrderID: "42"}, "a version below none": {OrderID: "42", Status: "accepted", Version: -1},
			"an order like a novel": {OrderID: strings.Repeat("4", 1000), Status: "accepted"}, "a status like one": {OrderID: "42", Status: pbx.Status(strings.Repeat("x", 1000))},
		} {
			if err := a.Notify(t.Context(), n); err == nil {
				t.Errorf("%s: taken", name)
			}
		}
		a.wantStates(t)
	})
}

func TestNewerNews(t *testing.T) {
	t.Run("replaces what waits", func(t *testing.T) {
		runAutodial(t, func(t *testing.T, a *autodial) {
			busy := true
			answers := pbxtest.Answers(time.Second, a.client, nil)
			a.dialer.Phones[clientPhone.Dialable()] = func(ctx context.Context) (pbx.Leg, error) {
				if busy {
					busy = false
					return nil, pbx.ErrBusy
				}
				return answers(ctx)
			}
			a.news(t, pbx.StatusAccepted, 1)
			time.Sleep(10 * time.Second)
			a.news(t, pbx.StatusArrived, 2)
			time.Sleep(time.Hour)
			a.wantStates(t, "accepted superseded", "arrived delivered")
			if got := toldTo(a.client); !slices.Equal(got, []string{"arrived"}) {
				t.Errorf("told %q", got)
			}
			if got := a.posted.outcomes(); !slices.Equal(got, []string{"accepted running", "arrived running", "accepted superseded", "arrived delivered"}) &&
				!slices.Equal(got, []string{"accepted running", "accepted superseded", "arrived running", "arrived delivered"}) {
				t.Errorf("dispatch was told %q", got)
			}
		})
	})
	t.Run("ends the ringing about older news, and rings at once", func(t *testing.T) {
		runAutodial(t, func(t *testing.T, a *autodial) {
			legs := a.clientAnswers(8*time.Second, nil)
			a.news(t, pbx.StatusAccepted, 1)
			time.Sleep(5 * time.Second)
			began := time.Now()
			a.news(t, pbx.StatusArrived, 2)
			time.Sleep(time.Hour)
			a.wantStates(t, "accepted superseded", "arrived delivered")
			all := legs()
			if len(all) != 2 || len(toldTo(all[0])) != 0 || !slices.Equal(toldTo(all[1]), []string{"arrived"}) {
				t.Fatalf("%d calls", len(all))
			}
			if rang := all[1].Record().Answered.Sub(began); rang > 9*time.Second {
				t.Errorf("answered %v after the newer news, of which 8 s is ringing", rang)
			}
			if cdr := a.store.CDRs()[0]; cdr.Result != "superseded" {
				t.Errorf("the CDR of the call taken back says %q", cdr.Result)
			}
		})
	})
	t.Run("is spoken instead to a client who has just answered", func(t *testing.T) {
		runAutodial(t, func(t *testing.T, a *autodial) {
			legs := a.clientAnswers(3*time.Second, func(_ int, l *pbxtest.Leg) { a.news(t, pbx.StatusArrived, 2) })
			a.news(t, pbx.StatusAccepted, 1)
			time.Sleep(time.Hour)
			a.wantStates(t, "accepted superseded", "arrived delivered")
			if all := legs(); len(all) != 1 || !slices.Equal(toldTo(all[0]), []string{"arrived"}) {
				t.Errorf("%d calls", len(all))
			}
		})
	})
	t.Run("that nobody is called about still ends the older", func(t *testing.T) {
		runAutodial(t, func(t *testing.T, a *autodial) {
			a.dialer.Phones[clientPhone.Dialable()] = pbxtest.Refuses(pbx.ErrBusy)
			a.news(t, pbx.StatusAccepted, 1)
			time.Sleep(10 * time.Second)
			a.news(t, pbx.StatusInProgress, 2)
			time.Sleep(time.Hour)
			a.wantStates(t, "accepted superseded", "in_progress dropped")
			if n := len(a.dialer.Dialed()); n != 1 {
				t.Errorf("%d calls", n)
			}
		})
	})
	t.Run("that comes late is old", func(t *testing.T) {
		runAutodial(t, func(t *testing.T, a *autodial) {
			a.clientAnswers(time.Second, nil)
			a.news(t, pbx.StatusArrived, 5)
			time.Sleep(time.Hour)
			if err := a.Notify(t.Context(), pbx.Notice{OrderID: "42", Status: pbx.StatusAccepted, Version: 4, Order: a.order.is}); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Hour)
			a.wantStates(t, "arrived delivered", "accepted superseded")
		})
	})
	t.Run("of a system that counts no versions is any other status", func(t *testing.T) {
		runAutodial(t, func(t *testing.T, a *autodial) {
			legs := a.clientAnswers(time.Second, nil)
			for _, status := range []pbx.Status{"accepted", "accepted", "driver_refused", "accepted", "accepted"} {
				a.news(t, status, 0)
				time.Sleep(2 * time.Minute)
			}
			a.wantStates(t, "accepted delivered", "driver_refused delivered", "accepted delivered")
			if n := len(legs()); n != 3 {
				t.Errorf("%d calls", n)
			}
		})
	})
}

func TestTheOrderIsReadAgain(t *testing.T) {
	t.Run("before ringing: what has changed is not rung about", func(t *testing.T) {
		runAutodial(t, func(t *testing.T, a *autodial) {
			a.clientAnswers(time.Second, nil)
			news := a.order.becomes(pbx.StatusAccepted)
			time.Sleep(time.Second)
			a.order.becomes(pbx.StatusInProgress)
			if err := a.Notify(t.Context(), pbx.Notice{OrderID: "42", Status: news.Status, Version: 1, Order: news}); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Hour)
			a.wantStates(t, "accepted superseded", "in_progress dropped")
			if n := len(a.dialer.Dialed()); n != 0 {
				t.Errorf("%d calls", n)
			}
		})
	})
	t.Run("before ringing: what it has become is told, and once, though its notice comes too", func(t *testing.T) {
		runAutodial(t, func(t *testing.T, a *autodial) {
			legs := a.clientAnswers(time.Second, nil)
			news := a.order.becomes(pbx.StatusAccepted)
			time.Sleep(time.Second)
			a.order.becomes(pbx.StatusArrived)
			if err := a.Notify(t.Context(), pbx.Notice{OrderID: "42", Status: news.Status, Version: 1, Order: news}); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Minute)
			a.news(t, pbx.StatusArrived, 7)
			time.Sleep(time.Hour)
			a.wantStates(t, "accepted superseded", "arrived delivered")
			if all := legs(); len(all) != 1 || !slices.Equal(toldTo(all[0]), []string{"arrived"}) {
				t.Errorf("%d calls", len(all))
			}
		})
	})
	t.Run("at answer", func(t *testing.T) {
		runAutodial(t, func(t *testing.T, a *autodial) {
			legs := a.clientAnswers(10*time.Second, nil)
			a.news(t, pbx.StatusAccepted, 1)
			time.Sleep(9 * time.Second)
			a.order.becomes(pbx.StatusArrived) // and no notice comes
			time.Sleep(time.Hour)
			a.wantStates(t, "accepted superseded", "arrived delivered")
			if all := legs(); len(all) != 1 || !slices.Equal(toldTo(all[0]), []string{"arrived"}) {
				t.Errorf("%d calls", len(all))
			}
		})
	})
	t.Run("before speech", func(t *testing.T) {
		runAutodial(t, func(t *testing.T, a *autodial) {
			legs := a.clientAnswers(10*time.Second, func(_ int, l *pbxtest.Leg) {
				time.Sleep(300 * time.Millisecond) // the line is still silent
				a.order.becomes(pbx.StatusArrived)
			})
			a.news(t, pbx.StatusAccepted, 1)
			time.Sleep(time.Hour)
			a.wantStates(t, "accepted superseded", "arrived delivered")
			if all := legs(); len(all) != 1 || !slices.Equal(toldTo(all[0]), []string{"arrived"}) {
				t.Errorf("%d calls", len(all))
			}
		})
	})
	t.Run("a system that is dead costs a second each time, and the client is told what the notice has", func(t *testing.T) {
		runAutodial(t, func(t *testing.T, a *autodial) {
			legs := a.clientAnswers(time.Second, nil)
			order := a.order.becomes(pbx.StatusArrived)
			a.board.Dispatch = asleep{}
			began := time.Now()
			if err := a.Notify(t.Context(), pbx.Notice{OrderID: "42", Status: "arrived", Version: 1, Order: order}); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Hour)
			a.wantStates(t, "arrived delivered")
			if answered := legs()[0].Record().Answered.Sub(began); answered != 2*time.Second {
				t.Errorf("answered after %v, of which 1 s is ringing", answered)
			}
		})
	})
	t.Run("a system that is behind is not believed", func(t *testing.T) {
		runAutodial(t, func(t *testing.T, a *autodial) {
			legs := a.clientAnswers(time.Second, nil)
			a.order.is.Updated = time.Time{}
			old := a.order.is // says accepted, for ever
			a.board.Dispatch = pbxtest.Orders{clientPhone: &old}
			for version, status := range []pbx.Status{"accepted", "arrived"} {
				order := old
				order.Status = status
				if err := a.Notify(t.Context(), pbx.Notice{OrderID: "42", Status: status, Version: version + 1, Order: order}); err != nil {
					t.Fatal(err)
				}
				time.Sleep(time.Minute)
			}
			a.wantStates(t, "accepted delivered", "arrived delivered")
			if n := len(legs()); n != 2 {
				t.Errorf("%d calls", n)
			}
		})
	})
	t.Run("what it has of the car is what is said", func(t *testing.T) {
		runAutodial(t, func(t *testing.T, a *autodial) {
			a.clientAnswers(5*time.Second, func(_ int, l *pbxtest.Leg) { l.Press("1") })
			a.dialer.Phones["+79031112233"] = pbxtest.Answers(time.Second, a.driver, (*pbxtest.Leg).Leave)
			a.news(t, pbx.StatusAccepted, 1)
			time.Sleep(2 * time.Second)
			a.order.mu.Lock()
			a.order.is.Driver = "+79031112233" // another driver, the same status
			a.order.mu.Unlock()
			time.Sleep(time.Hour)
			dialed := a.dialer.Dialed()
			if len(dialed) != 2 || dialed[1].Number != "+79031112233" {
				t.Errorf("dialled %+v", dialed)
			}
		})
	})
}

// asleep is a dispatch system that answers nothing and forgets its context.
type asleep struct{ fails }

func (asleep) Order(context.Context, string) (*pbx.Order, error) {
	time.Sleep(30 * time.Minute)
	return nil, errors.New("too late")
}
