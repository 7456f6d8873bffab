package dispatcher

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"path"
	"strconv"

	"github.com/rs/zerolog"

	"cabline/pbx"
)

// Gootax plays Gootax: it tells the exchange of orders as its "Common ATS" does,
// and answers its API for clients' apps.
type Gootax struct {
	Book             Book
	Exchange         string // http://host:port
	VoiceToken       string
	IntegrationToken string
	Key              string // that the client API's requests are signed with
}

// gootaxStatuses are the names it sends and the groups its API answers with.
// The codes a living Gootax sends are not published.
var gootaxStatuses = map[pbx.Status]struct{ name, group string }{
	pbx.StatusNew:               {"Новый заказ", "new"},
	pbx.StatusAccepted:          {"Водитель принял заказ", "car_assigned"},
	pbx.StatusAcceptedNext:      {"Водитель приедет после завершения текущего заказа", "car_assigned"},
	pbx.StatusArrived:           {"Водитель прибыл", "car_at_place"},
	pbx.StatusPaidWaiting:       {"Платное ожидание", "car_at_place"},
	pbx.StatusInProgress:        {"Заказ выполняется", "executing"},
	pbx.StatusCompleted:         {"Выполнен, оплачен", "completed"},
	pbx.StatusRefused:           {"Отказ от заказа", "rejected"},
	pbx.StatusLate:              {"Водитель опаздывает", "car_assigned"},
	pbx.StatusOverdue:           {"Просроченный заказ", "rejected"},
	pbx.StatusDriverRefused:     {"Водитель отказался", "new"},
	pbx.StatusNoDriver:          {"Водитель не найден", "new"},
	pbx.StatusCancelledByDriver: {"Отменён водителем", "rejected"},
	pbx.StatusMistake:           {"Заказан по ошибке", "rejected"},
}

// ServeHTTP answers the exchange as the client API does.
func (g *Gootax) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	ctx := r.Context()
	sent, q, err := form(r)
	if err != nil || r.Header.Get("signature") != md5of(sent+g.Key) || r.Header.Get("tenantid") == "" {
		answer(w, http.StatusOK, map[string]any{"code": 3, "info": "BAD_SIGNATURE", "result": nil})
		return
	}
	request := path.Base(r.URL.Path)
	zerolog.Ctx(ctx).Debug().Str("request", request).Msg("Gootax is asked")
	order, err := g.Book.Order(ctx, q.Get("order_id"))
	switch {
	case errors.Is(err, pbx.ErrNoOrder):
		answer(w, http.StatusOK, map[string]any{"code": 6, "info": "NO_ORDER", "result": nil})
	case err != nil:
		answer(w, http.StatusInternalServerError, nil)
	case request == "get_order_info":
		status := gootaxStatuses[order.Status]
		answer(w, http.StatusOK, map[string]any{"code": 0, "info": "OK", "result": map[string]any{"order_info": map[string]any{
			"order_id": order.ID, "status_name": status.name, "status_group": status.group,
			"car_data": map[string]any{"car_description": order.Car.Color + " " + order.Car.Mark + " " + order.Car.Plate},
		}}})
	case request == "reject_order":
		_, err := g.Book.Update(ctx, order.ID, func(o *pbx.Order) error {
			if o.Status == pbx.StatusInProgress {
				return errors.New("the client rides")
			}
			o.Status = pbx.StatusRefused
			return nil
		})
		if err != nil {
			answer(w, http.StatusOK, map[string]any{"code": 9, "info": err.Error(), "result": nil})
			return
		}
		answer(w, http.StatusOK, map[string]any{"code": 0, "info": "OK", "result": map[string]any{"reject_result": 1}})
	default:
		http.NotFound(w, r)
	}
}

// notify is the body of a call-out, in the vendor's order of fields as far as
// that is known.
type notify struct {
	ID          string `json:"id"`
	Status      string `json:"status"`
	CarTime     int    `json:"car_time"`
	CarModel    string `json:"car_model"`
	CarMark     string `json:"car_mark"`
	CarColor    string `json:"car_color"`
	CarNumber   string `json:"car_number"`
	Phone       string `json:"phone"`
	DriverPhone string `json:"driver_phone,omitempty"`
	Price       string `json:"price,omitempty"`
}

// Tell implements System.
func (g *Gootax) Tell(ctx context.Context, o pbx.Order) error {
	n := notify{ID: o.ID, Status: gootaxStatuses[o.Status].name, CarModel: o.Car.Model, CarMark: o.Car.Mark, CarColor: o.Car.Color,
		CarNumber: o.Car.Plate, Phone: national(o.Phone), Price: strconv.Itoa(o.Price)}
	if o.ETA != nil {
		n.CarTime = *o.ETA
	}
	if o.Driver != "" {
		n.DriverPhone = national(o.Driver)
	}
	return g.post(ctx, "/integration/gootaxpro/notify", g.VoiceToken, n)
}

// Join asks the exchange to join client and driver.
func (g *Gootax) Join(ctx context.Context, o pbx.Order) error {
	return g.post(ctx, "/integration/gootaxpro/connect", g.IntegrationToken,
		map[string]string{"order_id": o.ID, "client_phone": national(o.Phone), "driver_phone": national(o.Driver)})
}

func (g *Gootax) post(ctx context.Context, path, token string, what any) error {
	body, err := json.Marshal(what)
	if err != nil {
		return err
	}
	return send(ctx, http.MethodPost, g.Exchange+path, http.Header{"Content-Type": {"application/json"}, "Api-Key": {token}}, body)
}
