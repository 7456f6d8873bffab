package pbx_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"cabline/media"
	"cabline/pbx"
	"cabline/pbx/pbxtest"
	"cabline/pbx/store"
	"cabline/prompts"
)

// The notices of a few orders against a model, over any sequence of news, calls
// answered and not, calls of the clients themselves, a dispatch system that fails,
// and deaths of the exchange.

// act is one thing that happens in the world.
type act struct {
	kind   string // news, again, stale, wait, phone, dispatch, call, die
	order  int
	status pbx.Status
	wait   time.Duration
	phone  string // what the client's phone does from now on
}

func (a act) String() string {
	return fmt.Sprintf("%s order %d %s %v %s", a.kind, a.order, a.status, a.wait, a.phone)
}

const modelOrders = 3

var modelStatuses = []pbx.Status{pbx.StatusAccepted, pbx.StatusArrived, pbx.StatusNoDriver, pbx.StatusDriverRefused, pbx.StatusInProgress}

func anyAct(t *rapid.T) act {
	return act{
		kind:   rapid.SampledFrom([]string{"news", "news", "news", "again", "stale", "wait", "wait", "wait", "phone", "dispatch", "call", "die", "die"}).Draw(t, "kind"),
		order:  rapid.IntRange(0, modelOrders-1).Draw(t, "order"),
		status: rapid.SampledFrom(modelStatuses).Draw(t, "status"),
		wait:   time.Duration(rapid.SampledFrom([]int{1, 6, 20, 40}).Draw(t, "unit")*rapid.IntRange(1, 100).Draw(t, "wait")) * 50 * time.Millisecond,
		phone:  rapid.SampledFrom([]string{"answers", "answers", "key", "leaves", "busy", "rings", "rejects", "gone"}).Draw(t, "phone"),
	}
}

// world is what the exchange cannot see and cannot lose.
type world struct {
	db *store.Store

	mu     sync.Mutex
	faulty bool // the dispatch system
	orders [modelOrders]pbx.Order
	posted [modelOrders][]post
	phones [modelOrders]string
	heard  map[string]int // "order 1 accepted 3": by how many calls
	wrong  []string

	exchange *life1
}

// post is a piece of news as dispatch sent it.
type post struct {
	status  pbx.Status
	version int
	at      time.Time
}

// life1 is one process of the exchange.
type life1 struct {
	board *pbx.Switchboard
	end   context.CancelFunc
	over  sync.WaitGroup
	dead  atomic.Bool
	legs  [modelOrders][]*pbxtest.Leg
}

// calls are those of an order's client at this moment. The world is locked.
func (x *life1) calls(order int) (n int) {
	for _, l := range x.legs[order] {
		if l.Context().Err() == nil {
			n++
		}
	}
	return n
}

var errDead = errors.New("the process is dead")

// corpse is a store that a dead process cannot write to.
type corpse struct {
	*store.Store
	of *life1
}

func (c corpse) AcceptNotice(ctx context.Context, r pbx.NoticeRecord, why string) (pbx.NoticeRecord, bool, error) {
	if c.of.dead.Load() {
		return r, false, errDead
	}
	return c.Store.AcceptNotice(ctx, r, why)
}

func (c corpse) MoveNotice(ctx context.Context, from pbx.NoticeState, r pbx.NoticeRecord, what string) (bool, error) {
	if c.of.dead.Load() {
		return false, errDead
	}
	return c.Store.MoveNotice(ctx, from, r, what)
}

func (c corpse) HoldNotice(ctx context.Context, id int64, until time.Time) error {
	if c.of.dead.Load() {
		return errDead
	}
	return c.Store.HoldNotice(ctx, id, until)
}

func phoneOf(order int) pbx.Phone { return pbx.Phone(fmt.Sprintf("+7916000000%d", order)) }

// Order, OrderByPhone and OrdersByDriver make the world a pbx.Dispatch.
func (w *world) Order(_ context.Context, id string) (*pbx.Order, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.faulty {
		return nil, errors.New("down")
	}
	for _, o := range w.orders {
		if o.ID == id && o.Status != "" {
			return &o, nil
		}
	}
	return nil, pbx.ErrNoOrder
}

