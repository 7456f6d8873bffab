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

	mu      sync.Mutex
	last    *state
	streams int
}

// latest is the state as it is now. It waits where the last snapshot is too
// young, and is then the same for all who wait.
func (s *states) latest(ctx context.Context) (*state, error) {
	for {
		s.mu.Lock()
		now, wait := s.current()
		s.mu.Unlock()
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

func (s *states) current() (*state, time.Duration) {
	if s.last != nil {
		select {
		case <-s.last.changed:
		default:
			return s.last, 0
		}
		if wait := stateEvery - time.Since(s.last.taken); wait > 0 {
			return nil, wait
		}
	}
	s.last = s.take()
	return s.last, 0
}

func (s *states) take() *state {
	changed := s.desk.Changed() // before looking: a change while we look must be seen
	shown := stateJSON{Operators: []operatorJSON{}, Waiting: []waitingJSON{}, Calls: len(s.calls.Live())}
	for _, o := range s.desk.Operators() {
		shown.Operators = append(shown.Operators, showOperator(o))
	}
	for _, w := range s.desk.Waiting() {
		shown.Waiting = append(shown.Waiting, waitingJSON{CallID: w.CallID, Phone: w.Phone.Dialable(), Line: w.Line.Dialable(), Branch: w.Branch, Since: w.Since.UTC()})
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
	_ = out.control.SetReadDeadline(time.Time{}) // the server's limit is for requests; where there is none, nothing is lost
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("X-Accel-Buffering", "no") // nginx would hold events back
	heartbeat := time.NewTicker(heartbeatEvery)
	defer heartbeat.Stop()
	var sent []byte
	for {
		now, err := c.states.latest(r.Context())
		if err != nil {
			return
		}
		if !bytes.Equal(now.event, sent) {
			if out.write(now.event) != nil {
				return
			}
			sent = now.event
		}
		select {
		case <-now.changed:
		case <-heartbeat.C:
			if _, no := c.operator(r); no != nil || out.write([]byte(": here\n\n")) != nil {
				return
			}
		case <-who.over:
			return
		case <-r.Context().Done():
			return
		}
	}
}

type stream struct {
	http.ResponseWriter
	control *http.ResponseController
}

// write sends bytes at once, or fails within writeLimit.
func (s stream) write(event []byte) error {
	_ = s.control.SetWriteDeadline(time.Now().Add(writeLimit))
	if _, err := s.Write(event); err != nil {
		return err
	}
	return s.control.Flush()
}
