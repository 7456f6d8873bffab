package httpjson

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"time"

	"github.com/rs/zerolog"
	"github.com/tidwall/gjson"

	"cabline/dispatchapi/courier"
	"cabline/dispatchapi/outbox"
	"cabline/pbx"
)

// maxNews bounds what is sent to us, in bytes.
const maxNews = 64 << 10

// News is what the system may send us. Fill in the fields.
type News struct {
	System  *System
	Secret  string // that it is signed with
	Notices pbx.Noticeboard
	Connect func(ctx context.Context, want pbx.ConnectRequest) (id string, err error)
}

// Notify takes news of an order's status: POST of the order as JSON, its fields
// where Order says, signed as our own events are. The answer is 202 once the
// notice is stored; the same again is 202 and nothing happens.
func (n *News) Notify(w http.ResponseWriter, r *http.Request) {
	body, ok := n.open(w, r)
	if !ok {
		return
	}
	order, version := n.System.read(r.Context(), gjson.ParseBytes(body))
	if order.ID == "" || order.Status == "" {
		refuse(w, r, body, "no order with an id and a status where dispatch.httpjson.order says")
		return
	}
	if version == 0 { // theirs has none: what is not a repetition is new
		var err error
		if version, err = n.System.cfg.DB.NewsVersion(r.Context(), "httpjson", order.ID, order.Status, 0); err != nil {
			fail(w, r, err)
			return
		}
	}
	news := pbx.Notice{OrderID: order.ID, Status: order.Status, Version: version, Order: order, Source: "httpjson", At: time.Now()}
	if err := n.Notices.Notify(r.Context(), news); err != nil {
		fail(w, r, err)
		return
	}
	reply(w, http.StatusAccepted, map[string]any{"order_id": order.ID, "version": version})
}

// Join joins client and driver: POST of {"order_id"} or {"client", "driver"},
// signed as our own events are. The answer is 202 with the call's id.
func (n *News) Join(w http.ResponseWriter, r *http.Request) {
	body, ok := n.open(w, r)
	if !ok {
		return
	}
	want := pbx.ConnectRequest{OrderID: gjson.GetBytes(body, "order_id").String()}
	for name, to := range map[string]*pbx.Phone{"client": &want.Client, "driver": &want.Driver} {
		text := gjson.GetBytes(body, name).String()
		if text == "" {
			continue
		}
		number, err := pbx.ParsePhone(text, n.System.cfg.Country)
		if err != nil {
			refuse(w, r, body, name+": not a telephone number")
			return
		}
		*to = number
	}
	id, err := n.Connect(r.Context(), want)
	switch {
	case errors.Is(err, pbx.ErrNoOrder), errors.Is(err, pbx.ErrNotAPhone):
		refuse(w, r, body, err.Error())
	case err != nil:
		fail(w, r, err)
	default:
		reply(w, http.StatusAccepted, map[string]any{"id": id})
	}
}

// open reads a signed body, and answers itself where it cannot.
func (n *News) open(w http.ResponseWriter, r *http.Request) (body []byte, ok bool) {
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		reply(w, http.StatusMethodNotAllowed, map[string]any{"detail": "POST only"})
		return nil, false
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxNews))
	if err != nil {
		reply(w, http.StatusRequestEntityTooLarge, map[string]any{"detail": "too long, or broken off"})
		return nil, false
	}
	if err := outbox.Verify(n.Secret, r.Header, time.Now(), body); err != nil {
		reply(w, http.StatusUnauthorized, map[string]any{"detail": err.Error()})
		return nil, false
	}
	_, body = courier.UTF8(r.Header.Get("Content-Type"), body)
	if !gjson.ValidBytes(body) {
		refuse(w, r, body, "no JSON")
		return nil, false
	}
	return body, true
}

func refuse(w http.ResponseWriter, r *http.Request, body []byte, why string) {
	zerolog.Ctx(r.Context()).Warn().Str("body", courier.Excerpt(body)).Str("why", why).Msg("news that cannot be read")
	reply(w, http.StatusUnprocessableEntity, map[string]any{"detail": why})
}

// fail says that they should try again.
func fail(w http.ResponseWriter, r *http.Request, err error) {
	zerolog.Ctx(r.Context()).Error().Err(err).Msg("news that could not be taken")
	w.Header().Set("Retry-After", "5")
	reply(w, http.StatusServiceUnavailable, map[string]any{"detail": "try again"})
}

func reply(w http.ResponseWriter, status int, body map[string]any) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body) // whoever went away needs no answer
}
