package recorder

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"cabline/media/faults"
)

func TestARecordingWhoseWritingPanicsEndsAndTheOthersAreWhole(t *testing.T) {
	folder := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		r := New(folder)
		desk := faults.NewDesk(func(any, []byte) {})
		r.Report(desk)
		good := r.Begin("good.wav")
		bad := &Tape{recorder: r, path: filepath.Join(folder, "bad.wav"), begun: time.Now(), end: -1, done: make(chan Result, 1)} // it has no sides
		r.mu.Lock()
		r.tapes = append(r.tapes, bad)
		r.mu.Unlock()
		time.Sleep(3 * time.Second)
		if result := <-bad.Done(); !errors.Is(result.Err, errFault) {
			t.Errorf("%+v", result)
		}
		good.End()
		if result := <-good.Done(); result.Err != nil || result.Length != 3*time.Second {
			t.Errorf("%+v", result)
		}
		r.Close()
		if desk.Count() == 0 {
			t.Error("nothing is counted")
		}
		if _, err := os.Stat(filepath.Join(folder, "good.wav")); err != nil {
			t.Error(err)
		}
	})
}
