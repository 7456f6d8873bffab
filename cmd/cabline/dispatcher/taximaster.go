package dispatcher

import (
	"context"
	"crypto/md5"
	"encoding/hex"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"path"
	"strconv"
	"strings"

	"github.com/rs/zerolog"

	"cabline/pbx"
)

// Taximaster plays Такси-Мастер: tm_tapi/1.0 and common_api/1.0 for the
// exchange to ask, and the requests it would send to an Oktell.
type Taximaster struct {
	Book       Book
	TAPIKey    string
	CommonKey  string
	Oktell     string // http://host:port of the exchange
	Login      string
	Password   string
	OperatorOf string // the login in START_USER_SIP_ACCOUNTS

	Linked func(record url.Values) // is told of each recording that is linked; may be nil
}

// state is one of the firm's order states. The ids are this firm's own.
type state struct {
	id         int
	name       string
	kind, typ  string
	status     pbx.Status
	callsAbout bool // a script is run when an order comes to it
}

var states = []state{
	{1, "Новый заказ", "new_order", "accepted", pbx.StatusNew, false},
	{7, "Водитель принял заказ", "driver_assigned", "in_work", pbx.StatusAccepted, true},
	{9, "Водитель подъехал", "car_at_place", "in_work", pbx.StatusArrived, true},
	{10, "Клиент в машине", "client_inside", "in_work", pbx.StatusInProgress, false},
	{12, "Заказ выполнен", "finished", "finished", pbx.StatusCompleted, false},
	{13, "Заказ отменён", "aborted", "aborted", pbx.StatusRefused, false},
	{15, "Нет машин", "new_order", "in_work", pbx.StatusNoDriver, true},
}

// Codes of answers.
const (
	codeOK        = 0
	codeSignature = 4
	codeUnknown   = 6
	codeParameter = 9
	codeNoOrder   = 100
)

// ServeHTTP answers the exchange.
func (t *Taximaster) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	sent, q, err := form(r)
	request := path.Base(r.URL.Path)
	zerolog.Ctx(r.Context()).Debug().Str("request", request).Msg("Такси-Мастер is asked")
	if path.Dir(r.URL.Path) == "/common_api/1.0" {
		t.common(w, r, request, sent, q)
		return
	}
	code, data := codeParameter, []field(nil)
	signed, signature, found := strings.Cut(sent, "&signature=")
	switch {
	case err != nil || path.Dir(r.URL.Path) != "/tm_tapi/1.0":
	case !found || signature != md5of(signed+t.TAPIKey):
		code = codeSignature
	default:
		code, data = t.tapi(r.Context(), request, q)
	}
	w.Header().Set("Content-Type", "text/xml; charset=utf-8")
	_ = xml.NewEncoder(w).Encode(struct {
		XMLName xml.Name `xml:"response"`
		Code    int      `xml:"code"`
		Descr   string   `xml:"descr"`
		Data    []field  `xml:"data>x"`
	}{Code: code, Descr: descr(code), Data: data})
}

// field is an element with a name of its own.
type field struct {
	XMLName xml.Name
	Value   string `xml:",chardata"`
}

func md5of(text string) string {
	sum := md5.Sum([]byte(text))
	return hex.EncodeToString(sum[:])
}

func descr(code int) string {
	return map[int]string{codeOK: "OK", codeSignature: "Не совпал секретный ключ", codeUnknown: "Неизвестное имя запроса",
		codeParameter: "Неверный параметр", codeNoOrder: "Заказ не найден"}[code]
}

func (t *Taximaster) tapi(ctx context.Context, request string, q url.Values) (code int, data []field) {
	switch request {
	case "get_info_by_phone":
		return codeOK, pick(t.byPhone(ctx, q.Get("PHONE")), q.Get("FIELDS"))
	case "get_info_by_order_id":
		order, err := t.Book.Order(ctx, q.Get("ORDER_ID"))
		if err != nil {
			return codeNoOrder, nil
		}
		return codeOK, pick(t.about(order), q.Get("FIELDS"))
	case "change_order_state":
		for _, s := range states {
			if strconv.Itoa(s.id) == q.Get("NEED_STATE") {
				_, err := t.Book.Update(ctx, q.Get("ORDER_ID"), func(o *pbx.Order) error { o.Status = s.status; return nil })
				if err != nil {
					return codeNoOrder, nil
				}
				return codeOK, nil
			}
		}
		return codeParameter, nil
	case "create_record_link":
		for _, needed := range []string{"RECORD_DATE", "RECORD_LENGTH", "FILE_PATH", "CALL_TYPE", "CALL_RESULT"} {
			if q.Get(needed) == "" {
				return codeParameter, nil
			}
		}
		if t.Linked != nil {
			t.Linked(q)
		}
		fallthrough
	case "set_request_state":
		zerolog.Ctx(ctx).Info().Str("request", request).Str("order", q.Get("ORDER_ID")).Str("state", q.Get("STATE")).Msg("Такси-Мастер is told")
		return codeOK, nil
	}
	return codeUnknown, nil
}

