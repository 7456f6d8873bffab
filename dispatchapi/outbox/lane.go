package outbox

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"

	"cabline/pbx"
	"cabline/pbx/store"
)

// The names of log fields.
const (
	logReceiver = "receiver"
	logEvent    = "event"
	logCall     = "call"
	logCount    = "count"
)

const (
	atOnce     = 8                // deliveries to a receiver at a time, each of another call
	tryTime    = 15 * time.Second // a delivery may take
	firstPause = time.Second      // after the first failure; doubled by each
	longPause  = time.Minute
	sweepEvery = time.Minute
	sweepBatch = 500 // events deleted in one transaction
)

// lane is one receiver's part of the outbox.
type lane struct {
	name     string
	receiver Receiver
	db       *store.Store
	news     chan struct{}

	failing int // deliveries failed since the last that did not; of serve's goroutine

	delivered, givenUp, failed atomic.Uint64
}

func newLane(name string, r Receiver, db *store.Store) *lane {
	return &lane{name: name, receiver: r, db: db, news: make(chan struct{}, 1)}
}

func (l *lane) wake() {
	select {
	case l.news <- struct{}{}:
	default:
	}
}

// letter is an event that is due.
type letter struct {
	seq    int64
	id     string
	callID string
	body   string
	tries  int
}

// serve delivers what is due until ctx ends.
//
// While a receiver fails it is asked with one event after each pause, always
// another one: a system that is away is not stormed when it comes back, and an
// event that a system chokes on holds up its own call only.
func (l *lane) serve(ctx context.Context) {
	var swept time.Time
	for ctx.Err() == nil {
		if time.Since(swept) > sweepEvery {
			l.sweep(ctx)
			swept = time.Now()
		}
		letters, err := l.due(ctx)
		switch {
		case ctx.Err() != nil:
		case err != nil:
			zerolog.Ctx(ctx).Error().Err(err).Str(logReceiver, l.name).Msg("outbox: read events")
			pause(ctx, firstPause)
		case len(letters) == 0:
			l.sleep(ctx)
		default:
			l.deliverAll(ctx, letters)
		}
	}
}

// sleep waits for news, or until something put off may be due.
func (l *lane) sleep(ctx context.Context) {
	timer := time.NewTimer(firstPause)
	defer timer.Stop()
	select {
	case <-l.news:
	case <-timer.C:
	case <-ctx.Done():
	}
}

// due is the first event of each call that has one due, those that have waited
// longest; a single one while the receiver fails.
func (l *lane) due(ctx context.Context) ([]letter, error) {
	limit := atOnce
	if l.failing > 0 {
		limit = 1
	}
	rows, err := l.db.Readers().QueryContext(ctx, `SELECT seq, id, call_id, body, tries FROM outbox AS o WHERE receiver = ? AND due <= ?
		AND NOT EXISTS (SELECT 1 FROM outbox AS p WHERE p.receiver = o.receiver AND p.call_id = o.call_id AND p.seq < o.seq)
		ORDER BY due, seq LIMIT ?`, l.name, time.Now().UnixMicro(), limit)
	if err != nil {
		return nil, l.db.Explain(err)
	}
	defer rows.Close()
	var letters []letter
	for rows.Next() {
		var a letter
		if err := rows.Scan(&a.seq, &a.id, &a.callID, &a.body, &a.tries); err != nil {
			return nil, l.db.Explain(err)
		}
		letters = append(letters, a)
	}
	return letters, l.db.Explain(rows.Err())
}

// deliverAll tries several events at once and writes down what became of them.
func (l *lane) deliverAll(ctx context.Context, letters []letter) {
	errs := make([]error, len(letters))
	var tries sync.WaitGroup
	for i, a := range letters {
		tries.Go(func() { errs[i] = l.deliver(ctx, a) })
	}
	tries.Wait()
	if ctx.Err() != nil {
		return // whatever has failed, failed because we end
	}
	if err := l.settle(ctx, letters, errs); err != nil {
		zerolog.Ctx(ctx).Error().Err(err).Str(logReceiver, l.name).Msg("outbox: write down what was delivered; it will be delivered again")
		pause(ctx, firstPause)
	}
	if l.count(ctx, letters, errs); l.failing > 0 {
		pause(ctx, backOff(l.failing))
	}
}

