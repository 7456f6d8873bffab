package pbx

import (
	"slices"
	"sync"
	"time"
)

// Said is what a client answered by a key in a notice, for the operators to see.
type Said struct {
	OrderID string
	Phone   Phone
	Answer  ClientAnswer
	At      time.Time
}

// Answers stay before the operators' eyes so long, and so many.
const (
	saidFor  = 10 * time.Minute
	mostSaid = 20
)

// answersSaid is the last answers, the newest first. The journal of notices has
// them for good.
type answersSaid struct {
	mu   sync.Mutex
	last []Said
}

func (a *answersSaid) add(s Said) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.last = slices.Insert(a.last, 0, s)
	a.last = a.last[:min(len(a.last), mostSaid)]
}

// Said is what clients answered in the last minutes, the newest first.
func (s *Switchboard) Said() []Said {
	s.said.mu.Lock()
	defer s.said.mu.Unlock()
	old := slices.IndexFunc(s.said.last, func(a Said) bool { return time.Since(a.At) >= saidFor })
	if old >= 0 {
		s.said.last = s.said.last[:old:old]
	}
	return slices.Clone(s.said.last)
}
