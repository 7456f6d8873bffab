// Package httpjson is any dispatch system that speaks JSON over HTTP, set up by
// config alone: what to ask, where in the answer things are, how to sign, and
// what it may tell us. It implements pbx.Dispatch, pbx.AnswerTaker and
// outbox.Receiver.
//
// It knows no calls. It logs statuses that nobody has mapped and what comes in
// and cannot be read.
package httpjson

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/rs/zerolog"
	"github.com/tidwall/gjson"

	"cabline/dispatchapi/courier"
	"cabline/dispatchapi/outbox"
	"cabline/pbx"
	"cabline/pbx/store"
)

// Config is how the firm's dispatch system is spoken with. A request whose URL
// is empty is not made.
type Config struct {
	Courier *courier.Courier
	DB      *store.Store
	Country string     // in which numbers are read
	Numbers pbx.Format // how numbers are written

	ByPhone  Request // the order of {phone}
	ByDriver Request // the order of the driver {phone}
	ByID     Request // the order {order_id}
	Answers  map[pbx.ClientAnswer]Request
	Event    Request // what happens in calls; an empty body is the event as docs/events.md has it
	Kinds    []pbx.EventKind
	Retries  int // of a question that could not be asked, or was answered with 5xx

	Order    Paths                 // within an answer, and within news
	Statuses map[string]pbx.Status // by their words
	Auth     Auth
}

// Request is something asked. {phone}, {line}, {order_id}, {call_id}, {kind}
// and {answer} in URL, headers and body stand for values, written as the place
// needs it.
type Request struct {
	Method string // GET where there is no body, else POST
	URL    string
	Header http.Header
	Body   string // JSON, or a form where Content-Type says so
	Within string // the path of the order, or of the list of orders, in the answer; empty: the answer itself
	OK     string // a path that must be there and not be false, 0, "" or null; empty: any 200 will do
}

// Paths are where the fields of an order are, as gjson has paths:
// "car.plate", "drivers.0.phone". An empty one is not looked for.
type Paths struct {
	ID, Status, Version, Phone, ClientName, Line, Branch, Tariff, Pickup, Dropoff, Comment string
	Minutes, Color, Mark, Model, Plate, Price, Driver, TakenBy                             string
}

// System is a dispatch system. Its methods are safe for concurrent use.
type System struct{ cfg Config }

// New is a system; it asks nothing yet.
func New(cfg Config) *System { return &System{cfg} }

// OrderByPhone implements pbx.Dispatch.
func (s *System) OrderByPhone(ctx context.Context, phone pbx.Phone) (*pbx.Order, error) {
	orders, err := s.active(ctx, s.cfg.ByPhone, phone)
	if err != nil {
		return nil, err
	}
	return orders[0], nil
}

// OrdersByDriver implements pbx.Dispatch.
func (s *System) OrdersByDriver(ctx context.Context, driver pbx.Phone) ([]*pbx.Order, error) {
	return s.active(ctx, s.cfg.ByDriver, driver)
}

// Order implements pbx.Dispatch.
func (s *System) Order(ctx context.Context, id string) (*pbx.Order, error) {
	orders, err := s.orders(ctx, s.cfg.ByID, values{"order_id": id})
	if err != nil {
		return nil, fmt.Errorf("order %.20q: %w", id, err)
	}
	for _, o := range orders {
		if o.ID == id {
			return o, nil
		}
	}
	return nil, fmt.Errorf("order %.20q: %w", id, pbx.ErrNoOrder)
}

// active is the active orders of a number, at least one, in the system's order.
func (s *System) active(ctx context.Context, ask Request, phone pbx.Phone) ([]*pbx.Order, error) {
	if phone == "" {
		return nil, pbx.ErrNoOrder
	}
	orders, err := s.orders(ctx, ask, values{"phone": s.write(phone)})
	if err != nil {
		return nil, fmt.Errorf("order of %v: %w", phone, err)
	}
	orders = slices.DeleteFunc(orders, func(o *pbx.Order) bool { return !o.Status.Active() })
	if len(orders) == 0 {
		return nil, pbx.ErrNoOrder
	}
	return orders, nil
}

// maxOrders is how many orders of one answer are looked at.
const maxOrders = 50

