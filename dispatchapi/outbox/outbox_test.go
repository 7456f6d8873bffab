package outbox_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"cabline/dispatchapi/outbox"
	"cabline/pbx"
	"cabline/pbx/store"
)

func TestMain(m *testing.M) {
	if postForEver() {
		return
	}
	goleak.VerifyTestMain(m)
}

// system is a dispatch system made of memory.
type system struct {
	mu     sync.Mutex
	answer func(try int, e pbx.Event) error // nil: takes everything
	tries  int
	told   []pbx.Event // taken, in order
	ids    []string
	at     []time.Time // of every try
}

func (s *system) Deliver(_ context.Context, id string, e pbx.Event) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tries++
	s.at = append(s.at, time.Now())
	if s.answer != nil {
		if err := s.answer(s.tries, e); err != nil {
			return err
		}
	}
	s.told, s.ids = append(s.told, e), append(s.ids, id)
	return nil
}

// sofar is what there has been.
func (s *system) sofar() (tries int, at []time.Time, told []pbx.Event, ids []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.tries, slices.Clone(s.at), slices.Clone(s.told), slices.Clone(s.ids)
}

func (s *system) heard() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []string
	for _, e := range s.told {
		all = append(all, e.CallID+" "+string(e.Kind))
	}
	return all
}

func newBox(t *testing.T, path string, receivers map[string]outbox.Receiver) (*outbox.Box, *store.Store) {
	t.Helper()
	db, err := store.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return outbox.New(db, receivers), db
}

func serve(t *testing.T, b *outbox.Box) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	served := make(chan struct{})
	go func() { b.Serve(ctx); close(served) }()
	return func() { cancel(); <-served }
}

func event(call string, kind pbx.EventKind) pbx.Event {
	return pbx.Event{Kind: kind, CallID: call, At: time.Now()}
}

func waiting(t *testing.T, b *outbox.Box) int {
	t.Helper()
	logs, err := b.Backlogs(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, l := range logs {
		n += l.Waiting
	}
	return n
}

var everything = func() pbx.Event {
	at := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	return pbx.Event{Kind: pbx.EventCallEnded, CallID: "c1", OrderID: "42", At: at, Answer: pbx.AnswerComingOut,
		Recording: &pbx.Recording{CallID: "c1", Number: 2, File: "2026-11-22/120000.000-c1-2-client-operator.wav", URL: "https://pbx/api/v1/calls/c1/recordings/2",
			Started: at, Length: 31 * time.Second, Size: 496046, Left: pbx.RoleClient, Right: pbx.RoleOperator},
		CDR: &pbx.CDR{ID: "c1", Kind: pbx.KindInbound, Line: "+74950000000", From: "+79161234567", To: "+79035550001", OrderID: "42",
			Branch: "Центр", Started: at, Answered: at.Add(time.Second), Ended: at.Add(time.Minute), Waited: 1500 * time.Millisecond,
			Talked: 31 * time.Second, State: pbx.StateEnded, Result: "completed",
			Legs: []pbx.LegRecord{{Party: pbx.RoleOperator, Operator: "anna", Started: at, Answered: at, Ended: at, Cause: "hung up"}}},
		Notice: &pbx.NoticeReport{Status: pbx.StatusArrived, Version: 3, Phone: "+79161234567", Outcome: "busy", Tries: 2, Machine: true, Next: "sms"}}
}()

func TestAnEventArrivesAsItWasPosted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dispatch := &system{}
		box, db := newBox(t, filepath.Join(t.TempDir(), "db"), map[string]outbox.Receiver{"dispatch": dispatch})
		defer db.Close()
		want := everything
		want.At = time.Now().UTC()
		if err := box.Post(t.Context(), want); err != nil {
			t.Fatal(err)
		}
		defer serve(t, box)()
		time.Sleep(time.Minute)
		_, _, told, _ := dispatch.sofar()
		if len(told) != 1 {
			t.Fatalf("told %d times", len(told))
		}
		if diff := cmp.Diff(want, told[0]); diff != "" {
			t.Error(diff)
		}
		if n := waiting(t, box); n != 0 {
			t.Errorf("%d events still wait", n)
		}
	})
}

