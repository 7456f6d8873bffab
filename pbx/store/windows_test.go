package store_test

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"cabline/pbx"
	"cabline/pbx/store"
)

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestCallbackWindowsSurviveARestart(t *testing.T) {
	path := filepath.Join(t.TempDir(), "cabline.db")
	db, err := store.Open(path)
	check(t, err)
	noon := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	const client, driver, other pbx.Phone = "+79161234567", "+79267654321", "+79030000000"
	missed := pbx.Window{OrderID: "42", Client: client, Driver: driver, Line: "+74950000000", Status: pbx.StatusAccepted,
		Missed: pbx.RoleClient, Opened: noon, Until: noon.Add(time.Hour)}
	lost := pbx.Window{OrderID: "41", Client: client, Driver: other, Status: pbx.StatusCompleted, Opened: noon.Add(time.Minute), Until: noon.Add(24 * time.Hour)}
	again := missed
	again.Opened, again.Until = noon.Add(2*time.Minute), noon.Add(time.Hour+2*time.Minute)
	for _, w := range []pbx.Window{missed, lost, again} {
		check(t, db.OpenWindow(t.Context(), w))
	}
	check(t, db.Close())
	db, err = store.Open(path)
	check(t, err)
	defer db.Close()

	see := func(what string, number pbx.Phone, at time.Time, want ...pbx.Window) {
		t.Helper()
		got, err := db.WindowsOf(t.Context(), number, at)
		if diff := cmp.Diff(want, got); err != nil || diff != "" {
			t.Errorf("%s: %v\n%s", what, err, diff)
		}
	}
	see("the client's, the last one first", client, noon, again, lost)
	see("the driver's", driver, noon, again)
	see("the other driver's", other, noon, lost)
	see("a stranger's", "+70000000000", noon)
	see("when one is over", client, noon.Add(2*time.Hour), lost)
	check(t, db.CloseMissed(t.Context(), client, driver))
	see("when the call was returned", client, noon, lost)
	check(t, db.CloseLostItem(t.Context(), "41"))
	see("when the operator closed it", client, noon)

	check(t, db.OpenWindow(t.Context(), missed))
	late := lost
	late.Opened, late.Until = noon.Add(5*time.Hour), noon.Add(29*time.Hour)
	check(t, db.OpenWindow(t.Context(), late))
	see("those that are over are forgotten", client, time.Time{}.Add(time.Hour), late)
}
