package store

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"cabline/pbx"
)

// A device that is gone is remembered for so long, and of one operator no more
// than so many devices at all: a page is another one each time it loads.
const (
	goneDevice = 30 * 24 * time.Hour
	maxDevices = 20
)

// KeepDevices implements pbx.Devices.
func (s *Store) KeepDevices(ctx context.Context, login string, now time.Time, devices []pbx.Device) error {
	err := s.Write(ctx, func(tx *sql.Tx) error {
		if _, err := tx.ExecContext(ctx, `UPDATE devices SET expires = ? WHERE login = ? AND expires > ?`, now.UnixMicro(), login, now.UnixMicro()); err != nil {
			return err
		}
		for _, d := range devices {
			if _, err := tx.ExecContext(ctx, `INSERT OR REPLACE INTO devices (login, contact, instance, network, source, local, call_id, seq, agent, expires)
				VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`, login, d.Contact, d.Instance, d.Network, d.Source, d.Local, d.CallID, d.Seq, d.Agent, d.Expires.UnixMicro()); err != nil {
				return err
			}
		}
		_, err := tx.ExecContext(ctx, `DELETE FROM devices WHERE expires <= ? OR login = ? AND id NOT IN
			(SELECT id FROM devices WHERE login = ? ORDER BY expires DESC LIMIT ?)`, now.Add(-goneDevice).UnixMicro(), login, login, maxDevices)
		return err
	})
	if err != nil {
		return fmt.Errorf("keep devices of %q: %w", login, err)
	}
	return nil
}

// KeptDevices implements pbx.Devices.
func (s *Store) KeptDevices(ctx context.Context) ([]pbx.Device, error) {
	rows, err := s.readers.QueryContext(ctx, `SELECT login, contact, instance, network, source, local, call_id, seq, agent, expires FROM devices ORDER BY expires, id`)
	if err != nil {
		return nil, fmt.Errorf("kept devices: %w", s.Explain(err))
	}
	defer rows.Close()
	var kept []pbx.Device
	for rows.Next() {
		var d pbx.Device
		var expires int64
		if err := rows.Scan(&d.Login, &d.Contact, &d.Instance, &d.Network, &d.Source, &d.Local, &d.CallID, &d.Seq, &d.Agent, &expires); err != nil {
			return nil, fmt.Errorf("kept devices: %w", s.Explain(err))
		}
		d.Expires = fromMicros(expires)
		kept = append(kept, d)
	}
	return kept, s.Explain(rows.Err())
}
