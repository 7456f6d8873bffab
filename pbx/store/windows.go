package store

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"cabline/pbx"
)

// maxWindows is more windows than one number is ever in.
const maxWindows = 20

// OpenWindow implements pbx.Windows. Windows that are over are forgotten.
func (s *Store) OpenWindow(ctx context.Context, w pbx.Window) error {
	err := s.Write(ctx, func(tx *sql.Tx) error {
		if _, err := tx.ExecContext(ctx, `DELETE FROM callback_windows WHERE until <= ?`, w.Opened.UnixMicro()); err != nil {
			return err
		}
		_, err := tx.ExecContext(ctx, `INSERT OR REPLACE INTO callback_windows (order_id, client, driver, line, status, missed, opened, until)
			VALUES (?, ?, ?, ?, ?, ?, ?, ?)`, w.OrderID, w.Client.Dialable(), w.Driver.Dialable(), w.Line.Dialable(),
			string(w.Status), string(w.Missed), w.Opened.UnixMicro(), w.Until.UnixMicro())
		return err
	})
	if err != nil {
		return fmt.Errorf("open callback window: %w", err)
	}
	return nil
}

// WindowsOf implements pbx.Windows.
func (s *Store) WindowsOf(ctx context.Context, number pbx.Phone, now time.Time) ([]pbx.Window, error) {
	rows, err := s.readers.QueryContext(ctx, `SELECT order_id, client, driver, line, status, missed, opened, until FROM callback_windows
		WHERE (client = ? OR driver = ?) AND until > ? ORDER BY opened DESC LIMIT ?`, number.Dialable(), number.Dialable(), now.UnixMicro(), maxWindows)
	if err != nil {
		return nil, fmt.Errorf("callback windows of %v: %w", number, s.Explain(err))
	}
	defer rows.Close()
	var found []pbx.Window
	for rows.Next() {
		var w pbx.Window
		var opened, until int64
		if err := rows.Scan(&w.OrderID, &w.Client, &w.Driver, &w.Line, &w.Status, &w.Missed, &opened, &until); err != nil {
			return nil, fmt.Errorf("callback windows of %v: %w", number, s.Explain(err))
		}
		w.Opened, w.Until = fromMicros(opened), fromMicros(until)
		found = append(found, w)
	}
	return found, s.Explain(rows.Err())
}

// CloseMissed implements pbx.Windows.
func (s *Store) CloseMissed(ctx context.Context, client, driver pbx.Phone) error {
	return s.closeWindows(ctx, `client = ? AND driver = ? AND missed <> ''`, client.Dialable(), driver.Dialable())
}

// CloseLostItem implements pbx.Windows.
func (s *Store) CloseLostItem(ctx context.Context, orderID string) error {
	return s.closeWindows(ctx, `order_id = ? AND missed = ''`, orderID)
}

func (s *Store) closeWindows(ctx context.Context, which string, args ...any) error {
	err := s.Write(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `DELETE FROM callback_windows WHERE `+which, args...)
		return err
	})
	if err != nil {
		return fmt.Errorf("close callback windows: %w", err)
	}
	return nil
}
