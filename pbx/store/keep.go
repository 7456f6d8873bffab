package store

import (
	"context"
	"database/sql"
	"fmt"
	"time"
)

// Keep is how long what is over is kept; 0: for ever. Who wants no calls is
// never forgotten.
type Keep struct {
	Calls   time.Duration // records of calls, from their end
	Notices time.Duration // news told to clients, with its journal, from its end
	Orders  time.Duration // orders of the order book that are over, from their last change
}

const (
	forgetBatch = 200                    // rows of a table that go in one transaction: some milliseconds
	forgetPause = 100 * time.Millisecond // between two, in which calls are written down
	// What dispatch systems have told is deleted where the next is stored. This is
	// for what is left of a system that the firm has no more.
	toldKept   = 8 * 24 * time.Hour // config allows a memory of 7 days
	outboxKept = 2 * 24 * time.Hour // events are tried for one
)

// Forget deletes what has been kept for long enough, a little at a time, so that
// no call waits for it. It returns when all of that is gone, or with an error.
// The file does not shrink; what is free in it is used again.
func (s *Store) Forget(ctx context.Context, keep Keep) (rows int64, err error) {
	for {
		some, err := s.forgetSome(ctx, keep)
		rows += some
		if err != nil {
			return rows, fmt.Errorf("delete what is old: %w", err)
		}
		if some == 0 {
			return rows, nil
		}
		select {
		case <-time.After(forgetPause):
		case <-ctx.Done():
			return rows, nil
		}
	}
}

func (s *Store) forgetSome(ctx context.Context, keep Keep) (rows int64, err error) {
	for _, old := range []struct {
		table, key, over string // over: what of the table is older than ?, by an index
		kept             time.Duration
	}{
		{"cdrs", "seq", "ended < ?", keep.Calls},
		{"notices", "id", "ended < ?", keep.Notices},
		{"orders", "id", "active = 0 AND updated < ?", keep.Orders},
		{"known_orders", "source, id", "told < ?", toldKept},
		{"news", "source, order_id, version", "at < ?", newsKept},
		{"outbox", "seq", "posted < ?", outboxKept},
	} {
		if old.kept == 0 {
			continue
		}
		err := s.Write(ctx, func(tx *sql.Tx) error {
			done, err := tx.ExecContext(ctx, "DELETE FROM "+old.table+" WHERE ("+old.key+") IN (SELECT "+old.key+" FROM "+old.table+
				" WHERE "+old.over+" LIMIT ?)", time.Now().Add(-old.kept).UnixMicro(), forgetBatch)
			if err != nil {
				return err
			}
			n, err := done.RowsAffected()
			rows += n
			return err
		})
		if err != nil {
			return rows, err
		}
	}
	return rows, nil
}
