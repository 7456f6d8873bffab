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

func TestPolicy(t *testing.T) {
	for name, c := range map[string]struct {
		policy func(*autodial, *pbx.NoticeRule)
		phone  func(*autodial) func(context.Context) (pbx.Leg, error)
		status pbx.Status
		calls  []time.Duration // after the first
		states string
		next   string
	}{
		"a status that is off is written down and nobody is called": {status: pbx.StatusCompleted, states: "completed dropped"},
		"notices that are off too":                                  {policy: func(a *autodial, _ *pbx.NoticeRule) { a.Policy.Enabled = false }, states: "accepted dropped"},
		"a client who wants no calls gets none": {policy: func(a *autodial, _ *pbx.NoticeRule) {
			_ = a.db.AddOptOut(context.Background(), store.OptOut{Phone: clientPhone, Since: time.Now(), Note: "asked us"})
		}, states: "accepted dropped"},
		"busy: after a minute, three times in all": {
			phone:  func(*autodial) func(context.Context) (pbx.Leg, error) { return pbxtest.Refuses(pbx.ErrBusy) },
			calls:  []time.Duration{0, time.Minute, 2 * time.Minute},
			states: "accepted busy", next: "sms",
		},
		"no answer: thirty seconds of ringing, then after three minutes": {
			phone:  func(*autodial) func(context.Context) (pbx.Leg, error) { return pbxtest.Rings },
			calls:  []time.Duration{0, 3*time.Minute + 30*time.Second, 7 * time.Minute},
			states: "accepted no_answer", next: "sms",
		},
		"unreachable: after ten minutes": {
			phone:  func(*autodial) func(context.Context) (pbx.Leg, error) { return pbxtest.Refuses(pbx.ErrUnreachable) },
			calls:  []time.Duration{0, 10 * time.Minute, 20 * time.Minute},
			states: "accepted unreachable", next: "sms",
		},
		"rejected: never again": {
			phone:  func(*autodial) func(context.Context) (pbx.Leg, error) { return pbxtest.Refuses(pbx.ErrRejected) },
			calls:  []time.Duration{0},
			states: "accepted rejected", next: "sms",
		},
		"hung up on before the last word: never again": {
			phone: func(a *autodial) func(context.Context) (pbx.Leg, error) {
				return pbxtest.Answers(time.Second, a.client, func(l *pbxtest.Leg) { time.Sleep(3 * time.Second); l.Leave() })
			},
			calls:  []time.Duration{0},
			states: "accepted hung_up", next: "sms",
		},
		"a trunk with no free channel is no try": {
			phone: func(a *autodial) func(context.Context) (pbx.Leg, error) {
				n := 0
				return func(ctx context.Context) (pbx.Leg, error) {
					if n++; n < 6 {
						return nil, pbx.ErrNoChannel
					}
					return pbxtest.Answers(0, a.client, nil)(ctx)
				}
			},
			calls:  []time.Duration{0, 5 * time.Second, 10 * time.Second, 15 * time.Second, 20 * time.Second, 25 * time.Second},
			states: "accepted delivered",
		},
		"as many tries as the status says": {
			policy: func(_ *autodial, r *pbx.NoticeRule) { r.Tries = 1 },
			phone:  func(*autodial) func(context.Context) (pbx.Leg, error) { return pbxtest.Refuses(pbx.ErrBusy) },
			calls:  []time.Duration{0},
			states: "accepted busy", next: "sms",
		},
		"another channel as the status says": {
			policy: func(_ *autodial, r *pbx.NoticeRule) { r.Tries, r.Next = 1, "telegram" },
			phone:  func(*autodial) func(context.Context) (pbx.Leg, error) { return pbxtest.Refuses(pbx.ErrBusy) },
			calls:  []time.Duration{0},
			states: "accepted busy", next: "telegram",
		},
		"news that is old is not told any more": {
			policy: func(_ *autodial, r *pbx.NoticeRule) { r.KeepFor = 90 * time.Second },
			phone:  func(*autodial) func(context.Context) (pbx.Leg, error) { return pbxtest.Refuses(pbx.ErrBusy) },
			calls:  []time.Duration{0, time.Minute},
			states: "accepted busy", next: "sms",
		},
		"where a key is asked for, hearing it is not enough": {
			policy: func(_ *autodial, r *pbx.NoticeRule) { r.NeedsKey, r.Tries = true, 1 },
			phone: func(a *autodial) func(context.Context) (pbx.Leg, error) {
				return pbxtest.Answers(time.Second, a.client, nil)
			},
			calls:  []time.Duration{0},
			states: "accepted no_answer", next: "sms",
		},
		"nobody is called at night, but in the morning": { // it is midnight in every synctest bubble
			policy: func(_ *autodial, r *pbx.NoticeRule) {
				r.Hours, r.KeepFor = pbx.Hours{From: 8 * 60, Till: 22 * 60}, 12*time.Hour
			},
			phone: func(a *autodial) func(context.Context) (pbx.Leg, error) {
				return pbxtest.Answers(time.Second, a.client, nil)
			},
			calls:  []time.Duration{8 * time.Hour},
			states: "accepted delivered",
		},
		"news that would be old in the morning is not kept": {
			policy: func(_ *autodial, r *pbx.NoticeRule) { r.Hours = pbx.Hours{From: 8 * 60, Till: 22 * 60} },
			states: "accepted dropped",
		},
	} {
		t.Run(name, func(t *testing.T) {
			runAutodial(t, func(t *testing.T, a *autodial) {
				status := cmp.Or(c.status, pbx.StatusAccepted)
				rule := a.Policy.Statuses[status]
				if c.policy != nil {
					c.policy(a, &rule)
				}
				if rule.Tries > 0 {
					a.Policy.Statuses[status] = rule
				}
				began := time.Now()
				var calls []time.Duration
				if c.phone != nil {
					answer := c.phone(a)
					a.dialer.Phones[clientPhone.Dialable()] = func(ctx context.Context) (pbx.Leg, error) {
						calls = append(calls, time.Since(began))
						return answer(ctx)
					}
				}
				a.news(t, status, 1)
				time.Sleep(24 * time.Hour)
				synctest.Wait()
				a.wantStates(t, c.states)
				if !slices.Equal(calls, c.calls) {
					t.Errorf("called after %v, want %v", calls, c.calls)
				}
				a.posted.mu.Lock()
				defer a.posted.mu.Unlock()
				last := a.posted.events[len(a.posted.events)-1]
				if last.Notice.Next != c.next || last.CallID != "notice-1" || last.OrderID != "42" || last.Notice.Phone != clientPhone || string(last.Notice.Status)+" "+last.Notice.Outcome != c.states {
					t.Errorf("dispatch was told %+v %+v, want the next channel %q", last, last.Notice, c.next)
				}
			})
		})
	}
}

