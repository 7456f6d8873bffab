package main

import (
	"bytes"
	"context"
	"net/netip"
	"strings"
	"testing"

	"github.com/rs/zerolog"
	"golang.org/x/sync/errgroup"

	"cabline/cmd/cabline/config"
	"cabline/cmd/cabline/selftest"
)

// The certificate has eyes: an exchange that shows operators numbers, and has
// one in its log, is not certified as one that hides them.
func TestTheSelftestOfMaskingFindsWhatAnExchangeTellsOperatorsAndItsLog(t *testing.T) {
	cfg := config.Default()
	cfg.Dispatch.Token = "dispatch-token"
	cfg.Trunks = []config.Trunk{{Name: "carrier", CallerID: "+74950000000"}}
	cfg.Lines = []config.Line{{Number: "+74950000000", Trunk: "carrier", Branch: "Центр", Language: "ru"}}
	cfg.Masking.OperatorsSeeNumbers = true
	places, err := rehearsal(cfg, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	x, err := build(cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := x.close(); err != nil {
			t.Error(err)
		}
	}()
	pages, err := x.listen()
	if err != nil {
		t.Fatal(err)
	}
	console, err := x.console(false, nil)
	if err != nil {
		t.Fatal(err)
	}
	notes := &notes{errors: zerolog.Nop()}
	ctx, stop := context.WithCancel(zerolog.New(notes).WithContext(t.Context()))
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return x.serve(ctx, pages, console.Server(ctx)) })
	zerolog.Ctx(ctx).Info().Str("number", selftest.DriverNumber).Msg("a careless line")

	place := places[0].Place
	place.Web, place.Told = netip.MustParseAddrPort(pages.Addr().String()), false
	certificate, err := selftest.Play(ctx, "carrier", place, rehearsed{x, notes}, "an operator answers", "operators' pages")
	stop()
	if err := g.Wait(); err != nil {
		t.Error(err)
	}
	var text bytes.Buffer
	certificate.Write(&text, "en")
	if err != nil || certificate.OK() || len(certificate.Rows) != 2 {
		t.Fatalf("certified, %v:\n%s", err, &text)
	}
	for _, want := range []string{"to the operator, in From", "to the operator, in /console/api/calls/", "to the operator, in /api/v1/cdrs", "to the operator, in /api/v1/orders", "to the log, in log"} {
		leaks := 0
		for _, row := range certificate.Rows {
			for _, l := range row.Leaks {
				if strings.HasPrefix("to the "+l.To+", in "+l.Field, want) {
					leaks++
				}
			}
		}
		if leaks == 0 {
			t.Errorf("no leak %s:\n%s", want, &text)
		}
	}
}
