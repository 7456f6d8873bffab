// Package recorder writes what two parties say to each other into a stereo WAV
// file of A-law: the sound as it came, each party on its own side, both in their
// time, whatever the network did and whoever was on hold.
//
// Packets are copied into memory as they pass, and one goroutine writes what has
// come by then. The disk can be slow, full or gone: it costs the recording, and
// never a packet of the call. The package knows nothing of calls. It does not
// log: it returns errors and counts.
package recorder

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"cabline/media"
	"cabline/media/faults"
	"cabline/media/wav"
)

// partial ends the name of a file that is being written.
const partial = ".part"

// pace is how often what has come is written.
const pace = 500 * time.Millisecond

// errFault is the end of a recording of which the writing has panicked.
var errFault = errors.New("a fault of ours")

// Result is what became of a recording.
type Result struct {
	Length  time.Duration // 0: there is no file
	Size    int64         // of the file, in bytes
	Dropped uint64        // packets that are missing in it: too late, or the disk too slow
	Err     error         // why the file is shorter than the talk, or is not there
}

// Recorder writes tapes into files of a folder. It is safe for concurrent use.
type Recorder struct {
	faults.Line
	folder string

	mu     sync.Mutex
	tapes  []*Tape
	closed bool

	wake, quit, done chan struct{}
	finishing        sync.WaitGroup
}

// New is a recorder; Close ends it. The folder is made when it is needed.
func New(folder string) *Recorder {
	r := &Recorder{folder: folder, wake: make(chan struct{}, 1), quit: make(chan struct{}), done: make(chan struct{})}
	go r.run()
	return r
}

// Close ends all tapes and waits until their files are whole.
func (r *Recorder) Close() {
	r.mu.Lock()
	closed := r.closed
	r.closed = true
	tapes := slices.Clone(r.tapes)
	r.mu.Unlock()
	for _, t := range tapes {
		t.End()
	}
	if !closed {
		close(r.quit)
	}
	<-r.done
	r.finishing.Wait()
}

// Tape is one recording.
type Tape struct {
	recorder *Recorder
	path     string
	begun    time.Time
	sides    [2]*side
	done     chan Result

	mu  sync.Mutex
	end int64 // in samples; < 0: it goes on

	// Of who writes: the recorder's goroutine, then the one that finishes it.
	file    *os.File
	written int64 // samples
	broken  error
}

// Begin begins a recording and does not wait. The name, which may have folders
// in it, must be new.
func (r *Recorder) Begin(name string) *Tape {
	now := time.Now()
	t := &Tape{recorder: r, path: filepath.Join(r.folder, name), begun: now, end: -1,
		sides: [2]*side{newSide(now), newSide(now)}, done: make(chan Result, 1)}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		t.end = 0
		t.done <- Result{Err: errors.New("the recorder is closed")}
		return t
	}
	r.tapes = append(r.tapes, t)
	r.poke()
	return t
}

// Done is told once how the recording went: after End when its file is whole and
// safe on the disk; before, when it cannot go on.
func (t *Tape) Done() <-chan Result { return t.done }

// Begun is when the recording begins.
func (t *Tape) Begun() time.Time { return t.begun }

// Cross is media.Cross for two parties that are recorded, for as long as they
// are joined by it.
func (t *Tape) Cross(left, right media.Port) (unplug func()) {
	left.Plug(&tap{right, t.sides[0]})
	right.Plug(&tap{left, t.sides[1]})
	return func() {
		left.Plug(nil)
		right.Plug(nil)
	}
}

// End ends the recording and does not wait. It may be called many times.
func (t *Tape) End() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.end < 0 {
		t.end = min(samples(time.Since(t.begun)), longest)
		t.recorder.poke()
	}
}

// ended is where the tape ends, < 0: not yet.
func (t *Tape) ended() int64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.end
}

// tap is a party that hears another one who is recorded.
type tap struct {
	media.Port
	side *side // of the one who is heard
}

// WriteRTP keeps a packet before the party takes it, who may change it.
func (t *tap) WriteRTP(p *media.Packet) {
	t.side.put(p)
	t.Port.WriteRTP(p)
}

// LeaveOut is told of a packet that is not for the party; see media.LeaveOut.
func (t *tap) LeaveOut(p *media.Packet) { media.LeaveOut(p, t.Port) }

// Rejoin is told that the party hears the other from now on; see media.Rejoin.
func (t *tap) Rejoin() { media.Rejoin(t.Port) }

// KeysInSound is the party's; see media.Retell.
func (t *tap) KeysInSound() bool {
	port, tells := t.Port.(interface{ KeysInSound() bool })
	return !tells || port.KeysInSound()
}

// poke has the tapes looked at now.
func (r *Recorder) poke() {
	select {
	case r.wake <- struct{}{}:
	default: // they will be
	}
}

