package main

import (
	"context"
	"fmt"
	"net/http"

	"golang.org/x/sync/errgroup"

	"cabline/cmd/cabline/config"
	"cabline/dispatchapi/courier"
	"cabline/dispatchapi/outbox"
	"cabline/pbx"
)

// dispatchSystem is the dispatch system of the config, and all that goes
// between it and the exchange.
type dispatchSystem struct {
	pbx.Dispatch
	mount  map[string]http.Handler     // what it asks of us over HTTP
	link   cardLink                    // nil: it shows no cards
	outbox *outbox.Box                 // nil: nobody is told of calls
	listen func(context.Context) error // serves an address of its own until the context ends; may be nil
}

// connectDispatch makes the dispatch system ready. It sends nothing yet.
func (x *exchange) connectDispatch() (*dispatchSystem, error) {
	d := &dispatchSystem{Dispatch: x.orders, mount: map[string]http.Handler{}}
	receivers := map[string]outbox.Receiver{}
	if events := x.cfg.Dispatch.Events; events.URL != "" {
		hook, err := webhook(events)
		if err != nil {
			return nil, fmt.Errorf("dispatch.events: %w", err)
		}
		receivers["events"] = told(hook, events.Mask)
	}
	switch x.cfg.Dispatch.Kind {
	case "gootax":
		system, err := x.gootax()
		if err != nil {
			return nil, fmt.Errorf("dispatch.gootax: %w", err)
		}
		d.Dispatch, d.link, d.mount = system, system.CardLink, system.Handlers()
	case "taximaster":
		system, err := x.taximaster()
		if err != nil {
			return nil, fmt.Errorf("dispatch.taximaster: %w", err)
		}
		d.Dispatch, receivers["taximaster"] = system, system
		if x.cfg.Dispatch.Taximaster.Oktell.Listen.IsValid() {
			d.listen = func(ctx context.Context) error { return x.oktell(ctx, system) }
		}
	case "httpjson":
		system, err := x.httpJSON()
		if err != nil {
			return nil, fmt.Errorf("dispatch.httpjson: %w", err)
		}
		d.Dispatch, receivers["httpjson"] = system, told(system, x.cfg.Dispatch.HTTPJSON.Events.Mask)
		x.newsOf(system, d.mount)
	}
	if len(receivers) > 0 {
		d.outbox = outbox.New(x.store, receivers)
	}
	return d, nil
}

// told is a receiver of events that learns people's numbers, or does not.
func told(to outbox.Receiver, mask bool) outbox.Receiver {
	if mask {
		return outbox.Masked{Receiver: to}
	}
	return to
}

func webhook(events config.Events) (*outbox.Webhook, error) {
	carrier, err := courier.New(courier.TLS(events.TLS))
	if err != nil {
		return nil, err
	}
	hook := &outbox.Webhook{URL: events.URL, Secret: events.Secret.Reveal(), Courier: carrier}
	for _, kind := range events.Kinds {
		hook.Kinds = append(hook.Kinds, pbx.EventKind(kind))
	}
	return hook, nil
}

// cardLink is where a dispatch system shows an operator the card of a call.
type cardLink func(operator string, card pbx.Card) string

// tellOf has the dispatch system told of what happens in calls, and of what
// clients answer.
func (d *dispatchSystem) tellOf(board *pbx.Switchboard, count func(pbx.Store) pbx.Store) {
	if board.Masking.Operators { // the card would show them the client's number
		d.link = nil
	}
	board.CardLink = d.link
	if answers, takes := d.Dispatch.(pbx.AnswerTaker); takes {
		board.Notices.Answers = answers
	}
	if d.outbox == nil {
		return
	}
	board.Tell = d.outbox.Take
	board.Store = count(d.outbox)
	board.Notices.Outbox = d.outbox
}

// serve delivers and answers until ctx ends.
func (d *dispatchSystem) serve(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	if d.outbox != nil {
		g.Go(func() error { d.outbox.Serve(ctx); return nil })
	}
	if d.listen != nil {
		g.Go(func() error { return d.listen(ctx) })
	}
	return g.Wait()
}

// backlogs is what the metrics tell of the outbox; nil where there is none.
func (d *dispatchSystem) backlogs() func(context.Context) ([]pbx.Backlog, error) {
	if d.outbox == nil {
		return nil
	}
	return d.outbox.Backlogs
}
