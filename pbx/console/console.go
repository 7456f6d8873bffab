// Package console is Cabline over HTTP: the REST of the dispatch system, what
// the operators' pages ask for and are told, the pages themselves, health and
// metrics.
//
// It knows calls only by their snapshots and never holds one up; it knows no
// SIP, no SQL and no audio. It logs who logs in and who is refused, and what
// went wrong inside while a request was answered.
package console

import (
	"cmp"
	"context"
	"errors"
	"io/fs"
	"net"
	"net/http"
	"os"
	"time"

	"github.com/rs/zerolog"

	"cabline/pbx"
	"cabline/pbx/gate"
)

// Calls are the calls in progress; pbx.Switchboard has them.
type Calls interface {
	Live() []pbx.CDR
	Call(id string) (pbx.CDR, bool)
	Card(id string) (pbx.Card, bool)
	Connect(ctx context.Context, want pbx.ConnectRequest) (id string, err error)
}

// Desk is the operators and the clients who wait for them; pbx.Switchboard is one.
type Desk interface {
	Operators() []pbx.OperatorState
	Waiting() []pbx.Waiting
	Said() []pbx.Said
	SetReady(login string, ready bool)
	// Changed is closed at the next change of the calls, the queue or the operators.
	Changed() <-chan struct{}
}

// CDRs are the calls that are over; store.Store has them.
type CDRs interface {
	CDR(ctx context.Context, id string) (pbx.CDR, error)
	CDRs(ctx context.Context, since time.Time, cursor string, newest bool, limit int) (page []pbx.CDR, next string, err error)
	Ping(ctx context.Context) error
}

// LostItems are the windows that operators open; pbx.Switchboard has them.
type LostItems interface {
	OpenLostItem(ctx context.Context, orderID string) (pbx.Window, error)
	CloseLostItem(ctx context.Context, orderID string) error
}

// Orders is the order book. Its refusals have the method
// Faults() iter.Seq2[field, problem string]; orderbook.Book is one.
type Orders interface {
	Order(ctx context.Context, id string) (*pbx.Order, error)
	Find(ctx context.Context, phone string, activeOnly bool, limit int) ([]pbx.Order, error)
	Create(ctx context.Context, order pbx.Order) (*pbx.Order, error)
	Update(ctx context.Context, id string, change func(*pbx.Order) error) (*pbx.Order, error)
}

// Recordings are the talks that were recorded; recordings.Recordings has them.
type Recordings interface {
	// Recordings are those of a call, in order.
	Recordings(ctx context.Context, callID string) ([]pbx.Recording, error)
	// Open is the file of one, or store.ErrNoRecording.
	Open(ctx context.Context, callID string, number int) (*os.File, pbx.Recording, error)
}

// Account is an operator who may log in.
type Account struct {
	Name     string
	Branches []string // empty: all
	HA1      string   // md5(login:realm:password) in lower-case hex, as SIP's digest has it (RFC 2617 §3.2.2.2)
}

// Config is what a Console is made of.
type Config struct {
	Firm     string
	Country  string // "RU": how people write telephone numbers
	Language string // of the pages: "ru" or "en"
	Version  string // of the program

	// Accounts looks an operator up, each time anew: who is taken out of the
	// config is logged out by it.
	Accounts func(login string) (Account, bool)
	Gate     *gate.Gate // keeps out who guesses passwords; nil: one of its own
	Realm    string     // of the accounts' HA1; empty: "cabline"
	Domain   string     // in the operators' SIP addresses; empty: the realm
	Token    string     // that dispatch systems send to /api/v1; empty: operators' sessions only

	Calls  Calls
	Desk   Desk
	CDRs   CDRs
	Orders Orders
	// Notices are read, and news is posted to the Noticeboard; both or none.
	Notices     Notices
	Noticeboard pbx.Noticeboard

	Pages fs.FS // index.html, orders.html, calls.html …, or placeholder.html alone
	Demo  bool  // serve demo.html at /demo
	// Mount is handlers of others on the same port, by pattern of
	// http.ServeMux: "/ws", "GET /demo/api/info". They guard themselves.
	Mount map[string]http.Handler

	// Aliases stand for numbers in all that operators are shown; nil: they see
	// numbers whole, as the token does.
	Aliases *pbx.Aliases
	// LostItems lets client and driver of a ride reach each other.
	LostItems LostItems

	Recordings Recordings // nil: nothing is recorded
	Listen     bool       // operators may hear recordings; the token always may

	Metrics       *Metrics                 // nil: made here
	Ports         func() (taken, free int) // pairs of RTP ports; nil: not told
	Overflowed    func() uint64            // packets of audio that came faster than they were read; nil: not told
	Faults        func() uint64            // panics in SIP and audio; nil: not told
	Dropped       func() uint64            // SIP messages that were not answered; nil: not told
	Registrations func() int               // phones and browsers logged in over SIP; nil: not told
	Trunks        func() map[string]bool   // which trunks there are and can be used; nil: unknown
	// CardLink is where the dispatch system shows an operator a call; nil: nowhere.
	CardLink func(operator string, card pbx.Card) string
	// Backlogs is what dispatch systems are still to be told; nil: they are told nothing.
	Backlogs func(ctx context.Context) ([]pbx.Backlog, error)
}

