package console

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"go.uber.org/goleak"

	"cabline/dispatchapi/orderbook"
	"cabline/pbx"
	"cabline/pbx/recordings"
	"cabline/pbx/store"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var (
	_ Calls  = (*pbx.Switchboard)(nil)
	_ Desk   = (*pbx.Switchboard)(nil)
	_ CDRs   = (*store.Store)(nil)
	_ Orders = (*orderbook.Book)(nil)
)

const (
	secret = "dispatch-token"
	origin = "http://exchange.test"
)

// floor is a switchboard made of memory.
type floor struct {
	mu        sync.Mutex
	live      []pbx.CDR
	cards     map[string]pbx.Card
	operators []pbx.OperatorState
	waiting   []pbx.Waiting
	said      []pbx.Said
	connects  []pbx.ConnectRequest
	refuse    error // what Connect answers
	lost      []string
	changed   chan struct{}
}

func newFloor() *floor { return &floor{changed: make(chan struct{}), cards: map[string]pbx.Card{}} }

func (f *floor) change(how func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	how()
	close(f.changed)
	f.changed = make(chan struct{})
}

func (f *floor) Live() []pbx.CDR {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.live)
}

func (f *floor) Call(id string) (pbx.CDR, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	i := slices.IndexFunc(f.live, func(c pbx.CDR) bool { return c.ID == id })
	if i < 0 {
		return pbx.CDR{}, false
	}
	return f.live[i], true
}

func (f *floor) Card(id string) (pbx.Card, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	card, ok := f.cards[id]
	return card, ok
}

func (f *floor) Connect(_ context.Context, want pbx.ConnectRequest) (string, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.refuse != nil {
		return "", f.refuse
	}
	f.connects = append(f.connects, want)
	f.live = append(f.live, pbx.CDR{ID: "c1", Kind: pbx.KindConnect, From: want.Client, To: want.Driver, State: pbx.StateCallingClient, Started: noon})
	return "c1", nil
}

func (f *floor) Operators() []pbx.OperatorState {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.operators)
}

func (f *floor) Waiting() []pbx.Waiting {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.waiting)
}

func (f *floor) Said() []pbx.Said {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.said)
}

func (f *floor) SetReady(login string, ready bool) {
	f.change(func() {
		for i := range f.operators {
			if f.operators[i].Login == login {
				f.operators[i].Ready = ready
			}
		}
	})
}

func (f *floor) Changed() <-chan struct{} {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.changed
}

var noon = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

// brokenCDRs is a database that does not answer.
type brokenCDRs struct{}

var errBroken = errors.New("disk on fire")

func (brokenCDRs) CDR(context.Context, string) (pbx.CDR, error) { return pbx.CDR{}, errBroken }
func (brokenCDRs) CDRs(context.Context, time.Time, string, bool, int) ([]pbx.CDR, string, error) {
	return nil, "", errBroken
}
func (brokenCDRs) Ping(context.Context) error { return errBroken }

// house is a console with all around it.
type house struct {
	*Console
	t     testing.TB
	floor *floor
	db    *store.Store
	book  *orderbook.Book
	staff *staff
	tapes string // the folder of recordings
}

// staff is the operators in the config.
type staff struct {
	mu sync.Mutex
	by map[string]Account
}

func (s *staff) account(login string) (Account, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	a, ok := s.by[login]
	return a, ok
}

func (s *staff) set(login string, a Account) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.by[login] = a
}

func (s *staff) dismiss(login string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.by, login)
}

