package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"cabline/pbx"
)

// ErrNoRecording is returned when there is no such recording, or none any more.
var ErrNoRecording = errors.New("no such recording")

// KeepRecording writes a recording into the index, in place of one with its call
// and number.
func (s *Store) KeepRecording(ctx context.Context, r pbx.Recording) error {
	err := s.Write(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `INSERT OR REPLACE INTO recordings (call_id, number, file, started, length, size, left_party, right_party)
			VALUES (?, ?, ?, ?, ?, ?, ?, ?)`, r.CallID, r.Number, r.File, r.Started.UnixMicro(), r.Length.Microseconds(), r.Size, string(r.Left), string(r.Right))
		return err
	})
	if err != nil {
		return fmt.Errorf("keep recording %s/%d: %w", r.CallID, r.Number, err)
	}
	return nil
}

// Recordings are those of a call, in order; none: it has none.
func (s *Store) Recordings(ctx context.Context, callID string) ([]pbx.Recording, error) {
	return s.recordings(ctx, "WHERE call_id = ? ORDER BY number", callID)
}

// Recording is one of a call, or ErrNoRecording.
func (s *Store) Recording(ctx context.Context, callID string, number int) (pbx.Recording, error) {
	found, err := s.recordings(ctx, "WHERE call_id = ? AND number = ?", callID, number)
	if err == nil && len(found) == 0 {
		err = ErrNoRecording
	}
	if err != nil {
		return pbx.Recording{}, fmt.Errorf("recording %.40q/%d: %w", callID, number, err)
	}
	return found[0], nil
}

// RecordingsBefore are the oldest that began before a time, up to limit.
func (s *Store) RecordingsBefore(ctx context.Context, then time.Time, limit int) ([]pbx.Recording, error) {
	return s.recordings(ctx, "WHERE started < ? ORDER BY started LIMIT ?", then.UnixMicro(), limit)
}

// ForgetRecording takes a recording out of the index.
func (s *Store) ForgetRecording(ctx context.Context, callID string, number int) error {
	err := s.Write(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `DELETE FROM recordings WHERE call_id = ? AND number = ?`, callID, number)
		return err
	})
	if err != nil {
		return fmt.Errorf("forget recording %s/%d: %w", callID, number, err)
	}
	return nil
}

func (s *Store) recordings(ctx context.Context, which string, args ...any) ([]pbx.Recording, error) {
	rows, err := s.readers.QueryContext(ctx, `SELECT call_id, number, file, started, length, size, left_party, right_party FROM recordings `+which, args...)
	if err != nil {
		return nil, fmt.Errorf("read recordings: %w", s.Explain(err))
	}
	defer rows.Close()
	var found []pbx.Recording
	for rows.Next() {
		var r pbx.Recording
		var started, length int64
		if err := rows.Scan(&r.CallID, &r.Number, &r.File, &started, &length, &r.Size, &r.Left, &r.Right); err != nil {
			return nil, fmt.Errorf("read recordings: %w", s.Explain(err))
		}
		r.Started, r.Length = fromMicros(started), micros(length)
		found = append(found, r)
	}
	return found, s.Explain(rows.Err())
}
