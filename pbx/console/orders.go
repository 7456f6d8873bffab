package console

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"cabline/pbx"
)

// orderJSON is an order as it stands in the book.
type orderJSON struct {
	ID         string    `json:"id" doc:"A short number, which people may say to each other" example:"42"`
	Status     string    `json:"status" enum:"new,accepted,accepted_next,arrived,paid_waiting,in_progress,completed,refused,late,overdue,driver_refused,no_driver,cancelled_by_driver,mistake"`
	Phone      string    `json:"phone" doc:"The client's" example:"+79161234567"`
	ClientName string    `json:"client_name"`
	Line       string    `json:"line" doc:"The firm's number it was ordered by; empty: not known" example:"+74950000000"`
	Branch     string    `json:"branch"`
	Tariff     string    `json:"tariff"`
	Pickup     string    `json:"pickup"`
	Dropoff    string    `json:"dropoff"`
	Comment    string    `json:"comment"`
	ETA        *int      `json:"eta_minutes" doc:"Minutes until the car is there; null: not known"`
	Car        carJSON   `json:"car"`
	Price      *int      `json:"price" doc:"In whole units of the firm's currency; null: not known"`
	Driver     string    `json:"driver_phone" doc:"Empty: no driver yet" example:"+79035550001"`
	Created    time.Time `json:"created"`
	Updated    time.Time `json:"updated"`
}

type carJSON struct {
	Color string `json:"color" example:"белый"`
	Mark  string `json:"mark" example:"Лада"`
	Model string `json:"model" example:"Веста"`
	Plate string `json:"plate" example:"А123ВС77"`
}

func (show numbers) order(o pbx.Order) orderJSON {
	shown := orderJSON{
		ID: o.ID, Status: string(o.Status), Phone: show.of(o.Phone), ClientName: o.ClientName, Line: o.Line.Dialable(),
		Branch: o.Branch, Tariff: o.Tariff, Pickup: o.Pickup, Dropoff: o.Dropoff, Comment: o.Comment, ETA: o.ETA,
		Car: carJSON(o.Car), Driver: show.of(o.Driver), Created: o.Created, Updated: o.Updated,
	}
	if o.Price != 0 {
		shown.Price = &o.Price
	}
	return shown
}

// newOrderJSON and orderPatchJSON differ in the phone alone.
type newOrderJSON struct {
	Phone string `json:"phone" minLength:"1" maxLength:"64" doc:"The client's" example:"+79161234567"`
	OrderFields
}

type orderPatchJSON struct {
	Phone patch[string] `json:"phone,omitempty" minLength:"1" maxLength:"64"`
	OrderFields
}

// OrderFields may each be left out, or null to clear them. Its name has a
// capital because huma looks only into embedded types that are exported.
type OrderFields struct {
	Status     patch[string]       `json:"status,omitempty" enum:"new,accepted,accepted_next,arrived,paid_waiting,in_progress,completed,refused,late,overdue,driver_refused,no_driver,cancelled_by_driver,mistake" doc:"A new order's, when left out: new"`
	ClientName patch[string]       `json:"client_name,omitempty" maxLength:"100"`
	Line       patch[string]       `json:"line,omitempty" maxLength:"64" doc:"The firm's number it was ordered by" example:"+74950000000"`
	Branch     patch[string]       `json:"branch,omitempty" maxLength:"100"`
	Tariff     patch[string]       `json:"tariff,omitempty" maxLength:"100"`
	Pickup     patch[string]       `json:"pickup,omitempty" maxLength:"300"`
	Dropoff    patch[string]       `json:"dropoff,omitempty" maxLength:"300"`
	Comment    patch[string]       `json:"comment,omitempty" maxLength:"1000"`
	ETA        patch[int]          `json:"eta_minutes,omitempty" minimum:"0" maximum:"1440" doc:"Minutes until the car is there"`
	Car        patch[carPatchJSON] `json:"car,omitempty"`
	Price      patch[int]          `json:"price,omitempty" minimum:"0" maximum:"10000000" doc:"In whole units of the firm's currency"`
	Driver     patch[string]       `json:"driver_phone,omitempty" maxLength:"64" example:"+79035550001"`
}

type carPatchJSON struct {
	Color patch[string] `json:"color,omitempty" maxLength:"40" example:"белый"`
	Mark  patch[string] `json:"mark,omitempty" maxLength:"40" example:"Лада"`
	Model patch[string] `json:"model,omitempty" maxLength:"40" example:"Веста"`
	Plate patch[string] `json:"plate,omitempty" maxLength:"16" example:"А123ВС77"`
}

