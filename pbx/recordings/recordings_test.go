package recordings_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rs/zerolog"
	"go.uber.org/goleak"

	"cabline/media"
	"cabline/media/wav"
	"cabline/pbx"
	"cabline/pbx/pbxtest"
	"cabline/pbx/recordings"
	"cabline/pbx/store"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var _ pbx.Recorder = (*recordings.Recordings)(nil)

// outbox remembers what is told.
type outbox struct {
	mu     sync.Mutex
	events []pbx.Event
	broken bool
}

var errBroken = errors.New("disk on fire")

func (o *outbox) Post(_ context.Context, e pbx.Event) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.broken {
		return errBroken
	}
	o.events = append(o.events, e)
	return nil
}

func newStore(t *testing.T) *store.Store {
	t.Helper()
	db, err := store.Open(filepath.Join(t.TempDir(), "cabline.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return db
}

func config(t *testing.T, db *store.Store, box pbx.Outbox) recordings.Config {
	return recordings.Config{Folder: filepath.Join(t.TempDir(), "recordings"), Keep: 90 * 24 * time.Hour, Drivers: true, Operators: true, Index: db, Outbox: box,
		URL: func(callID string, number int) string { return "https://pbx/" + callID }}
}

// talk records a talk of a call; its parties say nothing.
func talk(r *recordings.Recordings, callID string, length time.Duration) pbx.Tape {
	t := r.Begin(zerolog.Nop(), callID, 1, pbx.RoleClient, pbx.RoleDriver)
	client, driver := pbxtest.NewLeg("+79161234567"), pbxtest.NewLeg("+79267654321")
	unplug := t.Cross(client.Port, driver.Port)
	time.Sleep(length)
	unplug()
	t.End()
	return t
}

func of(callID string) pbx.CDR {
	return pbx.CDR{ID: callID, Kind: pbx.KindInbound, OrderID: "42", From: "+79161234567", Result: "completed", Started: time.Now(), Ended: time.Now()}
}

// files are those below a folder, without it.
func files(t *testing.T, folder string) (names []string) {
	t.Helper()
	err := filepath.WalkDir(folder, func(path string, entry os.DirEntry, err error) error {
		if err == nil && !entry.IsDir() {
			names = append(names, strings.TrimPrefix(path, folder+"/"))
		}
		return err
	})
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	return names
}

func TestARecordingIsToldOfAndKeptWhenItsCallIsOver(t *testing.T) {
	db, box := newStore(t), &outbox{}
	c := config(t, db, box)
	synctest.Test(t, func(t *testing.T) {
		r := recordings.New(c)
		defer r.Close()
		began := time.Now().UTC()
		tape := talk(r, "CALL1", 10*time.Second)
		time.Sleep(time.Minute) // the client waits for an operator
		if len(box.events) != 0 {
			t.Errorf("told before the call was over: %+v", box.events)
		}
		tape.CallEnded(of("CALL1"))
		synctest.Wait()
		want := pbx.Recording{CallID: "CALL1", Number: 1, File: began.Format("2006-01-02/150405.000") + "-CALL1-1-client-driver.wav",
			Started: began, Length: 10 * time.Second, Size: 160_046, Left: pbx.RoleClient, Right: pbx.RoleDriver}
		kept, err := r.Recordings(t.Context(), "CALL1")
		if diff := cmp.Diff([]pbx.Recording{want}, kept); diff != "" || err != nil {
			t.Error(err, diff)
		}
		want.URL = "https://pbx/CALL1"
		if len(box.events) != 1 || box.events[0].Kind != pbx.EventRecording || box.events[0].OrderID != "42" || box.events[0].CDR.Result != "completed" ||
			!cmp.Equal(want, *box.events[0].Recording) {
			t.Errorf("told %+v", box.events)
		}
		file, _, err := r.Open(t.Context(), "CALL1", 1)
		if err != nil {
			t.Fatal(err)
		}
		defer file.Close()
		if info, err := file.Stat(); err != nil || info.Size() != 160_046 || info.Mode().Perm() != 0o600 {
			t.Errorf("%v, %v", info, err)
		}
		if _, _, err := r.Open(t.Context(), "CALL1", 2); !errors.Is(err, store.ErrNoRecording) {
			t.Error(err)
		}
		if info, err := os.Stat(c.Folder); err != nil || info.Mode().Perm() != 0o700 {
			t.Errorf("the folder: %v, %v", info, err)
		}
	})
}

func TestTheOwnerSaysWhichTalksAreRecorded(t *testing.T) {
	for name, tc := range map[string]struct{ drivers, operators bool }{"all": {true, true}, "with drivers": {true, false}, "with operators": {false, true}} {
		t.Run(name, func(t *testing.T) {
			c := config(t, newStore(t), nil)
			c.Drivers, c.Operators = tc.drivers, tc.operators
			r := recordings.New(c)
			defer r.Close()
			for _, pair := range []struct {
				left, right pbx.Role
				want        bool
			}{{pbx.RoleClient, pbx.RoleDriver, tc.drivers}, {pbx.RoleClient, pbx.RoleOperator, tc.operators}, {pbx.RoleClient, pbx.RoleTarget, tc.operators},
				{pbx.RoleTarget, pbx.RoleOperator, tc.operators}, {pbx.RoleDriver, pbx.RoleOperator, tc.operators}} {
				tape := r.Begin(zerolog.Nop(), string(pair.left+pair.right), 1, pair.left, pair.right)
				if (tape != nil) != pair.want {
					t.Errorf("%s and %s: %v", pair.left, pair.right, tape)
				}
				if tape != nil {
					tape.End()
					tape.CallEnded(pbx.CDR{})
				}
			}
		})
	}
}

// What kill -9 leaves at each moment of a recording.
func TestWhatADeadProgramLeftIsFound(t *testing.T) {
	const name = "2026-11-22/120000.500-CALL1-2-client-operator.wav"
	sound := wav.Audio{Format: wav.ALaw, Rate: media.Rate, Channels: 2, Data: make([]byte, 5*2*media.Rate)}.Bytes()
	unfinished := append(wav.Header(wav.ALaw, media.Rate, 2, 0), sound[wav.HeaderSize:]...)
	want := pbx.Recording{CallID: "CALL1", Number: 2, File: name, Started: time.Date(2026, 11, 22, 12, 0, 0, 5e8, time.UTC), Length: 5 * time.Second,
		Size: int64(len(sound)), Left: pbx.RoleClient, Right: pbx.RoleOperator}
	for when, tc := range map[string]struct {
		file    string
		content []byte
		cdr     bool // the call was over and written down
		indexed bool
		kept    bool
		told    int
	}{
		"amid the talk":                      {name + ".part", unfinished, false, false, true, 0},
		"before its first sound":             {name + ".part", unfinished[:wav.HeaderSize], false, false, false, 0},
		"after the talk":                     {name, sound, false, false, true, 0},
		"before anybody was told":            {name, sound, true, false, true, 1},
		"after all was done":                 {name, sound, true, true, true, 0},
		"and somebody else's file beside it": {"2026-11-22/notes.wav", sound, false, false, false, 0},
	} {
		t.Run(when, func(t *testing.T) {
			db, box := newStore(t), &outbox{}
			c := config(t, db, box)
			c.Keep = 0
			path := filepath.Join(c.Folder, tc.file)
			if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, tc.content, 0o600); err != nil {
				t.Fatal(err)
			}
			if tc.cdr {
				if err := db.SaveCDR(t.Context(), of("CALL1")); err != nil {
					t.Fatal(err)
				}
			}
			if tc.indexed {
				if err := db.KeepRecording(t.Context(), want); err != nil {
					t.Fatal(err)
				}
			}
			for range 2 { // two starts
				synctest.Test(t, func(t *testing.T) {
					time.Sleep(time.Until(time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC)))
					r := recordings.New(c)
					defer r.Close()
					ctx, stop := context.WithCancel(t.Context())
					var serving sync.WaitGroup
					serving.Go(func() { r.Serve(ctx) })
					synctest.Wait()
					stop()
					serving.Wait()
					kept, err := r.Recordings(t.Context(), "CALL1")
					if err != nil || len(kept) == 1 != tc.kept || tc.kept && !cmp.Equal(want, kept[0]) {
						t.Errorf("%+v, %v", kept, err)
					}
				})
			}
			if len(box.events) != tc.told {
				t.Errorf("told of %d", len(box.events))
			}
			left := files(t, c.Folder)
			switch {
			case tc.kept:
				if got, err := os.ReadFile(filepath.Join(c.Folder, name)); err != nil || !cmp.Equal(got, sound) {
					t.Errorf("%d bytes, %v", len(got), err)
				}
			case tc.file == "2026-11-22/notes.wav" && len(left) != 1, tc.file != "2026-11-22/notes.wav" && len(left) != 0:
				t.Errorf("left: %v", left)
			}
		})
	}
}

