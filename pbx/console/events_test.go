package console

import (
	"bufio"
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"cabline/pbx"
)

// watcher is a page that listens to events, without a network.
type watcher struct {
	header http.Header
	mu     sync.Mutex
	status int
	got    strings.Builder
}

func (p *watcher) Header() http.Header { return p.header }
func (p *watcher) WriteHeader(s int)   { p.status = s }
func (p *watcher) Flush()              {}
func (p *watcher) Write(data []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.got.Write(data)
}

// take is what was heard since it was asked last.
func (p *watcher) take() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	defer p.got.Reset()
	return p.got.String()
}

// listen opens a stream in the background; stop closes it.
func (h *house) listen(session string) (p *watcher, stop func()) {
	ctx, cancel := context.WithCancel(h.t.Context())
	r, _ := http.NewRequestWithContext(ctx, "GET", origin+"/console/api/events", nil)
	r.AddCookie(&http.Cookie{Name: sessionCookie, Value: session})
	r.RemoteAddr = "127.0.0.1:1"
	p = &watcher{header: http.Header{}}
	var done sync.WaitGroup
	done.Go(func() { h.Handler().ServeHTTP(p, r) })
	return p, func() { cancel(); done.Wait() }
}

func TestEventsFollowTheFloor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := bareHouse(t)
		h.floor.operators = []pbx.OperatorState{{Operator: pbx.Operator{Login: "anna", Name: "Анна", Branches: []string{"Центр"}}, State: "free"}}
		p, stop := h.listen(h.login("anna"))
		defer stop()
		synctest.Wait()
		if got := p.take(); got != "event: state\ndata: "+
			`{"operators":[{"login":"anna","name":"Анна","branches":["Центр"],"online":false,"ready":false,"state":"free","call_id":""}],"waiting":[],"answers":[],"calls":0}`+"\n\n" {
			t.Errorf("at first: %q", got)
		}
		if p.header.Get("Content-Type") != "text/event-stream" {
			t.Errorf("%v", p.header)
		}
		time.Sleep(time.Second)
		h.floor.change(func() {
			h.floor.waiting = []pbx.Waiting{{CallID: "c1", Phone: "+79161234567", Line: "+74950000000", Branch: "Центр", Since: noon}}
			h.floor.live = []pbx.CDR{{ID: "c1"}}
			h.floor.said = []pbx.Said{{OrderID: "42", Phone: "+79161234567", Answer: pbx.AnswerComingOut, At: noon}}
		})
		synctest.Wait() // at once, as it was quiet before
		if got := p.take(); !strings.Contains(got, `"waiting":[{"call_id":"c1","phone":"+79161234567","line":"+74950000000","branch":"Центр","since":"2026-11-22T12:00:00Z"}],"answers":[{"order_id":"42","phone":"+79161234567","answer":"coming_out","at":"2026-11-22T12:00:00Z"}],"calls":1}`) {
			t.Errorf("after a change: %q", got)
		}
		time.Sleep(time.Second)
		h.floor.change(func() {})
		time.Sleep(time.Second)
		if got := p.take(); got != "" {
			t.Errorf("after a change of nothing that is shown: %q", got)
		}
		time.Sleep(heartbeatEvery)
		if got := p.take(); got != ": here\n\n" {
			t.Errorf("when nothing happens: %q", got)
		}
	})
}

func TestAStormOfChangesIsFiveEventsASecondAndTheLastIsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := bareHouse(t)
		cookie := h.login("anna")
		first, stop1 := h.listen(cookie)
		defer stop1()
		second, stop2 := h.listen(cookie)
		defer stop2()
		for i := range 1000 {
			h.floor.change(func() { h.floor.live = make([]pbx.CDR, i+1) })
			time.Sleep(time.Millisecond)
		}
		time.Sleep(time.Second)
		for _, p := range []*watcher{first, second} {
			got := p.take()
			if n := strings.Count(got, "event: state"); n < 5 || n > 7 {
				t.Errorf("%d events in a second", n)
			}
			if !strings.HasSuffix(got, `"calls":1000}`+"\n\n") {
				t.Errorf("in the end: %q", got)
			}
		}
	})
}

