package orderbook_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"cabline/dispatchapi/orderbook"
	"cabline/pbx"
	"cabline/pbx/store"
)

func newBook(t *testing.T) *orderbook.Book {
	t.Helper()
	db, err := store.Open(filepath.Join(t.TempDir(), "cabline.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return orderbook.New(db, "RU")
}

func create(t *testing.T, b *orderbook.Book, o pbx.Order) *pbx.Order {
	t.Helper()
	made, err := b.Create(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	return made
}

var _ pbx.Dispatch = (*orderbook.Book)(nil)

func minutes(n int) *int { return &n }

func TestAnOrderIsReadBackWhole(t *testing.T) {
	b := newBook(t)
	made := create(t, b, pbx.Order{
		Status: pbx.StatusAccepted, Phone: "8 (916) 123-45-67", ClientName: " Ольга ", Line: "74950000000", Branch: "Центр", Tariff: "Стандарт",
		Pickup: "Ленина, 1", Dropoff: "Мира, 2", Comment: "подъезд 3\nкод 45", ETA: minutes(0),
		Car: pbx.Car{Color: "белый", Mark: "Лада", Model: "Веста", Plate: "А123ВС 77"}, Price: 350, Driver: "+79035550001",
	})
	if made.ID != "1" || made.Phone != "+79161234567" || made.Line != "+74950000000" || made.ClientName != "Ольга" || made.Created.IsZero() {
		t.Errorf("tidied: %+v", made)
	}
	for how, read := range map[string]func() (*pbx.Order, error){
		"by ID":    func() (*pbx.Order, error) { return b.Order(t.Context(), "1") },
		"by phone": func() (*pbx.Order, error) { return b.OrderByPhone(t.Context(), "+79161234567") },
		"by driver": func() (*pbx.Order, error) {
			all, err := b.OrdersByDriver(t.Context(), "+79035550001")
			return all[0], err
		},
		"in the list": func() (*pbx.Order, error) {
			all, err := b.Find(t.Context(), "9161234567", true, 10)
			return &all[0], err
		},
	} {
		got, err := read()
		if diff := cmp.Diff(made, got); err != nil || diff != "" {
			t.Errorf("%s: %v\n%s", how, err, diff)
		}
	}
}

func TestADriverHasSeveralOrdersAndALastOne(t *testing.T) {
	b := newBook(t)
	const driver pbx.Phone = "+79035550001"
	create(t, b, pbx.Order{Phone: "+79161234567", Driver: driver, Status: pbx.StatusInProgress})
	create(t, b, pbx.Order{Phone: "+79161234568", Driver: driver, Status: pbx.StatusAcceptedNext})
	create(t, b, pbx.Order{Phone: "+79161234569", Driver: driver, Status: pbx.StatusCompleted})
	create(t, b, pbx.Order{Phone: "+79161234560", Driver: "+79035550002"})
	all, err := b.OrdersByDriver(t.Context(), driver)
	if err != nil || len(all) != 2 || all[0].ID != "2" || all[1].ID != "1" {
		t.Errorf("active: %v %v", all, err)
	}
	if last, err := b.LastOrderByDriver(t.Context(), driver); err != nil || last.ID != "3" {
		t.Errorf("the last: %v %v", last, err)
	}
	for _, nobody := range []pbx.Phone{"", "+79161234567"} {
		if _, err := b.LastOrderByDriver(t.Context(), nobody); !errors.Is(err, pbx.ErrNoOrder) {
			t.Errorf("of %v: %v", nobody, err)
		}
	}
}

func TestAClientHasTheNewestActiveOrder(t *testing.T) {
	for _, status := range pbx.Statuses {
		t.Run("when the newer is "+string(status), func(t *testing.T) {
			b := newBook(t)
			want := create(t, b, pbx.Order{Phone: "+79161234567"}).ID
			create(t, b, pbx.Order{Phone: "+79160000000"})
			newer := create(t, b, pbx.Order{Phone: "+79161234567", Status: status})
			if status.Active() {
				want = newer.ID
			}
			got, err := b.OrderByPhone(t.Context(), "+79161234567")
			if err != nil || got.ID != want {
				t.Errorf("%v %v, want order %s", got, err, want)
			}
		})
	}
}

func TestWhereThereIsNoOrder(t *testing.T) {
	b := newBook(t)
	create(t, b, pbx.Order{Phone: "+79161234567", Status: pbx.StatusCompleted})
	for _, phone := range []pbx.Phone{"+79161234567", "+79160000000", ""} {
		if _, err := b.OrderByPhone(t.Context(), phone); !errors.Is(err, pbx.ErrNoOrder) {
			t.Errorf("of %s: %v", phone.Dialable(), err)
		} else if _, err := b.OrdersByDriver(t.Context(), phone); !errors.Is(err, pbx.ErrNoOrder) {
			t.Errorf("of driver %s: %v", phone.Dialable(), err)
		} else if strings.Contains(err.Error(), "9161234567") {
			t.Errorf("the error tells the number: %v", err)
		}
	}
	for _, id := range []string{"", "2", "01", "1.0", " 1", "-1", "x", "1 OR 1=1", strings.Repeat("9", 100)} {
		if _, err := b.Order(t.Context(), id); !errors.Is(err, pbx.ErrNoOrder) {
			t.Errorf("with ID %q: %v", id, err)
		}
		if _, err := b.Update(t.Context(), id, func(*pbx.Order) error { return nil }); !errors.Is(err, pbx.ErrNoOrder) {
			t.Errorf("updating %q: %v", id, err)
		}
	}
}

func TestStatusesAreVersionsInTheHistory(t *testing.T) {
	b := newBook(t)
	order := create(t, b, pbx.Order{Phone: "+79161234567"})
	for _, change := range []func(*pbx.Order){
		func(o *pbx.Order) { o.Status = pbx.StatusAccepted },
		func(o *pbx.Order) { o.Price = 100 }, // no news
		func(o *pbx.Order) { o.Status, o.ID, o.ETA = pbx.StatusDriverRefused, "77", minutes(5) },
		func(o *pbx.Order) { o.Status = pbx.StatusAccepted },
	} {
		var err error
		if order, err = b.Update(t.Context(), order.ID, func(o *pbx.Order) error { change(o); return nil }); err != nil {
			t.Fatal(err)
		}
	}
	history, err := b.History(t.Context(), order.ID)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, n := range history {
		got = append(got, fmt.Sprint(n.Version, " ", n.Status))
	}
	want := []string{"1 new", "2 accepted", "3 driver_refused", "4 accepted"}
	if !slices.Equal(got, want) || order.ID != "1" || order.Price != 100 || *order.ETA != 5 {
		t.Errorf("history %q of %+v", got, order)
	}
	if last := history[3].At; !last.Equal(order.Updated) || last.Before(order.Created) {
		t.Errorf("the last status is of %v, the order of %v", last, order.Updated)
	}
}

func TestAFailedUpdateLeavesTheOrderAlone(t *testing.T) {
	b := newBook(t)
	before := create(t, b, pbx.Order{Phone: "+79161234567"})
	refusal := errors.New("not today")
	for name, change := range map[string]func(*pbx.Order) error{
		"refused by the caller":  func(o *pbx.Order) error { o.Price = 9; return refusal },
		"invalid after all":      func(o *pbx.Order) error { o.Price, o.Status = 9, "lost"; return nil },
		"without a phone at all": func(o *pbx.Order) error { o.Price, o.Phone = 9, ""; return nil },
	} {
		_, err := b.Update(t.Context(), "1", change)
		if invalid := (orderbook.Invalid)(nil); !errors.Is(err, refusal) && !errors.As(err, &invalid) {
			t.Errorf("%s: %v", name, err)
		}
		if after, _ := b.Order(t.Context(), "1"); !cmp.Equal(before, after) {
			t.Errorf("%s: %s", name, cmp.Diff(before, after))
		}
	}
}

func TestWhatAnOrderMayNotHold(t *testing.T) {
	b := newBook(t)
	for name, tc := range map[string]struct {
		order  pbx.Order
		fields string
	}{
		"no phone":                {pbx.Order{}, "phone"},
		"letters for a phone":     {pbx.Order{Phone: "call me"}, "phone"},
		"a status nobody knows":   {pbx.Order{Phone: "1234", Status: "lost"}, "status"},
		"a driver without number": {pbx.Order{Phone: "1234", Driver: "x"}, "driver_phone"},
		"a line that is none":     {pbx.Order{Phone: "1234", Line: "x"}, "line"},
		"negative minutes":        {pbx.Order{Phone: "1234", ETA: minutes(-1)}, "eta_minutes"},
		"more than a day":         {pbx.Order{Phone: "1234", ETA: minutes(1441)}, "eta_minutes"},
		"a negative price":        {pbx.Order{Phone: "1234", Price: -1}, "price"},
		"a plate of 17":           {pbx.Order{Phone: "1234", Car: pbx.Car{Plate: strings.Repeat("А", 17)}}, "car.plate"},
		"a plate with a quote":    {pbx.Order{Phone: "1234", Car: pbx.Car{Plate: "А1'2"}}, "car.plate"},
		"a name of 101":           {pbx.Order{Phone: "1234", ClientName: strings.Repeat("Я", 101)}, "client_name"},
		"a bell in an address":    {pbx.Order{Phone: "1234", Pickup: "a\ab"}, "pickup"},
		"no UTF-8":                {pbx.Order{Phone: "1234", Comment: "\xff"}, "comment"},
		"two things at once":      {pbx.Order{Price: -1}, "phone price"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := b.Create(t.Context(), tc.order)
			var invalid orderbook.Invalid
			if !errors.As(err, &invalid) {
				t.Fatalf("said: %v", err)
			}
			var fields []string
			for field, problem := range invalid.Faults() {
				fields = append(fields, field)
				if problem == "" || !strings.Contains(err.Error(), problem) {
					t.Errorf("%q is not in %q", problem, err)
				}
			}
			if got := strings.Join(fields, " "); got != tc.fields {
				t.Errorf("faults %q, want %q", got, tc.fields)
			}
		})
	}
	if all, err := b.Find(t.Context(), "", false, 10); err != nil || len(all) != 0 {
		t.Errorf("in the book all the same: %v %v", all, err)
	}
}

func TestTheLongestThatFitsIsTaken(t *testing.T) {
	create(t, newBook(t), pbx.Order{Phone: "1234", ETA: minutes(1440), Price: 10_000_000, ClientName: strings.Repeat("Я", 100),
		Comment: strings.Repeat("Я", 1000), Car: pbx.Car{Plate: strings.Repeat("А", 16)}})
}

func TestOrdersAreFoundNewestFirst(t *testing.T) {
	b := newBook(t)
	create(t, b, pbx.Order{Phone: "+79161234567"})                               // 1
	create(t, b, pbx.Order{Phone: "+79161234567", Status: pbx.StatusCompleted})  // 2
	create(t, b, pbx.Order{Phone: "+79160000000", Status: pbx.StatusInProgress}) // 3
	for name, tc := range map[string]struct {
		phone  string
		active bool
		limit  int
		ids    string
	}{
		"all":                     {limit: 10, ids: "3 2 1"},
		"the active ones":         {active: true, limit: 10, ids: "3 1"},
		"a client's":              {phone: "8-916-123-45-67", limit: 10, ids: "2 1"},
		"a client's active ones":  {phone: "+79161234567", active: true, limit: 10, ids: "1"},
		"a stranger's":            {phone: "+79169999999", limit: 10, ids: ""},
		"no more than asked for":  {limit: 2, ids: "3 2"},
		"one when asked for none": {limit: 0, ids: "3"},
	} {
		t.Run(name, func(t *testing.T) {
			found, err := b.Find(t.Context(), tc.phone, tc.active, tc.limit)
			var ids []string
			for _, o := range found {
				ids = append(ids, o.ID)
			}
			if got := strings.Join(ids, " "); err != nil || got != tc.ids {
				t.Errorf("%q %v, want %q", got, err, tc.ids)
			}
		})
	}
	if _, err := b.Find(t.Context(), "nonsense", false, 1); err == nil {
		t.Error("a number that is none was looked for")
	}
}

func TestNoChangeIsLostWhenManyUpdateAnOrder(t *testing.T) {
	b := newBook(t)
	create(t, b, pbx.Order{Phone: "+79161234567"})
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() {
			if _, err := b.Update(t.Context(), "1", func(o *pbx.Order) error { o.Price++; return nil }); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if o, err := b.Order(t.Context(), "1"); err != nil || o.Price != 20 {
		t.Errorf("%+v %v", o, err)
	}
}

func TestEveryStatusAnOrderComesToIsToldWithItsVersion(t *testing.T) {
	book := newBook(t)
	var told []string
	book.Changed = func(_ context.Context, o pbx.Order, version int, byClient bool) {
		told = append(told, fmt.Sprint(o.ID, " ", o.Status, " ", version, " ", byClient))
	}
	order, err := book.Create(t.Context(), pbx.Order{Phone: "+79161234567"})
	if err != nil {
		t.Fatal(err)
	}
	become := func(status pbx.Status) {
		t.Helper()
		if _, err := book.Update(t.Context(), order.ID, func(o *pbx.Order) error { o.Status, o.Comment = status, "x"; return nil }); err != nil {
			t.Fatal(err)
		}
	}
	for _, status := range []pbx.Status{"accepted", "accepted", "arrived", "accepted"} {
		become(status)
	}
	want := []string{"1 new 1 false", "1 accepted 2 false", "1 arrived 3 false", "1 accepted 4 false"}
	if !slices.Equal(told, want) {
		t.Errorf("told %q, want %q", told, want)
	}
	told = nil
	if err := book.Recent(t.Context(), time.Now().Add(-time.Minute)); err != nil || !slices.Equal(told, want[3:]) {
		t.Errorf("%v: told again %q, want the last", err, told)
	}
	told = nil
	if err := book.Recent(t.Context(), time.Now().Add(time.Minute)); err != nil || told != nil {
		t.Errorf("%v: told again %q, want nothing that old", err, told)
	}
}

func TestAClientAnswersByAKey(t *testing.T) {
	for _, c := range []struct {
		is     pbx.Status
		answer pbx.ClientAnswer
		then   pbx.Status
		no     error
	}{
		{"accepted", pbx.AnswerCancel, "refused", nil},
		{"no_driver", pbx.AnswerCancel, "refused", nil},
		{"in_progress", pbx.AnswerCancel, "in_progress", pbx.ErrAnswerRefused},
		{"completed", pbx.AnswerCancel, "completed", pbx.ErrAnswerRefused},
		{"no_driver", pbx.AnswerKeepLooking, "new", nil},
		{"accepted", pbx.AnswerKeepLooking, "accepted", nil},
		{"arrived", pbx.AnswerComingOut, "arrived", nil},
		{"arrived", pbx.AnswerFiveMinutes, "arrived", nil},
	} {
		t.Run(string(c.is)+", "+string(c.answer), func(t *testing.T) {
			book := newBook(t)
			order, err := book.Create(t.Context(), pbx.Order{Phone: "+79161234567", Status: c.is})
			if err != nil {
				t.Fatal(err)
			}
			told := ""
			book.Changed = func(_ context.Context, o pbx.Order, version int, byClient bool) {
				told = fmt.Sprint(o.Status, " ", version, " ", byClient)
			}
			if err := book.ClientAnswered(t.Context(), order.ID, c.answer); !errors.Is(err, c.no) {
				t.Errorf("%v, want %v", err, c.no)
			}
			order, err = book.Order(t.Context(), order.ID)
			if err != nil || order.Status != c.then {
				t.Errorf("%v: the order is %s, want %s", err, order.Status, c.then)
			}
			if want := fmt.Sprint(c.then, " 2 true"); c.is != c.then && told != want || c.is == c.then && told != "" {
				t.Errorf("told %q, want %q", told, want)
			}
		})
	}
	book := newBook(t)
	if err := book.ClientAnswered(t.Context(), "7", pbx.AnswerCancel); !errors.Is(err, pbx.ErrNoOrder) {
		t.Errorf("an order there is not: %v", err)
	}
}
