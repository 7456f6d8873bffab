package main

import (
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
	"sync/atomic"
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
	"has a self-signed certificate": func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "{}") },
	"is not there":                  nil,
}

// asking are the configs of the adapters that ask, for a system at an address.
var asking = map[string]func(cfg *config.Config, url string){
	"taximaster": func(cfg *config.Config, url string) {
		t := &cfg.Dispatch.Taximaster
		t.URL, t.TAPIKey, t.CommonKey = url, "tapi", "common"
	},
	"httpjson": func(cfg *config.Config, url string) {
		h := &cfg.Dispatch.HTTPJSON
		h.ByPhone.URL, h.Order.ID, h.Order.Status, h.Retries = url+"/find?tel={phone}", "id", "status", 5
	},
	"gootax": func(cfg *config.Config, url string) {
		g := &cfg.Dispatch.Gootax
		g.VoiceToken, g.API.URL, g.API.Key = "token", url, "key"
	},
}

// A caller of a firm whose dispatch system misbehaves rings at an operator's
// within three seconds. Fake time holds that limit, in the tests of pbx; here the
// machine may be busy.
func TestACallerReachesAHumanWhateverTheDispatchSystemDoes(t *testing.T) {
	for kind, configure := range asking {
		for name, answers := range misbehaviours {
			t.Run(kind+" "+name, func(t *testing.T) {
				t.Parallel()
				url, sent := misbehaving(t, name, answers)
				cfg := config.Default()
				cfg.Dispatch.Kind = kind
				configure(cfg, url)
				board, rang := switchboardOf(t, cfg)
				client := pbxtest.NewLeg(demoClient)
				story := make(chan struct{})
				go func() {
					defer close(story)
					board.Incoming(t.Context(), client, pbx.Arrival{From: demoClient, To: demoLine})
				}()
				go client.Press("0")
				select {
				case <-rang:
				case <-time.After(12 * time.Second):
					t.Error("no operator rings")
				}
				client.Leave()
				<-story
				if n := sent.Load(); n > 32<<20 { // most of it in sockets' buffers
					t.Errorf("%d bytes were taken", n)
				}
			})
		}
	}
}

// misbehaving is the address of such a system, and how much it has got rid of.
func misbehaving(t *testing.T, name string, answers http.HandlerFunc) (url string, sent *atomic.Int64) {
	sent = &atomic.Int64{}
	if answers == nil {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		return "http://" + l.Addr().String(), sent
	}
	counting := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { answers(counted{w, sent}, r) })
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

// switchboardOf is a switchboard with the config's dispatch system; rang is
// closed when its one operator rings.
func switchboardOf(t *testing.T, cfg *config.Config) (board *pbx.Switchboard, rang chan struct{}) {
	db, err := store.Open(filepath.Join(t.TempDir(), "cabline.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
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
