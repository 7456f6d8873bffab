package gootax

import (
	"cmp"
	"context"
	"crypto/subtle"
	"errors"
	"fmt"
	"html"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"cabline/dispatchapi/courier"
	"cabline/pbx"
)

// begin is how long a request for a call may take to be begun.
const begin = 3 * time.Second

// connect joins the client and the driver of an order, or two numbers. The
// answer comes at once, the calls later.
func (s *System) connect(w http.ResponseWriter, r *http.Request, told *courier.Told) {
	log := zerolog.Ctx(r.Context())
	want := pbx.ConnectRequest{
		Client: s.phone(told.At(s.cfg.PhonePath), told.First("client_phone", "client", "phone", "clid", "from", "phone1")),
		Driver: s.phone(told.At(s.cfg.DriverPath), told.First("driver_phone", "worker_phone", "driver", "worker", "to", "number", "phone2")),
		Line:   s.phone("", told.First("did", "line", "phone_line")),
	}
	if id := courier.Line(told.First("id", "order_id", "orderid"), courier.MaxID); want.Client == "" || want.Driver == "" {
		want = pbx.ConnectRequest{OrderID: id, Line: want.Line}
	}
	if rest := told.Rest(); rest != "" {
		log.Info().Str(logRest, rest).Msg("gootax: connect, with fields we do not know")
	}
	if want.OrderID == "" && want.Client == "" {
		log.Warn().Msg("gootax: connect without two numbers or an order")
		answer(w, http.StatusOK, "ignored", "the numbers of client and driver are needed, or the order's id", "")
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), begin)
	defer cancel()
	id, err := s.connects.once(want, func() (string, error) {
		if !s.calls.Allow() {
			return "", errTooMany
		}
		return s.cfg.Connect(ctx, want)
	})
	switch {
	case errors.Is(err, errTooMany):
		answer(w, http.StatusTooManyRequests, "error", err.Error(), "")
	case err != nil:
		log.Warn().Err(err).Str(logOrder, clipped(want.OrderID)).Msg("gootax: connect")
		answer(w, http.StatusOK, "error", pbx.Ending(err), "")
	default:
		log.Info().Str(logOrder, clipped(want.OrderID)).Str(logCall, id).Msg("gootax: client and driver are to be connected")
		answer(w, http.StatusOK, "ok", "", id)
	}
}

var errTooMany = errors.New("too many calls at once")

// connects are the requests of the last moments: one that is repeated because
// its answer was lost must not ring the client twice.
type connects struct {
	mu sync.Mutex
	by map[pbx.ConnectRequest]connected
}

type connected struct {
	id string
	at time.Time
}

// again is how soon the same request is the same call.
const again = 30 * time.Second

func (c *connects) once(want pbx.ConnectRequest, begin func() (string, error)) (string, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for old, call := range c.by {
		if time.Since(call.at) > again {
			delete(c.by, old)
		}
	}
	if call, there := c.by[want]; there {
		return call.id, nil
	}
	id, err := begin()
	if err == nil {
		c.by[want] = connected{id, time.Now()}
	}
	return id, err
}

// call is the link Call Url makes of every number in Gootax: it rings the
// operator who clicked, and then the number. What may be dialled is the
// switchboard's to say: the clients and drivers of orders, and what the owner
// allows. The token is in the link, so it must be good for nothing else.
func (s *System) call(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	log := zerolog.Ctx(r.Context())
	if subtle.ConstantTimeCompare([]byte(q.Get("token")), []byte(s.cfg.CallToken)) != 1 {
		if s.strange.Allow() {
			log.Warn().Str(logFrom, r.RemoteAddr).Msg("gootax: a click without our token")
		}
		s.tell(w, r, http.StatusUnauthorized, "В ссылке нет нашего токена", "The link has not our token", "")
		return
	}
	operator := s.operator(q.Get("operator"))
	number, err := pbx.ParsePhone(strings.TrimSpace(q.Get("to")), s.cfg.Country)
	switch {
	case err != nil:
		s.tell(w, r, http.StatusUnprocessableEntity, "Это не номер телефона", "This is no telephone number", "")
		return
	case operator == "":
		s.tell(w, r, http.StatusUnprocessableEntity, "Неизвестно, кто звонит: в ссылке нужен operator", "Who calls? The link needs an operator", "")
		return
	case !s.calls.Allow():
		s.tell(w, r, http.StatusTooManyRequests, "Слишком много звонков сразу", "Too many calls at once", "")
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), begin)
	defer cancel()
	id, err := s.cfg.CallTo(ctx, operator, number)
	log.Info().Err(err).Str("operator", operator).Str(logCall, id).Stringer(logClient, number).Msg("gootax: a click on a number")
	switch {
	case err == nil:
		s.tell(w, r, http.StatusOK, "Звоним. Снимите трубку: сначала звонит ваш телефон", "Calling. Pick up: your own phone rings first", id)
	case errors.Is(err, pbx.ErrNotAllowed):
		s.tell(w, r, http.StatusForbidden, "На этот номер звонить нельзя: это не клиент и не водитель действующего заказа", "This number may not be called: it is no client or driver of an active order", "")
	case errors.Is(err, pbx.ErrBusy):
		s.tell(w, r, http.StatusConflict, "Ваш телефон занят", "Your telephone is busy", "")
	case errors.Is(err, pbx.ErrUnreachable):
		s.tell(w, r, http.StatusConflict, "Ваш телефон не подключён", "Your telephone is not logged in", "")
	default:
		s.tell(w, r, http.StatusServiceUnavailable, "Не получилось: "+pbx.Ending(err), "It did not work: "+pbx.Ending(err), "")
	}
}

// operator is whose telephone an employee of Gootax has; a firm with one
// operator need not say.
func (s *System) operator(who string) string {
	for _, e := range s.cfg.Employees {
		if who != "" && (who == e.Number || who == e.Operator) || who == "" && len(s.cfg.Employees) == 1 {
			return e.Operator
		}
	}
	return who
}

// tell answers a click: a browser shows a line, a program gets JSON.
func (s *System) tell(w http.ResponseWriter, r *http.Request, code int, ru, en, call string) {
	text := ru
	if s.cfg.AsLanguage == "en" {
		text = en
	}
	if !strings.Contains(r.Header.Get("Accept"), "text/html") {
		answer(w, code, map[bool]string{true: "ok", false: "error"}[code == http.StatusOK], text, call)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(code)
	_, _ = fmt.Fprintf(w, "<!doctype html><html lang=%q><meta name=viewport content=\"width=device-width\"><link rel=icon href=data:,><title>Cabline</title><p>%s.</p>\n",
		cmp.Or(s.cfg.AsLanguage, "ru"), html.EscapeString(text)) // who has closed the page does not read it
}