func TestAStreamEndsWithItsSession(t *testing.T) {
	for name, end := range map[string]func(h *house, cookie string){
		"logged out":  func(h *house, cookie string) { h.sessions.finish(cookie) },
		"taken out":   func(h *house, _ string) { h.staff.dismiss("anna"); time.Sleep(heartbeatEvery) },
		"page closed": func(h *house, _ string) {},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := bareHouse(t)
				cookie := h.login("anna")
				_, stop := h.listen(cookie)
				synctest.Wait()
				end(h, cookie)
				if name == "page closed" {
					stop()
				}
				synctest.Wait()
				h.states.mu.Lock()
				if h.states.streams != 0 {
					t.Errorf("%d streams are left", h.states.streams)
				}
				h.states.mu.Unlock()
				stop()
			})
		})
	}
}

func TestStreamsAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := bareHouse(t)
		anna := h.login("anna")
		for range maxSessionStreams {
			_, stop := h.listen(anna)
			defer stop()
		}
		synctest.Wait()
		h.ask("GET", "/console/api/events", nil, cookie(anna)).isProblem(t, http.StatusTooManyRequests, "streams")
		p, stop := h.listen(h.login("boris"))
		synctest.Wait()
		if p.take() == "" {
			t.Error("another operator gets no stream")
		}
		stop()
	})
}

// TestEventsOverARealServer shows that the server's own limits leave a stream
// alone, and that it ends when the server does.
func TestEventsOverARealServer(t *testing.T) {
	for _, version := range []string{"HTTP/1.1", "HTTP/2.0"} {
		t.Run(version, func(t *testing.T) {
			h := newHouse(t)
			ctx, stop := context.WithCancel(t.Context())
			server := httptest.NewUnstartedServer(nil)
			server.Config = h.Server(ctx)
			server.Config.ReadTimeout, server.Config.WriteTimeout = 100*time.Millisecond, 100*time.Millisecond
			server.EnableHTTP2 = version == "HTTP/2.0"
			server.StartTLS()
			defer server.Close()

			r, err := http.NewRequestWithContext(t.Context(), "GET", server.URL+"/console/api/events", nil)
			if err != nil {
				t.Fatal(err)
			}
			r.AddCookie(&http.Cookie{Name: sessionCookie, Value: h.login("anna")})
			answer, err := server.Client().Do(r)
			if err != nil {
				t.Fatal(err)
			}
			defer answer.Body.Close()
			if answer.Proto != version {
				t.Fatalf("over %s", answer.Proto)
			}
			lines := bufio.NewScanner(answer.Body)
			if n := nextCalls(t, lines); n != 0 {
				t.Errorf("%d calls", n)
			}
			for i := range 3 { // events come every 200 ms: longer than the limits together
				h.floor.change(func() { h.floor.live = make([]pbx.CDR, i+1) })
				if n := nextCalls(t, lines); n != i+1 {
					t.Errorf("%d calls after %d changes", n, i+1)
				}
			}
			stop()
			for lines.Scan() {
			}
			if err := server.Config.Shutdown(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
}

// deadlines is a response that notes its limits.
type deadlines struct {
	*httptest.ResponseRecorder
	set []time.Time
}

func (d *deadlines) SetWriteDeadline(t time.Time) error {
	d.set = append(d.set, t)
	return nil
}

func TestAQuietStreamHasNoWriteLimit(t *testing.T) {
	d := &deadlines{ResponseRecorder: httptest.NewRecorder()}
	if err := (stream{d, http.NewResponseController(d)}).write([]byte("data: 1\n\n")); err != nil {
		t.Fatal(err)
	}
	if len(d.set) != 2 || d.set[0].IsZero() || !d.set[1].IsZero() {
		t.Errorf("limits set: %v", d.set)
	}
	if !d.Flushed || d.Body.String() != "data: 1\n\n" {
		t.Errorf("written: %q, flushed: %v", d.Body, d.Flushed)
	}
}

// nextCalls is the number of calls in the next event.
func nextCalls(t *testing.T, lines *bufio.Scanner) int {
	t.Helper()
	for lines.Scan() {
		if data, ok := strings.CutPrefix(lines.Text(), "data: "); ok {
			var state stateJSON
			if err := json.Unmarshal([]byte(data), &state); err != nil {
				t.Fatal(err)
			}
			return state.Calls
		}
	}
	t.Fatalf("the stream ended: %v", lines.Err())
	return 0
}
