package main

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"regexp"
	"strings"
	"testing"

	"github.com/rs/zerolog"
	"golang.org/x/sync/errgroup"

	"cabline/cmd/cabline/config"
	"cabline/cmd/cabline/selftest"
)

// rehearse plays some flows to an exchange of a small firm.
func rehearse(t *testing.T, change func(*config.Config), told bool, log string, only ...string) selftest.Certificate {
	t.Helper()
	cfg := config.Default()
	cfg.Dispatch.Token = "dispatch-token"
	cfg.Trunks = []config.Trunk{{Name: "carrier", CallerID: "+74950000000"}}
	cfg.Lines = []config.Line{{Number: "+74950000000", Trunk: "carrier", Branch: "Центр", Language: "ru"}}
	places, err := rehearsal(cfg, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	change(cfg)
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
	zerolog.Ctx(ctx).Info().Msg(log)

	place := places[0].Place
	place.Web, place.Told = netip.MustParseAddrPort(pages.Addr().String()), told
	certificate, err := selftest.Play(ctx, "carrier", place, rehearsed{x, notes}, only...)
	stop()
	if err := errors.Join(err, g.Wait()); err != nil {
		t.Error(err)
	}
	if len(certificate.Rows) != len(only) {
		t.Fatalf("%d flows were played of %q", len(certificate.Rows), only)
	}
	return certificate
}

func certificateOf(c selftest.Certificate) string {
	var text strings.Builder
	c.Write(&text, "en")
	return text.String()
}

// The certificate has eyes: an exchange that shows operators numbers, and has
// one in its log, is not certified as one that hides them.
func TestTheSelftestOfMaskingFindsWhatAnExchangeTellsOperatorsAndItsLog(t *testing.T) {
	certificate := rehearse(t, func(cfg *config.Config) { cfg.Masking.OperatorsSeeNumbers = true }, false,
		"a careless line about "+selftest.DriverNumber, "an operator answers", "operators' pages")
	if certificate.OK() {
		t.Errorf("certified:\n%s", certificateOf(certificate))
	}
	found := map[string]bool{}
	for _, row := range certificate.Rows {
		if row.Err != nil {
			t.Error(row.Flow, row.Err)
		}
		for _, l := range row.Leaks {
			found[l.To+": "+callInPath.ReplaceAllString(l.Field, "/calls/…/")] = true
		}
	}
	for _, want := range []string{"operator: From", "operator: /console/api/calls/…/card", "operator: /api/v1/cdrs", "operator: /api/v1/orders", "log: log"} {
		if !found[want] {
			t.Errorf("no leak %q:\n%s", want, certificateOf(certificate))
		}
	}
}

var callInPath = regexp.MustCompile(`/calls/[^/]+/`)

// Whether programs of the firm are told numbers makes no difference to the
// parties, nor to operators who see none.
func TestNeitherPartyLearnsANumberWhateverProgramsAreTold(t *testing.T) {
	for _, mask := range []bool{false, true} {
		told := make(chan string, 1000)
		program := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			body, _ := io.ReadAll(r.Body)
			told <- string(body)
		}))
		defer program.Close()
		certificate := rehearse(t, func(cfg *config.Config) {
			cfg.Masking.OperatorsSeeNumbers = false
			cfg.Dispatch.Events = config.Events{URL: program.URL, Secret: "a secret", Mask: mask}
		}, false, "", "busy", "missed-call callback", "an operator hands over")
		if !certificate.OK() {
			t.Errorf("masked %v:\n%s", mask, certificateOf(certificate))
		}
		program.Close() // waits for what is being told
		close(told)
		var all strings.Builder
		for body := range told {
			all.WriteString(body)
		}
		for _, number := range []string{selftest.ClientNumber, selftest.DriverNumber} {
			if strings.Contains(all.String(), number) == mask {
				t.Errorf("masked %v, and the program is told of %s:\n%s", mask, number, &all)
			}
		}
	}
}
