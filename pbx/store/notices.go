package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"cabline/pbx"
)

// ErrNoNotice is returned when there is no notice with that ID.
var ErrNoNotice = errors.New("no such notice")

const noticeColumns = `id, order_id, status, version, order_json, source, at, line, state, due, tries,
	interrupted, foreseen, call_id, answer, machine, ended`

const selectNotice = "SELECT " + noticeColumns + " FROM notices "

// AcceptNotice implements pbx.NoticeStore.
func (s *Store) AcceptNotice(ctx context.Context, r pbx.NoticeRecord, why string) (stored pbx.NoticeRecord, known bool, err error) {
	err = s.Write(ctx, func(tx *sql.Tx) error {
		newest, found, err := findNotice(ctx, tx, "WHERE order_id = ? ORDER BY version DESC, id DESC LIMIT 1", r.OrderID)
		if err != nil {
			return err
		}
		same, again, err := findNotice(ctx, tx, "WHERE order_id = ? AND status = ? AND version = ?", r.OrderID, string(r.Status), r.Version)
		switch {
		case err != nil:
			return err
		case again:
			stored, known = same, true
			return nil
		case found && newest.Foreseen && newest.Status == r.Status:
			stored, known = newest, true
			return confirm(ctx, tx, newest.ID, r)
		case r.Version == 0 && found && newest.Status == r.Status:
			stored, known = newest, true
			return nil
		case r.Version == 0:
			r.Version = newest.Version + 1
		}
		if found && newest.Version > r.Version {
			r.State, why = pbx.NoticeSuperseded, "newer news was here before it"
		}
		stored, err = insertNotice(ctx, tx, r, why)
		if err != nil || stored.State == pbx.NoticeSuperseded {
			return err
		}
		return supersede(ctx, tx, stored)
	})
	if err != nil {
		return stored, false, fmt.Errorf("accept notice of order %.40q: %w", r.OrderID, err)
	}
	return stored, known, nil
}

// confirm gives a status that we read before its notice came the version of
// the notice.
func confirm(ctx context.Context, tx *sql.Tx, id int64, r pbx.NoticeRecord) error {
	if _, err := tx.ExecContext(ctx, "UPDATE notices SET foreseen = 0, version = max(version, ?), source = ? WHERE id = ?", r.Version, r.Source, id); err != nil {
		return err
	}
	return journal(ctx, tx, id, r.At, "", "its notice came")
}

func insertNotice(ctx context.Context, tx *sql.Tx, r pbx.NoticeRecord, why string) (pbx.NoticeRecord, error) {
	order, err := MarshalOrder(r.Order)
	if err != nil {
		return r, err
	}
	if r.State.Over() {
		r.Ended = r.At
	}
	done, err := tx.ExecContext(ctx, `INSERT INTO notices (order_id, status, version, order_json, source, at, phone, line, state, due, tries,
		interrupted, foreseen, call_id, answer, machine, ended, reported) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 0)`,
		r.OrderID, string(r.Status), r.Version, order, r.Source, Micros(r.At), r.Order.Phone.Dialable(), r.Line.Dialable(), string(r.State), Micros(r.Due), r.Tries,
		r.Interrupted, r.Foreseen, r.CallID, string(r.Answer), r.Machine, Micros(r.Ended))
	if err != nil {
		return r, err
	}
	if r.ID, err = done.LastInsertId(); err != nil {
		return r, err
	}
	return r, journal(ctx, tx, r.ID, r.At, r.State, why)
}

// supersede ends the older notices of an order that wait. Those in hand are
// ended by who has them in hand.
func supersede(ctx context.Context, tx *sql.Tx, by pbx.NoticeRecord) error {
	older, err := readNotices(ctx, tx, "WHERE order_id = ? AND state = 'waiting' AND id <> ?", by.OrderID, by.ID)
	if err != nil {
		return err
	}
	for _, r := range older {
		if _, err := tx.ExecContext(ctx, "UPDATE notices SET state = ?, due = NULL, ended = ? WHERE id = ?", string(pbx.NoticeSuperseded), Micros(by.At), r.ID); err != nil {
			return err
		}
		if err := journal(ctx, tx, r.ID, by.At, pbx.NoticeSuperseded, "by "+string(by.Status)); err != nil {
			return err
		}
	}
	return nil
}

// journal adds a step; an empty state is the one the notice is in.
func journal(ctx context.Context, tx *sql.Tx, id int64, at time.Time, state pbx.NoticeState, what string) error {
	_, err := tx.ExecContext(ctx, `INSERT INTO notice_journal (notice, at, state, what)
		VALUES (?, ?, coalesce(nullif(?, ''), (SELECT state FROM notices WHERE id = ?)), ?)`, id, at.UnixMicro(), string(state), id, what)
	return err
}