// newHouse has a real database and order book; change may alter the config.
func newHouse(t testing.TB, change ...func(*Config)) *house {
	t.Helper()
	db, err := store.Open(filepath.Join(t.TempDir(), "cabline.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	book := orderbook.New(db, "RU")
	folder := t.TempDir()
	tapes := recordings.New(recordings.Config{Folder: folder, Index: db})
	t.Cleanup(tapes.Close)
	furniture := func(c *Config) { c.Notices, c.Noticeboard, c.Recordings = db, board{db}, tapes }
	h := furnish(t, db, book, append([]func(*Config){furniture}, change...)...)
	h.db, h.book, h.tapes = db, book, folder
	return h
}

// bareHouse has no database, for tests in a bubble of time.
func bareHouse(t testing.TB, change ...func(*Config)) *house {
	t.Helper()
	return furnish(t, brokenCDRs{}, (*orderbook.Book)(nil), change...)
}

func furnish(t testing.TB, cdrs CDRs, orders Orders, change ...func(*Config)) *house {
	t.Helper()
	floor := newFloor()
	staff := &staff{by: map[string]Account{}}
	config := Config{
		Firm: "Такси Ромашка", Country: "RU", Language: "ru", Version: "1.2.3", Token: secret,
		Accounts: staff.account,
		Calls:    floor, Desk: floor, CDRs: cdrs, Orders: orders, LostItems: floor,
		Pages: fstest.MapFS{"index.html": {Data: []byte("<!doctype html><title>console</title>")}},
	}
	for _, c := range change {
		c(&config)
	}
	console, err := New(config)
	if err != nil {
		t.Fatal(err)
	}
	staff.set("anna", Account{Name: "Анна", Branches: []string{"Центр"}, HA1: console.ha1("anna", "anna's secret")})
	staff.set("boris", Account{Name: "Борис", HA1: console.ha1("boris", "boris's secret")})
	return &house{Console: console, t: t, floor: floor, staff: staff}
}

// answer is what came back.
type answer struct {
	status int
	header http.Header
	body   string
}

// with changes a request before it is sent.
type with func(*http.Request)

func header(name, value string) with { return func(r *http.Request) { r.Header.Set(name, value) } }
func from(remote string) with        { return func(r *http.Request) { r.RemoteAddr = remote } }

var (
	byToken = header("Authorization", "Bearer "+secret)
	ownPage = header("Origin", origin)
)

func cookie(value string) with {
	return func(r *http.Request) { r.AddCookie(&http.Cookie{Name: sessionCookie, Value: value}) }
}

// ask sends one request, its body as JSON unless it is a string.
func (h *house) ask(method, path string, body any, how ...with) answer {
	h.t.Helper()
	var text io.Reader = http.NoBody
	switch b := body.(type) {
	case nil:
	case string:
		text = strings.NewReader(b)
	default:
		data, err := json.Marshal(b)
		if err != nil {
			h.t.Fatal(err)
		}
		text = strings.NewReader(string(data))
	}
	r := httptest.NewRequestWithContext(h.t.Context(), method, origin+path, text)
	if body != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	for _, change := range how {
		change(r)
	}
	w := httptest.NewRecorder()
	h.Handler().ServeHTTP(w, r)
	return answer{w.Code, w.Header(), w.Body.String()}
}

// login returns the cookie of an operator who has logged in.
func (h *house) login(login string, how ...with) string {
	h.t.Helper()
	got := h.ask("POST", "/console/api/login", m{"login": login, "password": login + "'s secret"}, how...)
	if got.status != http.StatusOK {
		h.t.Fatalf("log in: %+v", got)
	}
	cookies := (&http.Response{Header: got.header}).Cookies()
	if len(cookies) != 2 || cookies[0].Name != sessionCookie || cookies[1].Name != deviceCookie {
		h.t.Fatalf("cookies: %v", cookies)
	}
	return cookies[0].Value
}

type m = map[string]any

// tree is a body as JSON.
func (a answer) tree(t *testing.T) m {
	t.Helper()
	var tree m
	if err := json.Unmarshal([]byte(a.body), &tree); err != nil {
		t.Fatalf("%v in %d %q", err, a.status, a.body)
	}
	return tree
}

// isProblem checks that an answer is a refusal as RFC 9457 has it.
func (a answer) isProblem(t *testing.T, status int, says string) {
	t.Helper()
	if a.status != status || a.header.Get("Content-Type") != "application/problem+json" {
		t.Fatalf("got %d %s %s, want the problem %d", a.status, a.header.Get("Content-Type"), a.body, status)
	}
	tree := a.tree(t)
	if tree["status"] != float64(status) || tree["title"] != http.StatusText(status) {
		t.Errorf("problem: %s", a.body)
	}
	if !strings.Contains(a.body, says) {
		t.Errorf("the problem does not say %q: %s", says, a.body)
	}
}