// count tells how it went: a receiver that answers anything sensible to any
// event is there.
func (l *lane) count(ctx context.Context, letters []letter, errs []error) {
	log := zerolog.Ctx(ctx).With().Str(logReceiver, l.name).Logger()
	var away error
	there := false
	for i, a := range letters {
		switch err := errs[i]; {
		case err == nil:
			l.delivered.Add(1)
			there = true
		case errors.Is(err, ErrRefused):
			l.givenUp.Add(1)
			there = true
			log.Error().Err(err).Str(logEvent, a.id).Str(logCall, a.callID).Msg("outbox: an event was refused; it is given up")
		default:
			l.failed.Add(1)
			away = err
		}
	}
	if there {
		if l.failing > 0 {
			log.Info().Msg("outbox: events are taken again")
		}
		l.failing = 0
		return
	}
	if l.failing++; l.failing == 1 {
		log.Warn().Err(away).Msg("outbox: events are not taken; trying again for a day")
	}
}

// deliver survives a receiver's panic: it is no worse than no answer.
func (l *lane) deliver(ctx context.Context, a letter) (err error) {
	defer func() {
		if fault := recover(); fault != nil {
			err = fmt.Errorf("panic: %v", fault)
		}
	}()
	e, err := decode([]byte(a.body))
	if err != nil {
		return fmt.Errorf("%w: %w", ErrRefused, err)
	}
	ctx, cancel := context.WithTimeout(ctx, tryTime)
	defer cancel()
	return l.receiver.Deliver(ctx, a.id, e)
}

// settle deletes what is done with and puts off what is not, with all that
// comes after it in its call.
func (l *lane) settle(ctx context.Context, letters []letter, errs []error) error {
	return l.db.Write(ctx, func(tx *sql.Tx) error {
		for i, a := range letters {
			var err error
			if errs[i] == nil || errors.Is(errs[i], ErrRefused) {
				_, err = tx.ExecContext(ctx, "DELETE FROM outbox WHERE seq = ?", a.seq)
			} else {
				due := time.Now().Add(backOff(a.tries + 1)).UnixMicro()
				_, err = tx.ExecContext(ctx, "UPDATE outbox SET due = ?, tries = tries + (seq = ?) WHERE receiver = ? AND call_id = ?",
					due, a.seq, l.name, a.callID)
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
}

// backOff is the pause after a number of failures in a row: doubled by each,
// with a little chance in it.
func backOff(failures int) time.Duration {
	d := longPause
	if failures < 10 {
		d = min(d, firstPause<<(failures-1))
	}
	return d - rand.N(d/4)
}

// sweep gives up what is older than a day, whoever it was for, and what is more
// than fits.
func (l *lane) sweep(ctx context.Context) {
	var gone int64
	var err error
	for _, which := range []struct {
		query string
		args  []any
	}{
		{"posted < ?", []any{time.Now().Add(-keep).UnixMicro()}},
		{"receiver = ? AND seq <= (SELECT seq FROM outbox WHERE receiver = ? ORDER BY seq DESC LIMIT 1 OFFSET ?)", []any{l.name, l.name, maxStored}},
	} {
		for some := int64(sweepBatch); some == sweepBatch && err == nil; gone += some {
			some, err = l.delete(ctx, which.query, which.args)
		}
	}
	log := zerolog.Ctx(ctx)
	if err != nil && ctx.Err() == nil {
		log.Error().Err(err).Msg("outbox: sweep")
	}
	if gone > 0 {
		l.givenUp.Add(uint64(gone))
		log.Error().Int64(logCount, gone).Str(logReceiver, l.name).Msg("outbox: events given up after a day, or because there were too many")
	}
}

// delete deletes some of the events: calls, too, want to write.
func (l *lane) delete(ctx context.Context, which string, args []any) (rows int64, err error) {
	err = l.db.Write(ctx, func(tx *sql.Tx) error {
		done, err := tx.ExecContext(ctx, "DELETE FROM outbox WHERE seq IN (SELECT seq FROM outbox WHERE "+which+" LIMIT ?)", append(args, sweepBatch)...)
		if err != nil {
			return err
		}
		rows, err = done.RowsAffected()
		return err
	})
	return rows, err
}

var _ Receiver = (*Webhook)(nil)
var _ pbx.Outbox = (*Box)(nil)
