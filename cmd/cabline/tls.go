package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"

	"cabline/cmd/cabline/config"
)

// certificate is what is shown over TLS, from files that are renewed meanwhile.
type certificate struct {
	name      string // of the key in the config
	cert, key string // the files
	now       atomic.Pointer[tls.Certificate]
	failing   bool // to be read again
}

// show is for tls.Config.
func (c *certificate) show(*tls.ClientHelloInfo) (*tls.Certificate, error) { return c.now.Load(), nil }

// load reads the files; renewed says whether they are others than before.
func (c *certificate) load() (renewed bool, err error) {
	pair, err := tls.LoadX509KeyPair(c.cert, c.key)
	if err != nil {
		return false, fmt.Errorf("%s: %w", c.name, err)
	}
	old := c.now.Swap(&pair)
	return old == nil || !slices.EqualFunc(old.Certificate, pair.Certificate, bytes.Equal), nil
}

// certificates are what browsers are shown, and what phones and carriers are;
// nil where there is no TLS. The two may be one.
type certificates struct {
	web, sip *certificate
}

func overTLS(cfg *config.Config) bool {
	return slices.ContainsFunc(cfg.SIP.Listen, func(l config.SIPListen) bool { return l.Transport == "tls" })
}

func loadCertificates(cfg *config.Config, now time.Time) (c certificates, err error) {
	if cfg.Web.Cert != "" {
		c.web = &certificate{name: "web.cert", cert: cfg.Web.Cert, key: cfg.Web.Key}
	}
	if cfg.SIP.Cert != "" {
		c.sip = &certificate{name: "sip.cert", cert: cfg.SIP.Cert, key: cfg.SIP.Key}
	}
	if c.web == nil && (cfg.Web.Listen.Secure || c.sip == nil && overTLS(cfg)) {
		own := filepath.Join(cfg.Data, "web.pem")
		if err := selfSigned(own, names(cfg), now); err != nil {
			return c, err
		}
		c.web = &certificate{name: "the certificate we signed ourselves", cert: own, key: own}
	}
	if c.sip == nil {
		c.sip = c.web
	}
	for _, each := range c.each() {
		if _, err := each.load(); err != nil {
			return c, err
		}
	}
	return c, nil
}

// each is every certificate once.
func (c certificates) each() []*certificate {
	all := slices.Compact([]*certificate{c.web, c.sip})
	return slices.DeleteFunc(all, func(each *certificate) bool { return each == nil })
}

// watch takes up renewed files until ctx ends.
func (c certificates) watch(ctx context.Context) {
	tick := time.NewTicker(time.Minute)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		for _, each := range c.each() {
			renewed, err := each.load()
			switch {
			case err != nil && !each.failing:
				zerolog.Ctx(ctx).Warn().Err(err).Msg("a certificate cannot be read again; the one before is shown")
			case renewed:
				zerolog.Ctx(ctx).Info().Str("file", each.cert).Time("until", each.now.Load().Leaf.NotAfter).Msg("a renewed certificate is shown")
			}
			each.failing = err != nil
		}
	}
}

// authorities reads who may have signed a carrier's certificate; nil: whom the
// system trusts.
func authorities(file string) (*x509.CertPool, error) {
	if file == "" {
		return nil, nil
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(text) {
		return nil, fmt.Errorf("%s holds no certificate in PEM", file)
	}
	return pool, nil
}
