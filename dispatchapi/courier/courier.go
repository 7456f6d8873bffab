// Package courier carries requests to dispatch systems, which may be slow, dead,
// hostile or thirty years old, and brings back an answer that is safe to read:
// bounded in size and time, in UTF-8, from where it was asked and nowhere else.
//
// It does not follow redirects, does not trust certificates it was not told to,
// and knows nothing of orders. It does not log: its errors say what the other
// side did, in words for a person, and never contain what was sent.
package courier

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"
)

// What can become of a request.
var (
	ErrTooLarge   = errors.New("the answer is too large")
	ErrRedirected = errors.New("the answer is a redirect, which is not followed: set the address it points to")
	ErrStatus     = errors.New("the answer is no success")
	ErrGarbage    = errors.New("the answer cannot be read")
)

// maxAnswer bounds an answer's body, unpacked, in bytes.
const maxAnswer = 1 << 20

// TLS is how a system's certificate is checked. The zero value checks it as
// browsers do.
type TLS struct {
	CA          string // PEM file with the authority to trust instead of the usual ones
	Fingerprint string // SHA-256 of the one certificate to trust, in hex, as browsers show it
	Insecure    bool   // trust any: whoever sits between can read and answer everything
	Legacy      bool   // TLS 1.0 and RSA key exchange, for servers that know no better
}

// Courier carries requests to one system. It is safe for concurrent use.
type Courier struct{ client *http.Client }

// New is a courier. It holds at most 16 connections: a system that hangs does
// not collect all of ours.
func New(t TLS) (*Courier, error) {
	secure, err := t.config()
	if err != nil {
		return nil, err
	}
	return &Courier{&http.Client{
		Transport: &http.Transport{
			DialContext:            (&net.Dialer{Timeout: 5 * time.Second, KeepAlive: 30 * time.Second}).DialContext,
			TLSClientConfig:        secure,
			TLSHandshakeTimeout:    5 * time.Second,
			ResponseHeaderTimeout:  15 * time.Second,
			MaxResponseHeaderBytes: 32 << 10,
			MaxConnsPerHost:        16,
			MaxIdleConnsPerHost:    4,
			IdleConnTimeout:        time.Minute,
			Protocols:              http1(),
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Timeout:       30 * time.Second, // whoever forgets a deadline
	}}, nil
}

// http1 keeps to what every dispatch system speaks; over HTTP/2 one stalled
// connection would stall all requests.
func http1() *http.Protocols {
	p := new(http.Protocols)
	p.SetHTTP1(true)
	return p
}

// Close gives idle connections back.
func (c *Courier) Close() { c.client.CloseIdleConnections() }

// Client is for adapters that read answers themselves: it dials, trusts and
// follows as Do does, and leaves the body's bounds to them.
func (c *Courier) Client() *http.Client { return c.client }

// Request is what is asked. URL is whole.
type Request struct {
	Method string
	URL    string
	Header http.Header
	Body   []byte
}

// Answer is what came back.
type Answer struct {
	Status int
	Type   string // the media type, without its charset
	Body   []byte // in UTF-8
}

// Do asks and returns an answer of any status but a redirect's, the answer that
// came also beside ErrStatus: when the status is none of the 200s.
func (c *Courier) Do(ctx context.Context, want Request) (Answer, error) {
	req, err := http.NewRequestWithContext(ctx, want.Method, want.URL, bytes.NewReader(want.Body))
	if err != nil {
		return Answer{}, fmt.Errorf("request: %w", unaddressed(err))
	}
	for name, values := range want.Header {
		req.Header[http.CanonicalHeaderKey(name)] = values
	}
	if req.Header.Get("User-Agent") == "" {
		req.Header.Set("User-Agent", "Cabline")
	}
	resp, err := c.client.Do(req)
	if err != nil {
		return Answer{}, fmt.Errorf("%s %s: %w", want.Method, req.URL.Host, explain(ctx, err))
	}
	defer resp.Body.Close()
	answer, err := read(resp)
	if err != nil {
		return answer, fmt.Errorf("%s %s: %w", want.Method, req.URL.Host, explain(ctx, err))
	}
	return answer, nil
}

func read(resp *http.Response) (Answer, error) {
	answer := Answer{Status: resp.StatusCode}
	if resp.StatusCode >= 300 && resp.StatusCode < 400 && resp.Header.Get("Location") != "" {
		to, err := resp.Location()
		if err != nil {
			return answer, fmt.Errorf("%w (it points nowhere)", ErrRedirected)
		}
		return answer, fmt.Errorf("%w (%s://%s)", ErrRedirected, to.Scheme, to.Host)
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	if err != nil {
		return answer, err
	}
	if len(body) > maxAnswer {
		return answer, fmt.Errorf("%w: more than %d bytes", ErrTooLarge, maxAnswer)
	}
	answer.Type, answer.Body = UTF8(resp.Header.Get("Content-Type"), body)
	if resp.StatusCode < 200 || resp.StatusCode > 299 {
		return answer, fmt.Errorf("%w: HTTP %d: %s", ErrStatus, resp.StatusCode, Excerpt(answer.Body))
	}
	return answer, nil
}

// unaddressed takes the URL out of an error: it may hold numbers and keys.
func unaddressed(err error) error {
	var whole *url.Error
	if errors.As(err, &whole) {
		return whole.Err
	}
	return err
}

func explain(ctx context.Context, err error) error {
	err = unaddressed(err)
	var unknown x509.UnknownAuthorityError
	var name x509.HostnameError
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case errors.As(err, &unknown):
		return fmt.Errorf("its certificate is signed by nobody known; set tls.ca or tls.fingerprint: %w", err)
	case errors.As(err, &name):
		return fmt.Errorf("its certificate is for another name; set tls.fingerprint: %w", err)
	}
	return err
}

// errFingerprint is a certificate that is not the one to trust.
var errFingerprint = errors.New("its certificate is not the one of tls.fingerprint")

func (t TLS) config() (*tls.Config, error) {
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	if t.Legacy {
		config.MinVersion = tls.VersionTLS10
		for _, suite := range append(tls.CipherSuites(), tls.InsecureCipherSuites()...) {
			config.CipherSuites = append(config.CipherSuites, suite.ID)
		}
	}
	switch {
	case t.Fingerprint != "":
		want, err := hex.DecodeString(strings.NewReplacer(":", "", " ", "").Replace(t.Fingerprint))
		if err != nil || len(want) != sha256.Size {
			return nil, fmt.Errorf("tls.fingerprint: %q is no SHA-256 of a certificate: 64 hexadecimal digits", t.Fingerprint)
		}
		config.InsecureSkipVerify = true // the fingerprint says more than a chain
		config.VerifyConnection = func(s tls.ConnectionState) error {
			if got := sha256.Sum256(s.PeerCertificates[0].Raw); !bytes.Equal(got[:], want) {
				return fmt.Errorf("%w but %X", errFingerprint, got)
			}
			return nil
		}
	case t.CA != "":
		text, err := os.ReadFile(t.CA)
		if err != nil {
			return nil, fmt.Errorf("tls.ca: %w", err)
		}
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM(text) {
			return nil, fmt.Errorf("tls.ca: %s has no certificate in PEM", t.CA)
		}
	case t.Insecure:
		config.InsecureSkipVerify = true
	}
	return config, nil
}