// orders asks for one order or a list of them. 404 and nothing where the order
// should be say that there is none.
func (s *System) orders(ctx context.Context, ask Request, v values) ([]*pbx.Order, error) {
	if ask.URL == "" {
		return nil, pbx.ErrNoOrder
	}
	answer, err := s.ask(ctx, ask, v)
	switch {
	case errors.Is(err, courier.ErrStatus) && answer.Status == http.StatusNotFound:
		return nil, pbx.ErrNoOrder
	case err != nil:
		return nil, err
	}
	root := gjson.ParseBytes(answer.Body)
	if ask.Within != "" {
		root = root.Get(ask.Within)
	}
	if root.Type == gjson.Number || root.Type == gjson.String && root.Str != "" { // null, false and "" are ways to say none
		return nil, fmt.Errorf("%w: no order but %s", courier.ErrGarbage, courier.Excerpt([]byte(root.Raw)))
	}
	found := []gjson.Result{root}
	if root.IsArray() {
		found = root.Array()
	}
	var orders []*pbx.Order
	for _, one := range found[:min(len(found), maxOrders)] {
		if order, _ := s.read(ctx, one); order.ID != "" {
			orders = append(orders, &order)
		}
	}
	return orders, nil
}

// read is an order and the version of its status; without an ID it is none.
func (s *System) read(ctx context.Context, from gjson.Result) (o pbx.Order, version int) {
	if !from.IsObject() {
		return o, 0
	}
	at := func(path string, most int) string {
		if path == "" {
			return ""
		}
		return courier.Line(from.Get(path).String(), most)
	}
	text := func(path string) string { return at(path, courier.MaxText) }
	word := func(path string) string { return at(path, courier.MaxWord) }
	p := s.cfg.Order
	phone := func(path string) pbx.Phone {
		number, err := pbx.ParsePhone(text(path), s.cfg.Country)
		if err != nil {
			return ""
		}
		return number
	}
	o = pbx.Order{ID: at(p.ID, courier.MaxID), Status: s.status(ctx, word(p.Status)), Phone: phone(p.Phone), ClientName: word(p.ClientName),
		Line: phone(p.Line), Branch: word(p.Branch), Tariff: word(p.Tariff), Pickup: text(p.Pickup), Dropoff: text(p.Dropoff),
		Comment: text(p.Comment), Driver: phone(p.Driver),
		Car: pbx.Car{Color: word(p.Color), Mark: word(p.Mark), Model: word(p.Model), Plate: word(p.Plate)}}
	if minutes, err := strconv.Atoi(text(p.Minutes)); err == nil && minutes >= 0 && minutes <= 24*60 {
		o.ETA = &minutes
	}
	if price, err := strconv.ParseFloat(text(p.Price), 64); err == nil && price > 0 && price < 1e9 {
		o.Price = int(price + 0.5)
	}
	if p.TakenBy != "" {
		for _, login := range from.Get(p.TakenBy).Array() { // of a single value: a list of it
			if o.TakenBy = append(o.TakenBy, courier.Line(login.String(), courier.MaxWord)); len(o.TakenBy) == maxOrders {
				break
			}
		}
	}
	version, _ = strconv.Atoi(text(p.Version))
	return o, max(version, 0)
}

// status is what one of their words means; one that nobody has mapped and that
// is none of ours is kept as it came and has no sentence.
func (s *System) status(ctx context.Context, word string) pbx.Status {
	if status, mapped := s.cfg.Statuses[word]; mapped {
		return status
	}
	if slices.Contains(pbx.Statuses, pbx.Status(word)) {
		return pbx.Status(word)
	}
	zerolog.Ctx(ctx).Warn().Str("status", courier.Excerpt([]byte(word))).Msg("a status nobody has mapped; name it in dispatch.httpjson.statuses")
	return pbx.Status(word)
}

// ClientAnswered implements pbx.AnswerTaker.
func (s *System) ClientAnswered(ctx context.Context, orderID string, said pbx.ClientAnswer) error {
	request, known := s.cfg.Answers[said]
	if !known || request.URL == "" {
		return pbx.Untold(said, fmt.Sprintf("dispatch.httpjson.answers has no request for %q", said))
	}
	answer, err := s.ask(ctx, request, values{"order_id": orderID, "answer": string(said)})
	switch {
	case errors.Is(err, courier.ErrStatus) && answer.Status < 500:
		return fmt.Errorf("%s of order %.20q: %w: %w", said, orderID, pbx.ErrAnswerRefused, err)
	case err != nil:
		return fmt.Errorf("%s of order %.20q: %w", said, orderID, err)
	}
	if ok := gjson.GetBytes(answer.Body, request.OK); request.OK != "" && !truth(ok) {
		return fmt.Errorf("%s of order %.20q: %w: %s", said, orderID, pbx.ErrAnswerRefused, courier.Excerpt(answer.Body))
	}
	return nil
}

