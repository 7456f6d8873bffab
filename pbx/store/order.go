package store

import (
	"encoding/json"
	"fmt"

	"cabline/pbx"
)

// orderRow is an order inside another table, as JSON; keys are never renamed.
// Times are microseconds, 0 for one that is not known.
type orderRow struct {
	ID         string `json:"id"`
	Status     string `json:"status"`
	Phone      string `json:"phone,omitempty"`
	ClientName string `json:"client_name,omitempty"`
	Line       string `json:"line,omitempty"`
	Branch     string `json:"branch,omitempty"`
	Tariff     string `json:"tariff,omitempty"`
	Pickup     string `json:"pickup,omitempty"`
	Dropoff    string `json:"dropoff,omitempty"`
	Comment    string `json:"comment,omitempty"`
	ETA        *int   `json:"eta_minutes,omitempty"`
	Color      string `json:"car_color,omitempty"`
	Mark       string `json:"car_mark,omitempty"`
	Model      string `json:"car_model,omitempty"`
	Plate      string `json:"car_plate,omitempty"`
	Price      int    `json:"price,omitempty"`
	Driver     string `json:"driver_phone,omitempty"`
	Created    int64  `json:"created,omitempty"`
	Updated    int64  `json:"updated,omitempty"`
}

// MarshalOrder writes an order for a column of its own.
func MarshalOrder(o pbx.Order) (string, error) {
	text, err := json.Marshal(orderRow{
		ID: o.ID, Status: string(o.Status), Phone: o.Phone.Dialable(), ClientName: o.ClientName, Line: o.Line.Dialable(),
		Branch: o.Branch, Tariff: o.Tariff, Pickup: o.Pickup, Dropoff: o.Dropoff, Comment: o.Comment, ETA: o.ETA,
		Color: o.Car.Color, Mark: o.Car.Mark, Model: o.Car.Model, Plate: o.Car.Plate, Price: o.Price, Driver: o.Driver.Dialable(),
		Created: toMicros(o.Created), Updated: toMicros(o.Updated),
	})
	return string(text), err
}

// UnmarshalOrder reads what MarshalOrder wrote.
func UnmarshalOrder(text string) (pbx.Order, error) {
	var r orderRow
	if err := json.Unmarshal([]byte(text), &r); err != nil {
		return pbx.Order{}, fmt.Errorf("stored order: %w", err)
	}
	return pbx.Order{
		ID: r.ID, Status: pbx.Status(r.Status), Phone: pbx.Phone(r.Phone), ClientName: r.ClientName, Line: pbx.Phone(r.Line),
		Branch: r.Branch, Tariff: r.Tariff, Pickup: r.Pickup, Dropoff: r.Dropoff, Comment: r.Comment, ETA: r.ETA,
		Car:   pbx.Car{Color: r.Color, Mark: r.Mark, Model: r.Model, Plate: r.Plate},
		Price: r.Price, Driver: pbx.Phone(r.Driver), Created: fromMicros(r.Created), Updated: fromMicros(r.Updated),
	}, nil
}
