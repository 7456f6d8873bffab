package pbx_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"cabline/pbx"
	"cabline/pbx/pbxtest"
)

// stricken is a dispatch system that is asked for orders and does as it likes.
type stricken struct {
	pbxtest.Orders
	byPhone func(ctx context.Context) (*pbx.Order, error)
}

func (s stricken) OrderByPhone(ctx context.Context, _ pbx.Phone) (*pbx.Order, error) {
	return s.byPhone(ctx)
}

func (s stricken) OrdersByDriver(ctx context.Context, _ pbx.Phone) ([]*pbx.Order, error) {
	order, err := s.byPhone(ctx)
	return []*pbx.Order{order}, err
}

func TestACallersOperatorsRingWithinThreeSecondsWhateverBecomesOfTheDispatchSystem(t *testing.T) {
	for name, byPhone := range map[string]func(context.Context) (*pbx.Order, error){
		"it has no order":         func(context.Context) (*pbx.Order, error) { return nil, pbx.ErrNoOrder },
		"it is silent":            func(ctx context.Context) (*pbx.Order, error) { <-ctx.Done(); return nil, context.Cause(ctx) },
		"it forgets the deadline": func(context.Context) (*pbx.Order, error) { time.Sleep(time.Hour); return nil, nil },
		"it is dead":              func(context.Context) (*pbx.Order, error) { return nil, errors.New("connection refused") },
		"it answers nothing":      func(context.Context) (*pbx.Order, error) { return nil, nil },
		"its adapter has a fault": func(context.Context) (*pbx.Order, error) { panic("a fault of ours") },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newScene(map[string]func(context.Context) (pbx.Leg, error){})
				s.board.Dispatch = stricken{byPhone: byPhone}
				s.dialer.Phones["anna"] = pbxtest.Answers(time.Second, s.anna, (*pbxtest.Leg).Leave)
				s.board.SetOnline("anna", true)
				s.board.Incoming(t.Context(), s.client, pbx.Arrival{From: clientPhone, To: ourLine, Trunk: "carrier"})
				cdr := s.cdr(t)
				for _, step := range cdr.Steps {
					if step.What == "ring operator anna" {
						if took := step.At.Sub(cdr.Started); took > 3*time.Second {
							t.Errorf("anna rang after %v: %q", took, steps(cdr))
						}
						time.Sleep(2 * time.Hour) // for the adapter that forgot
						return
					}
				}
				t.Errorf("no operator rang: %q", steps(cdr))
			})
		})
	}
}
