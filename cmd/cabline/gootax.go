package main

import (
	"cmp"
	"context"
	"net"
	"slices"
	"strconv"

	"cabline/cmd/cabline/config"
	"cabline/dispatchapi/courier"
	"cabline/dispatchapi/gootax"
	"cabline/pbx"
)

// gootax makes us the exchange behind Gootax. What it asks of the switchboard,
// it asks of the one there is by then.
func (x *exchange) gootax() (*gootax.System, error) {
	cfg := x.cfg.Dispatch.Gootax
	set := gootax.Config{
		Panel: cfg.Domain, Tokens: []string{cfg.VoiceToken.Reveal(), cfg.IntegrationToken.Reveal()}, CallToken: cfg.CallToken.Reveal(),
		Country: x.cfg.Firm.Country, Numbers: pbx.Format(cfg.Numbers), Remember: cfg.Remember,
		PhonePath: cfg.PhonePath, DriverPath: cfg.DriverPath, NotifyAt: cfg.NotifyPaths, ConnectAt: cfg.ConnectPaths,
		Statuses: statusesOf(cfg.Statuses), AnyStatus: cfg.UnknownStatus == "notice",
		Notices: noticeboard{x}, AsLanguage: x.cfg.Firm.Language,
		Connect: func(ctx context.Context, want pbx.ConnectRequest) (string, error) { return x.board.Connect(ctx, want) },
		CallTo: func(ctx context.Context, operator string, number pbx.Phone) (string, error) {
			return x.board.CallTo(ctx, operator, number)
		},
	}
	for _, e := range cfg.Employees {
		set.Employees = append(set.Employees, gootax.Employee{Operator: e.Operator, Number: e.Number, AccessToken: e.AccessToken.Reveal()})
	}
	if cfg.API.URL != "" {
		carrier, err := courier.New(courier.TLS(cfg.API.TLS))
		if err != nil {
			return nil, err
		}
		set.Orders = &gootax.API{URL: cfg.API.URL, Tenant: cfg.API.Tenant, App: cfg.API.App, TypeClient: cfg.API.TypeClient,
			Lang: cfg.API.Lang, Key: cfg.API.Key.Reveal(), Courier: carrier}
	}
	return gootax.New(set, x.store), nil
}

func statusesOf(listed []config.TheirStatus) map[string]pbx.Status {
	statuses := map[string]pbx.Status{}
	for _, s := range listed {
		statuses[s.Theirs] = pbx.Status(s.Status)
	}
	return statuses
}

// noticeboard is the exchange's, for adapters that are made before it.
type noticeboard struct{ x *exchange }

// Notify implements pbx.Noticeboard.
func (n noticeboard) Notify(ctx context.Context, notice pbx.Notice) error {
	return n.x.board.Notices.Notify(ctx, notice)
}

// gootax says what Gootax's form wants to know, and what would be missed only
// when an operator starts to work.
func (v *visit) gootax() {
	cfg := v.cfg.Dispatch
	if cfg.Kind != "gootax" {
		return
	}
	host := net.JoinHostPort(cmp.Or(v.cfg.Web.Domain, v.cfg.Web.Listen.Addr.Addr().String()), strconv.Itoa(int(v.cfg.Web.Listen.Addr.Port())))
	v.ok("dispatch.gootax: in Gootax's form: URL HTTP-сервера https://%s, server of WebRTC wss://%s/ws; docs/gootax.md has the rest", host, host)
	panel := cmp.Or(cfg.Gootax.Domain, "*.gootax.pro")
	if !slices.ContainsFunc(v.cfg.Web.Origins, func(o config.Origin) bool { return string(o) == panel || string(o) == "*.gootax.pro" }) {
		v.doubt("dispatch.gootax: the webphone in Gootax's panel may not log in here: add %s to web.origins, unless operators use Cabline's page or softphones", panel)
	}
	if cfg.Gootax.CallToken != "" && len(cfg.Gootax.Employees) == 0 {
		v.doubt("dispatch.gootax: call_token is set, and no employees: Call Url must name the operator by login")
	}
}
