package courier_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/text/encoding/charmap"

	"cabline/dispatchapi/courier"
)

func newCourier(t *testing.T, tls courier.TLS) *courier.Courier {
	t.Helper()
	c, err := courier.New(tls)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func ask(t *testing.T, c *courier.Courier, url string) (courier.Answer, error) {
	t.Helper()
	return c.Do(t.Context(), courier.Request{Method: "GET", URL: url + "/orders?phone=%2B79161234567&key=secret"})
}

func TestAnAnswerIsReadInUTF8WhateverItIsWrittenIn(t *testing.T) {
	const text = `{"car":"белая Лада Веста"}`
	inward := func(c *charmap.Charmap) string { s, _ := c.NewEncoder().String(text); return s }
	for name, tc := range map[string]struct{ kind, body, want string }{
		"UTF-8":                          {"application/json; charset=utf-8", text, text},
		"UTF-8 with a mark in front":     {"application/json", "\ufeff" + text, text},
		"windows-1251":                   {"application/json; charset=windows-1251", inward(charmap.Windows1251), text},
		"windows-1251 and does not say":  {"application/json", inward(charmap.Windows1251), text},
		"windows-1251 and says UTF-8":    {"application/json; charset=utf-8", inward(charmap.Windows1251), text},
		"koi8-r":                         {"text/plain; charset=koi8-r", inward(charmap.KOI8R), text},
		"UTF-8 and says windows-1251":    {"application/json; charset=windows-1251", text, text},
		"a charset that does not exist":  {"application/json; charset=klingon", inward(charmap.Windows1251), text},
		"XML that says it is in cp866":   {"text/xml", `<?xml version="1.0" encoding="cp866"?>` + inward(charmap.CodePage866), `<?xml version="1.0" encoding="cp866"?>` + text},
		"no type at all, and all zeroes": {"", "\x00\x00\x00", "\x00\x00\x00"},
	} {
		t.Run(name, func(t *testing.T) {
			s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				w.Header()["Content-Type"] = []string{tc.kind}
				_, _ = io.WriteString(w, tc.body)
			}))
			defer s.Close()
			got, err := ask(t, newCourier(t, courier.TLS{}), s.URL)
			if err != nil || string(got.Body) != tc.want {
				t.Errorf("%q, %v", got.Body, err)
			}
		})
	}
}

func TestAnAnswerIsBoundedAlsoWhenItIsPacked(t *testing.T) {
	var bomb bytes.Buffer
	packed := gzip.NewWriter(&bomb)
	_, _ = packed.Write(make([]byte, 5<<20))
	packed.Close()
	for name, answer := range map[string]http.HandlerFunc{
		"100 MB": func(w http.ResponseWriter, r *http.Request) {
			for range 100 {
				if _, err := w.Write(make([]byte, 1<<20)); err != nil {
					return
				}
			}
		},
		"5 MB packed into a few KB": func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Encoding", "gzip")
			_, _ = w.Write(bomb.Bytes())
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := httptest.NewServer(answer)
			defer s.Close()
			if _, err := ask(t, newCourier(t, courier.TLS{}), s.URL); !errors.Is(err, courier.ErrTooLarge) {
				t.Errorf("%v, want %v", err, courier.ErrTooLarge)
			}
		})
	}
}

func TestARedirectIsNotFollowedAndTheErrorSaysWhereTo(t *testing.T) {
	s := httptest.NewServer(http.RedirectHandler("https://elsewhere.example/login?phone=+79161234567", http.StatusFound))
	defer s.Close()
	_, err := ask(t, newCourier(t, courier.TLS{}), s.URL)
	if !errors.Is(err, courier.ErrRedirected) || !strings.Contains(err.Error(), "https://elsewhere.example)") {
		t.Errorf("%v", err)
	}
}

func TestAnErrorNamesTheHostAndNeverWhatWasAsked(t *testing.T) {
	refuses := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.Error(w, "no client +7 916 123-45-67\x1b[31m here", http.StatusTeapot)
	}))
	defer refuses.Close()
	dead := httptest.NewServer(nil)
	dead.Close()
	for name, url := range map[string]string{"refuses": refuses.URL, "dead": dead.URL, "no address": "http://[::1"} {
		_, err := ask(t, newCourier(t, courier.TLS{}), url)
		if err == nil || strings.ContainsAny(err.Error(), "\x1b\n") || strings.Contains(err.Error(), "1234567") ||
			strings.Contains(err.Error(), "123-45-67") || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %q", name, err)
		}
	}
	answer, err := ask(t, newCourier(t, courier.TLS{}), refuses.URL)
	if !errors.Is(err, courier.ErrStatus) || answer.Status != http.StatusTeapot || !strings.Contains(err.Error(), "no client 7***4567") {
		t.Errorf("%+v, %v", answer, err)
	}
}

func TestAServerThatHangsCostsNoMoreThanTheDeadline(t *testing.T) {
	hold := make(chan struct{})
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusOK)
		_ = http.NewResponseController(w).Flush()
		<-hold
	}))
	defer s.Close()
	defer close(hold)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := newCourier(t, courier.TLS{}).Do(ctx, courier.Request{Method: "GET", URL: s.URL}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%v", err)
	}
}

func TestACertificateIsTrustedOnlyAsTheConfigSays(t *testing.T) {
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {}))
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.StartTLS()
	defer s.Close()
	sum := sha256.Sum256(s.Certificate().Raw)
	print := strings.ToUpper(hex.EncodeToString(sum[:]))
	ca := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct {
		tls  courier.TLS
		want string // of the error; empty: none
	}{
		"a self-signed one is not":       {courier.TLS{}, "set tls.ca or tls.fingerprint"},
		"by its fingerprint":             {courier.TLS{Fingerprint: print}, ""},
		"by its fingerprint with colons": {courier.TLS{Fingerprint: print[:2] + ":" + print[2:]}, ""},
		"not by another's fingerprint":   {courier.TLS{Fingerprint: strings.Repeat("00", 32)}, "not the one of tls.fingerprint"},
		"by its authority":               {courier.TLS{CA: ca}, ""},
		"blindly, where that is wanted":  {courier.TLS{Insecure: true}, ""},
	} {
		_, err := ask(t, newCourier(t, tc.tls), s.URL)
		if (err == nil) != (tc.want == "") || err != nil && !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, tls := range map[string]courier.TLS{
		"a fingerprint that is none": {Fingerprint: "12:34"},
		"a file that is not there":   {CA: ca + ".not"},
	} {
		if _, err := courier.New(tls); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
}

// A server that accepts and says nothing, not even TLS.
func TestAServerThatSaysNothingCostsNoMoreThanTheDeadline(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, err = newCourier(t, courier.TLS{}).Do(ctx, courier.Request{Method: "GET", URL: "https://" + l.Addr().String()})
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%v", err)
	}
}

func TestNumbersInTextOfOthersAreMaskedForTheLog(t *testing.T) {
	for text, want := range map[string]string{
		"+79161234567":                 "7***4567",
		`{"p":"8 (916) 123-45-67"}`:    `{"p":"8***4567"}`,
		"order 12345678, 350 roubles":  "order 12345678, 350 roubles",
		"line\nbreak\x1b[0m":           "line break [0m",
		"call 9161234567 or 495123456": "call 9***4567 or 4***3456",
	} {
		if got := courier.Masked(text); got != want {
			t.Errorf("%q became %q, want %q", text, got, want)
		}
	}
}
