package pbx

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"
)

// Autodial calls clients when there is news of their orders. It decides which
// notice is told when; how one is told is the story in notify.go. Fill in the
// fields and give it to the Switchboard, which runs it.
type Autodial struct {
	Board   *Switchboard
	Store   NoticeStore
	Policy  NoticePolicy
	Outbox  Outbox      // is told how notices end, and gets answers that Answers fails to take; may be nil
	Answers AnswerTaker // may be nil
	Watch   NoticeWatch // may be nil

	once    sync.Once
	wake    chan struct{}
	closing atomic.Bool // Serve's context is over
	pace    pace

	mu      sync.Mutex
	ringing map[string]*ringing // by order: what Notify may have to take back
	called  map[Phone]int       // clients for whom a call is being made, before it is among the live ones too
	held    map[Phone]bool      // clients who talk to us while a notice waits for them
}

// ringing is a notice whose call was not answered yet.
type ringing struct {
	record NoticeRecord
	cancel context.CancelCauseFunc
}

// NoticeWatch is told what becomes of notices, for metrics.
type NoticeWatch interface {
	NoticeRang(r NoticeRecord, after time.Duration) // since it was due
	NoticeEnded(r NoticeRecord)
}

// errSuperseded ends the ringing about news that is old by now.
var errSuperseded = errors.New("superseded")

// What a notice may name; it comes from outside.
const (
	maxOrderID = 100 // bytes
	maxStatus  = 64
)

const (
	// whileTalking is how long a notice for a client who talks to us waits until
	// it is looked at again; the end of the call comes first.
	whileTalking = 10 * time.Second
	// afterFault is the pause when the store or the outbox fails.
	afterFault = 2 * time.Second
	// longestRest bounds the sleep between two looks at what is due.
	longestRest = time.Minute
)

func (a *Autodial) init() {
	a.once.Do(func() {
		a.wake = make(chan struct{}, 1)
		a.ringing, a.called, a.held = map[string]*ringing{}, map[Phone]int{}, map[Phone]bool{}
		a.pace = newPace(a.Policy.Pace)
		if a.Policy.Zone == nil {
			a.Policy.Zone = time.Local
		}
	})
}

// Notify implements Noticeboard.
func (a *Autodial) Notify(ctx context.Context, n Notice) error {
	a.init()
	if n.OrderID == "" || len(n.OrderID) > maxOrderID || n.Status == "" || len(n.Status) > maxStatus || n.Version < 0 {
		return fmt.Errorf("notice of order %.20q, status %.20q, version %d: not what an order is", n.OrderID, n.Status, n.Version)
	}
	if n.At.IsZero() {
		n.At = time.Now()
	}
	r := NoticeRecord{Notice: n, Line: a.Board.lineFor(n.Order.Line).Number}
	why, err := a.plan(ctx, &r)
	if err != nil {
		return err
	}
	r, known, err := a.Store.AcceptNotice(ctx, r, why)
	if err != nil || known {
		return err
	}
	zerolog.Ctx(ctx).Info().Int64(logNotice, r.ID).Str(logOrder, r.OrderID).Str(logStatus, string(r.Status)).
		Str(logState, string(r.State)).Str(logWhy, why).Msg("notice accepted")
	a.takeBack(r)
	a.look()
	return nil
}

// plan says when a client is called first, or why never.
func (a *Autodial) plan(ctx context.Context, r *NoticeRecord) (why string, err error) {
	rule := a.Policy.rule(r.Status)
	r.State = NoticeDropped
	switch {
	case !a.Policy.Enabled:
		return "notices are off", nil
	case !rule.On:
		return "no calls about this status", nil
	case r.ByClient:
		return "the client asked for it", nil
	case r.Order.Phone == "":
		return "no telephone number", nil
	case a.Board.voice(a.Board.lineFor(r.Line).Language).OrderStatus(a.facts(*r)) == nil:
		return "no text for this status", nil
	}
	opted, err := a.Store.OptedOut(ctx, r.Order.Phone)
	if err != nil || opted {
		return "the client wants no calls", err
	}
	r.Due = rule.Hours.next(r.At, a.Policy.zoneOf(r.Order.Phone))
	if r.Due.Sub(r.At) > rule.KeepFor {
		return "outside the hours, and old by the next ones", nil
	}
	r.State = NoticeWaiting
	return "to be told", nil
}

// takeBack ends the ringing about older news of the order.
func (a *Autodial) takeBack(newer NoticeRecord) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if now := a.ringing[newer.OrderID]; now != nil && newer.newerThan(now.record) {
		now.cancel(errSuperseded)
	}
}

func (r NoticeRecord) newerThan(other NoticeRecord) bool {
	return r.Version > other.Version || r.Version == other.Version && r.ID > other.ID
}

// look has the autodial look at what is due now.
func (a *Autodial) look() {
	select {
	case a.wake <- struct{}{}:
	default: // it will
	}
}

