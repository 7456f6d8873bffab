package main

import (
	"context"
	"errors"

	"github.com/rs/zerolog"
)

// demo runs the exchange with a carrier of its own until ctx ends.
func demo(ctx context.Context, opts demoOptions, log zerolog.Logger) error {
	return errors.New("demo: not there yet")
}
