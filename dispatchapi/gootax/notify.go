package gootax

import (
	"encoding/json"
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/rs/zerolog"

	"cabline/dispatchapi/courier"
	"cabline/pbx"
)

// The names of log fields. No others are used here.
const (
	logOrder   = "order"
	logStatus  = "status"
	logVersion = "version"
	logClient  = "client"
	logCall    = "call"
	logFrom    = "from"
	logPath    = "path"
	logMethod  = "method"
	logRest    = "unknown"
)

// notify is news of an order. It is stored before Gootax has its answer, and
// told to the client later.
func (s *System) notify(w http.ResponseWriter, r *http.Request, told *courier.Told) {
	log := zerolog.Ctx(r.Context())
	order := s.readOrder(told)
	raw := told.First("status", "status_id", "status_group", "status_name")
	rest := told.Rest()
	if order.ID == "" || raw == "" {
		log.Warn().Str(logRest, rest).Msg("gootax: news without an order or a status")
		answer(w, http.StatusOK, "ignored", "id and status are needed", "")
		return
	}
	var known bool
	order.Status, known = s.status(raw)
	news, err := s.memory.Learn(r.Context(), order)
	if err != nil {
		log.Error().Err(err).Msg("gootax: remember order")
		answer(w, http.StatusServiceUnavailable, "error", "the database cannot be written; tell it again", "")
		return
	}
	entry := log.Info()
	if !known {
		entry = log.Warn()
	}
	entry.Str(logOrder, clipped(order.ID)).Str(logStatus, clipped(raw)).Stringer(logClient, news.Order.Phone).
		Int(logVersion, news.Version).Str(logRest, rest).Msg("gootax: news of an order")
	if s.cfg.Notices != nil && news.Latest && (known || s.cfg.AnyStatus) {
		err := s.cfg.Notices.Notify(r.Context(), pbx.Notice{OrderID: order.ID, Status: order.Status, Version: news.Version,
			Order: news.Order, Source: Source, At: time.Now()})
		if err != nil {
			log.Error().Err(err).Str(logOrder, clipped(order.ID)).Msg("gootax: store notice")
			answer(w, http.StatusServiceUnavailable, "error", "the database cannot be written; tell it again", "")
			return
		}
	}
	answer(w, http.StatusOK, "ok", "", "")
}

// The usual names. The first of each is Gootax's own where that is known.
var (
	clientNames = []string{"phone", "client_phone", "clid", "to", "number"}
	driverNames = []string{"driver_phone", "worker_phone"}
	plateNames  = []string{"car_number", "gos_number", "car_gos_number"}
	priceNames  = []string{"price", "cost", "summary_cost"}
)

func (s *System) readOrder(told *courier.Told) pbx.Order {
	order := pbx.Order{
		ID:     courier.Line(told.First("id", "order_id", "orderid"), courier.MaxID),
		Phone:  s.phone(told.At(s.cfg.PhonePath), told.First(clientNames...)),
		Driver: s.phone(told.At(s.cfg.DriverPath), told.First(driverNames...)),
		Line:   s.phone("", told.First("did", "line", "phone_line")),
		ETA:    minutes(told.First("car_time", "time_to_client")),
		Car: pbx.Car{
			Color: courier.Line(told.First("car_color"), courier.MaxWord), Mark: courier.Line(told.First("car_mark", "car_brand"), courier.MaxWord),
			Model: courier.Line(told.First("car_model"), courier.MaxWord), Plate: courier.Line(told.First(plateNames...), courier.MaxWord),
		},
		Price: roubles(told.First(priceNames...)),
	}
	return order
}

// phone is the first of some texts that is a number.
func (s *System) phone(texts ...string) pbx.Phone {
	for _, text := range texts {
		if number, err := pbx.ParsePhone(text, s.cfg.Country); err == nil {
			return number
		}
	}
	return ""
}

// status is ours for one of Gootax's. One that is not known stays as it came:
// it has no sentence, and the log has it.
func (s *System) status(raw string) (status pbx.Status, known bool) {
	raw = courier.Line(raw, courier.MaxWord)
	for theirs, ours := range s.cfg.Statuses {
		if strings.EqualFold(theirs, raw) {
			return ours, true
		}
	}
	if ours, ok := usual[normal(raw)]; ok {
		return ours, true
	}
	return pbx.Status(raw), false
}

// normal is a name without what people write differently.
func normal(name string) string {
	return strings.Join(strings.FieldsFunc(strings.ReplaceAll(strings.ToLower(name), "ё", "е"), func(r rune) bool {
		return strings.ContainsRune(" _-,.", r)
	}), " ")
}

// minutes reads "7", "7.0" and "7 мин".
func minutes(text string) *int {
	n := leading(text)
	if n < 0 || n > 24*60 {
		return nil
	}
	whole := int(math.Ceil(n))
	return &whole
}

// roubles reads "350", "350.50" and "350,50 ₽".
func roubles(text string) int {
	n := leading(text)
	if n < 0 || n > 1e7 {
		return 0
	}
	return int(math.Round(n))
}

// leading is the number a text begins with, -1 for none.
func leading(text string) float64 {
	text = strings.ReplaceAll(strings.TrimSpace(text), ",", ".")
	end := strings.IndexFunc(text, func(r rune) bool { return (r < '0' || r > '9') && r != '.' })
	if end >= 0 {
		text = text[:end]
	}
	n, err := strconv.ParseFloat(text, 64)
	if err != nil {
		return -1
	}
	return n
}

// clipped is a text of a stranger for the log.
func clipped(text string) string { return courier.Masked(courier.Line(text, 100)) }

// answer is the small JSON of every answer.
func answer(w http.ResponseWriter, code int, status, message, call string) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(struct { // who does not read it does not want it
		Status  string `json:"status"`
		Message string `json:"message,omitempty"`
		Call    string `json:"call_id,omitempty"`
	}{status, message, call})
}
