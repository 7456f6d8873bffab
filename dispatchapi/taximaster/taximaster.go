// Package taximaster speaks with Такси-Мастер, both ways: it asks for orders
// over tm_tapi/1.0 and common_api/1.0, and answers, as Oktell would, the
// requests Такси-Мастер sends to an exchange. It implements pbx.Dispatch and
// pbx.AnswerTaker.
//
// What the vendor's papers leave open is configured or kept as it came: the
// ids of states, the names of scripts, the way numbers are written. The
// package knows no calls; it logs what arrives and cannot be read, verbatim.
package taximaster

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"cabline/dispatchapi/courier"
	"cabline/pbx"
	"cabline/pbx/store"
)

// Config is where Такси-Мастер is and what the firm has set up in it.
type Config struct {
	URL       string // https://host:8089, without a path
	TAPIKey   string // of tm_tapi
	CommonKey string // of common_api; empty: it is not used, and cars have no model
	Courier   *courier.Courier
	Country   string     // in which numbers are read
	Numbers   pbx.Format // how Такси-Мастер writes them; empty: nationally
	DB        *store.Store

	States     map[int]pbx.Status // by the ids of the firm's states; wins over what the system says of them
	Zone       *time.Location     // of the firm
	Recordings string             // what stands before the name of a recording's file in a link to it

	Answers map[pbx.ClientAnswer]int // the state an order is put into by a client's answer
}

// System is one installation of Такси-Мастер. Its methods are safe for
// concurrent use.
type System struct {
	cfg Config

	mu     sync.Mutex
	states map[int]pbx.Status // of get_order_states_list
	read   time.Time          // when it was last asked for
}

// New is a system; it sends nothing yet.
func New(cfg Config) *System {
	cfg.Numbers = cmp.Or(cfg.Numbers, pbx.National)
	cfg.Zone = cmp.Or(cfg.Zone, time.Local)
	return &System{cfg: cfg}
}

// Fields asked of tm_tapi.
const (
	ofOrder = "ORDER_STATE-DRIVER_PHONE-DRIVER_TIMECOUNT-GOSNUMBER-CAR_COLOR-CAR_MARK-DISCOUNTEDSUMM-START_USER_SIP_ACCOUNTS"
	ofPhone = "PHONE_TYPE-PHONE_TO_DIAL-ORDER_ID-" + ofOrder
)

// Whose number it is that calls: PHONE_TYPE of get_info_by_phone.
const (
	phoneOfDriver       = "1"
	secondPhoneOfDriver = "5"
)

// OrderByPhone implements pbx.Dispatch. A driver's number has no order of a client.
func (s *System) OrderByPhone(ctx context.Context, phone pbx.Phone) (*pbx.Order, error) {
	return s.byPhone(ctx, phone, false)
}

// OrdersByDriver implements pbx.Dispatch. tm_tapi knows one order of a driver.
func (s *System) OrdersByDriver(ctx context.Context, driver pbx.Phone) ([]*pbx.Order, error) {
	order, err := s.byPhone(ctx, driver, true)
	if err != nil {
		return nil, err
	}
	return []*pbx.Order{order}, nil
}

func (s *System) byPhone(ctx context.Context, phone pbx.Phone, ofDriver bool) (*pbx.Order, error) {
	if phone == "" {
		return nil, pbx.ErrNoOrder
	}
	f, err := s.tapi(ctx, http.MethodGet, "get_info_by_phone", params{{"PHONE", s.write(phone)}, {"FIELDS", ofPhone}})
	if err != nil {
		return nil, fmt.Errorf("order of %v: %w", phone, err)
	}
	kind := f["PHONE_TYPE"]
	isDriver := kind == phoneOfDriver || kind == secondPhoneOfDriver
	id := f["ORDER_ID"]
	if n, err := strconv.Atoi(id); isDriver != ofDriver || err != nil || n <= 0 {
		return nil, pbx.ErrNoOrder
	}
	order := s.order(ctx, id, f)
	if ofDriver {
		order.Driver, order.Phone = phone, s.phone(f["PHONE_TO_DIAL"])
	} else {
		order.Phone = phone
	}
	s.complete(ctx, order)
	if !order.Status.Active() {
		return nil, pbx.ErrNoOrder
	}
	return order, nil
}

// Order implements pbx.Dispatch.
func (s *System) Order(ctx context.Context, id string) (*pbx.Order, error) {
	if n, err := strconv.Atoi(id); err != nil || n <= 0 {
		return nil, fmt.Errorf("order %.20q: %w", id, pbx.ErrNoOrder)
	}
	f, err := s.tapi(ctx, http.MethodGet, "get_info_by_order_id", params{{"ORDER_ID", id}, {"FIELDS", ofOrder}})
	var refused *Refusal
	switch {
	case errors.As(err, &refused) && refused.Code == noSuchOrder:
		return nil, fmt.Errorf("order %s: %w", id, pbx.ErrNoOrder)
	case err != nil:
		return nil, fmt.Errorf("order %s: %w", id, err)
	}
	order := s.order(ctx, id, f)
	s.complete(ctx, order)
	return order, nil
}

