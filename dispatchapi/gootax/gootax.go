// Package gootax is Cabline as the exchange behind Gootax, of all three kinds
// that its settings offer under "Внешние АТС": Runtel new, Common ATS and
// Custom ATS. Gootax tells us of orders over HTTP and is told nothing back; so
// what it has told is remembered, and answers who calls. It implements
// pbx.Dispatch and pbx.AnswerTaker.
//
// What the vendor's papers leave open is read under every name that makes
// sense, and can be configured; what is not understood is logged as it came,
// numbers masked, and never refused. The package knows of calls only how to ask
// for one.
package gootax

import (
	"cmp"
	"context"
	"crypto/subtle"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/rs/zerolog"
	"golang.org/x/time/rate"

	"cabline/dispatchapi/courier"
	"cabline/dispatchapi/known"
	"cabline/pbx"
	"cabline/pbx/store"
)

// Source is the name of the notices that come from here, and of the memory.
const Source = "gootax"

// Config is what a firm has set up in Gootax.
type Config struct {
	Panel     string     // host of the firm's panel, "romashka.gootax.pro"; empty: no cards are opened
	Tokens    []string   // that Gootax shows us; any of them is good for any request
	CallToken string     // in the links of Call Url; empty: there are none
	Country   string     // in which numbers are read
	Numbers   pbx.Format // how Gootax wants numbers in links; empty: plain
	Remember  time.Duration

	// Where the client's and the driver's number are, as gjson paths, if they are
	// under none of the usual names.
	PhonePath, DriverPath string

	Statuses   map[string]pbx.Status // by Gootax's own; wins over what we know
	AnyStatus  bool                  // clients are called about statuses we do not know as well
	Employees  []Employee
	NotifyAt   []string // paths besides the usual ones
	ConnectAt  []string
	Orders     *API // asks Gootax how an order stands; nil: it is not asked
	Notices    pbx.Noticeboard
	Connect    func(ctx context.Context, want pbx.ConnectRequest) (id string, err error)
	CallTo     func(ctx context.Context, operator string, number pbx.Phone) (id string, err error)
	AsLanguage string // of what an operator who clicks is told: "ru" or "en"
}

// Employee is an operator as Gootax knows them.
type Employee struct {
	Operator    string // our login
	Number      string // what Gootax puts into Call Url for them; empty: the login
	AccessToken string // of their profile
}

// System is one firm's Gootax. Its methods are safe for concurrent use.
type System struct {
	cfg    Config
	memory *known.Orders

	connects connects
	calls    *rate.Limiter // of Connect and CallTo
	strange  *rate.Limiter // lines of the log about strangers
}

// New is a system with its memory in a database.
func New(cfg Config, db *store.Store) *System {
	if cfg.Remember == 0 {
		cfg.Remember = 12 * time.Hour
	}
	cfg.Numbers = cmp.Or(cfg.Numbers, pbx.Plain)
	return &System{cfg: cfg, memory: known.New(db, Source, cfg.Remember),
		connects: connects{by: map[pbx.ConnectRequest]connected{}},
		calls:    rate.NewLimiter(2, 20), strange: rate.NewLimiter(rate.Every(10*time.Second), 5)}
}

// OrderByPhone implements pbx.Dispatch: the last order Gootax has told of, as
// Gootax says it stands, or if it does not say, as it was told.
func (s *System) OrderByPhone(ctx context.Context, phone pbx.Phone) (*pbx.Order, error) {
	order, err := s.memory.OrderByPhone(ctx, phone)
	if err != nil {
		return nil, err
	}
	order = s.refreshed(ctx, order)
	if !order.Status.Active() {
		return nil, fmt.Errorf("order %s is over: %w", order.ID, pbx.ErrNoOrder)
	}
	return order, nil
}

// OrdersByDriver implements pbx.Dispatch.
func (s *System) OrdersByDriver(ctx context.Context, driver pbx.Phone) ([]*pbx.Order, error) {
	return s.memory.OrdersByDriver(ctx, driver)
}

// LastOrderByDriver implements pbx.DriverHistory.
func (s *System) LastOrderByDriver(ctx context.Context, driver pbx.Phone) (*pbx.Order, error) {
	return s.memory.LastOrderByDriver(ctx, driver)
}

// Order implements pbx.Dispatch.
func (s *System) Order(ctx context.Context, id string) (*pbx.Order, error) {
	order, err := s.memory.Order(ctx, id)
	if err != nil {
		return nil, err
	}
	return s.refreshed(ctx, order), nil
}

// refreshed leaves an order as it is remembered when Gootax does not answer
// within what is left of half the caller's time.
func (s *System) refreshed(ctx context.Context, order *pbx.Order) *pbx.Order {
	if s.cfg.Orders == nil {
		return order
	}
	if end, bounded := ctx.Deadline(); bounded {
		var cancel context.CancelFunc
		ctx, cancel = context.WithDeadline(ctx, time.Now().Add(time.Until(end)*7/10))
		defer cancel()
	}
	now, err := s.cfg.Orders.order(ctx, *order, s.status)
	if err != nil {
		zerolog.Ctx(ctx).Warn().Err(err).Str(logOrder, order.ID).Msg("gootax: order; going by what was told last")
		return order
	}
	return &now
}