func TestARecordingNobodyCouldBeToldOfIsToldOfAtTheNextStart(t *testing.T) {
	db, box := newStore(t), &outbox{broken: true}
	c := config(t, db, box)
	synctest.Test(t, func(t *testing.T) {
		r := recordings.New(c)
		tape := talk(r, "CALL1", time.Second)
		cdr := of("CALL1")
		if err := db.SaveCDR(t.Context(), cdr); err != nil {
			t.Fatal(err)
		}
		tape.CallEnded(cdr)
		r.Close()
		box.broken = false
		time.Sleep(time.Second)
		r = recordings.New(c)
		defer r.Close()
		ctx, stop := context.WithCancel(t.Context())
		var serving sync.WaitGroup
		serving.Go(func() { r.Serve(ctx) })
		synctest.Wait()
		stop()
		serving.Wait()
	})
	if len(box.events) != 1 || box.events[0].Recording.Length != time.Second {
		t.Errorf("%+v", box.events)
	}
}

func TestRecordingsAreRemovedWhenTheirTimeIsOver(t *testing.T) {
	const day = 24 * time.Hour
	db := newStore(t)
	c := config(t, db, nil)
	synctest.Test(t, func(t *testing.T) {
		r := recordings.New(c)
		defer r.Close()
		ctx, stop := context.WithCancel(t.Context())
		var serving sync.WaitGroup
		serving.Go(func() { r.Serve(ctx) })
		defer serving.Wait()
		defer stop()
		for _, call := range []string{"MON", "TUE", "WED"} {
			talk(r, call, time.Second).CallEnded(pbx.CDR{})
			synctest.Wait()
			time.Sleep(day)
		}
		if got := files(t, c.Folder); len(got) != 3 {
			t.Fatalf("%v", got)
		}
		stranger := filepath.Join(c.Folder, "notes.txt")
		if err := os.WriteFile(stranger, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		time.Sleep(87 * day) // 90 days and some seconds after the first; it goes the next time somebody looks
		for left := 3; left >= 0; left-- {
			synctest.Wait()
			n := 0
			for _, call := range []string{"MON", "TUE", "WED"} {
				kept, err := r.Recordings(t.Context(), call)
				if err != nil {
					t.Fatal(err)
				}
				n += len(kept)
			}
			if got := files(t, c.Folder); n != left || len(got) != left+1 {
				t.Errorf("%d in the index, files %v, want %d", n, got, left)
			}
			time.Sleep(day)
		}
		if days, err := os.ReadDir(c.Folder); err != nil || len(days) != 1 {
			t.Errorf("%v, %v", days, err)
		}
		if _, err := os.Stat(stranger); err != nil {
			t.Error("somebody else's file is gone")
		}
	})
}

func TestNoNameOfAFileHasANumberOfAPartyInIt(t *testing.T) {
	c := config(t, newStore(t), nil)
	synctest.Test(t, func(t *testing.T) {
		r := recordings.New(c)
		talk(r, "CALL1", time.Second).CallEnded(of("CALL1"))
		r.Close()
	})
	for _, name := range files(t, c.Folder) {
		if strings.Contains(name, "9161234567") || strings.Contains(name, "9267654321") {
			t.Error(name)
		}
	}
}
