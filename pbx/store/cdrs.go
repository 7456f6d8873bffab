package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"cabline/media"
	"cabline/pbx"
)

// ErrNoCDR is returned when no call with that ID was written down.
var ErrNoCDR = errors.New("no such call")

// ErrCursor is returned for a cursor that CDRs never gave out.
var ErrCursor = errors.New("no cursor of ours")

// insertCDR leaves a call that is already there as it is: a CDR is the last
// word about a call, and saying it twice changes nothing.
const insertCDR = `INSERT INTO cdrs (id, kind, line, from_phone, to_phone, order_id, branch,
	started, answered, ended, waited, talked, result, steps, legs)
	VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO NOTHING`

const selectCDR = `SELECT seq, id, kind, line, from_phone, to_phone, order_id, branch,
	started, answered, ended, waited, talked, result, steps, legs FROM cdrs `

// SaveCDR implements pbx.Store. Saving a call again changes nothing.
func (s *Store) SaveCDR(ctx context.Context, cdr pbx.CDR) error {
	if err := saveCDR(ctx, s.saveCDR, cdr); err != nil {
		return fmt.Errorf("save CDR %s: %w", cdr.ID, s.Explain(err))
	}
	return nil
}

// SaveCDRWith is SaveCDR with something else that is written if the CDR is, and
// only then.
func (s *Store) SaveCDRWith(ctx context.Context, cdr pbx.CDR, also func(*sql.Tx) error) error {
	err := s.Write(ctx, func(tx *sql.Tx) error {
		if err := saveCDR(ctx, tx.StmtContext(ctx, s.saveCDR), cdr); err != nil {
			return err
		}
		return also(tx)
	})
	if err != nil {
		return fmt.Errorf("save CDR %s: %w", cdr.ID, err)
	}
	return nil
}

func saveCDR(ctx context.Context, insert *sql.Stmt, cdr pbx.CDR) error {
	steps, err := json.Marshal(stepRows(cdr.Steps))
	if err != nil {
		return err
	}
	legs, err := json.Marshal(legRows(cdr.Legs))
	if err != nil {
		return err
	}
	_, err = insert.ExecContext(ctx, cdr.ID, string(cdr.Kind), cdr.Line.Dialable(), cdr.From.Dialable(), cdr.To.Dialable(),
		cdr.OrderID, cdr.Branch, Micros(cdr.Started), Micros(cdr.Answered), Micros(cdr.Ended),
		cdr.Waited.Microseconds(), cdr.Talked.Microseconds(), cdr.Result, string(steps), string(legs))
	return err
}

// CDR is a call that is over, or ErrNoCDR.
func (s *Store) CDR(ctx context.Context, id string) (pbx.CDR, error) {
	_, cdr, err := scanCDR(s.readers.QueryRowContext(ctx, selectCDR+"WHERE id = ?", id))
	if errors.Is(err, sql.ErrNoRows) {
		return pbx.CDR{}, fmt.Errorf("call %q: %w", id, ErrNoCDR)
	}
	return cdr, s.Explain(err)
}

// maxPage bounds what one query returns.
const maxPage = 1000

// CDRs is a page of the calls that ended at or after since, in the order they
// were written down, or the newest first. cursor is what an earlier page
// returned as next, "" for the first page. next is where to read on, now or
// when more calls have ended; it is never empty once there was anything to read.
// limit is taken as 1 to 1000.
func (s *Store) CDRs(ctx context.Context, since time.Time, cursor string, newest bool, limit int) (page []pbx.CDR, next string, err error) {
	query, args, err := pageQuery(since, cursor, newest, min(max(limit, 1), maxPage))
	if err != nil {
		return nil, "", err
	}
	rows, err := s.readers.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, "", fmt.Errorf("read CDRs: %w", s.Explain(err))
	}
	defer rows.Close()
	next = cursor
	for rows.Next() {
		seq, cdr, err := scanCDR(rows)
		if err != nil {
			return nil, "", fmt.Errorf("read CDRs: %w", s.Explain(err))
		}
		page, next = append(page, cdr), strconv.FormatInt(seq, 10)
	}
	if err := rows.Err(); err != nil {
		return nil, "", fmt.Errorf("read CDRs: %w", s.Explain(err))
	}
	return page, next, nil
}

func pageQuery(since time.Time, cursor string, newest bool, limit int) (query string, args []any, err error) {
	beyond, order := " AND seq > ?", " ORDER BY seq"
	if newest {
		beyond, order = " AND seq < ?", " ORDER BY seq DESC"
	}
	query = selectCDR + "WHERE true"
	if cursor != "" {
		seq, err := strconv.ParseInt(cursor, 10, 64)
		if err != nil || seq < 0 {
			return "", nil, fmt.Errorf("%.40q: %w", cursor, ErrCursor)
		}
		query += beyond
		args = append(args, seq)
	}
	if !since.IsZero() {
		// The bound on seq spares reading the years before: calls are written
		// down about when they end, and the index knows the first of them.
		query += " AND ended >= ? AND seq >= (SELECT min(seq) FROM cdrs WHERE ended >= ?)"
		args = append(args, since.UnixMicro(), since.UnixMicro())
	}
	return query + order + " LIMIT ?", append(args, limit), nil
}

