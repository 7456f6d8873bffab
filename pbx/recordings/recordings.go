// Package recordings keeps the talks that are recorded: which are, under which
// names, for how long, and who is told that there is one. It implements
// pbx.Recorder.
//
// The files are what counts, and their names say all that the index has: what a
// program that died was recording is found at the next start. No name has a
// telephone number in it. The package logs what becomes of recordings; it knows
// no HTTP.
package recordings

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strconv"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"cabline/media"
	"cabline/media/faults"
	"cabline/media/recorder"
	"cabline/pbx"
	"cabline/pbx/store"
)

// Config is what is recorded, and where that stays.
type Config struct {
	Folder    string
	Keep      time.Duration // 0: for ever
	Drivers   bool          // talks of clients and drivers are recorded
	Operators bool          // talks with operators are, and with those a line is forwarded to

	Index  *store.Store
	Outbox pbx.Outbox                             // is told of each recording; nil: nobody is
	URL    func(callID string, number int) string // where one is fetched; nil: nowhere
	Watch  Watch                                  // may be nil
}

// Watch is told what became of each recording.
type Watch interface {
	// Recorded is told how long it is and how many packets are missing in it. err is
	// why it is shorter than the talk, or not there.
	Recorded(length time.Duration, missing uint64, err error)
}

// Recordings are the recordings of a firm. Its methods are safe for concurrent
// use.
type Recordings struct {
	Config
	opened   time.Time
	recorder *recorder.Recorder
	keeping  sync.WaitGroup
}

// New is the recordings of a folder, which is made when it is needed. Close ends
// what it began.
func New(c Config) *Recordings {
	return &Recordings{Config: c, opened: time.Now(), recorder: recorder.New(c.Folder)}
}

// Report has panics in writing a recording, which end it, reported to a desk.
func (r *Recordings) Report(to *faults.Desk) { r.recorder.Report(to) }

// Close waits until all recordings are whole and in the index. The calls must be
// over.
func (r *Recordings) Close() {
	r.recorder.Close()
	r.keeping.Wait()
}

// The name of a file: when it began, by UTC, the call, which of its talks, and
// who is on the left and on the right. Nothing else in the folder is touched.
const stamp = "2006-01-02/150405.000"

var named = regexp.MustCompile(`^(\d{4}-\d\d-\d\d/\d{6}\.\d{3})-([A-Za-z0-9]{1,40})-(\d{1,3})-(client|driver|operator|target)-(client|driver|operator|target)\.wav$`)

func nameOf(r pbx.Recording) string {
	return fmt.Sprintf("%s-%s-%d-%s-%s.wav", r.Started.UTC().Format(stamp), r.CallID, r.Number, r.Left, r.Right)
}

// parse reads the name of a file.
func parse(name string) (pbx.Recording, bool) {
	m := named.FindStringSubmatch(name)
	if m == nil {
		return pbx.Recording{}, false
	}
	started, err := time.Parse(stamp, m[1])
	number, _ := strconv.Atoi(m[3]) // of three digits
	return pbx.Recording{CallID: m[2], Number: number, File: name, Started: started, Left: pbx.Role(m[4]), Right: pbx.Role(m[5])}, err == nil
}

// Begin implements pbx.Recorder.
func (r *Recordings) Begin(log zerolog.Logger, callID string, number int, left, right pbx.Role) pbx.Tape {
	people := func(role pbx.Role) bool { return role == pbx.RoleOperator || role == pbx.RoleTarget }
	if wanted := r.Drivers; people(left) || people(right) {
		if !r.Operators {
			return nil
		}
	} else if !wanted {
		return nil
	}
	about := pbx.Recording{CallID: callID, Number: number, Started: time.Now().UTC().Truncate(time.Millisecond), Left: left, Right: right}
	about.File = nameOf(about)
	t := &tape{about: about, tape: r.recorder.Begin(filepath.FromSlash(about.File)), ended: make(chan pbx.CDR, 1)}
	r.keeping.Go(func() { r.keep(log.WithContext(context.Background()), t) }) // it outlives the call
	return t
}

// tape is a recording under way.
type tape struct {
	about pbx.Recording
	tape  *recorder.Tape
	ended chan pbx.CDR
}

// Cross implements pbx.Tape.
func (t *tape) Cross(left, right media.Port) (unplug func()) { return t.tape.Cross(left, right) }

// End implements pbx.Tape.
func (t *tape) End() { t.tape.End() }

// CallEnded implements pbx.Tape.
func (t *tape) CallEnded(cdr pbx.CDR) { t.ended <- cdr }

// keep waits for the end of a recording and of its call, and tells of it.
func (r *Recordings) keep(ctx context.Context, t *tape) {
	log := zerolog.Ctx(ctx)
	result := <-t.tape.Done()
	if result.Err != nil { // at once: the next calls are not recorded either
		log.Error().Err(result.Err).Dur(logLength, result.Length).Msg("recording")
	}
	if result.Dropped > 0 {
		log.Warn().Uint64(logMissing, result.Dropped).Msg("packets are missing in a recording: the disk is slow, or they came late")
	}
	if r.Watch != nil {
		r.Watch.Recorded(result.Length, result.Dropped, result.Err)
	}
	cdr := <-t.ended
	if result.Length == 0 {
		return
	}
	t.about.Length, t.about.Size = result.Length, result.Size
	if err := r.tell(ctx, t.about, &cdr); err != nil {
		log.Error().Err(err).Msg("the recording is found at the next start")
	}
}

