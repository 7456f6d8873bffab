package main

import (
	"context"
	"errors"

	"github.com/rs/zerolog"

	"cabline/cmd/cabline/config"
)

// serve runs the exchange until ctx ends.
func serve(ctx context.Context, cfg *config.Config, log zerolog.Logger) error {
	return errors.New("serve: not there yet")
}
