package main

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"cabline/cmd/cabline/config"
	"cabline/pbx"
	"cabline/pbx/pbxtest"
	"cabline/pbx/store"
)

// misbehaviours are what a dispatch system may do instead of answering.
var misbehaviours = map[string]func(w http.ResponseWriter, r *http.Request){
	"hangs": func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() },
	"answers a byte at a time": func(w http.ResponseWriter, r *http.Request) {
		for r.Context().Err() == nil {
			_, _ = io.WriteString(w, " ")
			w.(http.Flusher).Flush()
			select {
			case <-time.After(100 * time.Millisecond):
			case <-r.Context().Done():
			}
		}
	},
	"hangs up":      func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
	"sends garbage": func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "\x00\xff\x1f\x8b<<<{]]") },
	"sends nothing": func(http.ResponseWriter, *http.Request) {},
	"sends a page": func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "<!doctype html><h1>Вход</h1>")
	},
	"fails":                 func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusInternalServerError) },
	"redirects for ever":    func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, r.URL.Path+"x", http.StatusFound) },
	"sends another charset": func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("\xcf\xf0\xe8\xe2\xe5\xf2")) },
	"sends 100 MB": func(w http.ResponseWriter, _ *http.Request) {
		block := []byte(strings.Repeat(`{"x": [`, 1<<13))
		for sent := 0; sent < 100<<20; sent += len(block) {
			if _, err := w.Write(block); err != nil {
				return
			}
		}
	},
	"nests without an end": func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, strings.Repeat(`{"a":[`, 100_000))
	},
	"nests XML without an end": func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "<response>"+strings.Repeat("<data>", 100_000))
	},
	"sends an XML bomb": func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, `<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]><response><code>&b;</code></response>`)
	},
	"sends UTF-16": func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "\xff\xfe{\x00\"\x00i\x00d\x00\"\x00:\x001\x00}\x00")
	},
	"sends a number": func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "42") },
	"sends 4 MB of headers": func(w http.ResponseWriter, _ *http.Request) {
		for i := range 4000 {
			w.Header().Set("X-"+strconv.Itoa(i), strings.Repeat("x", 1000))
		}
	},
	"sends a packed bomb": func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Encoding", "gzip")
		_, _ = w.Write(packed(20 << 20))
	},
	"redirects elsewhere": func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, strings.Replace("http://"+r.Host, "127.0.0.1", "127.0.0.2", 1), http.StatusTemporaryRedirect)
	},
	"redirects to a file": func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Location", "file:///etc/passwd")
		w.WriteHeader(http.StatusMovedPermanently)
	},
	"says it is in windows-1251, and is": func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/xml; charset=windows-1251")
		_, _ = w.Write([]byte("<response><code>0</code><descr>\xcf\xf0\xe8\xe2\xe5\xf2</descr></response>"))
	},
	"names a charset that is none": func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json; charset=klingon")
		_, _ = w.Write([]byte("{\"id\": \"\xff\xfe\"}"))
	},
	"has nothing to say": func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) },
	"fails with a page": func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, "<!doctype html><h1>500</h1>", http.StatusInternalServerError)
	},
	"answers as HTTP/1.0":                raw("HTTP/1.0 200 OK\r\n\r\n{}"),
	"answers as HTTP/1.0 and breaks off": raw("HTTP/1.0 200 OK\r\nContent-Length: 5000\r\n\r\n{\"id\":"),
	"speaks another protocol":            raw("SSH-2.0-OpenSSH_9.2\r\n"),
	"sends chunks that are none":         raw("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n"),
	"says everything twice": func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, `{"id":"1","id":["2"],"status":"x","status":null,"code":0,"code":"0","data":{},"data":[],"result":{},"result":1}`)
	},
	"nests deeply": func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, strings.Repeat(`{"result":`, 9_000)+"1"+strings.Repeat("}", 9_000))
	},
	"nests XML deeply": func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "<response><code>0</code>"+strings.Repeat("<data>", 9_000)+strings.Repeat("</data>", 9_000)+"</response>")
	},
	"has a self-signed certificate": func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "{}") },
	"is not there":                  nil,
	"takes no connection":           nil,
}