// truth is what JavaScript would hold for true, and not the text "false".
func truth(r gjson.Result) bool {
	switch r.Type {
	case gjson.True, gjson.JSON:
		return true
	case gjson.Number:
		return r.Num != 0
	case gjson.String:
		return r.Str != "" && r.Str != "0" && !strings.EqualFold(r.Str, "false")
	}
	return false
}

// Deliver implements outbox.Receiver.
func (s *System) Deliver(ctx context.Context, id string, e pbx.Event) error {
	if e.Kind == pbx.EventClientAnswer && s.cfg.Event.URL == "" {
		if s.cfg.Answers[e.Answer].URL == "" {
			return nil // operators see it
		}
		if err := s.ClientAnswered(ctx, e.OrderID, e.Answer); err != nil && !errors.Is(err, pbx.ErrAnswerRefused) {
			return err
		}
		return nil
	}
	if s.cfg.Event.URL == "" || len(s.cfg.Kinds) > 0 && !slices.Contains(s.cfg.Kinds, e.Kind) {
		return nil
	}
	v := values{"kind": string(e.Kind), "call_id": e.CallID, "order_id": e.OrderID, "answer": string(e.Answer)}
	if e.CDR != nil {
		v["phone"], v["line"] = s.write(e.CDR.From), s.write(e.CDR.Line)
	}
	if e.Notice != nil {
		v["phone"] = s.write(e.Notice.Phone)
	}
	request := s.cfg.Event
	if request.Body == "" {
		body, err := outbox.Encode(id, e)
		if err != nil {
			return fmt.Errorf("%w: %w", outbox.ErrRefused, err)
		}
		answer, err := s.send(ctx, request, v, body)
		return outbox.Judge(answer, err)
	}
	answer, err := s.send(ctx, request, v, v.in(request.Body, request.body()))
	return outbox.Judge(answer, err)
}

// retryPause is between two tries of a question. Somebody waits for the answer.
const retryPause = 150 * time.Millisecond

// ask asks again where that may help and ctx has time left.
func (s *System) ask(ctx context.Context, r Request, v values) (answer courier.Answer, err error) {
	for try := 0; ; try++ {
		answer, err = s.send(ctx, r, v, v.in(r.Body, r.body()))
		again := err != nil && (!errors.Is(err, courier.ErrStatus) || answer.Status >= 500) &&
			!errors.Is(err, courier.ErrTooLarge) && !errors.Is(err, courier.ErrRedirected)
		if !again || try >= s.cfg.Retries {
			break
		}
		select {
		case <-time.After(retryPause):
		case <-ctx.Done():
			return answer, err
		}
	}
	if err == nil && !gjson.ValidBytes(answer.Body) && len(strings.TrimSpace(string(answer.Body))) > 0 {
		return answer, fmt.Errorf("%w: no JSON: %s", courier.ErrGarbage, courier.Excerpt(answer.Body))
	}
	return answer, err
}

func (s *System) send(ctx context.Context, r Request, v values, body []byte) (courier.Answer, error) {
	want := courier.Request{Method: r.Method, URL: string(v.in(r.URL, inURL)), Header: http.Header{}, Body: body}
	if want.Method == "" {
		want.Method = http.MethodGet
		if len(body) > 0 {
			want.Method = http.MethodPost
		}
	}
	for name, texts := range r.Header {
		for _, text := range texts {
			want.Header.Add(name, string(v.in(text, oneLine)))
		}
	}
	if len(body) > 0 && want.Header.Get("Content-Type") == "" {
		want.Header.Set("Content-Type", "application/json; charset=utf-8")
	}
	if err := s.cfg.Auth.sign(&want); err != nil {
		return courier.Answer{}, err
	}
	return s.cfg.Courier.Do(ctx, want)
}

// write is a number as the system writes them.
func (s *System) write(p pbx.Phone) string { return p.Write(s.cfg.Numbers, s.cfg.Country) }