// serve begins the calls that are due until ctx ends and the last of them is over.
func (a *Autodial) serve(ctx context.Context) {
	a.init()
	defer context.AfterFunc(ctx, func() { a.closing.Store(true) })()
	var calls sync.WaitGroup
	defer calls.Wait()
	rest := time.NewTimer(a.resume(ctx))
	defer rest.Stop()
	for {
		select {
		case <-rest.C:
		case <-a.wake:
		case <-ctx.Done():
			a.report(context.WithoutCancel(ctx))
			return
		}
		rest.Reset(a.round(ctx, &calls))
	}
}

// resume takes up what a process that died left in hand.
func (a *Autodial) resume(ctx context.Context) (rest time.Duration) {
	left, err := a.Store.NoticesInHand(ctx)
	if err == nil {
		numbers := make([]Phone, len(a.Board.Lines))
		for i, l := range a.Board.Lines {
			numbers[i] = l.Number
		}
		err = a.Store.AdoptNotices(ctx, numbers, a.Board.lineFor("").Number)
	}
	if err != nil {
		if ctx.Err() == nil {
			zerolog.Ctx(ctx).Error().Err(err).Msg("notices left by the process before")
		}
		return afterFault
	}
	for _, r := range left {
		// The phone may still ring with the call that nobody owns any more.
		a.interrupted(ctx, r, a.Policy.rule(r.Status).ringTime(r.Order.Phone))
	}
	return 0
}

// interrupted has a notice told again that the exchange had in hand when it
// ended: once.
func (a *Autodial) interrupted(ctx context.Context, r NoticeRecord, pause time.Duration) {
	from, what := r.State, "the exchange ended while it was "+string(r.State)
	r.State, r.Due, r.Tries = NoticeWaiting, time.Now().Add(pause), r.Tries-1
	if r.Interrupted {
		r.State, what = NoticeFailed, what+", for the second time"
	}
	r.Interrupted = true
	a.move(ctx, from, &r, what)
}

// round begins every call that is due and for which there is room, and returns
// when to look again.
func (a *Autodial) round(ctx context.Context, calls *sync.WaitGroup) (rest time.Duration) {
	err := a.unhold(ctx)
	rest = longestRest
	for _, line := range a.Board.Lines {
		wait, fault := a.dialLine(ctx, line, calls)
		rest, err = min(rest, wait), errors.Join(err, fault)
	}
	if reported := a.report(ctx); !reported {
		rest = min(rest, afterFault)
	}
	due, fault := a.Store.NextDue(ctx)
	if err = errors.Join(err, fault); err != nil && ctx.Err() == nil {
		zerolog.Ctx(ctx).Error().Err(err).Msg("notices that are due")
		return afterFault
	}
	switch until := time.Until(due); {
	case due.IsZero():
	case until > 0:
		rest = min(rest, until)
	default: // no room: the end of a call wakes us
	}
	return rest
}

// dialLine begins the calls that are due on a line; wait is until its pace
// allows the next, if that is what it lacks.
func (a *Autodial) dialLine(ctx context.Context, line Line, calls *sync.WaitGroup) (wait time.Duration, err error) {
	for ctx.Err() == nil && !a.Board.declining.Load() {
		room, wait := a.pace.room(line, time.Now())
		if room == 0 {
			return wait, nil
		}
		due, err := a.Store.DueNotices(ctx, line.Number, time.Now(), room)
		if err != nil {
			return longestRest, err
		}
		for _, r := range due {
			if err := a.begin(ctx, line, r, calls); err != nil {
				return longestRest, err
			}
		}
		if len(due) < room {
			break
		}
	}
	return longestRest, nil
}

// begin begins the call for a notice that is due, unless the client talks to us
// already.
func (a *Autodial) begin(ctx context.Context, line Line, r NoticeRecord, calls *sync.WaitGroup) error {
	if call := a.talking(r.Order.Phone); call != nil || a.isCalled(r.Order.Phone) {
		return a.hold(ctx, r, call)
	}
	rule := a.Policy.rule(r.Status)
	now := time.Now()
	switch due := rule.Hours.next(now, a.Policy.zoneOf(r.Order.Phone)); {
	case now.Sub(r.At) > rule.KeepFor:
		return a.drop(ctx, r, "too old to be told")
	case due.After(now):
		return a.Store.HoldNotice(ctx, r.ID, due)
	}
	if opted, err := a.Store.OptedOut(ctx, r.Order.Phone); err != nil {
		return err
	} else if opted {
		return a.drop(ctx, r, "the client wants no calls")
	}
	due := r.Due
	r.State, r.Tries = NoticeDialling, r.Tries+1
	moved, err := a.Store.MoveNotice(ctx, NoticeWaiting, r, fmt.Sprintf("call %d", r.Tries))
	if err != nil || !moved {
		return err
	}
	a.claim(r, 1)
	a.pace.begin(line)
	calls.Go(func() {
		defer a.look()
		defer a.pace.end(line)
		defer a.claim(r, -1)
		defer caught(ctx, func(error) {})
		a.tell(ctx, line, r, due)
	})
	return nil
}