// byPhone is what is known of whoever calls: a client first, else a driver.
func (t *Taximaster) byPhone(ctx context.Context, number string) map[string]string {
	phone, err := pbx.ParsePhone(number, "RU")
	if err != nil {
		return map[string]string{"PHONE_TYPE": "0"}
	}
	if order, err := t.Book.OrderByPhone(ctx, phone); err == nil {
		f := t.about(order)
		f["PHONE_TYPE"], f["PHONE_TO_DIAL"] = "2", national(order.Phone)
		return f
	}
	if orders, err := t.Book.OrdersByDriver(ctx, phone); err == nil && len(orders) > 0 {
		f := t.about(orders[0])
		f["PHONE_TYPE"], f["PHONE_TO_DIAL"] = "1", national(orders[0].Phone)
		return f
	}
	return map[string]string{"PHONE_TYPE": "0"}
}

func (t *Taximaster) about(o *pbx.Order) map[string]string {
	f := map[string]string{"ORDER_ID": o.ID, "ORDER_STATE": "1", "DRIVER_PHONE": national(o.Driver), "GOSNUMBER": o.Car.Plate,
		"CAR_COLOR": o.Car.Color, "CAR_MARK": o.Car.Mark, "DISCOUNTEDSUMM": strconv.Itoa(o.Price), "START_USER_SIP_ACCOUNTS": t.OperatorOf}
	for _, s := range states {
		if s.status == o.Status {
			f["ORDER_STATE"] = strconv.Itoa(s.id)
		}
	}
	if o.ETA != nil {
		f["DRIVER_TIMECOUNT"] = strconv.Itoa(*o.ETA)
	}
	return f
}

// pick is the fields asked for, joined by dashes.
func pick(all map[string]string, asked string) (data []field) {
	for name := range strings.SplitSeq(asked, "-") {
		data = append(data, field{xml.Name{Local: name}, all[name]})
	}
	return data
}

func (t *Taximaster) common(w http.ResponseWriter, r *http.Request, request, sent string, q url.Values) {
	code, data := codeUnknown, any(map[string]any{})
	switch {
	case r.Header.Get("Signature") != md5of(sent+t.CommonKey):
		code = codeSignature
	case request == "get_order_states_list":
		var list []map[string]any
		for _, s := range states {
			list = append(list, map[string]any{"id": s.id, "name": s.name, "state_type": s.typ})
		}
		code, data = codeOK, map[string]any{"order_states": list}
	case request == "get_order_state":
		code = codeNoOrder
		if o, err := t.Book.Order(r.Context(), q.Get("order_id")); err == nil {
			code, data = codeOK, orderState(o)
		}
	}
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	_ = json.NewEncoder(w).Encode(map[string]any{"code": code, "descr": descr(code), "data": data})
}

func orderState(o *pbx.Order) map[string]any {
	id, _ := strconv.Atoi(o.ID)
	data := map[string]any{"order_id": id, "state_id": 1, "state_kind": "new_order", "phone": national(o.Phone), "phone_to_dial": national(o.Phone),
		"client_name": o.ClientName, "source": o.Pickup, "destination": o.Dropoff, "comment": o.Comment, "car_color": o.Car.Color,
		"car_mark": o.Car.Mark, "car_model": o.Car.Model, "car_number": o.Car.Plate, "total_sum": o.Price}
	for _, s := range states {
		if s.status == o.Status {
			data["state_id"], data["state_kind"] = s.id, s.kind
		}
	}
	return data
}

// Tell implements System: the script of the order's state is run.
func (t *Taximaster) Tell(ctx context.Context, o pbx.Order) error {
	for _, s := range states {
		if s.status == o.Status && s.callsAbout {
			return t.execute(ctx, s.name, national(o.Phone), national(o.Driver), strconv.Itoa(s.id), o.ID)
		}
	}
	return nil
}

// Join asks the exchange to join client and driver, as a button does.
func (t *Taximaster) Join(ctx context.Context, o pbx.Order) error {
	if o.Driver == "" {
		return errors.New("no driver to join with")
	}
	return t.execute(ctx, "TMABConnect", national(o.Phone), national(o.Driver), "", o.ID)
}

func (t *Taximaster) execute(ctx context.Context, name string, params ...string) error {
	q := url.Values{"name": {name}, "async": {"0"}, "timeout": {"10"}}
	for i, p := range params {
		q.Set(fmt.Sprintf("startparam%d", i+1), p)
	}
	r := &http.Request{Header: http.Header{}}
	r.SetBasicAuth(t.Login, t.Password)
	return send(ctx, http.MethodGet, t.Oktell+"/execsvcscript?"+q.Encode(), r.Header, nil)
}
