// Package orderbook is the dispatch system of a firm that has none: orders in
// Cabline's own database. It implements pbx.Dispatch, and beside it what REST
// and the order page need to keep orders.
//
// It knows nothing of calls and HTTP, and it does not log.
package orderbook

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strconv"
	"time"

	"cabline/pbx"
	"cabline/pbx/store"
)

// Book is the order book. Its methods are safe for concurrent use.
type Book struct {
	// Changed is told of every status an order comes to, once it is written down
	// and before Create or Update return; may be nil. byClient is a change that the
	// client asked for by a key.
	Changed func(ctx context.Context, order pbx.Order, version int, byClient bool)

	db      *store.Store
	country string
}

// New is the order book in a database; country ("RU") says how people there
// write telephone numbers.
func New(db *store.Store, country string) *Book {
	return &Book{db: db, country: country}
}

const columns = `id, status, phone, client_name, line, branch, tariff, pickup, dropoff, comment,
	eta_minutes, car_color, car_mark, car_model, car_plate, price, driver_phone, created, updated`

// OrderByPhone implements pbx.Dispatch.
func (b *Book) OrderByPhone(ctx context.Context, phone pbx.Phone) (*pbx.Order, error) {
	all, err := b.active(ctx, "phone", phone, 1)
	if err != nil {
		return nil, err
	}
	return all[0], nil
}

// maxOfDriver is more orders than a driver has at once.
const maxOfDriver = 10

// OrdersByDriver implements pbx.Dispatch.
func (b *Book) OrdersByDriver(ctx context.Context, driver pbx.Phone) ([]*pbx.Order, error) {
	return b.active(ctx, "driver_phone", driver, maxOfDriver)
}

// LastOrderByDriver implements pbx.DriverHistory.
func (b *Book) LastOrderByDriver(ctx context.Context, driver pbx.Phone) (*pbx.Order, error) {
	if driver == "" {
		return nil, pbx.ErrNoOrder
	}
	found, err := b.find(ctx, "SELECT "+columns+" FROM orders WHERE driver_phone = ? ORDER BY id DESC LIMIT 1", driver.Dialable())
	if err == nil && len(found) == 0 {
		err = pbx.ErrNoOrder
	}
	if err != nil {
		return nil, fmt.Errorf("last order of %v: %w", driver, b.db.Explain(err))
	}
	return found[0], nil
}

// active looks for a number in one of the columns of numbers, the newest first.
func (b *Book) active(ctx context.Context, column string, number pbx.Phone, limit int) ([]*pbx.Order, error) {
	if number == "" { // orders without a driver have an empty one
		return nil, pbx.ErrNoOrder
	}
	found, err := b.find(ctx, "SELECT "+columns+" FROM orders WHERE "+column+" = ? AND active = 1 ORDER BY id DESC LIMIT ?", number.Dialable(), limit)
	if err == nil && len(found) == 0 {
		err = pbx.ErrNoOrder
	}
	if err != nil {
		return nil, fmt.Errorf("active orders of %v: %w", number, b.db.Explain(err))
	}
	return found, nil
}

// find runs a query for orders.
func (b *Book) find(ctx context.Context, query string, args ...any) (found []*pbx.Order, err error) {
	rows, err := b.db.Readers().QueryContext(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		order, err := scan(rows)
		if err != nil {
			return nil, err
		}
		found = append(found, order)
	}
	return found, rows.Err()
}

// Order implements pbx.Dispatch.
func (b *Book) Order(ctx context.Context, id string) (*pbx.Order, error) {
	order, err := byID(ctx, b.db.Readers(), id)
	return order, b.db.Explain(err)
}

// Find is the orders of a client, or of all when phone is empty; newest first,
// at most limit (1 to 500). phone is taken as people write it.
func (b *Book) Find(ctx context.Context, phone string, activeOnly bool, limit int) ([]pbx.Order, error) {
	query := "SELECT " + columns + " FROM orders WHERE true"
	var args []any
	if phone != "" {
		number, err := pbx.ParsePhone(phone, b.country)
		if err != nil {
			return nil, Invalid{{"phone", err.Error()}}
		}
		query += " AND phone = ?"
		args = append(args, number.Dialable())
	}
	if activeOnly {
		query += " AND active = 1"
	}
	all, err := b.find(ctx, query+" ORDER BY id DESC LIMIT ?", append(args, min(max(limit, 1), 500))...)
	if err != nil {
		return nil, fmt.Errorf("find orders: %w", b.db.Explain(err))
	}
	var found []pbx.Order
	for _, order := range all {
		found = append(found, *order)
	}
	return found, nil
}