func TestPaceLeavesTheLinesToCallers(t *testing.T) {
	for name, c := range map[string]struct {
		pace   pbx.Pace
		atOnce int           // calls at a time
		in     time.Duration // until the last of ten has begun, each call taking 10 s
	}{
		"unbounded, all at once":     {pbx.Pace{}, 10, 0},
		"two at a time on a line":    {pbx.Pace{LineCalls: 2}, 2, 40 * time.Second},
		"three at a time on a trunk": {pbx.Pace{TrunkCalls: 3}, 3, 30 * time.Second},
		"one a second on a line":     {pbx.Pace{LinePerSecond: 1}, 10, 9 * time.Second},
		"two a second on a trunk":    {pbx.Pace{TrunkPerSecond: 2}, 10, 4 * time.Second},
		"the least of them counts":   {pbx.Pace{LineCalls: 5, TrunkCalls: 2, LinePerSecond: 1}, 2, 41 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			runAutodial(t, func(t *testing.T, a *autodial) {
				a.board.Dispatch = fails{}
				began := time.Now()
				var mu sync.Mutex
				var now, most int
				var last time.Duration
				for i := range 10 {
					phone := pbx.Phone("+7916000000" + string(rune('0'+i)))
					a.dialer.Phones[phone.Dialable()] = func(ctx context.Context) (pbx.Leg, error) {
						mu.Lock()
						now++
						most, last = max(most, now), time.Since(began)
						mu.Unlock()
						time.Sleep(10 * time.Second)
						mu.Lock()
						now--
						mu.Unlock()
						return nil, pbx.ErrRejected
					}
				}
				for i := range 10 {
					phone := pbx.Phone("+7916000000" + string(rune('0'+i)))
					if err := a.Notify(t.Context(), pbx.Notice{OrderID: phone.Dialable(), Status: pbx.StatusAccepted, Version: 1, Order: pbx.Order{Phone: phone, Line: ourLine}}); err != nil {
						t.Fatal(err)
					}
				}
				time.Sleep(time.Hour)
				synctest.Wait()
				if most != c.atOnce || last < c.in || last > c.in+100*time.Millisecond {
					t.Errorf("%d calls at a time, the last begun after %v; want %d, %v", most, last, c.atOnce, c.in)
				}
			}, func(a *autodial) { a.Policy.Pace = c.pace })
		})
	}
}

func TestANoticeOfALineThatIsNoMoreIsToldFromAnother(t *testing.T) {
	path := filepath.Join(t.TempDir(), "cabline.db")
	synctest.Test(t, func(t *testing.T) {
		a := withAutodial(t, path)
		a.news(t, pbx.StatusAccepted, 1)
		const other pbx.Phone = "+74951112233"
		a.board.Lines = []pbx.Line{{Number: other, Trunk: "carrier"}}
		legs := a.clientAnswers(time.Second, nil)
		ctx, end := context.WithCancel(t.Context())
		var serving sync.WaitGroup
		serving.Go(func() { a.board.Serve(ctx) })
		time.Sleep(time.Minute)
		end()
		serving.Wait()
		if len(legs()) != 1 || a.dialer.Dialed()[0].From != other {
			t.Errorf("dialled %+v", a.dialer.Dialed())
		}
		if err := a.db.Close(); err != nil {
			t.Error(err)
		}
	})
}
