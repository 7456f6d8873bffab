package pbx

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/rs/zerolog"
)

// Window is a time in which a party of an order reaches the other one by calling
// the firm: because it missed a call, or because an operator opened one for both
// after the ride, for something lost in the car.
type Window struct {
	OrderID        string // empty: two bare numbers were to be joined
	Client, Driver Phone
	Line           Phone
	Status         Status    // of the order when the window was opened
	Missed         Role      // who missed a call, RoleClient or RoleDriver; empty: an operator opened it
	Opened         time.Time // when the call was missed
	Until          time.Time // it is closed then at the latest
}

// Windows remembers windows beyond the end of the program.
type Windows interface {
	// OpenWindow writes a window down in the place of an older one of the same
	// parties, order and reason.
	OpenWindow(ctx context.Context, w Window) error
	// WindowsOf are the windows of a client or driver that may still be open, the
	// one opened last first.
	WindowsOf(ctx context.Context, number Phone, now time.Time) ([]Window, error)
	// CloseMissed closes those of two parties that were opened by a missed call.
	CloseMissed(ctx context.Context, client, driver Phone) error
	// CloseLostItem closes the one that an operator opened for an order.
	CloseLostItem(ctx context.Context, orderID string) error
}

// of is what the owner of a number is in the window; empty: nothing, or it is
// not for them.
func (w Window) of(number Phone) Role {
	switch {
	case number == w.Client && number != w.Driver && w.Missed != RoleDriver:
		return RoleClient
	case number == w.Driver && number != w.Client && w.Missed != RoleClient:
		return RoleDriver
	}
	return ""
}

// windowTime bounds a look at the windows, and a change of them.
const windowTime = time.Second

// openWindow is the first window of the caller that is open, with its order as
// it stands now. lost asks for those that operators opened, else for missed calls.
func (s *Switchboard) openWindow(ctx context.Context, caller Phone, lost bool) (w Window, order *Order, found bool) {
	if s.Windows == nil {
		return Window{}, nil, false
	}
	ask, cancel := context.WithTimeout(ctx, windowTime)
	defer cancel()
	now := time.Now()
	all, err := s.Windows.WindowsOf(ask, caller, now)
	if err != nil {
		if ctx.Err() == nil { // nobody misses it who has hung up
			zerolog.Ctx(ctx).Warn().Err(err).Msg("callback windows; going on without")
		}
		return Window{}, nil, false
	}
	for _, w := range all {
		if w.of(caller) == "" || (w.Missed == "") != lost {
			continue
		}
		order := s.orderOf(ask, w)
		if lost || now.Before(w.Opened.Add(s.Masking.window(order.Status))) {
			return w, order, true
		}
	}
	return Window{}, nil, false
}

// orderOf is a window's order as dispatch knows it now, or as it was.
func (s *Switchboard) orderOf(ctx context.Context, w Window) *Order {
	then := Order{ID: w.OrderID, Status: w.Status, Phone: w.Client, Driver: w.Driver, Line: w.Line}
	if w.OrderID == "" {
		return &then
	}
	now, err := within(ctx, s.Dispatch.Order, w.OrderID)
	if err != nil || now == nil {
		return &then
	}
	if w.Missed == "" { // what is lost lies in the car that drove
		now.Driver = w.Driver
	}
	known := then.renewed(*now)
	if known.Driver == "" {
		known.Driver = w.Driver
	}
	return &known
}

// missedCall opens a window for a party that was called and did not answer.
func (s *Switchboard) missedCall(ctx context.Context, call *Call, who Role) {
	o := call.order
	if s.Windows == nil || o.Phone == "" || o.Driver == "" {
		return
	}
	now := time.Now()
	w := Window{OrderID: o.ID, Client: o.Phone, Driver: o.Driver, Line: o.Line, Status: o.Status, Missed: who,
		Opened: now, Until: now.Add(s.Masking.longest())}
	s.changeWindows(ctx, call, func(ctx context.Context) error { return s.Windows.OpenWindow(ctx, w) })
}

// talked closes the windows of missed calls: they were returned.
func (s *Switchboard) talked(ctx context.Context, call *Call) {
	if client, driver := call.order.Phone, call.order.Driver; s.Windows != nil {
		s.changeWindows(ctx, call, func(ctx context.Context) error { return s.Windows.CloseMissed(ctx, client, driver) })
	}
}

// changeWindows does not keep the call waiting for the disk.
func (s *Switchboard) changeWindows(ctx context.Context, call *Call, change func(context.Context) error) {
	call.aside.Go(func() {
		defer caught(ctx, func(error) {})
		last, cancel := context.WithTimeout(context.WithoutCancel(ctx), windowTime)
		defer cancel()
		if err := change(last); err != nil {
			zerolog.Ctx(ctx).Error().Err(err).Msg("callback windows")
		}
	})
}

// ErrNoParty is returned for an order that has no client or no driver to be reached.
var ErrNoParty = errors.New("the order has no client or no driver")

// OpenLostItem lets client and driver of an order, over or not, reach each other
// by calling the firm, from now on for Masking.LostItem.
func (s *Switchboard) OpenLostItem(ctx context.Context, orderID string) (Window, error) {
	s.init()
	ask, cancel := context.WithTimeout(ctx, s.Limits.OrderLookup)
	defer cancel()
	order, err := within(ask, s.Dispatch.Order, orderID)
	if err == nil && order == nil {
		err = ErrNoOrder
	}
	if err != nil {
		return Window{}, fmt.Errorf("order %.40q: %w", orderID, err)
	}
	if order.Phone == "" || order.Driver == "" || order.Phone == order.Driver {
		return Window{}, fmt.Errorf("order %s: %w", order.ID, ErrNoParty)
	}
	now := time.Now().UTC().Truncate(time.Microsecond)
	w := Window{OrderID: order.ID, Client: order.Phone, Driver: order.Driver, Line: order.Line, Status: order.Status,
		Opened: now, Until: now.Add(s.Masking.LostItem)}
	return w, s.Windows.OpenWindow(ctx, w)
}

// CloseLostItem takes that back; where there is nothing to be closed it does nothing.
func (s *Switchboard) CloseLostItem(ctx context.Context, orderID string) error {
	return s.Windows.CloseLostItem(ctx, orderID)
}
