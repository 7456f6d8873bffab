package main

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"testing"

	"cabline/cmd/cabline/config"
	"cabline/pbx"
)

// A call of a real exchange, told to real servers: each learns people's numbers
// or does not, as the owner says of it.
func TestProgramsAreToldOfACallOfTheExchangeWithNumbersWholeOrMasked(t *testing.T) {
	for _, mask := range []bool{false, true} {
		told := map[string]chan string{"/events": make(chan string, 10), "/dispatch": make(chan string, 10)}
		program := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			body, _ := io.ReadAll(r.Body)
			told[r.URL.Path] <- r.Header.Get("webhook-signature") + " " + string(body)
		}))
		defer program.Close()
		cfg := config.Default()
		cfg.Dispatch.Kind = "httpjson"
		cfg.Dispatch.Events = config.Events{URL: program.URL + "/events", Secret: "a secret", Mask: mask}
		cfg.Dispatch.HTTPJSON.Events = config.HTTPJSONEvents{Mask: !mask, Request: config.HTTPRequest{URL: program.URL + "/dispatch"}}
		x := anExchange(t, cfg)
		if err := x.board.Store.SaveCDR(t.Context(), pbx.CDR{ID: "c1", Kind: pbx.KindInbound, From: "+79161234567"}); err != nil {
			t.Fatal(err)
		}
		for path, masked := range map[string]bool{"/events": mask, "/dispatch": !mask} {
			got := <-told[path]
			if strings.Contains(got, "79161234567") == masked || strings.Contains(got, `"from":"+7***4567"`) != masked {
				t.Errorf("%s, masked %v: %s", path, masked, got)
			}
			if signed := strings.HasPrefix(got, "v1,"); signed != (path == "/events") {
				t.Errorf("%s: %s", path, got)
			}
		}
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
