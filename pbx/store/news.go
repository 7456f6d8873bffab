package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"cabline/pbx"
)

// newsKept is how long it is remembered which news of an order has come; no
// order goes on for as long.
const newsKept = 30 * 24 * time.Hour

// NewsVersion gives news from a source that numbers none its version: the same
// status again, with no other one between, is the same news. request is
// whatever the source calls it by.
func (s *Store) NewsVersion(ctx context.Context, source, orderID string, status pbx.Status, request int) (version int, err error) {
	now := time.Now()
	err = s.Write(ctx, func(tx *sql.Tx) error {
		var last pbx.Status
		row := tx.QueryRowContext(ctx, "SELECT version, status FROM news WHERE source = ? AND order_id = ? ORDER BY version DESC LIMIT 1", source, orderID)
		if err := row.Scan(&version, &last); err != nil && !errors.Is(err, sql.ErrNoRows) {
			return err
		}
		if last == status {
			_, err := tx.ExecContext(ctx, "UPDATE news SET request = ? WHERE source = ? AND order_id = ? AND version = ?", request, source, orderID, version)
			return err
		}
		version++
		if _, err := tx.ExecContext(ctx, "DELETE FROM news WHERE at < ?", now.Add(-newsKept).UnixMicro()); err != nil {
			return err
		}
		_, err := tx.ExecContext(ctx, "INSERT INTO news (source, order_id, version, status, request, at) VALUES (?, ?, ?, ?, ?, ?)",
			source, orderID, version, string(status), request, now.UnixMicro())
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("version of the news of order %.20q: %w", orderID, err)
	}
	return version, nil
}

// NewsRequest is what the source calls a piece of news by; sql.ErrNoRows where
// it never came from there.
func (s *Store) NewsRequest(ctx context.Context, source, orderID string, status pbx.Status, version int) (request int, err error) {
	err = s.readers.QueryRowContext(ctx, "SELECT request FROM news WHERE source = ? AND order_id = ? AND status = ? AND version = ?",
		source, orderID, string(status), version).Scan(&request)
	return request, s.Explain(err)
}
