package gootax

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/rs/zerolog"

	"cabline/dispatchapi/courier"
	"cabline/pbx"
	"cabline/pbx/store"
)

// whole is a telephone number that a log should not have.
var whole = regexp.MustCompile(`\d{10}`)

// FuzzRequest sends the exchange whatever might come in the place of a notify, a
// connect or a click: JSON, forms, any charset. What is taken of it is short and
// in one line, numbers are numbers, and the answer is small JSON.
func FuzzRequest(f *testing.F) {
	files, err := filepath.Glob("testdata/*")
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			continue // a folder
		}
		f.Add("/integration/gootaxpro/notify", "application/json", "", text)
	}
	f.Add("/integration/gootaxpro/connect", "application/x-www-form-urlencoded; charset=windows-1251", "", []byte("client_phone=89161234567&driver_phone=%2B79267654321&car=%c1%e5%eb%fb%e9"))
	f.Add("/integration/gootaxpro/notify", "application/json; charset=cp1251", "", []byte("{\"id\": \"1\", \"status\": \"\xc2\xee\xe4\xe8\xf2\xe5\xeb\xfc \xef\xf0\xe8\xe1\xfb\xeb\", \"phone\": 89161234567, \"car_time\": 7.5}"))
	f.Add("/integration/notify", "", "", []byte(`{"id": 1e400, "id": "2", "status": {"status": [1]}, "order": {"phone": "79161234567", "status": "17"}}`))
	f.Add("/call", "", "to=89161234567&operator=101", []byte(nil))
	f.Add("/runtel/x", "text/html", "", []byte("<b>"))
	f.Add("/integration/connect", "application/json", "order_id=42", []byte(strings.Repeat(`{"a":`, 5000)))
	db, err := store.Open(filepath.Join(f.TempDir(), "cabline.db"))
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { _ = db.Close() })
	board := &taken{}
	s := New(Config{Tokens: []string{"voice-token"}, CallToken: "call-token", Country: "RU", PhonePath: "order.phone", Notices: board, AnyStatus: true,
		Statuses: map[string]pbx.Status{"17": pbx.StatusLate}, Connect: board.connect, CallTo: board.callTo}, db)
	s.calls.SetLimit(1e9)
	f.Fuzz(func(t *testing.T, path, kind, query string, body []byte) {
		*board = taken{t: t}
		var log strings.Builder
		r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(string(body)))
		r = r.WithContext(zerolog.New(&log).WithContext(t.Context()))
		r.URL = &url.URL{Path: path, RawQuery: query}
		r.Header.Set("Content-Type", kind)
		r.Header.Set("api-key", "voice-token")
		w := httptest.NewRecorder()
		if path == "/call" {
			r.URL.RawQuery = "token=call-token&" + query
			s.call(w, r)
		} else {
			s.integration(w, r)
		}
		var answer map[string]string
		if err := json.Unmarshal(w.Body.Bytes(), &answer); err != nil || answer["status"] == "" || w.Body.Len() > 1000 || w.Code >= 500 {
			t.Errorf("%d %q: %v", w.Code, w.Body, err)
		}
		if len(w.Header()) != 1 || w.Header().Get("Content-Type") != "application/json; charset=utf-8" {
			t.Errorf("headers %v", w.Header())
		}
		if found := whole.FindString(logged(log.String())); found != "" {
			t.Errorf("the log has %q: %s", found, log.String())
		}
	})
}

// logged is a log without what is ours in it.
func logged(text string) string {
	return regexp.MustCompile(`"time":"[^"]*"`).ReplaceAllString(text, "")
}

// taken is what the exchange was asked for.
type taken struct{ t *testing.T }

func (b *taken) number(p pbx.Phone) {
	if again, err := pbx.ParsePhone(p.Dialable(), "RU"); p != "" && (err != nil || again != p) {
		b.t.Errorf("number %q", p.Dialable())
	}
}

func (b *taken) word(text string, most int) {
	if utf8.RuneCountInString(text) > most || !utf8.ValidString(text) || strings.ContainsAny(text, "\r\n\x00\t") {
		b.t.Errorf("%q is no short text in one line", text)
	}
}

func (b *taken) Notify(_ context.Context, n pbx.Notice) error {
	b.number(n.Order.Phone)
	b.number(n.Order.Driver)
	b.number(n.Order.Line)
	b.word(n.OrderID, courier.MaxID)
	for _, text := range []string{string(n.Status), n.Order.Car.Color, n.Order.Car.Mark, n.Order.Car.Model, n.Order.Car.Plate} {
		b.word(text, courier.MaxWord)
	}
	if n.Order.ETA != nil && (*n.Order.ETA < 0 || *n.Order.ETA > 24*60) || n.Order.Price < 0 || n.OrderID == "" || n.Version < 1 {
		b.t.Errorf("%+v", n)
	}
	return nil
}

func (b *taken) connect(_ context.Context, want pbx.ConnectRequest) (string, error) {
	b.number(want.Client)
	b.number(want.Driver)
	b.word(want.OrderID, courier.MaxID)
	if want.OrderID == "" && (want.Client == "" || want.Driver == "") {
		b.t.Errorf("%+v", want)
	}
	return "call-1", nil
}

func (b *taken) callTo(_ context.Context, operator string, number pbx.Phone) (string, error) {
	b.number(number)
	if operator == "" || number == "" {
		b.t.Errorf("operator %q, number %v", operator, number)
	}
	return "call-2", nil
}
