package main

import (
	"context"
	"errors"
	"net/netip"

	"cabline/cmd/cabline/config"
)

type serveCommand struct {
	Config string `required:"" short:"c" placeholder:"FILE" help:"The config file."`
}

// Run reads the config and runs the exchange until ctx ends.
func (c serveCommand) Run(ctx context.Context, to terminal) error {
	cfg, warnings, err := config.Load(c.Config, to.env)
	if err != nil {
		return err
	}
	log := newLogger(to.err, cfg.Log, cfg.Secrets())
	for _, w := range warnings {
		log.Warn().Msg(w.String())
	}
	return serve(log.WithContext(ctx), cfg, log)
}

type demoCommand struct {
	Listen   string `default:"127.0.0.1:8080" placeholder:"ADDRESS:PORT" help:"Where the page is served; loopback only, port 0 picks one (${default})."`
	Dispatch string `default:"orderbook" enum:"orderbook,gootax,taximaster,httpjson" help:"The dispatch system to play: ${enum} (${default})."`
	Open     bool   `default:"true" negatable:"" help:"Open the page in the browser, where there is one."`
	LogLevel string `default:"info" enum:"trace,debug,info,warn,error" help:"How much to tell: ${enum} (${default})."`
}

// demoOptions is how to run the demo.
type demoOptions struct {
	Listen   netip.AddrPort
	Dispatch string // the kind of dispatch system
	Open     bool   // open the page in the browser
}

// Run plays the demo until ctx ends.
func (c demoCommand) Run(ctx context.Context, to terminal) error {
	listen, err := c.address()
	if err != nil {
		return err
	}
	log := newLogger(to.err, config.Log{Level: c.LogLevel, Format: "auto"}, nil)
	return demo(log.WithContext(ctx), demoOptions{Listen: listen, Dispatch: c.Dispatch, Open: c.Open}, log)
}

// Validate refuses an address that is none; kong calls it.
func (c demoCommand) Validate() error {
	_, err := c.address()
	return err
}

func (c demoCommand) address() (netip.AddrPort, error) {
	listen, err := config.ParseWebListen("http://" + c.Listen)
	if err != nil {
		return netip.AddrPort{}, errors.New("--listen: the demo gives everybody its passwords, so it is for loopback only, such as 127.0.0.1:8080")
	}
	return listen.Addr, nil
}