// raw answers with these bytes and hangs up.
func raw(answer string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		conn, _, err := w.(counted).ResponseWriter.(http.Hijacker).Hijack()
		if err == nil {
			_, _ = io.WriteString(conn, answer)
			_ = conn.Close()
		}
	}
}

// packed is so many zeros, which take a thousandth of that.
func packed(n int) []byte {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, _ = io.CopyN(w, zeros{}, int64(n))
	_ = w.Close()
	return b.Bytes()
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

// asking are the configs of the adapters that ask, for a system at an address.
var asking = map[string]func(cfg *config.Config, url string){
	"tm_tapi": func(cfg *config.Config, url string) {
		t := &cfg.Dispatch.Taximaster
		cfg.Dispatch.Kind, t.URL, t.TAPIKey, t.CommonKey = "taximaster", url, "tapi", "common"
	},
	"common_api": func(cfg *config.Config, url string) { // of a system whose tm_tapi is well
		t := &cfg.Dispatch.Taximaster
		cfg.Dispatch.Kind, t.URL, t.TAPIKey, t.CommonKey = "taximaster", url+wellOverTAPI, "tapi", "common"
	},
	"events": func(cfg *config.Config, url string) {
		cfg.Dispatch.Events.URL, cfg.Dispatch.Events.Secret = url, "secret"
	},
	"httpjson": func(cfg *config.Config, url string) {
		h := &cfg.Dispatch.HTTPJSON
		cfg.Dispatch.Kind = "httpjson"
		h.ByPhone.URL, h.Order.ID, h.Order.Status, h.Retries = url+"/find?tel={phone}", "id", "status", 5
	},
	"gootax": func(cfg *config.Config, url string) {
		g := &cfg.Dispatch.Gootax
		cfg.Dispatch.Kind = "gootax"
		g.VoiceToken, g.API.URL, g.API.Key = "token", url, "key"
	},
}

// wellOverTAPI is a path below which tm_tapi answers as it should.
const wellOverTAPI = "/well"

// A caller of a firm whose dispatch system misbehaves rings at an operator's
// within three seconds. Fake time holds that limit, in the tests of pbx; here the
// machine may be busy.
func TestACallerReachesAHumanWhateverTheDispatchSystemDoes(t *testing.T) {
	shared := openStore(t)
	var callers sync.WaitGroup
	atOnce := make(chan struct{}, 16) // they mostly wait
	for kind, configure := range asking {
		for name, answers := range misbehaviours {
			callers.Go(func() {
				atOnce <- struct{}{}
				defer func() { <-atOnce }()
				t.Run(kind+" "+name, func(t *testing.T) {
					url, sent := misbehaving(t, name, answers)
					cfg := config.Default()
					configure(cfg, url)
					db := shared
					if kind == "events" { // which are delivered by whoever finds them
						db = openStore(t)
					}
					reachesAHuman(t, cfg, db)
					if n := sent.Load(); n > 32<<20 { // most of it in sockets' buffers
						t.Errorf("%d bytes were taken", n)
					}
				})
			})
		}
	}
	callers.Wait()
}

// reachesAHuman fails if no operator rings for a client who presses 0.
func reachesAHuman(t *testing.T, cfg *config.Config, db *store.Store) {
	board, rang := switchboardOf(t, cfg, db)
	client := pbxtest.NewLeg(demoClient)
	story := make(chan struct{})
	go func() {
		defer close(story)
		board.Incoming(t.Context(), client, pbx.Arrival{From: demoClient, To: demoLine})
	}()
	go client.Press("0")
	select {
	case <-rang:
	case <-time.After(time.Minute):
		t.Error("no operator rings")
	}
	client.Leave()
	<-story
}

// misbehaving is the address of such a system, and how much it has got rid of.
func misbehaving(t *testing.T, name string, answers http.HandlerFunc) (url string, sent *atomic.Int64) {
	sent = &atomic.Int64{}
	if name == "takes no connection" {
		return "http://" + deafAddress(t), sent
	}
	if answers == nil {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		return "http://" + l.Addr().String(), sent
	}
	counting := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, wellOverTAPI+"/tm_tapi/") {
			_, _ = io.WriteString(w, `<response><code>0</code><data><PHONE_TYPE>2</PHONE_TYPE><ORDER_ID>42</ORDER_ID><ORDER_STATE>7</ORDER_STATE></data></response>`)
			return
		}
		answers(counted{w, sent}, r)
	})
	server := httptest.NewUnstartedServer(counting)
	server.Config.ErrorLog = quietLog()
	if strings.Contains(name, "certificate") {
		server.StartTLS()
	} else {
		server.Start()
	}
	t.Cleanup(server.CloseClientConnections)
	return server.URL, sent
}

