package main

import (
	"context"
	"fmt"

	"cabline/cmd/cabline/config"
)

type checkCommand struct {
	Config string `required:"" short:"c" placeholder:"FILE" help:"The config file."`
}

// Run reads the config and tries what it says, as far as that goes without
// calling anyone.
func (c checkCommand) Run(_ context.Context, to console) error {
	_, warnings, err := config.Load(c.Config, to.env)
	if err != nil {
		return err
	}
	for _, w := range warnings {
		fmt.Fprintln(to.out, w)
	}
	return nil
}