func (w *world) OrderByPhone(ctx context.Context, phone pbx.Phone) (*pbx.Order, error) {
	return w.Order(ctx, strings.TrimPrefix(phone.Dialable(), "+7916000000"))
}

func (w *world) OrdersByDriver(context.Context, pbx.Phone) ([]*pbx.Order, error) {
	return nil, pbx.ErrNoOrder
}

// named is a voice whose texts say which order and version they are of.
type named struct{ pbxtest.Voice }

func (named) OrderStatus(f prompts.Facts) media.Speech {
	return media.Speech{{Name: fmt.Sprintf("order %s %s %d", f.Plate, f.Status, f.Price), ALaw: make([]byte, 3*media.Rate)}}
}

// begin starts a process of the exchange.
func (w *world) begin() {
	x := &life1{}
	rules := map[pbx.Status]pbx.NoticeRule{}
	for _, s := range modelStatuses {
		rules[s] = usual(pbx.KeyOperator)
	}
	delete(rules, pbx.StatusInProgress) // nobody is called about it
	x.board = &pbx.Switchboard{Dispatch: w, Store: &pbxtest.Store{}, Voices: map[string]pbx.Voice{"ru": named{}}, Language: "ru",
		Lines: []pbx.Line{{Number: ourLine, Trunk: "carrier"}}, Limits: pbx.Limits{QueueMax: 10 * time.Second}}
	x.board.Notices = &pbx.Autodial{Board: x.board, Store: corpse{w.db, x}, Policy: pbx.NoticePolicy{Enabled: true, TellInCall: true, Zone: time.UTC,
		Pace: pbx.Pace{LineCalls: 2}, Statuses: rules}}
	phones := map[string]func(context.Context) (pbx.Leg, error){}
	for order := range modelOrders {
		phones[phoneOf(order).Dialable()] = func(ctx context.Context) (pbx.Leg, error) { return w.ring(ctx, x, order) }
	}
	x.board.Dialer = &pbxtest.Dialer{Phones: phones}
	ctx, end := context.WithCancel(context.Background())
	x.end = end
	x.over.Go(func() { x.board.Serve(ctx) })
	w.exchange = x
}

// die is kill -9: nothing is written any more, every call is cut off.
func (w *world) die() {
	x := w.exchange
	x.dead.Store(true)
	w.mu.Lock()
	legs := slices.Concat(x.legs[0], x.legs[1], x.legs[2])
	w.mu.Unlock()
	x.end()
	for _, l := range legs {
		l.Leave()
	}
	x.over.Wait()
}

// ring is a client's phone.
func (w *world) ring(ctx context.Context, x *life1, order int) (pbx.Leg, error) {
	if x.dead.Load() {
		return nil, errDead
	}
	leg := pbxtest.NewLeg(phoneOf(order))
	w.mu.Lock()
	does := w.phones[order]
	x.legs[order] = append(x.legs[order], leg)
	if x.calls(order) > 1 {
		w.wrong = append(w.wrong, fmt.Sprintf("%v: two calls of order %d at once", time.Now(), order))
	}
	w.mu.Unlock()
	refuse := func(err error) (pbx.Leg, error) { leg.Leave(); return nil, err }
	switch does {
	case "busy":
		return refuse(pbx.ErrBusy)
	case "rejects":
		return refuse(pbx.ErrRejected)
	case "gone":
		return refuse(pbx.ErrUnreachable)
	case "rings":
		<-ctx.Done()
		return refuse(context.Cause(ctx))
	}
	answered, err := pbxtest.Answers(4*time.Second, leg, func(l *pbxtest.Leg) {
		switch does {
		case "key":
			time.Sleep(3 * time.Second)
			l.Press("0")
		case "leaves":
			time.Sleep(2 * time.Second)
			l.Leave()
		}
	})(ctx)
	if err != nil {
		return refuse(err)
	}
	return earedLeg{answered.(*pbxtest.Leg), w.ear(leg)}, nil
}