// Create writes down a new order and returns it as it stands in the book: with
// ID and times, numbers in E.164, status "new" where none was given. The error
// is Invalid when a field is.
func (b *Book) Create(ctx context.Context, order pbx.Order) (*pbx.Order, error) {
	if order.Status == "" {
		order.Status = pbx.StatusNew
	}
	if err := b.tidy(&order); err != nil {
		return nil, err
	}
	order.Created = now()
	order.Updated = order.Created
	var version int
	err := b.db.Write(ctx, func(tx *sql.Tx) error {
		done, err := tx.ExecContext(ctx, `INSERT INTO orders (status, active, phone, client_name, line, branch, tariff, pickup, dropoff,
			comment, eta_minutes, car_color, car_mark, car_model, car_plate, price, driver_phone, updated, created)
			VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`, append(values(order), order.Created.UnixMicro())...)
		if err != nil {
			return err
		}
		id, err := done.LastInsertId()
		if err != nil {
			return err
		}
		order.ID = strconv.FormatInt(id, 10)
		version, err = writeStatus(ctx, tx, order)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("create order: %w", err)
	}
	b.changed(ctx, order, version, false)
	return &order, nil
}

// Update changes an order: change gets it as it stands and alters it, alone of
// all writers. ID and times are the book's. A changed status is a new version
// in the order's history. The error wraps pbx.ErrNoOrder, Invalid, or what
// change returned.
func (b *Book) Update(ctx context.Context, id string, change func(*pbx.Order) error) (*pbx.Order, error) {
	return b.update(ctx, id, false, change)
}

func (b *Book) changed(ctx context.Context, order pbx.Order, version int, byClient bool) {
	if b.Changed != nil && version > 0 {
		b.Changed(ctx, order, version, byClient)
	}
}

func (b *Book) update(ctx context.Context, id string, byClient bool, change func(*pbx.Order) error) (order *pbx.Order, err error) {
	version := 0 // where the status stays
	err = b.db.Write(ctx, func(tx *sql.Tx) (err error) {
		if order, err = byID(ctx, tx, id); err != nil {
			return err
		}
		before := *order
		if err := change(order); err != nil {
			return err
		}
		order.ID, order.Created, order.Updated = before.ID, before.Created, now()
		if err := b.tidy(order); err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, `UPDATE orders SET status = ?, active = ?, phone = ?, client_name = ?, line = ?, branch = ?,
			tariff = ?, pickup = ?, dropoff = ?, comment = ?, eta_minutes = ?, car_color = ?, car_mark = ?, car_model = ?,
			car_plate = ?, price = ?, driver_phone = ?, updated = ? WHERE id = ?`, append(values(*order), order.ID)...); err != nil {
			return err
		}
		if order.Status == before.Status {
			return nil
		}
		version, err = writeStatus(ctx, tx, *order)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("update order %.20q: %w", id, err)
	}
	b.changed(ctx, *order, version, byClient)
	return order, nil
}

// ClientAnswered implements pbx.AnswerTaker: a client cancels an order that has
// not begun, or has a car looked for again.
func (b *Book) ClientAnswered(ctx context.Context, orderID string, answer pbx.ClientAnswer) error {
	_, err := b.update(ctx, orderID, true, func(o *pbx.Order) error {
		switch answer {
		case pbx.AnswerCancel:
			if !o.Status.Active() || o.Status == pbx.StatusInProgress {
				return fmt.Errorf("order is %s: %w", o.Status, pbx.ErrAnswerRefused)
			}
			o.Status = pbx.StatusRefused
		case pbx.AnswerKeepLooking:
			if o.Status == pbx.StatusNoDriver {
				o.Status = pbx.StatusNew
			}
		}
		return nil
	})
	return err
}

// Recent tells Changed once more of the statuses that orders came to since a
// time: the exchange may have died between a change and its telling.
func (b *Book) Recent(ctx context.Context, since time.Time) error {
	rows, err := b.db.Readers().QueryContext(ctx, `SELECT order_id, version FROM order_statuses AS s WHERE at >= ?
		AND version = (SELECT max(version) FROM order_statuses WHERE order_id = s.order_id)`, since.UnixMicro())
	if err != nil {
		return fmt.Errorf("recent changes of orders: %w", b.db.Explain(err))
	}
	defer rows.Close()
	for rows.Next() {
		var id string
		var version int
		if err := rows.Scan(&id, &version); err != nil {
			return fmt.Errorf("recent changes of orders: %w", b.db.Explain(err))
		}
		order, err := b.Order(ctx, id)
		if err != nil {
			return err
		}
		b.changed(ctx, *order, version, false)
	}
	return b.db.Explain(rows.Err())
}

// News is one status an order has had. Order ID, status and version together
// name it for good.
type News struct {
	Version int // 1, 2, … within the order
	Status  pbx.Status
	At      time.Time
}

// History is every status an order has had, oldest first.
func (b *Book) History(ctx context.Context, id string) ([]News, error) {
	rows, err := b.db.Readers().QueryContext(ctx, "SELECT version, status, at FROM order_statuses WHERE order_id = ? ORDER BY version", id)
	if err != nil {
		return nil, fmt.Errorf("history of order %.20q: %w", id, b.db.Explain(err))
	}
	defer rows.Close()
	var history []News
	for rows.Next() {
		var n News
		var at sql.NullInt64
		if err := rows.Scan(&n.Version, &n.Status, &at); err != nil {
			return nil, fmt.Errorf("history of order %.20q: %w", id, b.db.Explain(err))
		}
		n.At = store.Time(at)
		history = append(history, n)
	}
	return history, b.db.Explain(rows.Err())
}

func writeStatus(ctx context.Context, tx *sql.Tx, order pbx.Order) (version int, err error) {
	err = tx.QueryRowContext(ctx, `INSERT INTO order_statuses (order_id, version, status, at)
		VALUES (?, (SELECT coalesce(max(version), 0) + 1 FROM order_statuses WHERE order_id = ?), ?, ?) RETURNING version`,
		order.ID, order.ID, string(order.Status), order.Updated.UnixMicro()).Scan(&version)
	return version, err
}

// values are the columns from status to updated, in the table's order.
func values(o pbx.Order) []any {
	var eta sql.NullInt64
	if o.ETA != nil {
		eta = sql.NullInt64{Int64: int64(*o.ETA), Valid: true}
	}
	return []any{string(o.Status), o.Status.Active(), o.Phone.Dialable(), o.ClientName, o.Line.Dialable(), o.Branch, o.Tariff, o.Pickup, o.Dropoff,
		o.Comment, eta, o.Car.Color, o.Car.Mark, o.Car.Model, o.Car.Plate, o.Price, o.Driver.Dialable(), o.Updated.UnixMicro()}
}

type querier interface {
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

func byID(ctx context.Context, db querier, id string) (*pbx.Order, error) {
	// SQLite would find order 42 by "42.0" or " 42".
	if n, err := strconv.ParseInt(id, 10, 64); err != nil || strconv.FormatInt(n, 10) != id {
		return nil, fmt.Errorf("order %.20q: %w", id, pbx.ErrNoOrder)
	}
	order, err := scan(db.QueryRowContext(ctx, "SELECT "+columns+" FROM orders WHERE id = ?", id))
	if err != nil {
		return nil, fmt.Errorf("order %s: %w", id, err)
	}
	return order, nil
}

func scan(row interface{ Scan(...any) error }) (*pbx.Order, error) {
	var o pbx.Order
	var eta, created, updated sql.NullInt64
	err := row.Scan(&o.ID, &o.Status, &o.Phone, &o.ClientName, &o.Line, &o.Branch, &o.Tariff, &o.Pickup, &o.Dropoff, &o.Comment,
		&eta, &o.Car.Color, &o.Car.Mark, &o.Car.Model, &o.Car.Plate, &o.Price, &o.Driver, &created, &updated)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, pbx.ErrNoOrder
	}
	if err != nil {
		return nil, err
	}
	if eta.Valid {
		minutes := int(eta.Int64)
		o.ETA = &minutes
	}
	o.Created, o.Updated = store.Time(created), store.Time(updated)
	return &o, nil
}

// now is the time as the database holds it, so that an order returned by a
// write equals the one read later.
func now() time.Time { return time.Now().UTC().Truncate(time.Microsecond) }