func scanCDR(row interface{ Scan(...any) error }) (seq int64, cdr pbx.CDR, err error) {
	var started, answered, ended sql.NullInt64
	var waited, talked int64
	var steps, legs []byte
	err = row.Scan(&seq, &cdr.ID, &cdr.Kind, &cdr.Line, &cdr.From, &cdr.To, &cdr.OrderID, &cdr.Branch,
		&started, &answered, &ended, &waited, &talked, &cdr.Result, &steps, &legs)
	if err != nil {
		return 0, pbx.CDR{}, err
	}
	cdr.State = pbx.StateEnded
	cdr.Started, cdr.Answered, cdr.Ended = Time(started), Time(answered), Time(ended)
	cdr.Waited, cdr.Talked = micros(waited), micros(talked)
	var stepRows []stepRow
	var legRows []legRow
	if err := errors.Join(json.Unmarshal(steps, &stepRows), json.Unmarshal(legs, &legRows)); err != nil {
		return 0, pbx.CDR{}, fmt.Errorf("call %s: %w", cdr.ID, err)
	}
	for _, r := range stepRows {
		cdr.Steps = append(cdr.Steps, pbx.Step{At: fromMicros(r.At), What: r.What})
	}
	for _, r := range legRows {
		cdr.Legs = append(cdr.Legs, r.leg())
	}
	return seq, cdr, nil
}

// stepRow and legRow are the JSON in the table; keys are never renamed. Times,
// jitter and round trip are microseconds, 0 for a time that never was.
type stepRow struct {
	At   int64  `json:"at"`
	What string `json:"what"`
}

type legRow struct {
	ID        string `json:"id"`
	Party     string `json:"party"`
	Number    string `json:"number,omitempty"`
	Operator  string `json:"operator,omitempty"`
	Trunk     string `json:"trunk,omitempty"`
	Started   int64  `json:"started,omitempty"`
	Answered  int64  `json:"answered,omitempty"`
	Ended     int64  `json:"ended,omitempty"`
	Cause     string `json:"cause,omitempty"`
	Code      int    `json:"code,omitempty"`
	Received  uint64 `json:"received,omitempty"`
	Sent      uint64 `json:"sent,omitempty"`
	Lost      uint64 `json:"lost,omitempty"`
	Dropped   uint64 `json:"dropped,omitempty"`
	Jitter    int64  `json:"jitter,omitempty"`
	LastHeard int64  `json:"last_heard,omitempty"`
	Sampled   uint64 `json:"sampled,omitempty"`
	Soundless uint64 `json:"soundless,omitempty"`
	Late      uint64 `json:"late,omitempty"`
	Silence   int64  `json:"silence,omitempty"` // the longest
	TooLate   uint64 `json:"too_late,omitempty"`
	Codec     string `json:"codec,omitempty"`

	PeerExpected uint64 `json:"peer_expected,omitempty"`
	PeerLost     uint64 `json:"peer_lost,omitempty"`
	PeerJitter   int64  `json:"peer_jitter,omitempty"`
	RoundTrip    int64  `json:"round_trip,omitempty"`
}

func stepRows(steps []pbx.Step) []stepRow {
	rows := make([]stepRow, len(steps))
	for i, s := range steps {
		rows[i] = stepRow{At: toMicros(s.At), What: s.What}
	}
	return rows
}

func legRows(legs []pbx.LegRecord) []legRow {
	rows := make([]legRow, len(legs))
	for i, l := range legs {
		rows[i] = legRow{
			ID: l.ID, Party: string(l.Party), Number: l.Number.Dialable(), Operator: l.Operator, Trunk: l.Trunk,
			Started: toMicros(l.Started), Answered: toMicros(l.Answered), Ended: toMicros(l.Ended), Cause: l.Cause, Code: l.Code,
			Received: l.Audio.Received, Sent: l.Audio.Sent, Lost: l.Audio.Lost, Dropped: l.Audio.Dropped,
			Jitter: l.Audio.Jitter.Microseconds(), LastHeard: toMicros(l.Audio.LastHeard),
			Sampled: l.Audio.Sampled, Soundless: l.Audio.Soundless, PeerExpected: l.Audio.PeerExpected, PeerLost: l.Audio.PeerLost,
			PeerJitter: l.Audio.PeerJitter.Microseconds(), RoundTrip: l.Audio.RoundTrip.Microseconds(),
			Late: l.Audio.Late, Silence: l.Audio.LongestSilence.Microseconds(), TooLate: l.Audio.TooLate, Codec: l.Audio.Codec,
		}
	}
	return rows
}

func (r legRow) leg() pbx.LegRecord {
	return pbx.LegRecord{
		ID: r.ID, Party: pbx.Role(r.Party), Number: pbx.Phone(r.Number), Operator: r.Operator, Trunk: r.Trunk,
		Started: fromMicros(r.Started), Answered: fromMicros(r.Answered), Ended: fromMicros(r.Ended), Cause: r.Cause, Code: r.Code,
		Audio: media.Stats{Received: r.Received, Sent: r.Sent, Lost: r.Lost, Dropped: r.Dropped,
			Jitter: micros(r.Jitter), LastHeard: fromMicros(r.LastHeard), Sampled: r.Sampled, Soundless: r.Soundless,
			PeerExpected: r.PeerExpected, PeerLost: r.PeerLost, PeerJitter: micros(r.PeerJitter), RoundTrip: micros(r.RoundTrip),
			Late: r.Late, LongestSilence: micros(r.Silence), TooLate: r.TooLate, Codec: r.Codec},
	}
}

func micros(us int64) time.Duration { return time.Duration(us) * time.Microsecond }

func toMicros(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMicro()
}

func fromMicros(us int64) time.Time {
	if us == 0 {
		return time.Time{}
	}
	return time.UnixMicro(us).UTC()
}
