package main

import (
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"
)

// score is what happened to the calls of one run. Both ends write to it.
type score struct {
	mu       sync.Mutex
	started  int
	answered int
	ended    int // as they should: after an answer, by us
	left     int // the PBX hung up, where it may
	repeated int // by us: the PBX was slow, or lost something
	theirs   int // by the PBX: we were slow, or it did not hear us

	cancelled int // by us while it rang, or by the PBX while we rang
	refused   int // where parties may refuse
	failures  map[string]int
	lost      []lostCall      // the first of them
	setups    []time.Duration // INVITE to 200
}

func newScore() *score { return &score{failures: map[string]int{}} }

func (s *score) add(counter *int) {
	s.mu.Lock()
	*counter++
	s.mu.Unlock()
}

func (s *score) fail(why string) {
	s.mu.Lock()
	s.failures[why]++
	s.mu.Unlock()
}

// lose is fail for one call.
func (s *score) lose(why, id string) {
	s.fail(why)
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.lost) < maxRecords {
		s.lost = append(s.lost, lostCall{CallID: id, Why: why, At: time.Now().UTC()})
	}
}

func (s *score) answer(setup time.Duration) {
	s.mu.Lock()
	s.answered++
	s.setups = append(s.setups, setup)
	s.mu.Unlock()
}

// failed is the number of failures and a list of them by cause.
func (s *score) failed() (n int, causes map[string]int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, k := range s.failures {
		n += k
	}
	return n, maps.Clone(s.failures)
}

// quantile of a sorted list; 0 of an empty one.
func quantile[T any](sorted []T, q float64) (v T) {
	if len(sorted) == 0 {
		return v
	}
	return sorted[min(len(sorted)-1, int(q*float64(len(sorted))))]
}

// causeList is for people: "486 Busy ×3, no answer to BYE ×1".
func causeList(causes map[string]int) (text string) {
	for _, why := range slices.Sorted(maps.Keys(causes)) {
		if text != "" {
			text += ", "
		}
		text += fmt.Sprintf("%s ×%d", why, causes[why])
	}
	return text
}
