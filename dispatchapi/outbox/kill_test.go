package outbox_test

import (
	"bufio"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"cabline/dispatchapi/outbox"
	"cabline/pbx"
	"cabline/pbx/store"
)

func holdUntil(locked, unlock chan struct{}) func(*sql.Tx) error {
	return func(*sql.Tx) error { close(locked); <-unlock; return nil }
}

// postForEver is the program that is killed: it says what is stored, call by
// call, three events each.
func postForEver() bool {
	path := os.Getenv("CABLINE_TEST_POST_FOR_EVER")
	if path == "" {
		return false
	}
	db, err := store.Open(path)
	if err != nil {
		panic(err)
	}
	box := outbox.New(db, map[string]outbox.Receiver{"dispatch": &system{}})
	for i := 0; ; i++ {
		id := strconv.Itoa(i)
		box.Take(event(id, pbx.EventCallStarted))
		if err := box.Post(context.Background(), event(id, pbx.EventNotice)); err != nil {
			panic(err)
		}
		if err := box.SaveCDR(context.Background(), pbx.CDR{ID: id, Ended: time.Now()}); err != nil {
			panic(err)
		}
		fmt.Println(id)
	}
}

func TestWhatIsStoredSurvivesKill9AndIsToldAtLeastOnceInOrder(t *testing.T) {
	path := filepath.Join(t.TempDir(), "cabline.db")
	for range 3 {
		stored := postAndKill(t, path)
		if len(stored) == 0 {
			t.Fatal("nothing was stored before the kill")
		}
		synctest.Test(t, func(t *testing.T) { deliverAfterKill(t, path, stored) })
	}
}

// deliverAfterKill is the next start of the program: of what was stored
// everything is told, and nothing is left behind.
func deliverAfterKill(t *testing.T, path string, stored []string) {
	dispatch := &system{answer: func(try int, e pbx.Event) error {
		if try%5 == 0 {
			return errors.New("HTTP 503")
		}
		return nil
	}}
	box, db := newBox(t, path, map[string]outbox.Receiver{"dispatch": dispatch})
	defer db.Close()
	stop := serve(t, box)
	time.Sleep(time.Hour)
	stop()
	told := map[string][]string{}
	for _, e := range dispatch.told {
		told[e.CallID] = append(told[e.CallID], string(e.Kind))
	}
	for _, id := range stored {
		if got := told[id]; !slices.Equal(got, []string{"call_started", "notice", "call_ended"}) {
			t.Errorf("of call %s, which was stored, told %q", id, got)
		}
		if _, err := db.CDR(t.Context(), id); err != nil {
			t.Error(err)
		}
	}
	if n := waiting(t, box); n != 0 {
		t.Errorf("%d events still wait", n)
	}
	removeCDRs(t, db) // the next program counts from 0 again
}

func postAndKill(t *testing.T, path string) (stored []string) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	program := exec.Command(self)
	program.Env = append(os.Environ(), "CABLINE_TEST_POST_FOR_EVER="+path)
	out, err := program.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := program.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		if stored = append(stored, strings.TrimSpace(lines.Text())); len(stored) == 20 {
			_ = program.Process.Kill()
		}
	}
	_ = program.Wait()
	return stored
}

func removeCDRs(t *testing.T, db *store.Store) {
	t.Helper()
	if err := db.Write(t.Context(), func(tx *sql.Tx) error { _, err := tx.Exec("DELETE FROM cdrs"); return err }); err != nil {
		t.Fatal(err)
	}
}
