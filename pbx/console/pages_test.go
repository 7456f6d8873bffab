package console

import (
	"net/http"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/rs/zerolog"
)

var bundle = fstest.MapFS{
	"index.html":             {Data: []byte("<!doctype html>console")},
	"orders.html":            {Data: []byte("<!doctype html>orders")},
	"calls.html":             {Data: []byte("<!doctype html>calls")},
	"demo.html":              {Data: []byte("<!doctype html>demo")},
	"placeholder.html":       {Data: []byte("<!doctype html>not built")},
	"assets/app-ABCD2345.js": {Data: []byte("run()")},
	"assets/ring.wav":        {Data: []byte("RIFF")},
}

func TestPagesAreServed(t *testing.T) {
	whole := newHouse(t, func(c *Config) { c.Pages = bundle; c.Demo = true })
	bare := newHouse(t, func(c *Config) { c.Pages = fstest.MapFS{"placeholder.html": bundle["placeholder.html"]} })
	for name, tc := range map[string]struct {
		house              *house
		path               string
		status             int
		body, kind, cached string
	}{
		"the console":                {whole, "/", 200, "console", "text/html", "no-cache"},
		"the order book":             {whole, "/orders", 200, "orders", "text/html", "no-cache"},
		"the calls":                  {whole, "/calls", 200, "calls", "text/html", "no-cache"},
		"the demo":                   {whole, "/demo", 200, "demo", "text/html", "no-cache"},
		"a script with its hash":     {whole, "/assets/app-ABCD2345.js", 200, "run()", "text/javascript", "public, max-age=31536000, immutable"},
		"a file without":             {whole, "/assets/ring.wav", 200, "RIFF", "audio/", "no-cache"},
		"no such file":               {whole, "/assets/app.js", 404, "", "text/plain", "no-store"},
		"a folder":                   {whole, "/assets/", 404, "", "text/plain", "no-store"},
		"a way out":                  {whole, "/assets/%2e%2e/%2e%2e/etc/passwd", 404, "", "text/plain", "no-store"},
		"the console, not built":     {bare, "/", 200, "not built", "text/html", "no-cache"},
		"the order book, not built":  {bare, "/orders", 200, "not built", "text/html", "no-cache"},
		"no demo where there's none": {newHouse(t, func(c *Config) { c.Pages = bundle }), "/demo", 404, "", "text/plain", "no-store"},
	} {
		t.Run(name, func(t *testing.T) {
			got := tc.house.ask("GET", tc.path, nil)
			if got.status != tc.status || !strings.Contains(got.body, tc.body) || !strings.HasPrefix(got.header.Get("Content-Type"), tc.kind) || got.header.Get("Cache-Control") != tc.cached {
				t.Errorf("%+v", got)
			}
			if got.header.Get("X-Content-Type-Options") != "nosniff" || !strings.Contains(got.header.Get("Content-Security-Policy"), "frame-ancestors 'self'") {
				t.Errorf("unprotected: %v", got.header)
			}
			if etag := got.header.Get("ETag"); tc.status == 200 {
				again := tc.house.ask("GET", tc.path, nil, header("If-None-Match", etag))
				if etag == "" || again.status != http.StatusNotModified {
					t.Errorf("asked again with %q: %d", etag, again.status)
				}
			}
		})
	}
	if got := whole.ask("POST", "/", "x"); got.status != http.StatusNotFound && got.status != http.StatusMethodNotAllowed {
		t.Errorf("posted to: %+v", got)
	}
}

func TestOtherHandlersShareThePort(t *testing.T) {
	h := newHouse(t, func(c *Config) {
		c.Mount = map[string]http.Handler{
			"/ws": http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				conn, _, err := w.(http.Hijacker).Hijack()
				if err != nil {
					http.Error(w, err.Error(), http.StatusTeapot) // a recorder cannot; that it was asked is enough
					return
				}
				_ = conn.Close()
			}),
			"GET /demo/api/info": http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = w.Write([]byte(`{}`)) }),
		}
	})
	if got := h.ask("GET", "/ws", nil); got.status != http.StatusTeapot {
		t.Errorf("%+v", got)
	}
	if got := h.ask("GET", "/demo/api/info", nil); got.body != "{}" {
		t.Errorf("%+v", got)
	}
}

func TestAFaultOfOursIsAnErrorInTheLogAndAScannersIsNot(t *testing.T) {
	var log strings.Builder
	logger := zerolog.New(&log)
	server := serverLog(&logger)
	server.Print("http: panic serving 192.0.2.1:1: oops")
	server.Print("http: TLS handshake error from 192.0.2.1:1: EOF")
	if got := log.String(); strings.Count(got, `"level":"error"`) != 1 || strings.Count(got, `"level":"debug"`) != 1 {
		t.Error(got)
	}
}
