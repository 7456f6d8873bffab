// Package outbox keeps what dispatch systems are told of calls until they have
// it: at least once, in order for each call, for a day.
//
// An event is stored in the exchange's own database before anything is sent, so
// it outlives a kill -9; what is sent and how is a [Receiver]'s. A call never
// waits for the outbox: its events are taken at once and stored a moment later,
// all that have come up by then in one transaction, and the last one with the
// CDR. The package knows no HTTP but that of [Webhook]. It logs what it gives up
// and when a receiver goes away or comes back.
package outbox

import (
	"cmp"
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"

	"cabline/pbx"
	"cabline/pbx/store"
)

// Receiver is a system that is told of events.
type Receiver interface {
	// Deliver tells of an event, and returns nil when the system has it or has no
	// use for it. The id is the same in every try. An error that wraps ErrRefused
	// ends the tries.
	Deliver(ctx context.Context, id string, e pbx.Event) error
}

// ErrRefused is returned by a receiver whose system will never take this event.
var ErrRefused = errors.New("refused for good")

// ErrFull is returned while the database cannot be written and too many events
// wait for it.
var ErrFull = errors.New("outbox: too many events wait to be stored")

// Bounds.
const (
	keep       = 24 * time.Hour // how long an event is tried
	maxStored  = 100_000        // events of a receiver; then the oldest go
	maxPending = 10_000         // events not stored yet
)

// Box is the outbox. Its methods are safe for concurrent use.
type Box struct {
	db    *store.Store
	lanes map[string]*lane // by receiver

	mu      sync.Mutex
	pending []row // taken and not stored yet, in order
	// writing is held by who stores events, so that they are stored in order. It
	// is a channel because who waits for it has a context.
	writing chan struct{}
	stored  chan struct{} // something is pending
	lost    atomic.Uint64 // taken and never stored
}

// row is an event on its way into the table.
type row struct {
	id, callID string
	body       []byte
	at         time.Time
}

// New is the outbox in a database. Receivers have names, under which their
// events wait also while the program is not running.
func New(db *store.Store, receivers map[string]Receiver) *Box {
	b := &Box{db: db, lanes: map[string]*lane{}, writing: make(chan struct{}, 1), stored: make(chan struct{}, 1)}
	for name, r := range receivers {
		b.lanes[name] = newLane(name, r, db)
	}
	return b
}

// Take takes an event and does not wait until it is stored; it is the
// switchboard's Tell.
func (b *Box) Take(e pbx.Event) {
	b.take(e)
	b.again()
}

func (b *Box) take(e pbx.Event) {
	if err := b.put(e); err != nil {
		b.lost.Add(1)
	}
}

// Post implements pbx.Outbox.
func (b *Box) Post(ctx context.Context, e pbx.Event) error {
	if err := b.put(e); err != nil {
		return err
	}
	return b.store(ctx, nil)
}

// SaveCDR implements pbx.Store. The CDR and the news that the call has ended are
// stored in one transaction. Where that fails the news is kept and stored later:
// a dispatch system must not wait for the end of a call for ever.
func (b *Box) SaveCDR(ctx context.Context, cdr pbx.CDR) error {
	return b.store(ctx, &cdr)
}

func (b *Box) put(e pbx.Event) error {
	r := row{id: rand.Text()[:20], callID: cmp.Or(e.CallID, e.OrderID), at: time.Now()}
	var err error
	if r.body, err = Encode(r.id, e); err != nil {
		return err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.pending) >= maxPending {
		return ErrFull
	}
	b.pending = append(b.pending, r)
	return nil
}

func ended(cdr *pbx.CDR) pbx.Event {
	return pbx.Event{Kind: pbx.EventCallEnded, CallID: cdr.ID, OrderID: cdr.OrderID, At: cdr.Ended, CDR: cdr}
}

// store writes what is pending, and a CDR with it where there is one. When it
// returns nil, all that was pending when it was called is stored, by us or by
// others.
func (b *Box) store(ctx context.Context, cdr *pbx.CDR) error {
	select {
	case b.writing <- struct{}{}:
		defer func() { <-b.writing }()
	case <-ctx.Done():
		if cdr != nil {
			b.Take(ended(cdr))
		}
		return fmt.Errorf("outbox: %w", context.Cause(ctx))
	}
	write := b.db.Write
	if cdr != nil {
		write = func(ctx context.Context, insert func(*sql.Tx) error) error {
			return b.db.SaveCDRWith(ctx, *cdr, insert)
		}
		b.take(ended(cdr)) // nobody else stores it: we are the one who writes
	}
	b.mu.Lock()
	rows := b.pending
	b.pending = nil
	b.mu.Unlock()
	if cdr == nil && len(rows) == 0 {
		return nil
	}
	err := write(ctx, func(tx *sql.Tx) error { return b.insert(ctx, tx, rows) })
	if err != nil {
		b.mu.Lock()
		b.pending = append(rows, b.pending...)
		b.mu.Unlock()
		return fmt.Errorf("outbox: %w", err)
	}
	for _, l := range b.lanes {
		l.wake()
	}
	return nil
}

func (b *Box) insert(ctx context.Context, tx *sql.Tx, rows []row) error {
	for _, r := range rows {
		for _, name := range slices.Sorted(maps.Keys(b.lanes)) {
			_, err := tx.ExecContext(ctx, `INSERT INTO outbox (receiver, call_id, id, body, posted, due) VALUES (?, ?, ?, ?, ?, 0)`,
				name, r.callID, r.id, string(r.body), r.at.UnixMicro())
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// Serve stores and delivers until ctx ends; then it stores what is left.
func (b *Box) Serve(ctx context.Context) {
	var lanes sync.WaitGroup
	defer lanes.Wait()
	for _, l := range b.lanes {
		lanes.Go(func() { l.serve(ctx) })
	}
	for {
		select {
		case <-b.stored:
		case <-ctx.Done():
			b.flush(context.WithoutCancel(ctx))
			return
		}
		if !b.flush(ctx) {
			pause(ctx, time.Second)
			b.again()
		}
	}
}

// again has what is pending stored, soon.
func (b *Box) again() {
	select {
	case b.stored <- struct{}{}:
	default: // it is known already that there is something
	}
}

func (b *Box) flush(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	err := b.store(ctx, nil)
	if lost := b.lost.Swap(0); lost > 0 {
		zerolog.Ctx(ctx).Error().Uint64(logCount, lost).Msg("outbox: events lost: the database could not be written for too long")
	}
	if err != nil {
		zerolog.Ctx(ctx).Error().Err(err).Msg("outbox: store events; trying again")
	}
	return err == nil
}

// Backlogs is the backlog of every receiver, in the order of their names.
func (b *Box) Backlogs(ctx context.Context) ([]pbx.Backlog, error) {
	var all []pbx.Backlog
	for _, name := range slices.Sorted(maps.Keys(b.lanes)) {
		l := b.lanes[name]
		log := pbx.Backlog{Receiver: name, Delivered: l.delivered.Load(), GivenUp: l.givenUp.Load(), Failed: l.failed.Load()}
		var oldest sql.NullInt64
		err := b.db.Readers().QueryRowContext(ctx, "SELECT count(*), min(posted) FROM outbox WHERE receiver = ?", name).Scan(&log.Waiting, &oldest)
		if err != nil {
			return nil, fmt.Errorf("outbox: backlog: %w", b.db.Explain(err))
		}
		log.Oldest = store.Time(oldest)
		all = append(all, log)
	}
	return all, nil
}

// pause waits, but not beyond ctx.
func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