// MoveNotice implements pbx.NoticeStore.
func (s *Store) MoveNotice(ctx context.Context, from pbx.NoticeState, r pbx.NoticeRecord, what string) (moved bool, err error) {
	now := time.Now()
	err = s.Write(ctx, func(tx *sql.Tx) error {
		if r.State == pbx.NoticeWaiting {
			newer, found, err := newerNotice(ctx, tx, r)
			if err != nil {
				return err
			}
			if found {
				r.State, what = pbx.NoticeSuperseded, what+"; "+string(newer.Status)+" came meanwhile"
			}
		}
		if r.State.Over() && r.Ended.IsZero() {
			r.Ended = now
		}
		if r.State != pbx.NoticeWaiting {
			r.Due = time.Time{}
		}
		done, err := tx.ExecContext(ctx, `UPDATE notices SET state = ?, due = ?, tries = ?, interrupted = ?, call_id = ?, answer = ?, machine = ?, ended = ?
			WHERE id = ? AND state = ?`, string(r.State), Micros(r.Due), r.Tries, r.Interrupted, r.CallID, string(r.Answer), r.Machine, Micros(r.Ended), r.ID, string(from))
		if err != nil {
			return err
		}
		rows, err := done.RowsAffected()
		if moved = rows == 1; err != nil || !moved {
			return err
		}
		return journal(ctx, tx, r.ID, now, r.State, what)
	})
	if err != nil {
		return false, fmt.Errorf("write notice %d: %w", r.ID, err)
	}
	return moved, nil
}

// HoldNotice implements pbx.NoticeStore.
func (s *Store) HoldNotice(ctx context.Context, id int64, until time.Time) error {
	return s.execNotices(ctx, "UPDATE notices SET due = ? WHERE id = ? AND state = 'waiting'", until.UnixMicro(), id)
}

// HastenNotices implements pbx.NoticeStore.
func (s *Store) HastenNotices(ctx context.Context, phone pbx.Phone, now, held time.Time) error {
	return s.execNotices(ctx, "UPDATE notices SET due = ? WHERE phone = ? AND state = 'waiting' AND due <= ?", now.UnixMicro(), phone.Dialable(), held.UnixMicro())
}

// AdoptNotices implements pbx.NoticeStore.
func (s *Store) AdoptNotices(ctx context.Context, lines []pbx.Phone, to pbx.Phone) error {
	marks, args := "?"+strings.Repeat(", ?", len(lines)), []any{to.Dialable(), ""}
	for _, l := range lines {
		args = append(args, l.Dialable())
	}
	return s.execNotices(ctx, "UPDATE notices SET line = ? WHERE state = 'waiting' AND line NOT IN ("+marks+")", args...)
}

// ReportedNotice implements pbx.NoticeStore.
func (s *Store) ReportedNotice(ctx context.Context, id int64) error {
	return s.execNotices(ctx, "UPDATE notices SET reported = 1 WHERE id = ?", id)
}

func (s *Store) execNotices(ctx context.Context, query string, args ...any) error {
	if _, err := s.writer.ExecContext(ctx, query, args...); err != nil {
		return fmt.Errorf("write notices: %w", s.Explain(err))
	}
	return nil
}

// DueNotices implements pbx.NoticeStore.
func (s *Store) DueNotices(ctx context.Context, line pbx.Phone, now time.Time, limit int) ([]pbx.NoticeRecord, error) {
	return s.notices(ctx, "WHERE state = 'waiting' AND line = ? AND due <= ? ORDER BY due LIMIT ?", line.Dialable(), now.UnixMicro(), limit)
}

// NextDue implements pbx.NoticeStore.
func (s *Store) NextDue(ctx context.Context) (time.Time, error) {
	var due sql.NullInt64
	err := s.readers.QueryRowContext(ctx, "SELECT min(due) FROM notices WHERE state = 'waiting'").Scan(&due)
	if err != nil {
		return time.Time{}, fmt.Errorf("read notices: %w", s.Explain(err))
	}
	return Time(due), nil
}

// NoticesFor implements pbx.NoticeStore.
func (s *Store) NoticesFor(ctx context.Context, phone pbx.Phone) ([]pbx.NoticeRecord, error) {
	return s.notices(ctx, "WHERE state = 'waiting' AND phone = ? ORDER BY id LIMIT 5", phone.Dialable())
}

