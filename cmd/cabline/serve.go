package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"runtime"
	"runtime/debug"

	"github.com/rs/zerolog"

	"cabline/cmd/cabline/config"
)

// serve runs the exchange until ctx ends and the calls of then are over, or have
// had their time.
func serve(ctx context.Context, cfg *config.Config, log zerolog.Logger) (err error) {
	x, err := build(cfg)
	defer func() { err = errors.Join(err, x.close()) }()
	if err != nil {
		return err
	}
	pages, err := x.listen()
	if err != nil {
		return err
	}
	ctx, end := x.lasting(ctx)
	defer end()
	console, err := x.console(false, nil)
	if err != nil {
		return err
	}
	tidy()
	log.Info().Str("web", cfg.Web.Listen.String()).Any("sip", x.sip.Addrs()).Str("version", version).Msg("the exchange is open")
	return x.serve(ctx, pages, console.Server(ctx))
}

// tidy gives back what only the beginning needed, above all the buffers of 4 MB
// in which the migrations were read: the heap may grow to twice what it holds
// before it is looked through again.
func tidy() {
	runtime.GC() // of what a sync.Pool holds it lets go half each time
	debug.FreeOSMemory()
	unmap()
}

// listen opens the web port, with TLS where the config says https.
func (x *exchange) listen() (net.Listener, error) {
	web := x.cfg.Web.Listen
	plain, err := net.Listen("tcp", web.Addr.String())
	if err != nil {
		return nil, fmt.Errorf("web.listen: %w", err)
	}
	if !web.Secure {
		return plain, nil
	}
	return tls.NewListener(plain, &tls.Config{
		GetCertificate: x.certificates.web.show,
		MinVersion:     tls.VersionTLS12,
		NextProtos:     []string{"h2", "http/1.1"},
	}), nil
}
