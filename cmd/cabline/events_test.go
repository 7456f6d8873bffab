package main

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"sync"
	"testing"

	"cabline/cmd/cabline/config"
	"cabline/pbx"
)

// A call of a real exchange, told to a real server.
func TestAProgramIsToldOfACallOfTheExchange(t *testing.T) {
	told := make(chan string, 10)
	program := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		told <- r.Header.Get("webhook-signature")
	}))
	defer program.Close()
	cfg := config.Default()
	cfg.Dispatch.Events = config.Events{URL: program.URL, Secret: "a secret"}
	x := anExchange(t, cfg)
	if err := x.board.Store.SaveCDR(t.Context(), pbx.CDR{ID: "c1", Kind: pbx.KindInbound}); err != nil {
		t.Fatal(err)
	}
	if signature := <-told; signature == "" {
		t.Error("told without a signature")
	}
}

// anExchange is built as serve builds it, on ports nobody knows; what tells the
// dispatch system of calls runs.
func anExchange(t *testing.T, cfg *config.Config) *exchange {
	t.Helper()
	cfg.Data = t.TempDir()
	anywhere := netip.MustParseAddrPort("127.0.0.1:0")
	cfg.SIP.Listen = []config.SIPListen{{Transport: "udp", Addr: anywhere}}
	cfg.RTP.Ports = config.PortRange{}
	cfg.Web.Listen = config.WebListen{Addr: anywhere}
	x, err := build(cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	var served sync.WaitGroup
	served.Go(func() { x.dispatch.serve(ctx) })
	served.Go(func() { _ = x.sip.Serve(ctx) })
	served.Go(func() { x.board.Serve(ctx) })
	t.Cleanup(func() {
		stop()
		served.Wait()
		if err := x.close(); err != nil {
			t.Error(err)
		}
	})
	return x
}
