package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"cabline/cmd/cabline/config"
	"cabline/cmd/cabline/dispatcher"
	"cabline/pbx"
)

// demoDispatch is the dispatch system that the demo is run with, where it is
// another than the order book: a server of its own on loopback. The page's
// orders are its orders.
type demoDispatch struct {
	kind     string
	listener net.Listener
	system   func(book dispatcher.Book, exchange string) dispatcher.System
}

// demoSystem opens a dispatch system's server and has the config ask there.
func demoSystem(kind string, cfg *config.Config) (d *demoDispatch, err error) {
	d = &demoDispatch{kind: kind}
	cfg.Notices.Enabled = true
	if kind == "orderbook" {
		cfg.Notices.Statuses = slices.DeleteFunc(cfg.Notices.Statuses, func(s config.NoticeStatus) bool {
			return s.Status == string(pbx.StatusAccepted) // what the page's first button makes: the newcomer is to call
		})
		return d, nil
	}
	if d.listener, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
		return d, fmt.Errorf("demo dispatch system: %w", err)
	}
	there := "http://" + d.listener.Addr().String()
	cfg.Dispatch.Kind = kind
	switch kind {
	case "gootax":
		g := &cfg.Dispatch.Gootax
		g.VoiceToken, g.IntegrationToken = config.Secret(rand.Text()), config.Secret(rand.Text())
		g.API.URL, g.API.Tenant, g.API.App, g.API.Key = there, "1", "1", config.Secret(rand.Text())
		d.system = func(book dispatcher.Book, exchange string) dispatcher.System {
			return &dispatcher.Gootax{Book: book, Exchange: exchange, VoiceToken: g.VoiceToken.Reveal(),
				IntegrationToken: g.IntegrationToken.Reveal(), Key: g.API.Key.Reveal()}
		}
	case "taximaster":
		oktell, err := freeTCP()
		if err != nil {
			return d, fmt.Errorf("demo dispatch system: %w", err)
		}
		t := &cfg.Dispatch.Taximaster
		t.URL, t.TAPIKey, t.CommonKey = there, config.Secret(rand.Text()), config.Secret(rand.Text())
		t.Oktell.Listen, t.Oktell.Login, t.Oktell.Password = oktell, "oktell", config.Secret(rand.Text())
		t.States = []config.TaximasterState{{ID: 15, Status: "no_driver"}}
		t.Answers = []config.TaximasterAnswer{{Answer: "cancel", State: 13}, {Answer: "keep_looking", State: 1}}
		d.system = func(book dispatcher.Book, _ string) dispatcher.System {
			return &dispatcher.Taximaster{Book: book, TAPIKey: t.TAPIKey.Reveal(), CommonKey: t.CommonKey.Reveal(), OperatorOf: demoLogin,
				Oktell: "http://" + oktell.String(), Login: t.Oktell.Login, Password: t.Oktell.Password.Reveal()}
		}
	case "httpjson":
		h := &cfg.Dispatch.HTTPJSON
		h.Auth = config.HTTPAuth{Kind: "header", Name: "X-Key", Secret: config.Secret(rand.Text())}
		h.Secret, h.Numbers = config.Secret(rand.Text()), "plain"
		h.ByPhone = config.HTTPRequest{URL: there + "/find?tel={phone}", Within: "found"}
		h.ByDriver = h.ByPhone
		h.ByID = config.HTTPRequest{URL: there + "/rides/{order_id}"}
		h.Events.Request.URL = there + "/events"
		h.Order = config.OrderPaths{ID: "ride", Status: "stage", Phone: "who.tels.0", ClientName: "who.name", Pickup: "where.0", Dropoff: "where.1",
			Comment: "note", Price: "cost", Driver: "car.tel", Color: "car.colour", Mark: "car.make", Model: "car.model", Plate: "car.plate", Minutes: "car.minutes"}
		for status, word := range dispatcher.Words {
			h.Statuses = append(h.Statuses, config.TheirStatus{Theirs: word, Status: string(status)})
		}
		for _, answer := range []string{"cancel", "coming_out", "five_minutes", "keep_looking"} {
			h.Answers = append(h.Answers, config.HTTPJSONAnswer{Answer: answer,
				Request: config.HTTPRequest{URL: there + "/rides/{order_id}/{answer}", Method: http.MethodPost, OK: "accepted"}})
		}
		d.system = func(book dispatcher.Book, exchange string) dispatcher.System {
			return &dispatcher.HTTPJSON{Book: book, Key: h.Auth.Secret.Reveal(), Exchange: exchange, Secret: h.Secret.Reveal()}
		}
	}
	return d, nil
}

// serve plays the system until ctx ends. exchange is where our pages are.
func (d *demoDispatch) serve(ctx context.Context, book dispatcher.Book, exchange string) error {
	if d.system == nil {
		return nil
	}
	system := d.system(book, exchange)
	server := &http.Server{Handler: system, ReadHeaderTimeout: 5 * time.Second, BaseContext: func(net.Listener) context.Context { return ctx }}
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { dispatcher.Watch(ctx, book, system); return nil })
	g.Go(func() error {
		defer context.AfterFunc(ctx, func() { _ = server.Close() })()
		if err := server.Serve(d.listener); !errors.Is(err, http.ErrServerClosed) {
			return fmt.Errorf("demo dispatch system: %w", err)
		}
		return nil
	})
	return g.Wait()
}

// freeTCP finds a free port on loopback; see freePorts.
func freeTCP() (netip.AddrPort, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return netip.AddrPort{}, err
	}
	defer l.Close()
	return netip.ParseAddrPort(l.Addr().String())
}
