package main

import (
	"context"
	"time"

	"github.com/rs/zerolog"

	"cabline/pbx/store"
)

// forgetEvery is often enough that little is deleted at a time.
const forgetEvery = time.Hour

// forget deletes what is old until ctx ends.
func (x *exchange) forget(ctx context.Context) {
	keep := store.Keep(x.cfg.Keep)
	timer := time.NewTimer(time.Minute) // not among the first calls
	defer timer.Stop()
	for {
		select {
		case <-timer.C:
		case <-ctx.Done():
			return
		}
		rows, err := x.store.Forget(ctx, keep)
		log := zerolog.Ctx(ctx)
		if err != nil && ctx.Err() == nil {
			log.Error().Err(err).Msg("keep: trying again in an hour")
		}
		if rows > 0 {
			log.Info().Int64("rows", rows).Msg("keep: what has been kept for long enough is deleted")
		}
		timer.Reset(forgetEvery)
	}
}
