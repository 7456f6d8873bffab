package ivr_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"cabline/ivr"
	"cabline/media"
)

// line is a caller who presses keys at given times and remembers what they heard.
type line struct {
	keys  chan media.Digit
	heard []string
}

func (l *line) Digits() <-chan media.Digit { return l.keys }
func (l *line) Play(ctx context.Context, what media.Speech) error {
	for _, c := range what {
		select {
		case <-time.After(c.Duration()):
			l.heard = append(l.heard, c.Name)
		case <-ctx.Done():
			l.heard = append(l.heard, c.Name+" cut")
			return context.Cause(ctx)
		}
	}
	return nil
}

func TestAsk(t *testing.T) {
	type press struct {
		at  time.Duration
		key media.Digit
	}
	hungUp := errors.New("hung up")
	for name, tc := range map[string]struct {
		keys   []press
		hangUp time.Duration
		want   string
		err    error
		heard  []string
		took   time.Duration
	}{
		"a key after the speech": {keys: []press{{5 * time.Second, '1'}}, want: "one",
			heard: []string{"said", "silence cut"}, took: 5 * time.Second},
		"a key cuts the speech short": {keys: []press{{time.Second, '2'}}, want: "two",
			heard: []string{"said cut"}, took: time.Second},
		"a key pressed before the menu began counts": {keys: []press{{0, '1'}}, want: "one", heard: []string{"said cut"}},
		"a wrong key is told, and the next one still cuts": {keys: []press{{time.Second, '7'}, {2 * time.Second, '1'}}, want: "one",
			heard: []string{"said cut", "wrong cut"}, took: 2 * time.Second},
		"silence twice": {err: ivr.ErrNoChoice, heard: []string{"said", "silence", "said", "silence"}, took: 18 * time.Second},
		"a wrong key and a silence": {keys: []press{{time.Second, '#'}}, err: ivr.ErrNoChoice,
			heard: []string{"said cut", "wrong", "said", "silence"}, took: 12 * time.Second},
		"repeat is not a try": {keys: []press{{time.Second, '9'}, {2 * time.Second, '9'}, {3 * time.Second, '9'}, {4 * time.Second, '2'}},
			want: "two", heard: []string{"said cut", "said cut", "said cut", "said cut"}, took: 4 * time.Second},
		"repeat for ever is": {keys: []press{{1, '9'}, {2, '9'}, {3, '9'}, {4, '9'}, {5, '9'}, {6, '9'}, {7, '9'}},
			err: ivr.ErrNoChoice, heard: []string{"said cut", "said cut", "said cut", "said cut", "said cut", "said cut", "said cut"}, took: 7},
		"the caller hangs up": {hangUp: 2 * time.Second, err: hungUp, heard: []string{"said cut"}, took: 2 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithCancelCause(t.Context())
				defer cancel(nil)
				if tc.hangUp > 0 {
					time.AfterFunc(tc.hangUp, func() { cancel(hungUp) })
				}
				l := &line{keys: make(chan media.Digit, 8)}
				for _, p := range tc.keys {
					if p.at == 0 {
						l.keys <- p.key
						continue
					}
					time.AfterFunc(p.at, func() { l.keys <- p.key })
				}
				menu := ivr.Menu[string]{
					Said:   media.Speech{{Name: "said", ALaw: make([]byte, 4*media.Rate)}},
					Wrong:  media.Speech{{Name: "wrong", ALaw: make([]byte, 2*media.Rate)}},
					Keys:   map[media.Digit]string{'1': "one", '2': "two"},
					Repeat: '9', Wait: 5 * time.Second, Tries: 2,
				}
				began := time.Now()
				got, err := menu.Ask(ctx, l)
				if got != tc.want || !errors.Is(err, tc.err) {
					t.Errorf("chose %q, %v; want %q, %v", got, err, tc.want, tc.err)
				}
				if took := time.Since(began); took != tc.took {
					t.Errorf("took %v, want %v", took, tc.took)
				}
				if tc.keys == nil || tc.keys[0].at != 0 { // otherwise the player may not even have begun
					if !slices.Equal(l.heard, tc.heard) {
						t.Errorf("heard %q, want %q", l.heard, tc.heard)
					}
				}
			})
		})
	}
}
