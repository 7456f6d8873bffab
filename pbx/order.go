package pbx

import (
	"context"
	"errors"
	"slices"
	"time"
)

// Status is where an order stands.
type Status string

// The statuses which dispatch systems tell clients about. Every adapter maps
// its own to these; an unknown one is kept as it came and has no sentence.
const (
	StatusNew               Status = "new"                 // no car found yet
	StatusAccepted          Status = "accepted"            // a driver is on the way
	StatusAcceptedNext      Status = "accepted_next"       // a driver comes after the present ride
	StatusArrived           Status = "arrived"             // the car waits
	StatusPaidWaiting       Status = "paid_waiting"        // the car waits, and waiting costs
	StatusInProgress        Status = "in_progress"         // the client is in the car
	StatusCompleted         Status = "completed"           // done and paid
	StatusRefused           Status = "refused"             // the client does not want it
	StatusLate              Status = "late"                // the driver is late
	StatusOverdue           Status = "overdue"             // nobody took it in time
	StatusDriverRefused     Status = "driver_refused"      // the driver gave it back, a new one is sought
	StatusNoDriver          Status = "no_driver"           // no car was found
	StatusCancelledByDriver Status = "cancelled_by_driver" // the driver cancelled the ride
	StatusMistake           Status = "mistake"             // ordered by mistake
)

// Statuses is every status there is, in the order of an order's life.
var Statuses = []Status{StatusNew, StatusAccepted, StatusAcceptedNext, StatusArrived, StatusPaidWaiting,
	StatusInProgress, StatusCompleted, StatusRefused, StatusLate, StatusOverdue, StatusDriverRefused,
	StatusNoDriver, StatusCancelledByDriver, StatusMistake}

// Active says whether a client who calls now calls about this order.
func (s Status) Active() bool {
	switch s {
	case StatusCompleted, StatusRefused, StatusCancelledByDriver, StatusMistake, StatusOverdue:
		return false
	}
	return true
}

// known says that a status is one of ours, and not one kept as it came.
func (s Status) known() bool { return slices.Contains(Statuses, s) }

// Order is a ride as the dispatch system knows it.
type Order struct {
	ID         string
	Status     Status
	Phone      Phone // the client's
	ClientName string
	Line       Phone // the firm's number it was ordered by; may be empty
	Branch     string
	Tariff     string
	Pickup     string // address, as the operator wrote it
	Dropoff    string
	Comment    string
	ETA        *int // minutes to arrival; nil: not known
	Car        Car
	Price      int      // whole roubles (the firm's currency); 0: not known
	Driver     Phone    // empty: no driver yet
	TakenBy    []string // logins of the operators who took it; their phones ring first
	Created    time.Time
	Updated    time.Time
}

// older says that dispatch gave an order as it was before another.
func (o Order) older(than Order) bool {
	return !o.Updated.IsZero() && !than.Updated.IsZero() && o.Updated.Before(than.Updated)
}

// renewed is an order with what dispatch says of it now; what it leaves out
// stays as it was.
func (o Order) renewed(now Order) Order {
	if now.Phone == "" {
		now.Phone = o.Phone
	}
	if now.Line == "" {
		now.Line = o.Line
	}
	if now.Status == o.Status { // a new status is another car, another time
		if now.Car == (Car{}) {
			now.Car = o.Car
		}
		if now.ETA == nil {
			now.ETA = o.ETA
		}
		if now.Driver == "" {
			now.Driver = o.Driver
		}
	}
	return now
}

// Car is the car assigned to an order; each field may be empty.
type Car struct {
	Color, Mark, Model, Plate string
}

// DriverHistory is a dispatch system that remembers a driver's orders.
type DriverHistory interface {
	// LastOrderByDriver returns the newest order a driver had, active or not, or
	// ErrNoOrder.
	LastOrderByDriver(ctx context.Context, driver Phone) (*Order, error)
}

// ErrNoOrder is returned when the dispatch system answered that there is none.
var ErrNoOrder = errors.New("no order")

// Dispatch is the dispatch system, as much of it as calls need.
type Dispatch interface {
	// OrderByPhone returns the client's active order, the newest if there are
	// several, or ErrNoOrder.
	OrderByPhone(ctx context.Context, phone Phone) (*Order, error)
	// OrdersByDriver returns the active orders a driver has, the newest first, or
	// ErrNoOrder.
	OrdersByDriver(ctx context.Context, driver Phone) ([]*Order, error)
	// Order returns an order by its ID, active or not, or ErrNoOrder.
	Order(ctx context.Context, id string) (*Order, error)
}