// ClientAnswered implements pbx.AnswerTaker. Gootax can be told only that an
// order is cancelled, and only by its client API.
func (s *System) ClientAnswered(ctx context.Context, orderID string, answer pbx.ClientAnswer) error {
	if s.cfg.Orders == nil || answer != pbx.AnswerCancel {
		return pbx.Untold(answer, fmt.Sprintf("order %.40q: Gootax cannot be told %q", orderID, answer))
	}
	return s.cfg.Orders.reject(ctx, orderID)
}

// CardLink is where Gootax opens the card of a call: the new order's, or the
// active order's. It is for this operator only: it has their token in it.
func (s *System) CardLink(operator string, card pbx.Card) string {
	for _, e := range s.cfg.Employees {
		if e.Operator != operator || e.AccessToken == "" || s.cfg.Panel == "" {
			continue
		}
		q := url.Values{"access_token": {e.AccessToken}, "clid": {s.write(card.Phone)}, "did": {s.write(card.Line)}, "call_id": {card.CallID}}
		return "https://" + s.cfg.Panel + "/tenant/user/external-incoming-call?" + q.Encode()
	}
	return ""
}

func (s *System) write(number pbx.Phone) string { return number.Write(s.cfg.Numbers, s.cfg.Country) }

// Handlers are what Gootax asks for over HTTP, by pattern of http.ServeMux.
func (s *System) Handlers() map[string]http.Handler {
	all := map[string]http.Handler{
		"/integration/": http.HandlerFunc(s.integration), // Url of Common and Custom ATS
		"/runtel/":      http.HandlerFunc(s.integration), // Base Url of Runtel new
	}
	for _, path := range s.cfg.NotifyAt {
		all["POST "+path] = s.admitted(s.notify)
	}
	for _, path := range s.cfg.ConnectAt {
		all["POST "+path] = s.admitted(s.connect)
	}
	if s.cfg.CallToken != "" {
		all["GET /call"] = http.HandlerFunc(s.call)
	}
	return all
}

// integration finds out what is wanted by the last word of the path.
func (s *System) integration(w http.ResponseWriter, r *http.Request) {
	story := s.unknown
	switch last := r.URL.Path[strings.LastIndexByte(r.URL.Path, '/')+1:]; {
	case strings.Contains(last, "notify"):
		story = s.notify
	case strings.Contains(last, "connect"):
		story = s.connect
	}
	s.admitted(story).ServeHTTP(w, r)
}

// admitted lets in who shows one of the tokens, and reads what they say.
func (s *System) admitted(story func(http.ResponseWriter, *http.Request, *courier.Told)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		log := zerolog.Ctx(r.Context())
		if !s.knows(r) {
			if s.strange.Allow() {
				log.Warn().Str(logFrom, r.RemoteAddr).Str(logPath, clipped(r.URL.Path)).Msg("gootax: a request without one of our tokens")
			}
			answer(w, http.StatusUnauthorized, "error", "the header api-key has none of the tokens", "")
			return
		}
		told, err := courier.Read(r)
		switch {
		case errors.Is(err, courier.ErrTooLarge):
			log.Warn().Err(err).Str(logPath, clipped(r.URL.Path)).Msg("gootax: a request")
			answer(w, http.StatusRequestEntityTooLarge, "error", "the body is too large", "")
		case err != nil: // it would be no better the next time
			log.Warn().Err(err).Str(logPath, clipped(r.URL.Path)).Msg("gootax: a request that cannot be read")
			answer(w, http.StatusOK, "ignored", "the body is neither JSON nor a form", "")
		default:
			story(w, r, told)
		}
	})
}

// knows looks for a token where Gootax puts it, and where others of its kind do.
func (s *System) knows(r *http.Request) bool {
	bearer, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	for _, shown := range []string{r.Header.Get("api-key"), r.Header.Get("X-Api-Key"), bearer} {
		for _, token := range s.cfg.Tokens {
			if token != "" && subtle.ConstantTimeCompare([]byte(shown), []byte(token)) == 1 {
				return true
			}
		}
	}
	return false
}

// unknown is a request we have never heard of: Gootax is told that all is well,
// the log what it was.
func (s *System) unknown(w http.ResponseWriter, r *http.Request, told *courier.Told) {
	zerolog.Ctx(r.Context()).Warn().Str(logPath, clipped(r.URL.Path)).Str(logMethod, r.Method).Str(logRest, told.Rest()).Msg("gootax: an unknown request")
	answer(w, http.StatusOK, "ignored", "", "")
}
