package pbx_test

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"

	"cabline/pbx"
	"cabline/pbx/pbxtest"
)

func TestADispatchSystemThatDoesNotAnswerCostsOneSecond(t *testing.T) {
	for name, dispatch := range map[string]pbx.Dispatch{
		"hangs and ignores its context": hangs{},
		"fails":                         fails{},
		"panics":                        panics{},
		"returns nothing at all":        empty{},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newScene(map[string]func(context.Context) (pbx.Leg, error){})
				s.dialer.Phones["anna"] = pbxtest.Answers(0, s.anna, func(l *pbxtest.Leg) { time.Sleep(time.Second); l.Leave() })
				s.board.Dispatch = dispatch
				s.board.SetOnline("anna", true)
				began := time.Now()
				s.board.Incoming(t.Context(), s.client, pbx.Arrival{From: clientPhone, To: ourLine, Trunk: "carrier"})
				cdr := s.cdr(t)
				if cdr.Result != "completed" || cdr.Talked != time.Second {
					t.Errorf("result %q, talked %v; steps %q", cdr.Result, cdr.Talked, steps(cdr))
				}
				if in := cdr.Answered.Sub(began); in > time.Second {
					t.Errorf("the client was answered after %v", in)
				}
				time.Sleep(time.Hour) // the hanging look-up ends
			})
		})
	}
}

func TestNobodyIsWarnedOfALookUpWhoseCallerHasHungUp(t *testing.T) {
	for _, stays := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			s := newScene(map[string]func(context.Context) (pbx.Leg, error){})
			s.board.Dispatch = hangs{}
			time.AfterFunc(500*time.Millisecond, func() {
				if !stays {
					s.client.Leave()
				}
			})
			time.AfterFunc(time.Minute, s.client.Leave)
			var log bytes.Buffer
			ctx := zerolog.New(&log).Level(zerolog.WarnLevel).WithContext(t.Context())
			s.board.Incoming(ctx, s.client, pbx.Arrival{From: clientPhone, To: ourLine, Trunk: "carrier"})
			if warned := strings.Contains(log.String(), "order look-up"); warned != stays {
				t.Errorf("the caller stays %v: warned %v: %s", stays, warned, log.String())
			}
			time.Sleep(time.Hour) // the hanging look-up ends
		})
	}
}

type hangs struct{ fails }
type fails struct{}
type panics struct{ fails }
type empty struct{ fails }

func (hangs) OrderByPhone(context.Context, pbx.Phone) (*pbx.Order, error) {
	time.Sleep(30 * time.Minute)
	return nil, errors.New("too late")
}
func (fails) OrderByPhone(context.Context, pbx.Phone) (*pbx.Order, error) {
	return nil, errors.New("<html>502</html>")
}
func (fails) OrdersByDriver(context.Context, pbx.Phone) ([]*pbx.Order, error) {
	return nil, errors.New("down")
}
func (fails) Order(context.Context, string) (*pbx.Order, error)            { return nil, errors.New("down") }
func (panics) OrderByPhone(context.Context, pbx.Phone) (*pbx.Order, error) { panic("adapter") }
func (empty) OrderByPhone(context.Context, pbx.Phone) (*pbx.Order, error)  { return nil, nil }