// patience is how long writing down a recording may take.
const patience = 10 * time.Second

// tell tells of a recording and then puts it into the index: what is not there is
// told of at the next start. cdr is nil for a call that was never written down,
// of which nobody is told.
func (r *Recordings) tell(ctx context.Context, about pbx.Recording, cdr *pbx.CDR) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	if r.URL != nil {
		about.URL = r.URL(about.CallID, about.Number)
	}
	if r.Outbox != nil && cdr != nil {
		event := pbx.Event{Kind: pbx.EventRecording, CallID: cdr.ID, OrderID: cdr.OrderID, At: time.Now(), CDR: cdr, Recording: &about}
		if err := r.Outbox.Post(ctx, event); err != nil {
			return fmt.Errorf("tell of recording: %w", err)
		}
	}
	return r.Index.KeepRecording(ctx, about)
}

// Open is the file of a recording, or store.ErrNoRecording.
func (r *Recordings) Open(ctx context.Context, callID string, number int) (*os.File, pbx.Recording, error) {
	found, err := r.Index.Recording(ctx, callID, number)
	if err != nil {
		return nil, found, err
	}
	folder, err := os.OpenRoot(r.Folder)
	if err != nil {
		return nil, found, missing(err)
	}
	defer folder.Close()
	file, err := folder.Open(filepath.FromSlash(found.File))
	return file, found, missing(err)
}

// missing is the error of a file that somebody removed.
func missing(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return store.ErrNoRecording
	}
	return err
}

// Recordings are those of a call, in order.
func (r *Recordings) Recordings(ctx context.Context, callID string) ([]pbx.Recording, error) {
	return r.Index.Recordings(ctx, callID)
}

// Serve finds what an earlier program left, and every day removes what is too
// old, until ctx ends.
func (r *Recordings) Serve(ctx context.Context) {
	if err := r.find(ctx); err != nil && ctx.Err() == nil {
		zerolog.Ctx(ctx).Error().Err(err).Msg("look through the recordings")
	}
	for {
		if err := r.sweep(ctx); err != nil && ctx.Err() == nil {
			zerolog.Ctx(ctx).Error().Err(err).Msg("remove old recordings")
		}
		tomorrow := time.NewTimer(24 * time.Hour)
		select {
		case <-tomorrow.C:
		case <-ctx.Done():
			tomorrow.Stop()
			return
		}
	}
}

// find puts the files into the index that are not there: those which a program
// that died was writing, or had written and not told of.
func (r *Recordings) find(ctx context.Context) error {
	return filepath.WalkDir(r.Folder, func(file string, entry fs.DirEntry, err error) error {
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return nil // nothing was ever recorded
		case err != nil:
			return err
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case !entry.Type().IsRegular():
			return nil
		}
		name, err := filepath.Rel(r.Folder, recorder.Name(file))
		if err != nil {
			return err
		}
		about, ours := parse(filepath.ToSlash(name))
		if !ours || !about.Started.Before(r.opened.Truncate(time.Millisecond)) { // a talk of now
			return nil
		}
		return r.adopt(ctx, about)
	})
}

// adopt takes up a file whose writer is gone, unless it is known.
func (r *Recordings) adopt(ctx context.Context, about pbx.Recording) error {
	log := zerolog.Ctx(ctx).With().Str(logCall, about.CallID).Logger()
	switch _, err := r.Index.Recording(ctx, about.CallID, about.Number); {
	case err == nil:
		return nil
	case !errors.Is(err, store.ErrNoRecording):
		return err
	}
	result, err := recorder.Rescue(r.Folder, filepath.FromSlash(about.File))
	if err != nil {
		log.Error().Err(err).Msg("a recording that an earlier program left")
		return nil // the others may be well
	}
	if about.Length, about.Size = result.Length, result.Size; about.Length == 0 {
		return nil
	}
	cdr, err := r.Index.CDR(ctx, about.CallID)
	if err != nil && !errors.Is(err, store.ErrNoCDR) {
		return err
	}
	known := &cdr
	if err != nil {
		known = nil
	}
	log.Info().Dur(logLength, about.Length).Msg("a recording that an earlier program left")
	return r.tell(ctx, about, known)
}

// batch is how many recordings are removed at a time.
const batch = 500

// sweep removes what is too old: the file, then its place in the index.
func (r *Recordings) sweep(ctx context.Context) error {
	if r.Keep <= 0 {
		return nil
	}
	folder, err := os.OpenRoot(r.Folder)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer folder.Close()
	for removed := 0; ; {
		old, err := r.Index.RecordingsBefore(ctx, time.Now().Add(-r.Keep), batch)
		if err != nil {
			return err
		}
		for _, o := range old {
			if err := folder.Remove(filepath.FromSlash(o.File)); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return fmt.Errorf("remove recording: %w", err)
			}
			_ = folder.Remove(filepath.FromSlash(path.Dir(o.File))) // the day's folder, if it is empty now
			if err := r.Index.ForgetRecording(ctx, o.CallID, o.Number); err != nil {
				return err
			}
		}
		if removed += len(old); len(old) < batch {
			if removed > 0 {
				zerolog.Ctx(ctx).Info().Int(logCount, removed).Dur(logKept, r.Keep).Msg("old recordings removed")
			}
			return nil
		}
	}
}

// The names of log fields. No others are used here.
const (
	logCall    = "call"
	logLength  = "length"
	logMissing = "missing"
	logCount   = "count"
	logKept    = "kept"
)