// NewerNotice implements pbx.NoticeStore.
func (s *Store) NewerNotice(ctx context.Context, r pbx.NoticeRecord) (newer pbx.NoticeRecord, found bool, err error) {
	newer, found, err = newerNotice(ctx, s.readers, r)
	if err != nil {
		return newer, false, fmt.Errorf("read notices: %w", s.Explain(err))
	}
	return newer, found, nil
}

func newerNotice(ctx context.Context, db querier, r pbx.NoticeRecord) (newer pbx.NoticeRecord, found bool, err error) {
	return findNotice(ctx, db, "WHERE order_id = ? AND (version, id) > (?, ?) ORDER BY version DESC, id DESC LIMIT 1", r.OrderID, r.Version, r.ID)
}

// HasNotice implements pbx.NoticeStore.
func (s *Store) HasNotice(ctx context.Context, orderID string, status pbx.Status) (bool, error) {
	found, err := s.notices(ctx, "WHERE order_id = ? AND status = ? LIMIT 1", orderID, string(status))
	return len(found) > 0, err
}

// NoticesInHand implements pbx.NoticeStore.
func (s *Store) NoticesInHand(ctx context.Context) ([]pbx.NoticeRecord, error) {
	return s.notices(ctx, "WHERE state IN ('dialling', 'answered', 'speaking') ORDER BY id")
}

// UnreportedNotices implements pbx.NoticeStore.
func (s *Store) UnreportedNotices(ctx context.Context, limit int) ([]pbx.NoticeRecord, error) {
	return s.notices(ctx, "WHERE ended IS NOT NULL AND reported = 0 ORDER BY id LIMIT ?", limit)
}

// Notice is a notice with its journal, or ErrNoNotice.
func (s *Store) Notice(ctx context.Context, id int64) (pbx.NoticeRecord, []pbx.NoticeStep, error) {
	r, found, err := findNotice(ctx, s.readers, "WHERE id = ?", id)
	switch {
	case err != nil:
		return r, nil, fmt.Errorf("read notice %d: %w", id, s.Explain(err))
	case !found:
		return r, nil, fmt.Errorf("notice %d: %w", id, ErrNoNotice)
	}
	rows, err := s.readers.QueryContext(ctx, "SELECT at, state, what FROM notice_journal WHERE notice = ? ORDER BY seq", id)
	if err != nil {
		return r, nil, fmt.Errorf("read notice %d: %w", id, s.Explain(err))
	}
	defer rows.Close()
	var steps []pbx.NoticeStep
	for rows.Next() {
		var at int64
		var step pbx.NoticeStep
		if err := rows.Scan(&at, &step.State, &step.What); err != nil {
			return r, nil, fmt.Errorf("read notice %d: %w", id, s.Explain(err))
		}
		step.At = fromMicros(at)
		steps = append(steps, step)
	}
	return r, steps, s.Explain(rows.Err())
}

// NoticeQuery says which notices are wanted; the zero value wants all.
type NoticeQuery struct {
	OrderID string
	Phone   pbx.Phone
	State   pbx.NoticeState
	Before  int64 // those with a lower ID; 0: from the newest on
	Limit   int   // 1 to 1000
}

// Notices is a page of notices, the newest first.
func (s *Store) Notices(ctx context.Context, q NoticeQuery) ([]pbx.NoticeRecord, error) {
	where, args := "WHERE true", []any{}
	add := func(clause string, arg any) { where += " AND " + clause; args = append(args, arg) }
	if q.OrderID != "" {
		add("order_id = ?", q.OrderID)
	}
	if q.Phone != "" {
		add("phone = ?", q.Phone.Dialable())
	}
	if q.State != "" {
		add("state = ?", string(q.State))
	}
	if q.Before > 0 {
		add("id < ?", q.Before)
	}
	return s.notices(ctx, where+" ORDER BY id DESC LIMIT ?", append(args, min(max(q.Limit, 1), maxPage))...)
}

// LastSteps is what the journals of some notices say last, by their IDs.
func (s *Store) LastSteps(ctx context.Context, ids []int64) (map[int64]string, error) {
	list, err := json.Marshal(ids)
	if err != nil {
		return nil, err
	}
	rows, err := s.readers.QueryContext(ctx, `SELECT notice, what FROM notice_journal
		WHERE seq IN (SELECT max(seq) FROM notice_journal WHERE notice IN (SELECT value FROM json_each(?)) GROUP BY notice)`, string(list))
	if err != nil {
		return nil, fmt.Errorf("read journals of notices: %w", s.Explain(err))
	}
	defer rows.Close()
	last := map[int64]string{}
	for rows.Next() {
		var id int64
		var what string
		if err := rows.Scan(&id, &what); err != nil {
			return nil, fmt.Errorf("read journals of notices: %w", s.Explain(err))
		}
		last[id] = what
	}
	return last, s.Explain(rows.Err())
}

