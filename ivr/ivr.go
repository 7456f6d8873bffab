// Package ivr asks a caller to press a key: it says something, collects the
// key, and returns the choice behind it.
//
// It knows nothing of calls and trunks, and it does not log.
package ivr

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"slices"
	"sync"
	"time"

	"cabline/media"
)

// ErrNoChoice is returned when the caller made no valid choice in all tries.
var ErrNoChoice = errors.New("no choice made")

// maxRepeats is how often one caller may have the menu said again: someone
// who leaves a stone on the key must not hold a channel for ever.
const maxRepeats = 5

// Line is as much of the party at the other end as a menu needs.
type Line interface {
	Play(ctx context.Context, what media.Speech) error
	Digits() <-chan media.Digit
}

// Menu is one question: what is said, and what each key means.
type Menu[Choice any] struct {
	Said   media.Speech
	Wrong  media.Speech // goes before Said after a key that means nothing
	Keys   map[media.Digit]Choice
	Repeat media.Digit   // has Said said again; not one of the tries
	Wait   time.Duration // for a key, after all was said
	Tries  int           // silences and wrong keys until ErrNoChoice
}

// Ask says the menu and returns the choice behind the key pressed. A key cuts
// the speech short at any moment.
func (m Menu[Choice]) Ask(ctx context.Context, line Line) (Choice, error) {
	var none Choice
	say, repeats := m.Said, 0
	for tries := 0; tries < m.Tries; {
		digit, err := m.hear(ctx, line, say)
		if err != nil {
			return none, err
		}
		if choice, ok := m.Keys[digit]; ok {
			return choice, nil
		}
		say = m.Said
		switch {
		case digit != silence && digit == m.Repeat && repeats < maxRepeats:
			repeats++
			continue
		case digit != silence && digit != m.Repeat:
			say = slices.Concat(m.Wrong, m.Said)
		}
		tries++
	}
	return none, ErrNoChoice
}

// silence is the digit of a caller who presses none.
const silence media.Digit = 0

// hear says a speech and returns the first key pressed meanwhile or within
// Wait, or silence. The wait is a silence we say: the caller's line never goes
// dead, and an address translator on the way keeps its door open.
func (m Menu[Choice]) hear(ctx context.Context, line Line, say media.Speech) (media.Digit, error) {
	said := make(chan error, 1)
	cut, stop := context.WithCancel(ctx)
	var player sync.WaitGroup
	player.Go(func() {
		defer func() { // it is the story's to tell of
			if fault := recover(); fault != nil {
				said <- fmt.Errorf("panic: %v\n%s", fault, debug.Stack())
			}
		}()
		said <- line.Play(cut, append(slices.Clip(say), media.Silence(m.Wait)))
	})
	defer func() { stop(); player.Wait() }() // never two voices on one line

	select {
	case digit := <-line.Digits():
		return digit, nil
	case err := <-said:
		if err != nil {
			return silence, fmt.Errorf("say menu: %w", err)
		}
		return silence, nil
	case <-ctx.Done():
		return silence, context.Cause(ctx)
	}
}
