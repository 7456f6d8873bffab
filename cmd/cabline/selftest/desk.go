package selftest

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/http/httputil"
	"net/netip"
	"sync"
	"time"

	"cabline/cmd/internal/telephone"
)

// desk is an operator's browser: a webphone, the pages, and the events they
// live by.
type desk struct {
	login  string
	phone  *telephone.Phone
	client *http.Client
	url    string
	stop   context.CancelFunc
	events sync.WaitGroup

	mu   sync.Mutex
	seen []telephone.Wire // the pages and events, in order
}

// pageWire begins the kind of what came over HTTP; the path follows.
const pageWire = "page "

// maxSeen bounds what is kept of the pages, in pages and events.
const maxSeen = 10_000

// openDesk logs an operator in and has their phone be called.
func openDesk(ctx context.Context, login string, at Place) (d *desk, err error) {
	jar, err := cookiejar.New(nil)
	if err != nil {
		return nil, err
	}
	dialer := &net.Dialer{LocalAddr: net.TCPAddrFromAddrPort(netip.AddrPortFrom(at.Desk, 0))}
	d = &desk{login: login, url: "http://" + at.Web.String(), stop: func() {},
		client: &http.Client{Jar: jar, Transport: &http.Transport{DialContext: dialer.DialContext, DisableCompression: true}}}
	if _, err := d.ask(ctx, http.MethodPost, "/console/api/login", map[string]string{"login": login, "password": at.Password}); err != nil {
		return nil, err
	}
	streamed, stop := context.WithCancel(context.WithoutCancel(ctx))
	d.stop = stop
	d.events.Go(func() { d.listen(streamed) })
	d.phone, err = telephone.NewPhone(telephone.Options{Network: "ws", Listen: netip.AddrPortFrom(at.Desk, 0), Server: at.Web,
		Number: login, Password: at.Password, Codecs: []uint8{8}, NoEvent: true, Canary: deskCanary})
	if err == nil {
		err = d.phone.Register(ctx)
	}
	if err != nil {
		return nil, errors.Join(err, d.close())
	}
	return d, nil
}

func (d *desk) close() error {
	d.stop()
	d.events.Wait()
	d.client.CloseIdleConnections()
	return d.phone.Close()
}

// ask makes a request as the pages do, and keeps the whole answer.
func (d *desk) ask(ctx context.Context, method, path string, body any) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	var sent bytes.Buffer
	if body != nil {
		if err := json.NewEncoder(&sent).Encode(body); err != nil {
			return nil, err
		}
	}
	r, err := http.NewRequestWithContext(ctx, method, d.url+path, &sent)
	if err != nil {
		return nil, err
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Origin", d.url)
	answer, err := d.client.Do(r)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	whole, err := httputil.DumpResponse(answer, true)
	if err != nil {
		return nil, err
	}
	d.see(path, whole)
	if answer.StatusCode >= 300 {
		return nil, fmt.Errorf("%s %s: %s", method, path, answer.Status)
	}
	_, content, _ := bytes.Cut(whole, []byte("\r\n\r\n"))
	return content, nil
}

// listen keeps the events until ctx ends.
func (d *desk) listen(ctx context.Context) {
	const path = "/console/api/events"
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, d.url+path, http.NoBody)
	if err != nil {
		return
	}
	answer, err := d.client.Do(r)
	if err != nil {
		return
	}
	defer answer.Body.Close()
	for lines := bufio.NewScanner(answer.Body); lines.Scan(); {
		d.see(path, lines.Bytes())
	}
}

func (d *desk) see(path string, content []byte) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.seen) < maxSeen {
		d.seen = append(d.seen, telephone.Wire{At: time.Now(), Kind: pageWire + path, Bytes: bytes.Clone(content)})
	}
}

// pages is all that has reached the browser over HTTP.
func (d *desk) pages() []telephone.Wire {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.seen[:len(d.seen):len(d.seen)]
}