func TestEventsOfACallAreToldInOrderAndOneThatFailsHoldsUpItsOwnCallOnly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dispatch := &system{answer: func(_ int, e pbx.Event) error {
			if e.CallID == "stuck" && time.Since(e.At) < 30*time.Minute {
				return errors.New("HTTP 500")
			}
			return nil
		}}
		box, db := newBox(t, filepath.Join(t.TempDir(), "db"), map[string]outbox.Receiver{"dispatch": dispatch})
		defer db.Close()
		defer serve(t, box)()
		kinds := []pbx.EventKind{pbx.EventCallStarted, pbx.EventCallAnswered}
		for _, kind := range kinds {
			for _, call := range []string{"stuck", "a", "b"} {
				box.Take(event(call, kind))
			}
		}
		for _, call := range []string{"stuck", "a", "b"} {
			if err := box.SaveCDR(t.Context(), pbx.CDR{ID: call, Ended: time.Now()}); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(5 * time.Minute)
		got := dispatch.heard()
		if len(got) != 6 || slices.ContainsFunc(got, func(s string) bool { return s[:2] == "st" }) {
			t.Errorf("after 5 min told %q", got)
		}
		time.Sleep(time.Hour)
		for _, call := range []string{"stuck", "a", "b"} {
			var own []string
			for _, s := range dispatch.heard() {
				if s[:len(call)+1] == call+" " {
					own = append(own, s[len(call)+1:])
				}
			}
			if !slices.Equal(own, []string{"call_started", "call_answered", "call_ended"}) {
				t.Errorf("of call %s told %q", call, own)
			}
		}
	})
}

func TestAnEventIsTriedWithGrowingPausesForADayAndThenGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dispatch := &system{answer: func(int, pbx.Event) error { return errors.New("connection refused") }}
		box, db := newBox(t, filepath.Join(t.TempDir(), "db"), map[string]outbox.Receiver{"dispatch": dispatch})
		defer db.Close()
		defer serve(t, box)()
		box.Take(event("c1", pbx.EventCallStarted))
		time.Sleep(23*time.Hour + 55*time.Minute)
		if n := waiting(t, box); n != 1 {
			t.Fatalf("%d events wait before the day is over, want 1", n)
		}
		tries, at, _, _ := dispatch.sofar()
		if first, later := at[1].Sub(at[0]), at[6].Sub(at[5]); first > 3*time.Second || later < 15*time.Second {
			t.Errorf("the first pause is %v, the sixth %v", first, later)
		}
		if tries < 23*60 || tries > 36*60 {
			t.Errorf("tried %d times in a day, want about once a minute", tries)
		}
		time.Sleep(10 * time.Minute)
		logs, err := box.Backlogs(t.Context())
		if err != nil || logs[0].Waiting != 0 || logs[0].GivenUp != 1 {
			t.Errorf("after a day: %+v, %v", logs, err)
		}
		tried, _, _, _ := dispatch.sofar()
		time.Sleep(time.Hour)
		if tries, _, _, _ := dispatch.sofar(); tries != tried {
			t.Error("it is still tried")
		}
	})
}

func TestASystemThatComesBackIsToldEverythingOnceAndIsNotStormedMeanwhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		dispatch := &system{answer: func(int, pbx.Event) error {
			if time.Since(began) < 2*time.Hour {
				return errors.New("connection refused")
			}
			return nil
		}}
		box, db := newBox(t, filepath.Join(t.TempDir(), "db"), map[string]outbox.Receiver{"dispatch": dispatch})
		defer db.Close()
		defer serve(t, box)()
		const calls = 300
		for i := range calls {
			box.Take(event(fmt.Sprint("call", i), pbx.EventCallStarted))
		}
		time.Sleep(2 * time.Hour)
		if tries, _, _, _ := dispatch.sofar(); tries > 200 {
			t.Errorf("%d tries at a dead system in two hours", tries)
		}
		time.Sleep(10 * time.Minute)
		_, _, told, ids := dispatch.sofar()
		slices.Sort(ids)
		if len(told) != calls || len(slices.Compact(ids)) != calls || waiting(t, box) != 0 {
			t.Errorf("told %d, of %d events; %d wait", len(told), calls, waiting(t, box))
		}
	})
}