// deafAddress is where a connection is never taken and never refused: the two that
// wait there already are as many as may.
func deafAddress(t *testing.T) string {
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = syscall.Close(fd) })
	if err := errors.Join(syscall.Bind(fd, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}), syscall.Listen(fd, 0)); err != nil {
		t.Fatal(err)
	}
	name, err := syscall.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	addr := net.JoinHostPort("127.0.0.1", strconv.Itoa(name.(*syscall.SockaddrInet4).Port))
	for range 2 {
		if conn, err := net.DialTimeout("tcp", addr, 100*time.Millisecond); err == nil {
			t.Cleanup(func() { _ = conn.Close() })
		}
	}
	return addr
}

type counted struct {
	http.ResponseWriter
	n *atomic.Int64
}

func (c counted) Write(p []byte) (int, error) {
	n, err := c.ResponseWriter.Write(p)
	c.n.Add(int64(n))
	return n, err
}

func (c counted) Flush() { c.ResponseWriter.(http.Flusher).Flush() }

func openStore(t *testing.T) *store.Store {
	db, err := store.Open(filepath.Join(t.TempDir(), "cabline.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return db
}

// switchboardOf is a switchboard with the config's dispatch system; rang is
// closed when its one operator rings.
func switchboardOf(t *testing.T, cfg *config.Config, db *store.Store) (board *pbx.Switchboard, rang chan struct{}) {
	x := &exchange{cfg: cfg, store: db}
	d, err := x.connectDispatch()
	if err != nil {
		t.Fatal(err)
	}
	rang = make(chan struct{})
	var once atomic.Bool
	board = &pbx.Switchboard{
		Dispatch: d.Dispatch, Store: &pbxtest.Store{},
		Voices: map[string]pbx.Voice{"ru": pbxtest.Voice{}}, Language: "ru",
		Lines: []pbx.Line{{Number: demoLine, Trunk: "carrier"}},
		Dialer: &pbxtest.Dialer{Phones: map[string]func(context.Context) (pbx.Leg, error){
			"anna": func(ctx context.Context) (pbx.Leg, error) {
				if once.CompareAndSwap(false, true) {
					close(rang)
				}
				return pbxtest.Rings(ctx)
			},
		}},
	}
	board.Notices = &pbx.Autodial{Board: board, Store: db}
	d.tellOf(board, func(s pbx.Store) pbx.Store { return s })
	ctx, stop := context.WithCancel(t.Context())
	delivered := make(chan struct{})
	go func() { defer close(delivered); _ = d.serve(ctx) }()
	t.Cleanup(func() { stop(); <-delivered })
	x.board = board
	board.SetOperators([]pbx.Operator{{Login: "anna"}})
	board.SetOnline("anna", true)
	if notify := d.mount["/integration/"]; notify != nil { // of Gootax, which is asked about what it has told
		r := httptest.NewRequest(http.MethodPost, "/integration/gootaxpro/notify",
			strings.NewReader(`{"id": "42", "status": "driver_accepted", "phone": "`+demoClient.Dialable()+`"}`))
		r.Header.Set("api-key", "token")
		w := httptest.NewRecorder()
		notify.ServeHTTP(w, r)
		if w.Code != http.StatusOK {
			t.Fatal(errors.New(w.Body.String()))
		}
	}
	return board, rang
}

// quietLog takes what a server says of connections that were broken off.
func quietLog() *log.Logger { return log.New(io.Discard, "", 0) }