// CountNotices is how many notices are in each state that is not over.
func (s *Store) CountNotices(ctx context.Context) (waiting, inHand int, err error) {
	err = s.readers.QueryRowContext(ctx, `SELECT (SELECT count(*) FROM notices WHERE state = 'waiting'),
		(SELECT count(*) FROM notices WHERE state IN ('dialling', 'answered', 'speaking'))`).Scan(&waiting, &inHand)
	return waiting, inHand, s.Explain(err)
}

func (s *Store) notices(ctx context.Context, where string, args ...any) ([]pbx.NoticeRecord, error) {
	all, err := readNotices(ctx, s.readers, where, args...)
	if err != nil {
		return nil, fmt.Errorf("read notices: %w", s.Explain(err))
	}
	return all, nil
}

type querier interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
}

func readNotices(ctx context.Context, db querier, where string, args ...any) ([]pbx.NoticeRecord, error) {
	rows, err := db.QueryContext(ctx, selectNotice+where, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var all []pbx.NoticeRecord
	for rows.Next() {
		r, err := scanNotice(rows)
		if err != nil {
			return nil, err
		}
		all = append(all, r)
	}
	return all, rows.Err()
}

func findNotice(ctx context.Context, db querier, where string, args ...any) (r pbx.NoticeRecord, found bool, err error) {
	all, err := readNotices(ctx, db, where, args...)
	if err != nil || len(all) == 0 {
		return r, false, err
	}
	return all[0], true, nil
}

func scanNotice(row interface{ Scan(...any) error }) (r pbx.NoticeRecord, err error) {
	var order string
	var at, due, ended sql.NullInt64
	if err := row.Scan(&r.ID, &r.OrderID, &r.Status, &r.Version, &order, &r.Source, &at, &r.Line, &r.State, &due, &r.Tries,
		&r.Interrupted, &r.Foreseen, &r.CallID, &r.Answer, &r.Machine, &ended); err != nil {
		return r, err
	}
	r.At, r.Due, r.Ended = Time(at), Time(due), Time(ended)
	r.Order, err = UnmarshalOrder(order)
	return r, err
}

// OptOut is a client who wants no calls of a machine.
type OptOut struct {
	Phone pbx.Phone
	Since time.Time
	Note  string
}

// OptedOut implements pbx.NoticeStore.
func (s *Store) OptedOut(ctx context.Context, phone pbx.Phone) (bool, error) {
	all, err := s.optOuts(ctx, "WHERE phone = ?", phone.Dialable())
	return len(all) > 0, err
}

// OptOuts is a page of the opt-out list, by number; after is the last number of
// the page before.
func (s *Store) OptOuts(ctx context.Context, after pbx.Phone, limit int) ([]OptOut, error) {
	return s.optOuts(ctx, "WHERE phone > ? ORDER BY phone LIMIT ?", after.Dialable(), min(max(limit, 1), maxPage))
}

func (s *Store) optOuts(ctx context.Context, where string, args ...any) ([]OptOut, error) {
	rows, err := s.readers.QueryContext(ctx, "SELECT phone, since, note FROM opt_outs "+where, args...)
	if err != nil {
		return nil, fmt.Errorf("read opt-outs: %w", s.Explain(err))
	}
	defer rows.Close()
	var all []OptOut
	for rows.Next() {
		var o OptOut
		var since int64
		if err := rows.Scan(&o.Phone, &since, &o.Note); err != nil {
			return nil, fmt.Errorf("read opt-outs: %w", s.Explain(err))
		}
		o.Since = fromMicros(since)
		all = append(all, o)
	}
	return all, s.Explain(rows.Err())
}

// OptOut implements pbx.NoticeStore.
func (s *Store) OptOut(ctx context.Context, phone pbx.Phone, how string) error {
	return s.AddOptOut(ctx, OptOut{Phone: phone, Since: time.Now(), Note: how})
}

// AddOptOut puts a client on the opt-out list; one who is there stays as they are.
func (s *Store) AddOptOut(ctx context.Context, o OptOut) error {
	return s.execNotices(ctx, "INSERT INTO opt_outs (phone, since, note) VALUES (?, ?, ?) ON CONFLICT (phone) DO NOTHING",
		o.Phone.Dialable(), o.Since.UnixMicro(), o.Note)
}

// RemoveOptOut takes a client off the opt-out list.
func (s *Store) RemoveOptOut(ctx context.Context, phone pbx.Phone) error {
	return s.execNotices(ctx, "DELETE FROM opt_outs WHERE phone = ?", phone.Dialable())
}

var _ pbx.NoticeStore = (*Store)(nil)
