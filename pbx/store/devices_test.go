package store_test

import (
	"fmt"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"cabline/pbx"
	"cabline/pbx/store"
)

func TestDevicesSurviveARestart(t *testing.T) {
	path := filepath.Join(t.TempDir(), "cabline.db")
	db, err := store.Open(path)
	check(t, err)
	noon := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	device := func(login, contact string, expires time.Time) pbx.Device {
		return pbx.Device{Login: login, Contact: contact, Instance: "<urn:uuid:1> 1", Network: "UDP", Source: "192.0.2.1:5062", Local: "192.0.2.9:5060",
			CallID: "call of " + contact, Seq: 4294967295, Agent: "Grandstream", Expires: expires}
	}
	desk, mobile := device("anna", "sip:anna@192.0.2.1:5062", noon.Add(10*time.Minute)), device("anna", "sip:anna@198.51.100.1", noon.Add(5*time.Minute))
	boris := device("boris", "sip:boris@192.0.2.1:5064", noon.Add(20*time.Minute))
	check(t, db.KeepDevices(t.Context(), "anna", noon, []pbx.Device{desk, mobile}))
	check(t, db.KeepDevices(t.Context(), "boris", noon, []pbx.Device{boris}))
	check(t, db.Close())
	db, err = store.Open(path)
	check(t, err)
	defer db.Close()

	see := func(what string, want ...pbx.Device) {
		t.Helper()
		got, err := db.KeptDevices(t.Context())
		if diff := cmp.Diff(want, got); err != nil || diff != "" {
			t.Errorf("%s: %v\n%s", what, err, diff)
		}
	}
	see("all, the first to go first", mobile, desk, boris)
	desk.Expires, desk.Seq, mobile.Expires = noon.Add(12*time.Minute), 1, noon.Add(2*time.Minute)
	check(t, db.KeepDevices(t.Context(), "anna", noon.Add(2*time.Minute), []pbx.Device{desk}))
	see("one registered again, the other is gone", mobile, desk, boris)
	check(t, db.KeepDevices(t.Context(), "anna", noon.Add(time.Hour), nil))
	see("when it went stays as it was", mobile, desk, boris)

	month := noon.Add(31 * 24 * time.Hour)
	var pages []pbx.Device
	for n := range 30 {
		pages = append(pages, device("anna", fmt.Sprintf("sip:%d@page.invalid", n), month.Add(time.Duration(n)*time.Second)))
	}
	check(t, db.KeepDevices(t.Context(), "anna", month, pages))
	see("a month later, and of one operator twenty", slices.Clone(pages[10:])...)
}