// order reads what tm_tapi says of one.
func (s *System) order(ctx context.Context, id string, f fields) *pbx.Order {
	o := &pbx.Order{ID: id, Status: s.status(ctx, f["ORDER_STATE"], ""),
		Driver: s.phone(f["DRIVER_PHONE"]), Price: whole(f["DISCOUNTEDSUMM"]),
		Car:     pbx.Car{Color: f["CAR_COLOR"], Mark: f["CAR_MARK"], Plate: f["GOSNUMBER"]},
		TakenBy: strings.FieldsFunc(f["START_USER_SIP_ACCOUNTS"], func(r rune) bool { return strings.ContainsRune(",; ", r) }),
	}
	if minutes, err := strconv.Atoi(f["DRIVER_TIMECOUNT"]); err == nil && minutes >= 0 && minutes <= 24*60 {
		o.ETA = &minutes
	}
	o.TakenBy = o.TakenBy[:min(len(o.TakenBy), maxTakers)]
	clip(o)
	return o
}

// maxTakers is more operators than ever take one order.
const maxTakers = 50

// clip keeps of an order's texts what can be said and shown.
func clip(o *pbx.Order) {
	for most, texts := range map[int][]*string{
		courier.MaxWord: {&o.Car.Color, &o.Car.Mark, &o.Car.Model, &o.Car.Plate, &o.ClientName},
		courier.MaxText: {&o.Pickup, &o.Dropoff, &o.Comment},
	} {
		for _, text := range texts {
			*text = courier.Line(*text, most)
		}
	}
}

// complete adds what only common_api knows: the kind of state, the model, the
// client. Without it the order is still good enough to tell.
func (s *System) complete(ctx context.Context, o *pbx.Order) {
	if s.cfg.CommonKey == "" {
		return
	}
	var state orderState
	if err := s.common(ctx, "get_order_state", params{{"order_id", o.ID}}, &state); err != nil {
		zerolog.Ctx(ctx).Warn().Err(err).Str("order", o.ID).Msg("Такси-Мастер: get_order_state; going on without")
		return
	}
	o.Status = s.status(ctx, strconv.Itoa(int(state.StateID)), state.StateKind)
	o.Car = pbx.Car{Color: cmp.Or(state.CarColor, o.Car.Color), Mark: cmp.Or(state.CarMark, o.Car.Mark), Model: state.CarModel, Plate: cmp.Or(state.CarNumber, o.Car.Plate)}
	if client := s.phone(cmp.Or(state.PhoneToDial, state.Phone)); client != "" {
		o.Phone = client
	}
	o.ClientName, o.Pickup, o.Dropoff, o.Comment = state.ClientName, state.Source, state.Destination, state.Comment
	if sum := state.TotalSum; sum > 0 && sum < 1e9 {
		o.Price = int(sum + 0.5)
	}
	clip(o)
}

// ClientAnswered implements pbx.AnswerTaker: the order is put into the state
// that the firm has set up for the answer.
func (s *System) ClientAnswered(ctx context.Context, orderID string, answer pbx.ClientAnswer) error {
	state, known := s.cfg.Answers[answer]
	if !known {
		return pbx.Untold(answer, fmt.Sprintf("dispatch.taximaster.answers names no state for %q", answer))
	}
	_, err := s.tapi(ctx, http.MethodPost, "change_order_state", params{{"ORDER_ID", orderID}, {"NEED_STATE", strconv.Itoa(state)}})
	var refused *Refusal
	switch {
	case errors.As(err, &refused):
		return fmt.Errorf("put order %s into state %d: %w: %w", orderID, state, pbx.ErrAnswerRefused, err)
	case err != nil:
		return fmt.Errorf("put order %s into state %d: %w", orderID, state, err)
	}
	return nil
}

// write is a number as Такси-Мастер has it.
func (s *System) write(p pbx.Phone) string {
	number := p.Write(s.cfg.Numbers, s.cfg.Country)
	return number[:min(len(number), 16)] // the limit of PHONE
}

// phone reads a number; empty: none that can be dialled.
func (s *System) phone(text string) pbx.Phone {
	p, err := pbx.ParsePhone(text, s.cfg.Country)
	if err != nil {
		return ""
	}
	return p
}

// whole is a sum of money in whole units.
func whole(sum string) int {
	f, err := strconv.ParseFloat(strings.Replace(sum, ",", ".", 1), 64)
	if err != nil || !(f > 0 && f < 1e9) {
		return 0
	}
	return int(f + 0.5)
}

// params are a request's parameters; their order is part of the signature.
type params [][2]string

func (p params) encode() string {
	var b strings.Builder
	for i, pair := range p {
		if i > 0 {
			b.WriteByte('&')
		}
		b.WriteString(pair[0] + "=" + url.QueryEscape(pair[1]))
	}
	return b.String()
}