// Console answers HTTP requests.
type Console struct {
	Config
	mux      *http.ServeMux
	pages    *pages
	sessions *sessions
	tokens   *allowance
	states   *states
	crowd    crowd
	origin   *http.CrossOriginProtection
}

// maxBody bounds the body of every request, in bytes.
const maxBody = 64 << 10

// New makes a console.
func New(config Config) (*Console, error) {
	config.Realm = cmp.Or(config.Realm, "cabline")
	if config.Gate == nil {
		config.Gate = gate.New()
	}
	config.Domain = cmp.Or(config.Domain, config.Realm)
	if config.Metrics == nil {
		config.Metrics = NewMetrics()
	}
	if config.Accounts == nil || config.Calls == nil || config.Desk == nil || config.CDRs == nil || config.Orders == nil || config.LostItems == nil || config.Pages == nil {
		return nil, errors.New("console: a part is missing from its config")
	}
	pages, err := loadPages(config.Pages)
	if err != nil {
		return nil, err
	}
	c := &Console{
		Config:   config,
		mux:      http.NewServeMux(),
		pages:    pages,
		sessions: newSessions(),
		tokens:   newAllowance(30, time.Second),
		states:   &states{desk: config.Desk, calls: config.Calls, show: numbers{config.Aliases}},
		origin:   http.NewCrossOriginProtection(),
	}
	c.routes()
	return c, c.Metrics.watch(config)
}

func (c *Console) routes() {
	c.routeREST()
	c.routeOperators()
	c.routePages()
	c.mux.HandleFunc("GET /healthz", c.healthz)
	c.mux.HandleFunc("GET /metrics", c.metrics)
	c.mux.HandleFunc("/api/", c.noSuchRoute)
	c.mux.HandleFunc("/console/", c.noSuchRoute)
	for pattern, handler := range c.Mount {
		c.mux.Handle(pattern, handler)
	}
}

// Handler answers everything.
func (c *Console) Handler() http.Handler {
	return c.Metrics.counted(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		secure(w.Header())
		c.mux.ServeHTTP(w, r)
	}))
}

// Server is a server for Handler with limits against slow and greedy clients.
// When ctx ends, so do the event streams, for which Shutdown would wait for
// ever. Its logger is the context's. The caller gives it a listener, TLS and an end.
func (c *Console) Server(ctx context.Context) *http.Server {
	return &http.Server{
		Handler:           spared(c.Handler()),
		ConnContext:       c.crowd.enter,
		ConnState:         c.crowd.leave,
		BaseContext:       func(net.Listener) context.Context { return ctx },
		ReadHeaderTimeout: 10 * time.Second,
		ReadTimeout:       30 * time.Second,
		WriteTimeout:      30 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    16 << 10,
		ErrorLog:          serverLog(zerolog.Ctx(ctx)),
	}
}

// secure sets the headers every answer has. Pages may load nothing from
// elsewhere and run no script but ours; ws: and wss: are for the webphone, which
// some browsers do not count as 'self'.
func secure(h http.Header) {
	h.Set("Content-Security-Policy", "default-src 'self'; connect-src 'self' ws: wss:; img-src 'self' data:; media-src 'self' blob: data:; "+
		"object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'self'")
	h.Set("Permissions-Policy", "camera=(), geolocation=(), microphone=(self)")
	h.Set("Referrer-Policy", "same-origin")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Frame-Options", "SAMEORIGIN")
	h.Set("Cache-Control", "no-store")
}

func (c *Console) healthz(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), 2*time.Second)
	defer cancel()
	if err := c.CDRs.Ping(ctx); err != nil {
		zerolog.Ctx(ctx).Error().Err(err).Msg("health check")
		writeJSON(w, http.StatusServiceUnavailable, healthJSON{Status: "unwell", Version: c.Version, Reason: "the database does not answer; the log says why"})
		return
	}
	writeJSON(w, http.StatusOK, healthJSON{Status: "ok", Version: c.Version})
}

type healthJSON struct {
	Status  string `json:"status"`
	Version string `json:"version,omitempty"`
	Reason  string `json:"reason,omitempty"`
}