// ear counts the notices that are heard whole, each once a call.
func (w *world) ear(leg *pbxtest.Leg) ear {
	said := map[string]bool{}
	return ear{leg.Port, func(clip string) {
		text, whole := strings.CutSuffix(clip, ", the last word")
		w.mu.Lock()
		defer w.mu.Unlock()
		if whole && !said[text] {
			said[text] = true
			w.heard[text]++
		}
	}}
}

func (w *world) do(a act) {
	switch a.kind {
	case "news":
		w.news(a.order, a.status)
	case "again", "stale":
		w.mu.Lock()
		posted := slices.Clone(w.posted[a.order])
		w.mu.Unlock()
		if len(posted) > 0 {
			p := posted[len(posted)-1]
			if a.kind == "stale" {
				p = posted[0]
			}
			w.post(a.order, p)
		}
	case "wait":
		time.Sleep(a.wait)
	case "phone":
		w.mu.Lock()
		w.phones[a.order] = a.phone
		w.mu.Unlock()
	case "dispatch":
		w.mu.Lock()
		w.faulty = !w.faulty
		w.mu.Unlock()
	case "call":
		w.clientCalls(a.order)
	case "die":
		w.die()
		w.begin()
	}
	synctest.Wait()
	w.checkWaiting()
}

// checkWaiting: of an order only the newest news waits.
func (w *world) checkWaiting() {
	waiting, err := w.db.Notices(context.Background(), store.NoticeQuery{State: pbx.NoticeWaiting, Limit: 1000})
	if err != nil {
		w.wrong = append(w.wrong, err.Error())
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, r := range waiting {
		var order int
		_, _ = fmt.Sscan(r.OrderID, &order)
		if r.Version != len(w.posted[order]) {
			w.wrong = append(w.wrong, fmt.Sprintf("%v: order %d version %d waits, and %d is the newest", time.Now(), order, r.Version, len(w.posted[order])))
		}
	}
}

// news is an order's change of status, told three times at once.
func (w *world) news(order int, status pbx.Status) {
	w.mu.Lock()
	o := &w.orders[order]
	if o.Status == status {
		w.mu.Unlock()
		return
	}
	*o = pbx.Order{ID: fmt.Sprint(order), Status: status, Phone: phoneOf(order), Line: ourLine, Updated: time.Now(),
		Price: len(w.posted[order]) + 1, Car: pbx.Car{Plate: fmt.Sprint(order)}}
	p := post{status, o.Price, time.Now()}
	w.posted[order] = append(w.posted[order], p)
	w.mu.Unlock()
	var posts sync.WaitGroup
	for range 3 {
		posts.Go(func() { w.post(order, p) })
	}
	posts.Wait()
	time.Sleep(time.Millisecond) // no two pieces of news at one moment
}

func (w *world) post(order int, p post) {
	w.mu.Lock()
	o := w.orders[order]
	w.mu.Unlock()
	o.Status, o.Price, o.Updated = p.status, p.version, p.at
	if err := w.exchange.board.Notices.Notify(context.Background(), pbx.Notice{OrderID: o.ID, Status: p.status, Version: p.version, Order: o}); err != nil {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.wrong = append(w.wrong, "notify: "+err.Error())
	}
}

// clientCalls has a client call the firm for some twenty seconds, unless their
// phone is in use.
func (w *world) clientCalls(order int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	x, leg := w.exchange, pbxtest.NewLeg(phoneOf(order))
	if x.calls(order) > 0 {
		return
	}
	x.legs[order] = append(x.legs[order], leg)
	x.over.Go(func() {
		x.board.Incoming(context.Background(), earedLeg{leg, w.ear(leg)}, pbx.Arrival{From: phoneOf(order), To: ourLine, Trunk: "carrier"})
	})
	time.AfterFunc(20*time.Second, leg.Leave)
}

// check compares what is left with the model.
func (w *world) check(acts []act) {
	deaths := 0
	for _, a := range acts {
		if a.kind == "die" {
			deaths++
		}
	}
	complain := func(format string, args ...any) { w.wrong = append(w.wrong, fmt.Sprintf(format, args...)) }
	for text, times := range w.heard {
		if times > 1 {
			complain("%q was heard in %d calls", text, times)
		}
	}
	all, err := w.db.Notices(context.Background(), store.NoticeQuery{Limit: 1000})
	if err != nil {
		complain("%v", err)
	}
	stored := map[string]pbx.NoticeRecord{}
	for _, r := range all {
		name := fmt.Sprintf("order %s %s %d", r.OrderID, r.Status, r.Version)
		stored[name] = r
		if !r.State.Over() {
			complain("%s is left %s", name, r.State)
		}
		w.checkJournal(complain, name, r, deaths)
	}
	for order, posted := range w.posted {
		for i, p := range posted {
			name := fmt.Sprintf("order %d %s %d", order, p.status, p.version)
			r, there := stored[name]
			newest := i == len(posted)-1
			switch {
			case !there:
				complain("%s was lost", name)
			case newest && r.State == pbx.NoticeSuperseded:
				complain("%s is the newest, and superseded", name)
			case p.status == pbx.StatusInProgress && r.State != pbx.NoticeDropped && r.State != pbx.NoticeSuperseded:
				complain("%s is %s, and nobody is called about it", name, r.State)
			case r.State == pbx.NoticeDropped && p.status != pbx.StatusInProgress:
				complain("%s was dropped", name)
			}
		}
	}
	if len(stored) != len(all) {
		complain("%d notices of %d names", len(all), len(stored))
	}
}

func (w *world) checkJournal(complain func(string, ...any), name string, r pbx.NoticeRecord, deaths int) {
	_, steps, err := w.db.Notice(context.Background(), r.ID)
	if err != nil {
		complain("%v", err)
	}
	rings, delivered, again := 0, 0, 0
	var order int
	_, _ = fmt.Sscan(r.OrderID, &order)
	for i, s := range steps {
		switch s.State {
		case pbx.NoticeWaiting:
			if strings.HasPrefix(s.What, "the exchange ended") {
				again++
			}
		case pbx.NoticeDialling:
			rings++
		case pbx.NoticeDelivered:
			if i == 0 || steps[i-1].State != pbx.NoticeDelivered {
				delivered++
			}
		case pbx.NoticeSpeaking:
			for _, p := range w.posted[order] {
				if p.version > r.Version && p.at.Before(s.At) {
					complain("%s is told at %v though version %d came at %v", name, s.At, p.version, p.at)
				}
			}
		}
	}
	if delivered > 1 || (delivered == 1) != (r.State == pbx.NoticeDelivered) {
		complain("%s is %s and was delivered %d times: %+v", name, r.State, delivered, steps)
	}
	if most := 3 + min(deaths, 1); rings > most || again > 1 {
		complain("%s rang %d times, %d at most: %+v", name, rings, most, steps)
	}
	// Who has just answered is told how the order stands, whatever it is.
	if heard := w.heard[name]; heard > delivered && r.Status != pbx.StatusInProgress {
		complain("%s was heard and is %s: %+v", name, r.State, steps)
	}
}

func TestNoticesByAModel(t *testing.T) {
	folder, n := t.TempDir(), 0
	rapid.Check(t, func(rt *rapid.T) {
		acts := rapid.SliceOfN(rapid.Custom(anyAct), 1, 40).Draw(rt, "acts")
		n++
		path := filepath.Join(folder, fmt.Sprint(n, ".db"))
		var wrong []string
		synctest.Test(t, func(t *testing.T) { // whose panics rapid cannot see: nothing is drawn inside
			db, err := store.Open(path)
			if err != nil {
				t.Fatal(err)
			}
			w := &world{db: db, heard: map[string]int{}, phones: [modelOrders]string{"answers", "answers", "answers"}}
			w.begin()
			for _, a := range acts {
				w.do(a)
			}
			w.mu.Lock()
			w.phones = [modelOrders]string{"answers", "answers", "answers"}
			w.mu.Unlock()
			time.Sleep(3 * time.Hour)
			w.exchange.end()
			w.exchange.over.Wait()
			synctest.Wait()
			w.check(acts)
			wrong = w.wrong
			if err := db.Close(); err != nil {
				t.Error(err)
			}
		})
		if len(wrong) > 0 {
			rt.Fatalf("%s", strings.Join(wrong, "\n"))
		}
	})
}