// to writes what was sent over an order. Numbers stay as they were written, but
// for those that stand for one: the book reads them.
func (in OrderFields) to(o *pbx.Order, number func(string) string) {
	if in.Status.sent {
		o.Status = pbx.Status(in.Status.value)
	}
	if in.Line.sent {
		o.Line = pbx.Phone(in.Line.value)
	}
	if in.Driver.sent {
		o.Driver = pbx.Phone(number(in.Driver.value))
	}
	if in.ETA.sent {
		o.ETA = nil
		if !in.ETA.null {
			o.ETA = &in.ETA.value
		}
	}
	in.ClientName.to(&o.ClientName)
	in.Branch.to(&o.Branch)
	in.Tariff.to(&o.Tariff)
	in.Pickup.to(&o.Pickup)
	in.Dropoff.to(&o.Dropoff)
	in.Comment.to(&o.Comment)
	in.Price.to(&o.Price)
	if in.Car.null {
		o.Car = pbx.Car{}
	}
	car := in.Car.value
	car.Color.to(&o.Car.Color)
	car.Mark.to(&o.Car.Mark)
	car.Model.to(&o.Car.Model)
	car.Plate.to(&o.Car.Plate)
}

type orderAnswer struct{ Body orderJSON }

func (c *Console) routeOrders(api huma.API) {
	create := c.operation("create-order", http.MethodPost, "/orders", "Write down a new order")
	create.DefaultStatus = http.StatusCreated
	huma.Register(api, create, c.createOrder)
	huma.Register(api, c.operation("change-order", http.MethodPatch, "/orders/{id}",
		"Change an order: what is left out stays, null clears (RFC 7396)", http.StatusNotFound), c.changeOrder)
	huma.Register(api, c.operation("read-order", http.MethodGet, "/orders/{id}", "Read an order", http.StatusNotFound), c.readOrder)
	huma.Register(api, c.operation("find-orders", http.MethodGet, "/orders", "Find orders, newest first"), c.findOrders)
}

func (c *Console) createOrder(ctx context.Context, in *struct{ Body newOrderJSON }) (*orderAnswer, error) {
	var order pbx.Order
	in.Body.to(&order, c.number)
	order.Phone = pbx.Phone(c.number(in.Body.Phone))
	return c.answerOrder(ctx)(c.Orders.Create(ctx, order))
}

func (c *Console) changeOrder(ctx context.Context, in *struct {
	ID   string `path:"id" maxLength:"40"`
	Body orderPatchJSON
}) (*orderAnswer, error) {
	return c.answerOrder(ctx)(c.Orders.Update(ctx, in.ID, func(o *pbx.Order) error {
		in.Body.to(o, c.number)
		if in.Body.Phone.sent {
			o.Phone = pbx.Phone(c.number(in.Body.Phone.value))
		}
		return nil
	}))
}

func (c *Console) readOrder(ctx context.Context, in *struct {
	ID string `path:"id" maxLength:"40"`
}) (*orderAnswer, error) {
	return c.answerOrder(ctx)(c.Orders.Order(ctx, in.ID))
}

func (c *Console) answerOrder(ctx context.Context) func(*pbx.Order, error) (*orderAnswer, error) {
	return func(order *pbx.Order, err error) (*orderAnswer, error) {
		if err != nil {
			return nil, refused(ctx, err)
		}
		return &orderAnswer{c.numbersFor(ctx).order(*order)}, nil
	}
}

type ordersAnswer struct {
	Body struct {
		Orders []orderJSON `json:"orders" nullable:"false"`
	}
}

func (c *Console) findOrders(ctx context.Context, in *struct {
	Phone  string `query:"phone" maxLength:"64" doc:"Of this client only" example:"+79161234567"`
	Active bool   `query:"active" doc:"Only those a client who calls now calls about"`
	Limit  int    `query:"limit" minimum:"1" maximum:"500" default:"100"`
}) (*ordersAnswer, error) {
	found, err := c.Orders.Find(ctx, c.number(in.Phone), in.Active, in.Limit)
	if err != nil {
		return nil, refused(ctx, err)
	}
	out := &ordersAnswer{}
	out.Body.Orders = []orderJSON{}
	show := c.numbersFor(ctx)
	for _, o := range found {
		out.Body.Orders = append(out.Body.Orders, show.order(o))
	}
	return out, nil
}
