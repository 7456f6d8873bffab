package console

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"sync"
	"time"

	"cabline/pbx"
)

const (
	stateEvery     = 200 * time.Millisecond // at most five states a second
	heartbeatEvery = 15 * time.Second       // or proxies and browsers think the stream dead
	writeLimit     = 10 * time.Second       // a page that takes no more bytes for so long is gone

	maxStreams        = 500 // in all
	maxSessionStreams = 6   // pages of one browser; HTTP/1.1 browsers open no more
)

// stateJSON is what operators see of each other and of the queue.
type stateJSON struct {
	Operators []operatorJSON `json:"operators"`
	Waiting   []waitingJSON  `json:"waiting"`
	Answers   []saidJSON     `json:"answers"`
	Calls     int            `json:"calls"`
}

type operatorJSON struct {
	Login    string   `json:"login"`
	Name     string   `json:"name"`
	Branches []string `json:"branches"`
	Online   bool     `json:"online"`
	Ready    bool     `json:"ready"`
	State    string   `json:"state"`
	CallID   string   `json:"call_id"`
}

type waitingJSON struct {
	CallID string    `json:"call_id"`
	Phone  string    `json:"phone"`
	Line   string    `json:"line"`
	Branch string    `json:"branch"`
	Since  time.Time `json:"since"`
}

// saidJSON is what a client answered by a key, in the last minutes.
type saidJSON struct {
	OrderID string    `json:"order_id"`
	Phone   string    `json:"phone"`
	Answer  string    `json:"answer"`
	At      time.Time `json:"at"`
}

// state is a snapshot, as the bytes of its event, good until changed is closed.
type state struct {
	event   []byte
	taken   time.Time
	changed <-chan struct{}
}

// states makes one snapshot for all streams, and not too often.
type states struct {
	desk  Desk
	calls Calls
	show  numbers

	mu      sync.Mutex
	last    *state
	streams int
}

// latest is the state as it is now, for a stream that has seen another. It
// waits where the last snapshot is too young to make a new one.
func (s *states) latest(ctx context.Context, seen *state) (*state, error) {
	for {
		now, wait := s.newer(seen)
		if wait <= 0 {
			return now, nil
		}
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}

// newer looks under the lock: of many streams that wake, one looks for all.
func (s *states) newer(seen *state) (now *state, wait time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.last != nil {
		age := time.Since(s.last.taken)
		switch {
		case s.last != seen && age < stateEvery:
			return s.last, 0
		case age < stateEvery:
			return nil, stateEvery - age
		}
	}
	s.last = s.take()
	return s.last, 0
}

func (s *states) take() *state {
	changed := s.desk.Changed() // before looking: a change while we look must be seen
	shown := stateJSON{Operators: []operatorJSON{}, Waiting: []waitingJSON{}, Answers: []saidJSON{}, Calls: len(s.calls.Live())}
	for _, o := range s.desk.Operators() {
		shown.Operators = append(shown.Operators, showOperator(o))
	}
	for _, w := range s.desk.Waiting() {
		shown.Waiting = append(shown.Waiting, waitingJSON{CallID: w.CallID, Phone: s.show.of(w.Phone), Line: w.Line.Dialable(), Branch: w.Branch, Since: w.Since.UTC()})
	}
	for _, a := range s.desk.Said() {
		shown.Answers = append(shown.Answers, saidJSON{a.OrderID, s.show.of(a.Phone), string(a.Answer), a.At.UTC()})
	}
	data, err := json.Marshal(shown)
	if err != nil {
		panic(err) // strings and numbers only
	}
	return &state{event: fmt.Appendf(nil, "event: state\ndata: %s\n\n", data), taken: time.Now(), changed: changed}
}

func showOperator(o pbx.OperatorState) operatorJSON {
	return operatorJSON{Login: o.Login, Name: o.Name, Branches: listed(o.Branches), Online: o.Online, Ready: o.Ready, State: o.State, CallID: o.CallID}
}

// enter counts a stream in; false when there are too many.
func (s *states) enter(who *session) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.streams >= maxStreams || who.streams >= maxSessionStreams {
		return false
	}
	s.streams++
	who.streams++
	return true
}

func (s *states) leave(who *session) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.streams--
	who.streams--
}

// events is a stream of states (server-sent events): one at once, then one
// after each change, until the page goes away or the session ends.
func (c *Console) events(w http.ResponseWriter, r *http.Request, who *session) {
	if !c.states.enter(who) {
		writeProblem(w, http.StatusTooManyRequests, "too many event streams")
		return
	}
	defer c.states.leave(who)
	out := stream{w, http.NewResponseController(w)}
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("X-Accel-Buffering", "no") // nginx would hold events back
	heartbeat := time.NewTicker(heartbeatEvery)
	defer heartbeat.Stop()
	for seen := (*state)(nil); ; {
		now, err := c.states.latest(r.Context(), seen)
		if err != nil {
			return
		}
		if (seen == nil || !bytes.Equal(now.event, seen.event)) && out.write(now.event) != nil {
			return
		}
		if !c.quiet(r, who, out, heartbeat.C, now.changed) {
			return
		}
		seen = now
	}
}

// quiet keeps a stream alive until something changes; false when it must end.
func (c *Console) quiet(r *http.Request, who *session, out stream, heartbeat <-chan time.Time, changed <-chan struct{}) bool {
	for {
		select {
		case <-changed:
			return true
		case <-heartbeat:
			if _, no := c.operator(r); no != nil || out.write([]byte(": here\n\n")) != nil {
				return false
			}
		case <-who.over:
			return false
		case <-r.Context().Done():
			return false
		}
	}
}

type stream struct {
	http.ResponseWriter
	control *http.ResponseController
}

// write sends bytes at once, or fails within writeLimit. The limit is lifted
// afterwards: over HTTP/2 it would end a stream on which nothing is written.
func (s stream) write(event []byte) error {
	_ = s.control.SetWriteDeadline(time.Now().Add(writeLimit))
	defer func() { _ = s.control.SetWriteDeadline(time.Time{}) }()
	if _, err := s.Write(event); err != nil {
		return err
	}
	return s.control.Flush()
}
