package dispatcher

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/rs/zerolog"

	"cabline/pbx"
)

// HTTPJSON plays a system nobody has heard of, which speaks JSON: in words of
// its own, so that the config must map them.
//
//	GET    /find?tel=79161234567  {"found": [{…}]}
//	GET    /rides/42              {…}
//	POST   /rides/42/cancel       {"accepted": true}
//	POST   /events                whatever the exchange tells
type HTTPJSON struct {
	Book     Book
	Key      string // in the header X-Key of what it is asked
	Exchange string // http://host:port
	Secret   string // that it signs with what it sends
}

// Words are its statuses, by ours; the others it calls as we do.
var Words = map[pbx.Status]string{pbx.StatusNew: "SEARCHING", pbx.StatusAccepted: "ON_THE_WAY", pbx.StatusArrived: "AT_PLACE",
	pbx.StatusInProgress: "RIDING", pbx.StatusCompleted: "DONE", pbx.StatusRefused: "CANCELLED"}

// ServeHTTP answers the exchange.
func (h *HTTPJSON) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !hmac.Equal([]byte(r.Header.Get("X-Key")), []byte(h.Key)) {
		answer(w, http.StatusForbidden, map[string]any{"error": "X-Key"})
		return
	}
	ctx := r.Context()
	switch {
	case r.URL.Path == "/find":
		found := []map[string]any{}
		phone, err := pbx.ParsePhone(r.URL.Query().Get("tel"), "RU")
		if order, asked := h.Book.OrderByPhone(ctx, phone); err == nil && asked == nil {
			found = append(found, ride(*order))
		}
		if orders, asked := h.Book.OrdersByDriver(ctx, phone); err == nil && asked == nil && len(found) == 0 {
			for _, o := range orders {
				found = append(found, ride(*o))
			}
		}
		answer(w, http.StatusOK, map[string]any{"found": found})
	case r.URL.Path == "/events":
		body, _ := io.ReadAll(io.LimitReader(r.Body, 64<<10))
		zerolog.Ctx(ctx).Info().Int("bytes", len(body)).Msg("the dispatch system is told")
		answer(w, http.StatusOK, map[string]any{})
	case strings.HasPrefix(r.URL.Path, "/rides/"):
		id, act, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/rides/"), "/")
		h.ride(ctx, w, id, act)
	default:
		http.NotFound(w, r)
	}
}

// ride shows a ride, or cancels it: one with the client in the car cannot be.
func (h *HTTPJSON) ride(ctx context.Context, w http.ResponseWriter, id, act string) {
	order, err := h.Book.Order(ctx, id)
	switch {
	case err != nil:
		answer(w, http.StatusNotFound, map[string]any{"error": "no such ride"})
	case act == "":
		answer(w, http.StatusOK, ride(*order))
	case act == "cancel" && order.Status == pbx.StatusInProgress:
		answer(w, http.StatusOK, map[string]any{"accepted": false, "why": "the client rides"})
	case act == "cancel":
		_, err := h.Book.Update(ctx, id, func(o *pbx.Order) error { o.Status = pbx.StatusRefused; return nil })
		answer(w, http.StatusOK, map[string]any{"accepted": err == nil})
	default:
		zerolog.Ctx(ctx).Info().Str("order", id).Str("answer", act).Msg("the dispatch system is told what the client said")
		answer(w, http.StatusOK, map[string]any{"accepted": true})
	}
}

func ride(o pbx.Order) map[string]any {
	word := string(o.Status)
	if own, mapped := Words[o.Status]; mapped {
		word = own
	}
	r := map[string]any{"ride": o.ID, "stage": word, "who": map[string]any{"name": o.ClientName, "tels": []string{o.Phone.Dialable()}},
		"where": []string{o.Pickup, o.Dropoff}, "note": o.Comment, "cost": strconv.Itoa(o.Price)}
	if o.Driver != "" {
		car := map[string]any{"tel": o.Driver.Dialable(), "colour": o.Car.Color, "make": o.Car.Mark, "model": o.Car.Model, "plate": o.Car.Plate}
		if o.ETA != nil {
			car["minutes"] = *o.ETA
		}
		r["car"] = car
	}
	return r
}

func answer(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body)
}

// Tell implements System.
func (h *HTTPJSON) Tell(ctx context.Context, o pbx.Order) error {
	return h.post(ctx, "/integration/httpjson/notify", ride(o))
}

// Join asks the exchange to join client and driver.
func (h *HTTPJSON) Join(ctx context.Context, o pbx.Order) error {
	return h.post(ctx, "/integration/httpjson/connect", map[string]any{"client": o.Phone.Dialable(), "driver": o.Driver.Dialable()})
}

// post signs by the Standard Webhooks.
func (h *HTTPJSON) post(ctx context.Context, path string, what any) error {
	body, err := json.Marshal(what)
	if err != nil {
		return err
	}
	id, at := "ride-"+strconv.FormatInt(time.Now().UnixNano(), 36), strconv.FormatInt(time.Now().Unix(), 10)
	mac := hmac.New(sha256.New, []byte(h.Secret))
	fmt.Fprintf(mac, "%s.%s.%s", id, at, body)
	header := http.Header{"Content-Type": {"application/json"}, "Webhook-Id": {id}, "Webhook-Timestamp": {at},
		"Webhook-Signature": {"v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil))}}
	return send(ctx, http.MethodPost, h.Exchange+path, header, body)
}