func TestWhatASystemRefusesForGoodIsNotTriedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dispatch := &system{answer: func(_ int, e pbx.Event) error {
			if e.Kind == pbx.EventCallStarted {
				return fmt.Errorf("%w: no such field", outbox.ErrRefused)
			}
			return nil
		}}
		panics := &system{answer: func(try int, e pbx.Event) error {
			if try == 1 {
				panic("an adapter's fault")
			}
			return nil
		}}
		box, db := newBox(t, filepath.Join(t.TempDir(), "db"), map[string]outbox.Receiver{"dispatch": dispatch, "other": panics})
		defer db.Close()
		defer serve(t, box)()
		box.Take(event("c1", pbx.EventCallStarted))
		box.Take(event("c1", pbx.EventCallAnswered))
		time.Sleep(time.Minute)
		if tries, _, _, _ := dispatch.sofar(); !slices.Equal(dispatch.heard(), []string{"c1 call_answered"}) || tries != 2 {
			t.Errorf("told %q in %d tries", dispatch.heard(), tries)
		}
		if got := panics.heard(); len(got) != 2 {
			t.Errorf("the system whose adapter panicked once was told %q", got)
		}
	})
}

func TestTheEndOfACallIsStoredWithItsCDROrNeither(t *testing.T) {
	box, db := newBox(t, filepath.Join(t.TempDir(), "db"), map[string]outbox.Receiver{"dispatch": &system{}})
	box.Take(event("c1", pbx.EventCallStarted)) // not stored yet: it goes along
	if err := box.SaveCDR(t.Context(), pbx.CDR{ID: "c1", Kind: pbx.KindInbound, Ended: time.Now()}); err != nil {
		t.Fatal(err)
	}
	if _, err := db.CDR(t.Context(), "c1"); err != nil || waiting(t, box) != 2 {
		t.Errorf("CDR: %v; %d events wait, want the start and the end", err, waiting(t, box))
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := box.SaveCDR(ctx, pbx.CDR{ID: "c2", Ended: time.Now()}); err == nil {
		t.Error("a CDR that could not be saved was saved")
	}
	if _, err := db.CDR(t.Context(), "c2"); !errors.Is(err, store.ErrNoCDR) || waiting(t, box) != 2 {
		t.Errorf("CDR: %v; %d events wait", err, waiting(t, box))
	}
	if err := box.Post(t.Context(), event("c3", pbx.EventNotice)); err != nil || waiting(t, box) != 4 {
		t.Errorf("later %v: %d events wait, want the end of the unsaved call too", err, waiting(t, box))
	}
}

// The switchboard takes an event while a backup holds the database locked.
func TestTakingAnEventWaitsForNothing(t *testing.T) {
	box, db := newBox(t, filepath.Join(t.TempDir(), "db"), map[string]outbox.Receiver{"dispatch": &system{}})
	locked, unlock := make(chan struct{}), make(chan struct{})
	var held sync.WaitGroup
	held.Go(func() { _ = db.Write(t.Context(), holdUntil(locked, unlock)) })
	<-locked
	for i := range 20_000 { // more than there is room for
		box.Take(event(fmt.Sprint(i), pbx.EventCallStarted))
	}
	if err := box.Post(t.Context(), event("one more", pbx.EventNotice)); !errors.Is(err, outbox.ErrFull) {
		t.Errorf("one more: %v, want %v", err, outbox.ErrFull)
	}
	close(unlock)
	held.Wait()
	stop := serve(t, box)
	for end := time.Now().Add(time.Minute); waiting(t, box) > 0 || heardNothing(t, box); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%d events wait", waiting(t, box))
		}
	}
	stop()
}

func heardNothing(t *testing.T, box *outbox.Box) bool {
	logs, err := box.Backlogs(t.Context())
	return err != nil || logs[0].Delivered < 10_000
}
