// Package known remembers what dispatch systems have told of orders, where they
// cannot be asked: the last known order of a client or a driver, and which news
// is news. It implements pbx.Dispatch.
//
// It knows nothing of calls and HTTP, and it does not log.
package known

import (
	"cmp"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"cabline/pbx"
	"cabline/pbx/store"
)

// repeat is how long after it a piece of news that is not the latest counts as
// the same one come late, and not as news: systems repeat a request that they
// think was lost, and networks turn two requests round.
const repeat = 10 * time.Minute

// Orders is what one system has told. Its methods are safe for concurrent use.
type Orders struct {
	db     *store.Store
	source string
	keep   time.Duration
}

// New is the memory of a system in a database; what is older than keep is forgotten.
func New(db *store.Store, source string, keep time.Duration) *Orders {
	return &Orders{db: db, source: source, keep: keep}
}

// News is what has become of something we were told.
type News struct {
	Order   pbx.Order // as it is known now
	Version int       // of its status; the same news has the same
	Latest  bool      // false: it has come late, and newer news is known
}

// Learn remembers an order as a system tells of it: with ID, status, and
// whatever else it said. What it left out stays as it was while the same car
// comes. The same status with the same driver is the same piece of news, however
// often it is told.
func (o *Orders) Learn(ctx context.Context, order pbx.Order) (News, error) {
	var news News
	now := time.Now()
	err := o.db.Write(ctx, func(tx *sql.Tx) error {
		if _, err := tx.ExecContext(ctx, "DELETE FROM known_orders WHERE told < ? AND source = ?", now.Add(-o.keep).UnixMicro(), o.source); err != nil {
			return err
		}
		before, version, err := o.find(ctx, tx, order.ID)
		if err != nil && !errors.Is(err, pbx.ErrNoOrder) {
			return err
		}
		if news, err = o.judge(ctx, tx, before, version, order, now); err != nil || !news.Latest {
			return err
		}
		return o.write(ctx, tx, news, now)
	})
	if err != nil {
		return News{}, fmt.Errorf("remember order %.40q: %w", order.ID, err)
	}
	return news, nil
}

// judge tells news from what is known. before is nil for an unknown order.
func (o *Orders) judge(ctx context.Context, tx *sql.Tx, before *pbx.Order, version int, order pbx.Order, now time.Time) (News, error) {
	if before == nil {
		order.Created, order.Updated = now, now
		return News{order, 1, true}, nil
	}
	order = complete(order, *before)
	order.Created, order.Updated = before.Created, now
	if order.Status == before.Status && who(order) == who(*before) {
		return News{order, version, true}, nil
	}
	var late int
	err := tx.QueryRowContext(ctx, `SELECT version FROM known_news WHERE source = ? AND order_id = ? AND status = ? AND who = ? AND told > ?
		ORDER BY version DESC LIMIT 1`, o.source, order.ID, string(order.Status), who(order), now.Add(-repeat).UnixMicro()).Scan(&late)
	switch {
	case err == nil:
		return News{*before, late, false}, nil
	case errors.Is(err, sql.ErrNoRows):
		return News{order, version + 1, true}, nil
	}
	return News{}, err
}

// who tells one driver's order from the next one's.
func who(o pbx.Order) string { return cmp.Or(o.Driver.Dialable(), o.Car.Plate) }

// complete fills in what a system did not say again.
func complete(order, before pbx.Order) pbx.Order {
	for _, f := range []struct{ now, before *string }{
		{&order.ClientName, &before.ClientName}, {&order.Branch, &before.Branch}, {&order.Tariff, &before.Tariff},
		{&order.Pickup, &before.Pickup}, {&order.Dropoff, &before.Dropoff}, {&order.Comment, &before.Comment},
	} {
		*f.now = cmp.Or(*f.now, *f.before)
	}
	order.Phone = cmp.Or(order.Phone, before.Phone)
	order.Line = cmp.Or(order.Line, before.Line)
	order.Price = cmp.Or(order.Price, before.Price)
	switch order.Status {
	case pbx.StatusNew, pbx.StatusNoDriver, pbx.StatusDriverRefused: // there is no car any more
		return order
	}
	if order.Driver == "" || before.Driver == "" || order.Driver == before.Driver {
		order.Driver = cmp.Or(order.Driver, before.Driver)
		for _, f := range []struct{ now, before *string }{
			{&order.Car.Color, &before.Car.Color}, {&order.Car.Mark, &before.Car.Mark},
			{&order.Car.Model, &before.Car.Model}, {&order.Car.Plate, &before.Car.Plate},
		} {
			*f.now = cmp.Or(*f.now, *f.before)
		}
		if order.ETA == nil && order.Status == before.Status {
			order.ETA = before.ETA
		}
	}
	return order
}

