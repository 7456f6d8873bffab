package pbx_test

import (
	"cmp"
	"context"
	"path/filepath"
	"slices"
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

// run tells a story in fake time: f runs while the exchange serves; then the
// exchange ends.
func runAutodial(t *testing.T, f func(t *testing.T, a *autodial)) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "cabline.db")
	synctest.Test(t, func(t *testing.T) {
		a := withAutodial(t, path)
		ctx, end := context.WithCancel(t.Context())
		var serving sync.WaitGroup
		serving.Go(func() { a.board.Serve(ctx) })
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