func (r *Recorder) run() {
	defer close(r.done)
	timer := time.NewTimer(pace)
	defer timer.Stop()
	for {
		quit := false
		select {
		case <-r.wake:
		case <-timer.C:
		case <-r.quit:
			quit = true
		}
		if r.round() > 0 {
			timer.Reset(pace)
		}
		if quit {
			return
		}
	}
}

// round writes what has come and lets go of the tapes that are over. It returns
// how many go on.
func (r *Recorder) round() int {
	r.mu.Lock()
	tapes := slices.Clone(r.tapes)
	r.mu.Unlock()
	over := map[*Tape]bool{}
	finish := func(t *Tape) {
		over[t] = true
		r.finishing.Go(func() { r.Each(1, func(int) { t.finish() }, func(int) { t.done <- Result{Err: errFault} }) })
	}
	r.Each(len(tapes), func(i int) {
		t := tapes[i]
		if t.ended() < 0 {
			t.broken = t.write(min(samples(time.Since(t.begun))-grace, longest))
		}
		if t.broken != nil || t.ended() >= 0 {
			finish(t)
		}
	}, func(i int) {
		tapes[i].broken = errFault
		finish(tapes[i])
	})
	r.mu.Lock()
	defer r.mu.Unlock()
	r.tapes = slices.DeleteFunc(r.tapes, func(t *Tape) bool { return over[t] })
	return len(r.tapes)
}

// most is how many samples are written at a time.
const most = 8000

// write writes up to a moment.
func (t *Tape) write(until int64) error {
	if t.file == nil {
		if err := t.create(); err != nil {
			return err
		}
	}
	var left, right [most]byte
	var both [2 * most]byte
	for t.written < until {
		n := min(until-t.written, most)
		t.sides[0].take(left[:n])
		t.sides[1].take(right[:n])
		for i := range n {
			both[2*i], both[2*i+1] = left[i], right[i]
		}
		if _, err := t.file.Write(both[:2*n]); err != nil {
			return fmt.Errorf("write recording: %w", err)
		}
		t.written += n
	}
	return nil
}

func (t *Tape) create() error {
	if err := os.MkdirAll(filepath.Dir(t.path), 0o700); err != nil {
		return fmt.Errorf("folder of recordings: %w", err)
	}
	file, err := os.OpenFile(t.path+partial, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return fmt.Errorf("begin recording: %w", err)
	}
	t.file = file
	if _, err := file.Write(header(0)); err != nil { // Rescue writes how long it is, should we be gone by then
		return fmt.Errorf("begin recording: %w", err)
	}
	return nil
}

func header(size int64) []byte { return wav.Header(wav.ALaw, media.Rate, 2, int(size)) }

// finish makes the file whole.
func (t *Tape) finish() {
	if t.broken == nil {
		t.broken = t.write(t.ended())
	}
	result := Result{}
	if t.file != nil {
		var err error
		if result, err = settle(t.file, t.path); t.broken == nil {
			t.broken = err
		}
	}
	result.Err, result.Dropped = t.broken, t.sides[0].lost()+t.sides[1].lost()
	t.done <- result
}

// settle writes how long a file is into it and gives it its name; one without a
// sound is removed. It closes the file.
func settle(file *os.File, path string) (Result, error) {
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return Result{}, fmt.Errorf("end recording: %w", err)
	}
	size := max(0, info.Size()-wav.HeaderSize) &^ 1
	if size == 0 {
		return Result{}, os.Remove(file.Name())
	}
	_, err = file.WriteAt(header(size), 0)
	err = errors.Join(err, file.Truncate(wav.HeaderSize+size), file.Sync(), os.Rename(path+partial, path), syncFolder(filepath.Dir(path)))
	if err != nil {
		return Result{}, fmt.Errorf("end recording: %w", err)
	}
	return Result{Length: duration(size / 2), Size: wav.HeaderSize + size}, nil
}

// syncFolder makes a new name survive a power cut.
func syncFolder(path string) error {
	folder, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(folder.Sync(), folder.Close())
}

// Rescue makes a file whole that a program which is gone began, in a folder of
// recordings, by its name.
func Rescue(folder, name string) (Result, error) {
	path := filepath.Join(folder, name)
	info, err := os.Stat(path)
	if err == nil {
		return Result{Length: duration(max(0, info.Size()-wav.HeaderSize) / 2), Size: info.Size()}, nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return Result{}, fmt.Errorf("rescue recording: %w", err)
	}
	file, err := os.OpenFile(path+partial, os.O_RDWR, 0)
	if err != nil {
		return Result{}, fmt.Errorf("rescue recording: %w", err)
	}
	return settle(file, path)
}

// Name is the name a file of a folder was begun by; finished or not.
func Name(file string) string {
	if filepath.Ext(file) == partial {
		return file[:len(file)-len(partial)]
	}
	return file
}
