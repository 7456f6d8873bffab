package main

import (
	"context"
	"errors"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"cabline/cmd/cabline/config"
	"cabline/pbx"
	"cabline/pbx/store"
)

func TestOldCallsAreDeletedWhileTheExchangeRuns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		db, err := store.Open(filepath.Join(t.TempDir(), "cabline.db"))
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() {
			defer close(done)
			(&exchange{cfg: config.Default(), store: db}).forget(ctx)
		}()
		if err := db.SaveCDR(ctx, pbx.CDR{ID: "old", Ended: time.Now()}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(3*365*24*time.Hour - time.Minute)
		if _, err := db.CDR(ctx, "old"); err != nil {
			t.Errorf("before three years are over: %v", err)
		}
		time.Sleep(2 * time.Hour)
		if _, err := db.CDR(ctx, "old"); !errors.Is(err, store.ErrNoCDR) {
			t.Errorf("after three years: %v, want %v", err, store.ErrNoCDR)
		}
		stop()
		<-done
	})
}
