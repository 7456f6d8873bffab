package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"path/filepath"
	"time"

	"github.com/rs/zerolog"

	"cabline/dispatchapi/courier"
	"cabline/dispatchapi/taximaster"
	"cabline/pbx"
)

// taximaster makes Такси-Мастер ready to be asked.
func (x *exchange) taximaster() (*taximaster.System, error) {
	cfg := x.cfg.Dispatch.Taximaster
	carrier, err := courier.New(courier.TLS(cfg.TLS))
	if err != nil {
		return nil, err
	}
	set := taximaster.Config{
		URL: cfg.URL, TAPIKey: cfg.TAPIKey.Reveal(), CommonKey: cfg.CommonKey.Reveal(), Courier: carrier,
		Country: x.cfg.Firm.Country, Numbers: pbx.Format(cfg.Numbers), DB: x.store,
		Zone: x.cfg.Firm.Timezone, Recordings: cmp.Or(cfg.Recordings, x.cfg.Recordings()+string(filepath.Separator)),
		States: map[int]pbx.Status{}, Answers: map[pbx.ClientAnswer]int{},
	}
	for _, s := range cfg.States {
		set.States[s.ID] = pbx.Status(s.Status)
	}
	for _, a := range cfg.Answers {
		set.Answers[pbx.ClientAnswer(a.Answer)] = a.State
	}
	return taximaster.New(set), nil
}

// oktell answers Такси-Мастер until ctx ends, on an address of its own: it
// knows exchanges by an address and a port.
func (x *exchange) oktell(ctx context.Context, system *taximaster.System) error {
	cfg := x.cfg.Dispatch.Taximaster.Oktell
	answers := &taximaster.Oktell{System: system, Login: cfg.Login, Password: cfg.Password.Reveal(), Joining: cfg.Joining,
		Scripts: map[string]pbx.Status{}, Notices: x.board.Notices, Connect: x.board.Connect}
	for _, s := range cfg.Scripts {
		answers.Scripts[s.Name] = pbx.Status(s.Status)
	}
	listener, err := net.Listen("tcp", cfg.Listen.String())
	if err != nil {
		return fmt.Errorf("dispatch.taximaster.oktell.listen: %w", err)
	}
	zerolog.Ctx(ctx).Info().Stringer("address", listener.Addr()).Msg("waiting for Такси-Мастер")
	server := &http.Server{Handler: answers, BaseContext: func(net.Listener) context.Context { return ctx },
		ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 10 * time.Second, WriteTimeout: 10 * time.Second, IdleTimeout: time.Minute,
		MaxHeaderBytes: 32 << 10}
	stop := context.AfterFunc(ctx, func() { _ = server.Close() })
	defer stop()
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("dispatch.taximaster.oktell: %w", err)
	}
	return nil
}
