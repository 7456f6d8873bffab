package main

import (
	"context"
	"net/http"

	"cabline/cmd/cabline/config"
	"cabline/dispatchapi/courier"
	"cabline/dispatchapi/httpjson"
	"cabline/pbx"
)

// httpJSON makes the firm's own dispatch system ready to be asked.
func (x *exchange) httpJSON() (*httpjson.System, error) {
	cfg := x.cfg.Dispatch.HTTPJSON
	carrier, err := courier.New(courier.TLS(cfg.TLS))
	if err != nil {
		return nil, err
	}
	set := httpjson.Config{
		Courier: carrier, DB: x.store, Country: x.cfg.Firm.Country, Numbers: pbx.Format(cfg.Numbers), Retries: cfg.Retries,
		ByPhone: request(cfg.ByPhone), ByDriver: request(cfg.ByDriver), ByID: request(cfg.ByID), Event: request(cfg.Events.Request),
		Answers: map[pbx.ClientAnswer]httpjson.Request{}, Order: httpjson.Paths(cfg.Order), Statuses: statusesOf(cfg.Statuses),
		Auth: httpjson.Auth{Kind: cfg.Auth.Kind, Name: cfg.Auth.Name, Login: cfg.Auth.Login, Secret: cfg.Auth.Secret.Reveal(), InQuery: cfg.Auth.InQuery},
	}
	for _, a := range cfg.Answers {
		set.Answers[pbx.ClientAnswer(a.Answer)] = request(a.Request)
	}
	for _, kind := range cfg.Events.Kinds {
		set.Kinds = append(set.Kinds, pbx.EventKind(kind))
	}
	return httpjson.New(set), nil
}

func request(q config.HTTPRequest) httpjson.Request {
	r := httpjson.Request{Method: q.Method, URL: q.URL, Header: http.Header{}, Body: q.Body, Within: q.Within, OK: q.OK}
	for _, h := range q.Headers {
		r.Header.Add(h.Name, h.Value)
	}
	return r
}

// newsOf mounts what the system posts to us.
func (x *exchange) newsOf(system *httpjson.System, mount map[string]http.Handler) {
	secret := x.cfg.Dispatch.HTTPJSON.Secret.Reveal()
	if secret == "" {
		return
	}
	news := &httpjson.News{System: system, Secret: secret, Notices: noticeboard{x},
		Connect: func(ctx context.Context, want pbx.ConnectRequest) (string, error) { return x.board.Connect(ctx, want) }}
	mount["/integration/httpjson/notify"] = http.HandlerFunc(news.Notify)
	mount["/integration/httpjson/connect"] = http.HandlerFunc(news.Join)
}
