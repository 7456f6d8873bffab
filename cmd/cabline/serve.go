package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/rs/zerolog"

	"cabline/cmd/cabline/config"
)

// serve runs the exchange until ctx ends.
func serve(ctx context.Context, cfg *config.Config, log zerolog.Logger) (err error) {
	x, err := build(cfg)
	defer func() { err = errors.Join(err, x.close()) }()
	if err != nil {
		return err
	}
	pages, err := listen(cfg)
	if err != nil {
		return err
	}
	console, err := x.console(false, nil)
	if err != nil {
		return err
	}
	log.Info().Str("web", cfg.Web.Listen.String()).Any("sip", x.sip.Addrs()).Str("version", version).Msg("the exchange is open")
	return x.serve(ctx, pages, console.Server(ctx))
}

// listen opens the web port, with TLS where the config says https.
func listen(cfg *config.Config) (net.Listener, error) {
	plain, err := net.Listen("tcp", cfg.Web.Listen.Addr.String())
	if err != nil {
		return nil, fmt.Errorf("web.listen: %w", err)
	}
	if !cfg.Web.Listen.Secure {
		return plain, nil
	}
	cert, err := certificate(cfg, time.Now())
	if err != nil {
		return nil, errors.Join(err, plain.Close())
	}
	return tls.NewListener(plain, &tls.Config{
		Certificates: []tls.Certificate{cert},
		MinVersion:   tls.VersionTLS12,
		NextProtos:   []string{"h2", "http/1.1"},
	}), nil
}