func (o *Orders) write(ctx context.Context, tx *sql.Tx, news News, now time.Time) error {
	order := news.Order
	facts, err := json.Marshal(order)
	if err != nil {
		return err
	}
	_, err = tx.ExecContext(ctx, `INSERT INTO known_orders (source, id, version, status, active, phone, driver, facts, told) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
		ON CONFLICT (source, id) DO UPDATE SET version = excluded.version, status = excluded.status, active = excluded.active,
		phone = excluded.phone, driver = excluded.driver, facts = excluded.facts, told = excluded.told`,
		o.source, order.ID, news.Version, string(order.Status), order.Status.Active(), order.Phone.Dialable(), order.Driver.Dialable(), string(facts), now.UnixMicro())
	if err != nil {
		return err
	}
	_, err = tx.ExecContext(ctx, `INSERT INTO known_news (source, order_id, version, status, who, told) VALUES (?, ?, ?, ?, ?, ?)
		ON CONFLICT DO UPDATE SET told = excluded.told`, o.source, order.ID, news.Version, string(order.Status), who(order), now.UnixMicro())
	return err
}

type querier interface {
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

func (o *Orders) find(ctx context.Context, db querier, id string) (*pbx.Order, int, error) {
	return scan(db.QueryRowContext(ctx, "SELECT version, facts FROM known_orders WHERE source = ? AND id = ?", o.source, id))
}

func scan(row interface{ Scan(...any) error }) (*pbx.Order, int, error) {
	var version int
	var facts []byte
	switch err := row.Scan(&version, &facts); {
	case errors.Is(err, sql.ErrNoRows):
		return nil, 0, pbx.ErrNoOrder
	case err != nil:
		return nil, 0, err
	}
	var order pbx.Order
	if err := json.Unmarshal(facts, &order); err != nil {
		return nil, 0, err
	}
	return &order, version, nil
}

// aged is an order as it stands by now: the minutes a car was away have become
// less. A car that should be there by now has no time any more.
func aged(order *pbx.Order) *pbx.Order {
	if order.ETA != nil && *order.ETA > 0 {
		left := *order.ETA - int(time.Since(order.Updated)/time.Minute)
		order.ETA = &left
		if left <= 0 {
			order.ETA = nil
		}
	}
	return order
}

// OrderByPhone implements pbx.Dispatch.
func (o *Orders) OrderByPhone(ctx context.Context, phone pbx.Phone) (*pbx.Order, error) {
	if phone == "" {
		return nil, pbx.ErrNoOrder
	}
	order, _, err := scan(o.db.Readers().QueryRowContext(ctx, `SELECT version, facts FROM known_orders
		WHERE source = ? AND phone = ? AND active = 1 AND told >= ? ORDER BY told DESC LIMIT 1`, o.source, phone.Dialable(), o.oldest()))
	if err != nil {
		return nil, fmt.Errorf("last known order of %v: %w", phone, o.db.Explain(err))
	}
	return aged(order), nil
}

// OrdersByDriver implements pbx.Dispatch.
func (o *Orders) OrdersByDriver(ctx context.Context, driver pbx.Phone) ([]*pbx.Order, error) {
	if driver == "" {
		return nil, pbx.ErrNoOrder
	}
	rows, err := o.db.Readers().QueryContext(ctx, `SELECT version, facts FROM known_orders
		WHERE source = ? AND driver = ? AND active = 1 AND told >= ? ORDER BY told DESC LIMIT 20`, o.source, driver.Dialable(), o.oldest())
	if err != nil {
		return nil, fmt.Errorf("last known orders of driver %v: %w", driver, o.db.Explain(err))
	}
	defer rows.Close()
	var all []*pbx.Order
	for rows.Next() {
		order, _, err := scan(rows)
		if err != nil {
			return nil, fmt.Errorf("last known orders of driver %v: %w", driver, o.db.Explain(err))
		}
		all = append(all, aged(order))
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("last known orders of driver %v: %w", driver, o.db.Explain(err))
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("last known orders of driver %v: %w", driver, pbx.ErrNoOrder)
	}
	return all, nil
}

// LastOrderByDriver implements pbx.DriverHistory.
func (o *Orders) LastOrderByDriver(ctx context.Context, driver pbx.Phone) (*pbx.Order, error) {
	if driver == "" {
		return nil, pbx.ErrNoOrder
	}
	order, _, err := scan(o.db.Readers().QueryRowContext(ctx, `SELECT version, facts FROM known_orders
		WHERE source = ? AND driver = ? AND told >= ? ORDER BY told DESC LIMIT 1`, o.source, driver.Dialable(), o.oldest()))
	if err != nil {
		return nil, fmt.Errorf("last order of driver %v: %w", driver, o.db.Explain(err))
	}
	return aged(order), nil
}

// Order implements pbx.Dispatch.
func (o *Orders) Order(ctx context.Context, id string) (*pbx.Order, error) {
	order, _, err := o.find(ctx, o.db.Readers(), id)
	if err != nil {
		return nil, fmt.Errorf("order %.40q: %w", id, o.db.Explain(err))
	}
	return aged(order), nil
}

// oldest is when what is still remembered was told.
func (o *Orders) oldest() int64 { return time.Now().Add(-o.keep).UnixMicro() }

var (
	_ pbx.Dispatch      = (*Orders)(nil)
	_ pbx.DriverHistory = (*Orders)(nil)
)
