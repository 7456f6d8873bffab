package console

import (
	"crypto/rand"
	"encoding/base64"
	"sync"
	"time"
)

// A session ends after a shift's length without a request; an open page asks
// all the time.
const sessionIdle = 12 * time.Hour

// maxSessions is how many browsers one operator may be logged in with; the one
// longest idle goes.
const maxSessions = 20

// session is an operator's browser that has logged in.
type session struct {
	login string
	ha1   string // as it was: a changed password ends the session
	over  chan struct{}

	seen    time.Time // with the lock of sessions
	streams int       // with the lock of states
}

// sessions are who is logged in, by the cookie's value. They live in memory: a
// restart asks for the password again.
type sessions struct {
	mu sync.Mutex
	by map[string]*session
}

func newSessions() *sessions { return &sessions{by: map[string]*session{}} }

// begin makes a session and returns its cookie.
func (s *sessions) begin(login, ha1 string) (cookie string) {
	var secret [32]byte
	rand.Read(secret[:]) // never fails: crypto/rand ends the program instead
	cookie = base64.RawURLEncoding.EncodeToString(secret[:])
	s.mu.Lock()
	defer s.mu.Unlock()
	s.makeRoom(login)
	s.by[cookie] = &session{login: login, ha1: ha1, over: make(chan struct{}), seen: time.Now()}
	return cookie
}

// find is the session of a cookie, which counts as a sign of life; nil: none.
func (s *sessions) find(cookie string) *session {
	s.mu.Lock()
	defer s.mu.Unlock()
	found := s.by[cookie]
	if found == nil {
		return nil
	}
	if time.Since(found.seen) > sessionIdle {
		s.end(cookie)
		return nil
	}
	found.seen = time.Now()
	return found
}

func (s *sessions) finish(cookie string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.end(cookie)
}

func (s *sessions) end(cookie string) {
	if found := s.by[cookie]; found != nil {
		close(found.over)
		delete(s.by, cookie)
	}
}

// makeRoom ends sessions that expired, and the login's oldest when it has too many.
func (s *sessions) makeRoom(login string) {
	oldest, count := "", 0
	for cookie, session := range s.by {
		switch {
		case time.Since(session.seen) > sessionIdle:
			s.end(cookie)
		case session.login == login:
			count++
			if oldest == "" || session.seen.Before(s.by[oldest].seen) {
				oldest = cookie
			}
		}
	}
	if count >= maxSessions {
		s.end(oldest)
	}
}
