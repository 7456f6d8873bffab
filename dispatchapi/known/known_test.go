package known_test

import (
	"errors"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"cabline/dispatchapi/known"
	"cabline/pbx"
	"cabline/pbx/store"
)

const (
	client pbx.Phone = "+79161234567"
	driver pbx.Phone = "+79267654321"
	other  pbx.Phone = "+79035550001"
)

func memory(t *testing.T) *known.Orders {
	t.Helper()
	db, err := store.Open(filepath.Join(t.TempDir(), "cabline.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return known.New(db, "gootax", 12*time.Hour)
}

func learn(t *testing.T, o *known.Orders, order pbx.Order) known.News {
	t.Helper()
	news, err := o.Learn(t.Context(), order)
	if err != nil {
		t.Fatal(err)
	}
	return news
}

func minutes(n int) *int { return &n }

// inBubble is memory in a test where a day takes no time.
func inBubble(t *testing.T, test func(t *testing.T, o *known.Orders)) {
	synctest.Test(t, func(t *testing.T) {
		db, err := store.Open(filepath.Join(t.TempDir(), "cabline.db"))
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		test(t, known.New(db, "gootax", 12*time.Hour))
	})
}

func TestTheSameNewsHasTheSameVersionHoweverOftenAndLateItIsTold(t *testing.T) {
	for name, tc := range map[string][]struct {
		after   time.Duration
		status  pbx.Status
		driver  pbx.Phone
		version int
		latest  bool
	}{
		"ten times the same": {
			{0, pbx.StatusAccepted, driver, 1, true}, {0, pbx.StatusAccepted, driver, 1, true},
			{time.Hour, pbx.StatusAccepted, driver, 1, true}, {0, pbx.StatusAccepted, "", 1, true},
		},
		"each status is news": {
			{0, pbx.StatusNew, "", 1, true}, {time.Minute, pbx.StatusAccepted, driver, 2, true}, {time.Minute, pbx.StatusArrived, driver, 3, true},
		},
		"an old one that comes late is not": {
			{0, pbx.StatusAccepted, driver, 1, true}, {time.Second, pbx.StatusArrived, driver, 2, true},
			{time.Second, pbx.StatusAccepted, driver, 1, false}, {time.Second, pbx.StatusArrived, driver, 2, true},
		},
		"another driver is news": {
			{0, pbx.StatusAccepted, driver, 1, true}, {time.Minute, pbx.StatusDriverRefused, "", 2, true},
			{time.Minute, pbx.StatusAccepted, other, 3, true},
		},
		"the same driver an hour later is news": {
			{0, pbx.StatusAccepted, driver, 1, true}, {time.Minute, pbx.StatusDriverRefused, "", 2, true},
			{time.Hour, pbx.StatusAccepted, driver, 3, true},
		},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, o *known.Orders) {
				for i, told := range tc {
					time.Sleep(told.after)
					news := learn(t, o, pbx.Order{ID: "1", Status: told.status, Phone: client, Driver: told.driver})
					if news.Version != told.version || news.Latest != told.latest {
						t.Errorf("%d: version %d, latest %v; want %d, %v", i+1, news.Version, news.Latest, told.version, told.latest)
					}
				}
			})
		})
	}
}

func TestWhatWasNotSaidAgainStaysWhileTheSameCarComes(t *testing.T) {
	o := memory(t)
	learn(t, o, pbx.Order{ID: "1", Status: pbx.StatusAccepted, Phone: client, Driver: driver, Line: "+74950000000",
		Car: pbx.Car{Color: "белый", Mark: "Лада", Plate: "А123ВС77"}, ETA: minutes(7), Price: 350})
	learn(t, o, pbx.Order{ID: "1", Status: pbx.StatusArrived})
	order, err := o.OrderByPhone(t.Context(), client)
	if err != nil || order.Status != pbx.StatusArrived || order.Driver != driver || order.Car.Color != "белый" || order.Price != 350 ||
		order.Line != "+74950000000" || order.ETA != nil {
		t.Errorf("%+v, %v", order, err)
	}
	learn(t, o, pbx.Order{ID: "1", Status: pbx.StatusDriverRefused})
	if order, err = o.OrderByPhone(t.Context(), client); err != nil || order.Driver != "" || order.Car != (pbx.Car{}) {
		t.Errorf("after the driver has gone: %+v, %v", order, err)
	}
	learn(t, o, pbx.Order{ID: "1", Status: pbx.StatusAccepted, Driver: other})
	if order, err = o.Order(t.Context(), "1"); err != nil || order.Driver != other || order.Car.Plate != "" {
		t.Errorf("the next driver has the first one's car: %+v, %v", order, err)
	}
}

func TestTheMinutesOfACarBecomeLess(t *testing.T) {
	inBubble(t, func(t *testing.T, o *known.Orders) {
		learn(t, o, pbx.Order{ID: "1", Status: pbx.StatusAccepted, Phone: client, ETA: minutes(7)})
		for _, want := range []struct {
			after time.Duration
			left  *int
		}{{0, minutes(7)}, {3 * time.Minute, minutes(4)}, {10 * time.Minute, nil}} {
			time.Sleep(want.after)
			order, err := o.OrderByPhone(t.Context(), client)
			if err != nil || (order.ETA == nil) != (want.left == nil) || order.ETA != nil && *order.ETA != *want.left {
				t.Errorf("after %v: %+v, %v", want.after, order, err)
			}
		}
	})
}

func TestTheNewestActiveOrderIsFoundAndOldOnesAreForgotten(t *testing.T) {
	inBubble(t, func(t *testing.T, o *known.Orders) {
		for _, id := range []string{"1", "2", "3"} {
			learn(t, o, pbx.Order{ID: id, Status: pbx.StatusAccepted, Phone: client, Driver: driver})
			time.Sleep(time.Minute)
		}
		learn(t, o, pbx.Order{ID: "3", Status: pbx.StatusCompleted})
		if order, err := o.OrderByPhone(t.Context(), client); err != nil || order.ID != "2" {
			t.Errorf("%+v, %v", order, err)
		}
		if all, err := o.OrdersByDriver(t.Context(), driver); err != nil || len(all) != 2 || all[0].ID != "2" || all[1].ID != "1" {
			t.Errorf("%+v, %v", all, err)
		}
		if last, err := o.LastOrderByDriver(t.Context(), driver); err != nil || last.ID != "3" || last.Status != pbx.StatusCompleted {
			t.Errorf("%+v, %v", last, err)
		}
		for _, nobody := range []pbx.Phone{"", other} {
			if _, err := o.OrderByPhone(t.Context(), nobody); !errors.Is(err, pbx.ErrNoOrder) {
				t.Errorf("%q: %v", nobody, err)
			}
			if _, err := o.OrdersByDriver(t.Context(), nobody); !errors.Is(err, pbx.ErrNoOrder) {
				t.Errorf("driver %q: %v", nobody, err)
			}
		}
		time.Sleep(12 * time.Hour)
		if _, err := o.OrderByPhone(t.Context(), client); !errors.Is(err, pbx.ErrNoOrder) {
			t.Errorf("after 12 h: %v", err)
		}
		learn(t, o, pbx.Order{ID: "4", Status: pbx.StatusNew, Phone: other})
		if _, err := o.Order(t.Context(), "1"); !errors.Is(err, pbx.ErrNoOrder) {
			t.Errorf("order 1 is still there: %v", err)
		}
	})
}
