package store_test

import (
	"database/sql"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"cabline/pbx"
	"cabline/pbx/store"
)

// rows counts what a table has.
func rows(t *testing.T, s *store.Store, table string) (n int) {
	t.Helper()
	if err := s.Readers().QueryRowContext(t.Context(), "SELECT count(*) FROM "+table).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

// anotherDay stores something of everything there is, as of now.
func anotherDay(t *testing.T, s *store.Store, day int) {
	t.Helper()
	now := time.Now()
	name := fmt.Sprint("day ", day)
	_, _, err := s.AcceptNotice(t.Context(), pbx.NoticeRecord{State: pbx.NoticeDropped,
		Notice: pbx.Notice{OrderID: name, Status: pbx.StatusArrived, Version: 1, At: now}}, "a day")
	if err != nil {
		t.Fatal(err)
	}
	err = s.SaveCDRWith(t.Context(), aCall(name, now), func(tx *sql.Tx) error {
		for _, insert := range []string{
			`INSERT INTO orders (status, active, phone, client_name, line, branch, tariff, pickup, dropoff, comment, car_color, car_mark, car_model,
				car_plate, price, driver_phone, created, updated) VALUES ('completed', ?2 % 2, '', '', '', '', '', '', '', '', '', '', '', '', 0, '', ?1, ?1)`,
			`INSERT INTO order_statuses (order_id, version, status, at) VALUES (last_insert_rowid(), 1, 'completed', ?1)`,
			`INSERT INTO known_orders (source, id, version, status, active, phone, driver, facts, told) VALUES ('gone', ?2, 1, '', 0, '', '', '', ?1)`,
			`INSERT INTO known_news (source, order_id, version, status, who, told) VALUES ('gone', ?2, 1, '', '', ?1)`,
			`INSERT INTO news (source, order_id, version, status, request, at) VALUES ('gone', ?2, 1, '', 0, ?1)`,
			`INSERT INTO outbox (receiver, call_id, id, body, posted, due) VALUES ('gone', ?2, '', '', ?1, 0)`,
		} {
			if _, err := tx.ExecContext(t.Context(), insert, now.UnixMicro(), day); err != nil {
				return fmt.Errorf("%s: %w", insert, err)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestWhatIsOverIsKeptForAsLongAsTheFirmSays(t *testing.T) {
	for name, tc := range map[string]struct {
		keep store.Keep
		want map[string]int // rows left of a hundred days
	}{
		"each for its time": {store.Keep{Calls: 50 * day, Notices: 20 * day, Orders: 10 * day}, map[string]int{
			"cdrs": 50, "notices": 20, "notice_journal": 20, "orders": 50 + 5, "order_statuses": 50 + 5}}, // every second order is not over
		"for ever":     {store.Keep{}, map[string]int{"cdrs": 100, "notices": 100, "notice_journal": 100, "orders": 100, "order_statuses": 100}},
		"for too long": {store.Keep{Calls: 1000 * day, Notices: 1000 * day, Orders: 1000 * day}, map[string]int{"cdrs": 100, "notices": 100, "orders": 100}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, err := store.Open(databaseFile(t))
				if err != nil {
					t.Fatal(err)
				}
				defer s.Close()
				if err := s.AddOptOut(t.Context(), store.OptOut{Phone: "+79161234567", Since: time.Now()}); err != nil {
					t.Fatal(err)
				}
				for i := range 100 {
					time.Sleep(day / 2)
					anotherDay(t, s, i)
					time.Sleep(day / 2)
				}
				if _, err := s.Forget(t.Context(), tc.keep); err != nil {
					t.Fatal(err)
				}
				for table, want := range map[string]int{"opt_outs": 1, "known_orders": 8, "known_news": 8, "news": 30, "outbox": 2} {
					if n := rows(t, s, table); n != want {
						t.Errorf("%d rows of %s are left, want %d", n, table, want)
					}
				}
				for table, want := range tc.want {
					if n := rows(t, s, table); n != want {
						t.Errorf("%d rows of %s are left, want %d", n, table, want)
					}
				}
			})
		})
	}
}

const day = 24 * time.Hour

func TestCallsAreWrittenDownWhileALotIsForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, err := store.Open(databaseFile(t))
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		for i := range 1000 {
			if err := s.SaveCDR(t.Context(), aCall(fmt.Sprint(i), time.Now())); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(2 * day)
		done := make(chan int64)
		go func() {
			forgotten, err := s.Forget(t.Context(), store.Keep{Calls: day})
			if err != nil {
				t.Error(err)
			}
			done <- forgotten
		}()
		for left := 800; left > 0; left -= 200 {
			synctest.Wait() // it rests
			if n := rows(t, s, "cdrs WHERE id NOT LIKE 'new%'"); n != left {
				t.Errorf("%d old calls are left, want %d: so many go at once, and no more", n, left)
			}
			if err := s.SaveCDR(t.Context(), aCall(fmt.Sprint("new", left), time.Now())); err != nil {
				t.Error(err)
			}
			time.Sleep(100 * time.Millisecond)
		}
		if forgotten := <-done; forgotten != 1000 {
			t.Errorf("%d were forgotten", forgotten)
		}
		if n := rows(t, s, "cdrs"); n != 4 {
			t.Errorf("%d calls are left, want the 4 new ones", n)
		}
	})
}
