package media_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"cabline/media"
)

// talker is a port that knows when its party speaks.
type talker struct {
	media.Port
	speaks, holds func(since time.Duration) bool // in a second of the watch
	began         time.Time
}

func (k *talker) Stats() (s media.Stats) {
	now := time.Since(k.began)
	for at := now; at >= 0 && !k.speaks(at) && !k.holds(at); at -= time.Second {
		s.Silence += time.Second
	}
	return s
}

// spans is true from an even duration to the odd one after it.
func spans(edges ...time.Duration) func(time.Duration) bool {
	return func(at time.Duration) (in bool) {
		for _, edge := range edges {
			in = in != (at >= edge)
		}
		return in
	}
}

func TestAWatchEndsWhenNobodyIsHeard(t *testing.T) {
	const s, ever = time.Second, 24 * time.Hour
	never := spans()
	for _, tt := range []struct {
		name    string
		parties []*talker
		want    time.Duration // ever: not within an hour
	}{
		{"one that never speaks", []*talker{{speaks: never, holds: never}}, 60 * s},
		{"one that always speaks", []*talker{{speaks: spans(0), holds: never}}, ever},
		{"one that stops", []*talker{{speaks: spans(0, 100*s), holds: never}}, 160 * s},
		{"one that pauses and stops", []*talker{{speaks: spans(0, 10*s, 50*s, 110*s, 169*s, 170*s), holds: never}}, 230 * s},
		{"one that is on hold for 25 minutes", []*talker{{speaks: spans(0, 30*s, 1530*s), holds: spans(30*s, 1530*s)}}, ever},
		{"one that is gone after a hold", []*talker{{speaks: spans(0, 30*s), holds: spans(30*s, 1530*s)}}, 1590 * s},
		{"one of two stops", []*talker{{speaks: spans(0, 10*s), holds: never}, {speaks: spans(0), holds: never}}, ever},
		{"both stop, one after the other", []*talker{{speaks: spans(0, 10*s), holds: never}, {speaks: spans(0, 100*s), holds: never}}, 160 * s},
		{"one stops and the other holds", []*talker{{speaks: spans(0, 10*s), holds: never}, {speaks: never, holds: spans(0)}}, ever},
		{"two take turns of 50 s", []*talker{{speaks: spans(0, 50*s, 100*s, 150*s, 200*s), holds: never}, {speaks: spans(50*s, 100*s), holds: never}}, ever},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				begin := time.Now()
				ctx, cancel := context.WithTimeoutCause(t.Context(), time.Hour, errBye)
				defer cancel()
				var ports []media.Port
				for _, k := range tt.parties {
					k.began = begin
					ports = append(ports, k)
				}
				err := media.Watch{Silent: 60 * s}.Keep(ctx, ports...)
				took := time.Since(begin)
				if tt.want == ever {
					if err != errBye || took != time.Hour {
						t.Errorf("%v after %v", err, took)
					}
				} else if !errors.Is(err, media.ErrSilent) || took < tt.want-s || took > tt.want+s {
					t.Errorf("%v after %v, want %v", err, took, tt.want)
				}
			})
		})
	}
}

var errBye = errors.New("bye")

func TestAWatchTellsOnceOfEachPartyThatIsMissed(t *testing.T) {
	const s = time.Second
	never := spans()
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		a := &talker{speaks: spans(0, 15*s, 18*s, 20*s, 50*s, 100*s), holds: never, began: begin} // pauses of 3 and 30 s
		b := &talker{speaks: never, holds: spans(0, 40*s), began: begin}
		told := map[int][]time.Duration{}
		watch := media.Watch{Silent: time.Minute, Missed: 10 * s, Tell: func(party int) { told[party] = append(told[party], time.Since(begin)) }}
		if err := watch.Keep(t.Context(), a, b); !errors.Is(err, media.ErrSilent) || time.Since(begin) < 159*s || time.Since(begin) > 161*s {
			t.Errorf("%v after %v", err, time.Since(begin))
		}
		for party, want := range []time.Duration{30 * s, 50 * s} {
			if at := told[party]; len(at) != 1 || at[0] < want-s || at[0] > want+s {
				t.Errorf("party %d is missed at %v, want once at %v", party, at, want)
			}
		}
	})
}

func TestSilenceBeforeTheWatchDoesNotCount(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := &talker{speaks: spans(), holds: spans(), began: time.Now()}
		time.Sleep(10 * time.Minute) // it rang
		begin := time.Now()
		if err := (media.Watch{Silent: time.Minute}).Keep(t.Context(), k); !errors.Is(err, media.ErrSilent) || time.Since(begin) != time.Minute {
			t.Errorf("%v after %v", err, time.Since(begin))
		}
	})
}

func TestSilenceIsOfThoseWhoShouldSpeak(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var r media.Reception
		silence := func() time.Duration {
			var s media.Stats
			r.Fill(&s)
			return s.Silence
		}
		time.Sleep(time.Minute)
		for _, step := range []struct {
			name string
			do   func()
			want time.Duration // a second later
		}{
			{"before anything is agreed", func() {}, 0},
			{"agreed, and nothing heard", func() { r.Await(true) }, time.Second},
			{"agreed again", func() { r.Await(true) }, 2 * time.Second},
			{"heard", func() { r.Take(&media.Packet{}, time.Now()) }, time.Second},
			{"no more", func() {}, 2 * time.Second},
			{"on hold", func() { r.Await(false) }, 0},
			{"heard on hold, or not", func() {}, 0},
			{"back", func() { r.Await(true) }, time.Second},
		} {
			step.do()
			time.Sleep(time.Second)
			if got := silence(); got != step.want {
				t.Errorf("%s: silent for %v", step.name, got)
			}
		}
	})
}
