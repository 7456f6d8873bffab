package store_test

import (
	"bufio"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"cabline/media"
	"cabline/pbx"
	"cabline/pbx/store"
)

func TestMain(m *testing.M) {
	if path := os.Getenv("CABLINE_TEST_SAVE_FOR_EVER"); path != "" {
		saveForEver(path)
	}
	goleak.VerifyTestMain(m)
}

func open(t *testing.T, path string) *store.Store {
	t.Helper()
	s, err := store.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func databaseFile(t *testing.T) string { return filepath.Join(t.TempDir(), "cabline.db") }

// aCall is a call with something in every field.
func aCall(id string, ended time.Time) pbx.CDR {
	started := ended.Add(-time.Minute)
	return pbx.CDR{
		ID: id, Kind: pbx.KindInbound, Line: "+74950000000", From: "+79161234567", To: "+79035550001",
		OrderID: "42", Branch: "Центр", Started: started, Answered: started.Add(time.Second), Ended: ended,
		Waited: 1500 * time.Microsecond, Talked: 31 * time.Second, State: pbx.StateEnded, Result: "completed",
		Steps: []pbx.Step{{At: started, What: "order 42"}, {At: started.Add(2 * time.Second), What: "dial driver"}},
		Legs: []pbx.LegRecord{
			{ID: "a@carrier", Party: pbx.RoleClient, Number: "+79161234567", Trunk: "carrier", Started: started, Answered: started, Ended: ended,
				Cause: "hung up", Code: 200, Audio: media.Stats{Received: 1, Sent: 2, Lost: 3, Dropped: 4, Jitter: 5 * time.Millisecond, LastHeard: ended,
					Codec: "opus", Late: 6, TooLate: 2, LongestSilence: 7 * time.Second, PeerExpected: 8, PeerLost: 9, PeerJitter: 10 * time.Microsecond, RoundTrip: 11 * time.Millisecond}},
			{ID: "b@cabline", Party: pbx.RoleOperator, Operator: "anna", Started: started, Cause: "busy", Code: 486},
		},
	}
}

var noon = time.Date(2026, 11, 22, 12, 0, 0, 123456000, time.UTC)

func TestACallIsReadBackWholeAfterARestart(t *testing.T) {
	path := databaseFile(t)
	full := aCall("full", noon)
	bare := pbx.CDR{ID: "bare", Kind: pbx.KindConnect, State: pbx.StateEnded}
	s := open(t, path)
	for _, cdr := range []pbx.CDR{full, bare} {
		if err := s.SaveCDR(t.Context(), cdr); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = open(t, path)
	for _, want := range []pbx.CDR{full, bare} {
		got, err := s.CDR(t.Context(), want.ID)
		if diff := cmp.Diff(want, got); err != nil || diff != "" {
			t.Errorf("%s: %v\n%s", want.ID, err, diff)
		}
	}
	if _, err := s.CDR(t.Context(), "another"); !errors.Is(err, store.ErrNoCDR) {
		t.Errorf("a call nobody made: %v", err)
	}
}

func TestSavingACallTwiceKeepsTheFirstWord(t *testing.T) {
	s := open(t, databaseFile(t))
	for _, result := range []string{"completed", "failed"} {
		cdr := aCall("once", noon)
		cdr.Result = result
		if err := s.SaveCDR(t.Context(), cdr); err != nil {
			t.Fatal(err)
		}
	}
	all, _, err := s.CDRs(t.Context(), time.Time{}, "", false, 10)
	if err != nil || len(all) != 1 || all[0].Result != "completed" {
		t.Errorf("%v %+v", err, all)
	}
}

func TestCallsAreReadInPages(t *testing.T) {
	s := open(t, databaseFile(t))
	for i := range 7 {
		if err := s.SaveCDR(t.Context(), aCall(fmt.Sprint("c", i), noon.Add(time.Duration(i)*time.Hour))); err != nil {
			t.Fatal(err)
		}
	}
	for name, tc := range map[string]struct {
		since  time.Time
		newest bool
		pages  string
	}{
		"all, oldest first":               {pages: "c0 c1 c2|c3 c4 c5|c6|"},
		"all, newest first":               {newest: true, pages: "c6 c5 c4|c3 c2 c1|c0|"},
		"since one's end, that one too":   {since: noon.Add(5 * time.Hour), pages: "c5 c6|"},
		"since after the last: none":      {since: noon.Add(9 * time.Hour), pages: ""},
		"since the third, newest first":   {since: noon.Add(2 * time.Hour), newest: true, pages: "c6 c5 c4|c3 c2|"},
		"since a moment after it: not it": {since: noon.Add(5*time.Hour + time.Microsecond), pages: "c6|"},
	} {
		t.Run(name, func(t *testing.T) {
			var pages strings.Builder
			for cursor := ""; ; {
				page, next, err := s.CDRs(t.Context(), tc.since, cursor, tc.newest, 3)
				if err != nil {
					t.Fatal(err)
				}
				if len(page) == 0 {
					if next != cursor {
						t.Errorf("the cursor moved from %q to %q though nothing was read", cursor, next)
					}
					break
				}
				var ids []string
				for _, c := range page {
					ids = append(ids, c.ID)
				}
				pages.WriteString(strings.Join(ids, " ") + "|")
				cursor = next
			}
			if pages.String() != tc.pages {
				t.Errorf("got %q, want %q", pages.String(), tc.pages)
			}
		})
	}
	t.Run("the cursor goes on with what was saved later", func(t *testing.T) {
		_, cursor, _ := s.CDRs(t.Context(), time.Time{}, "", false, 100)
		if err := s.SaveCDR(t.Context(), aCall("late", noon.Add(-time.Hour))); err != nil {
			t.Fatal(err)
		}
		page, _, err := s.CDRs(t.Context(), time.Time{}, cursor, false, 100)
		if err != nil || len(page) != 1 || page[0].ID != "late" {
			t.Errorf("%v %v", err, page)
		}
	})
	for _, bad := range []string{"x", "-1", "1; DROP TABLE cdrs", "99999999999999999999"} {
		if _, _, err := s.CDRs(t.Context(), time.Time{}, bad, false, 3); !errors.Is(err, store.ErrCursor) {
			t.Errorf("cursor %q: %v", bad, err)
		}
	}
}

func TestManyWriteAndReadAtOnce(t *testing.T) {
	s := open(t, databaseFile(t))
	const writers, each = 8, 25
	var all sync.WaitGroup
	for w := range writers {
		all.Go(func() {
			for i := range each {
				id := fmt.Sprintf("%d-%d", w, i)
				if err := s.SaveCDR(t.Context(), aCall(id, noon)); err != nil {
					t.Error(err)
				}
				if _, err := s.CDR(t.Context(), id); err != nil { // what was saved is seen at once
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	page, _, err := s.CDRs(t.Context(), time.Time{}, "", false, 1000)
	if err != nil || len(page) != writers*each {
		t.Errorf("%d calls, %v", len(page), err)
	}
}

// saveForEver is the child of the test below: it saves calls until it is killed.
func saveForEver(path string) {
	s, err := store.Open(path)
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	for i := 0; ; i++ {
		id := fmt.Sprint("k", i)
		if err := s.SaveCDR(context.Background(), aCall(id, noon)); err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		fmt.Println(id)
	}
}

func TestWhatWasSavedSurvivesKill9(t *testing.T) {
	path := databaseFile(t)
	child := exec.CommandContext(t.Context(), os.Args[0])
	child.Env = append(os.Environ(), "CABLINE_TEST_SAVE_FOR_EVER="+path)
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	var saved []string
	lines := bufio.NewScanner(out)
	for len(saved) < 50 && lines.Scan() {
		saved = append(saved, lines.Text())
	}
	_ = child.Process.Kill() // SIGKILL, in the middle of a write
	for lines.Scan() {
		saved = append(saved, lines.Text())
	}
	_ = child.Wait()
	if len(saved) < 50 {
		t.Fatalf("the child said %q", saved)
	}
	s := open(t, path)
	for _, id := range saved {
		if _, err := s.CDR(t.Context(), id); err != nil {
			t.Fatalf("%s was saved, and then: %v", id, err)
		}
	}
}

func TestFaultsOfTheFileAreToldInWords(t *testing.T) {
	exec := func(t *testing.T, path, statement string) *sql.DB {
		db, err := sql.Open("sqlite3", path)
		if err != nil {
			t.Fatal(err)
		}
		db.SetMaxOpenConns(1)
		if _, err := db.Exec(statement); err != nil {
			t.Fatal(err)
		}
		return db
	}
	for name, tc := range map[string]struct {
		spoil func(t *testing.T, path string)
		want  error
		says  string
	}{
		"no database at all": {
			spoil: func(t *testing.T, path string) { write(t, path, strings.Repeat("no database ", 500)) },
			want:  store.ErrDamaged, says: "restore the last backup",
		},
		"pages overwritten": {
			spoil: func(t *testing.T, path string) {
				_ = open(t, path).Close()
				data, err := os.ReadFile(path)
				if err != nil {
					t.Fatal(err)
				}
				write(t, path, string(data[:100])+strings.Repeat("x", len(data)-100))
			},
			want: store.ErrDamaged,
		},
		"written by a newer version": {
			spoil: func(t *testing.T, path string) {
				_ = open(t, path).Close()
				_ = exec(t, path, "INSERT INTO goose_db_version (version_id, is_applied) VALUES (999, true)").Close()
			},
			want: store.ErrNewer, says: "its tables are version 999",
		},
		"a folder in its place": {
			spoil: func(t *testing.T, path string) {
				if err := os.Mkdir(path, 0o700); err != nil {
					t.Fatal(err)
				}
			},
			says: "is a directory",
		},
	} {
		t.Run(name, func(t *testing.T) {
			path := databaseFile(t)
			tc.spoil(t, path)
			s, err := store.Open(path)
			if err == nil {
				_ = s.Close()
				t.Fatal("opened all the same")
			}
			if tc.want != nil && !errors.Is(err, tc.want) || !strings.Contains(err.Error(), tc.says) || !strings.Contains(err.Error(), path) {
				t.Errorf("said: %v", err)
			}
		})
	}
	t.Run("a file that is written while another holds it", func(t *testing.T) {
		path := databaseFile(t)
		s, err := store.OpenImpatient(path)
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		other := exec(t, path, "BEGIN EXCLUSIVE")
		if err := s.SaveCDR(t.Context(), aCall("x", noon)); !errors.Is(err, store.ErrLocked) || !strings.Contains(err.Error(), path) {
			t.Errorf("said: %v", err)
		}
		_ = other.Close()
		if err := s.SaveCDR(t.Context(), aCall("x", noon)); err != nil {
			t.Errorf("after it was let go: %v", err)
		}
	})
	t.Run("a full disk, then space again", func(t *testing.T) {
		s := open(t, databaseFile(t))
		limitPages(t, s, 1) // SQLite takes the present size when that is more: no page can be added
		long := aCall("long", noon)
		long.Steps = append(long.Steps, pbx.Step{At: noon, What: strings.Repeat("x", 100_000)})
		if err := s.SaveCDR(t.Context(), long); !errors.Is(err, store.ErrFull) {
			t.Errorf("said: %v", err)
		}
		if err := s.Ping(t.Context()); err != nil {
			t.Errorf("reading: %v", err)
		}
		limitPages(t, s, 1<<30)
		if err := s.SaveCDR(t.Context(), long); err != nil {
			t.Errorf("with space again: %v", err)
		}
	})
}

func write(t *testing.T, path, content string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

func limitPages(t *testing.T, s *store.Store, pages int) {
	t.Helper()
	err := s.Write(t.Context(), func(tx *sql.Tx) error {
		_, err := tx.Exec(fmt.Sprintf("PRAGMA max_page_count = %d", pages))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestThePathMayHoldAnyCharacterAndNobodyElseReadsIt(t *testing.T) {
	path := filepath.Join(t.TempDir(), "Ромашка? 100% #1", "a&b.db")
	s := open(t, path)
	if err := s.SaveCDR(t.Context(), aCall("x", noon)); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{path, path + "-wal"} {
		info, err := os.Stat(name)
		if err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v %v", name, info, err)
		}
	}
}

func TestReadersCannotWrite(t *testing.T) {
	s := open(t, databaseFile(t))
	if _, err := s.Readers().Exec("DELETE FROM cdrs"); err == nil {
		t.Error("a reader wrote")
	}
}
