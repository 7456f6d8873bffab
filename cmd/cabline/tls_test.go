package main

import (
	"crypto/tls"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"cabline/cmd/cabline/config"
)

// firmWith is a config of a firm in a folder of its own.
func firmWith(t *testing.T, change func(*config.Config)) *config.Config {
	t.Helper()
	cfg := config.Default()
	cfg.Data = t.TempDir()
	change(cfg)
	return cfg
}

func listenTLS(cfg *config.Config) {
	l, err := config.ParseSIPListen("tls://127.0.0.9:5061")
	if err != nil {
		panic(err)
	}
	cfg.SIP.Listen = append(cfg.SIP.Listen, l)
}

// own puts a pair of files into a config's folder.
func own(t *testing.T, cfg *config.Config, name string) string {
	t.Helper()
	path := filepath.Join(cfg.Data, name)
	if err := selfSigned(path, []string{name + ".test"}, time.Now()); err != nil {
		t.Fatal(err)
	}
	return path
}

func nameOf(t *testing.T, c *certificate) string {
	t.Helper()
	shown, err := c.show(&tls.ClientHelloInfo{})
	if err != nil {
		t.Fatal(err)
	}
	return strings.Join(shown.Leaf.DNSNames, " ")
}

func TestSIPOverTLSShowsTheCertificateOfTheWebUnlessItHasItsOwn(t *testing.T) {
	for name, c := range map[string]struct {
		change   func(*config.Config)
		web, sip string
	}{
		"neither has one": {func(*config.Config) {}, "localhost", "localhost"},
		"the web has one": {func(cfg *config.Config) { cfg.Web.Cert = own(t, cfg, "web"); cfg.Web.Key = cfg.Web.Cert }, "web.test", "web.test"},
		"SIP has one":     {func(cfg *config.Config) { cfg.SIP.Cert = own(t, cfg, "sip"); cfg.SIP.Key = cfg.SIP.Cert }, "localhost", "sip.test"},
	} {
		t.Run(name, func(t *testing.T) {
			certs, err := loadCertificates(firmWith(t, func(cfg *config.Config) { listenTLS(cfg); c.change(cfg) }), time.Now())
			if err != nil {
				t.Fatal(err)
			}
			if web, sip := nameOf(t, certs.web), nameOf(t, certs.sip); web != c.web || sip != c.sip {
				t.Errorf("the web shows %q and SIP %q", web, sip)
			}
		})
	}
}

func TestACertificateWeSignedIsForTheAddressesOfTLSToo(t *testing.T) {
	certs, err := loadCertificates(firmWith(t, func(cfg *config.Config) {
		listenTLS(cfg)
		cfg.Web.Listen, _ = config.ParseWebListen("http://127.0.0.1:8443")
	}), time.Now())
	if err != nil {
		t.Fatal(err)
	}
	shown, _ := certs.sip.show(nil)
	for _, name := range []string{"127.0.0.9", "127.0.0.1", "localhost"} {
		if err := shown.Leaf.VerifyHostname(name); err != nil {
			t.Error(err)
		}
	}
}

func TestARenewedCertificateIsTakenUpAndABrokenOneIsNot(t *testing.T) {
	cfg := firmWith(t, func(*config.Config) {})
	cfg.SIP.Cert = own(t, cfg, "first")
	cfg.SIP.Key = cfg.SIP.Cert
	certs, err := loadCertificates(cfg, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	if renewed, err := certs.sip.load(); renewed || err != nil {
		t.Errorf("the same files: renewed %v, error %v", renewed, err)
	}
	if err := os.Rename(own(t, cfg, "second"), cfg.SIP.Cert); err != nil {
		t.Fatal(err)
	}
	if renewed, err := certs.sip.load(); !renewed || err != nil || nameOf(t, certs.sip) != "second.test" {
		t.Errorf("renewed %v, error %v, it shows %s", renewed, err, nameOf(t, certs.sip))
	}
	if err := os.WriteFile(cfg.SIP.Cert, []byte("half a fi"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := certs.sip.load(); err == nil || !strings.HasPrefix(err.Error(), "sip.cert: ") || nameOf(t, certs.sip) != "second.test" {
		t.Errorf("error %v, it shows %s", err, nameOf(t, certs.sip))
	}
}