// hold keeps a notice for a client who talks to us until they have done, and
// tells the call that there is news. Or it is dropped, as the firm wishes.
func (a *Autodial) hold(ctx context.Context, r NoticeRecord, call *Call) error {
	if call != nil && call.seen.Load().cdr.Kind != KindNotice && !a.Policy.TellInCall {
		return a.drop(ctx, r, "the client was talking to us")
	}
	a.mu.Lock()
	a.held[r.Order.Phone] = true
	a.mu.Unlock()
	if call != nil {
		call.hasNews()
	}
	return a.Store.HoldNotice(ctx, r.ID, time.Now().Add(whileTalking))
}

func (a *Autodial) drop(ctx context.Context, r NoticeRecord, why string) error {
	r.State = NoticeDropped
	_, err := a.Store.MoveNotice(ctx, NoticeWaiting, r, why)
	return err
}

// unhold has those called who have done talking.
func (a *Autodial) unhold(ctx context.Context) error {
	a.mu.Lock()
	var free []Phone
	for phone := range a.held {
		if a.called[phone] == 0 && a.talking(phone) == nil {
			free = append(free, phone)
			delete(a.held, phone)
		}
	}
	a.mu.Unlock()
	now := time.Now()
	for _, phone := range free {
		if err := a.Store.HastenNotices(ctx, phone, now, now.Add(whileTalking)); err != nil {
			return err
		}
	}
	return nil
}

// callEnded is told of every call's end: a notice may have waited for it.
func (a *Autodial) callEnded() {
	a.init()
	a.mu.Lock()
	waiting := len(a.held) > 0
	a.mu.Unlock()
	if waiting {
		a.look()
	}
}

// talking is the live call of a client, nil when there is none.
func (a *Autodial) talking(phone Phone) *Call { return a.Board.live.with(phone) }

func (a *Autodial) isCalled(phone Phone) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.called[phone] > 0
}

func (a *Autodial) claim(r NoticeRecord, n int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.called[r.Order.Phone] += n; a.called[r.Order.Phone] == 0 {
		delete(a.called, r.Order.Phone)
	}
}

// move writes where a notice stands; false when that failed, or when the notice
// was elsewhere by now. It does so also when the call is over.
func (a *Autodial) move(ctx context.Context, from NoticeState, r *NoticeRecord, what string) bool {
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastWords)
	defer cancel()
	moved, err := a.Store.MoveNotice(last, from, *r, what)
	if err != nil {
		zerolog.Ctx(ctx).Error().Err(err).Int64(logNotice, r.ID).Msg("journal of a notice")
	}
	return moved
}

// report tells dispatch how notices ended; false when some are left to tell.
func (a *Autodial) report(ctx context.Context) (all bool) {
	const page = 50
	for {
		ended, err := a.Store.UnreportedNotices(ctx, page)
		for _, r := range ended {
			if err = a.reportOne(ctx, r); err != nil {
				break
			}
		}
		if err != nil {
			if ctx.Err() == nil {
				zerolog.Ctx(ctx).Error().Err(err).Msg("report of notices")
			}
			return false
		}
		if len(ended) < page {
			return true
		}
	}
}

func (a *Autodial) reportOne(ctx context.Context, r NoticeRecord) error {
	if err := a.post(ctx, r, r.State, r.Ended); err != nil {
		return err
	}
	if err := a.Store.ReportedNotice(ctx, r.ID); err != nil {
		return err
	}
	if a.Watch != nil {
		a.Watch.NoticeEnded(r)
	}
	return nil
}

// post puts an event about a notice into the outbox.
func (a *Autodial) post(ctx context.Context, r NoticeRecord, state NoticeState, at time.Time) error {
	if a.Outbox == nil {
		return nil
	}
	told := &NoticeReport{Status: r.Status, Version: r.Version, Phone: r.Order.Phone, Outcome: string(state), Tries: r.Tries, Machine: r.Machine}
	switch state {
	case NoticeDialling:
		told.Outcome = "running"
	case NoticeDelivered:
		if r.Machine {
			told.Next = a.Policy.rule(r.Status).Next
		}
	case NoticeSuperseded, NoticeDropped:
	default:
		told.Next = a.Policy.rule(r.Status).Next
	}
	return a.Outbox.Post(ctx, Event{Kind: EventNotice, CallID: noticeID(r), OrderID: r.OrderID, At: at, Notice: told})
}

// noticeID orders the events of a notice.
func noticeID(r NoticeRecord) string { return fmt.Sprintf("notice-%d", r.ID) }
