package httpjson

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"cabline/dispatchapi/outbox"
	"cabline/pbx"
)

func unmarshal(text string, to any) error { return json.Unmarshal([]byte(text), to) }

type board struct {
	notices []pbx.Notice
	joined  []pbx.ConnectRequest
	fault   error
}

func (b *board) Notify(_ context.Context, n pbx.Notice) error {
	b.notices = append(b.notices, n)
	return b.fault
}

func (b *board) Connect(_ context.Context, want pbx.ConnectRequest) (string, error) {
	b.joined = append(b.joined, want)
	return "call-1", b.fault
}

func newNews(t *testing.T) (*News, *board) {
	b := &board{}
	s := newOffice(t, "").system(t, Config{Order: flat, Statuses: words})
	return &News{System: s, Secret: "секрет", Notices: b, Connect: b.Connect}, b
}

func post(to http.HandlerFunc, secret, body string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodPost, "/integration/httpjson", strings.NewReader(body))
	for name, values := range outbox.Signed(secret, "msg-1", time.Now(), []byte(body)) {
		r.Header[name] = values
	}
	w := httptest.NewRecorder()
	to(w, r)
	return w
}

func TestNewsIsStoredBeforeItIsAnswered(t *testing.T) {
	n, b := newNews(t)
	body := recorded(t, "flat.json")
	for range 2 {
		if w := post(n.Notify, "секрет", body); w.Code != 202 || !strings.Contains(w.Body.String(), `"order_id":"42"`) {
			t.Fatalf("%d %s", w.Code, w.Body)
		}
	}
	post(n.Notify, "секрет", strings.ReplaceAll(body, "ON_THE_WAY", "AT_PLACE"))
	post(n.Notify, "секрет", strings.ReplaceAll(body, `"id"`, `"rev": 9, "id"`))
	var told []string
	for _, news := range b.notices {
		told = append(told, string(news.Status)+" "+string(rune('0'+news.Version)))
		if news.Order.Phone != client || news.Order.Car.Plate != "М123ММ55" || news.Source != "httpjson" {
			t.Errorf("told %+v", news)
		}
	}
	if diff := cmp.Diff([]string{"accepted 1", "accepted 1", "arrived 2", "accepted 9"}, told); diff != "" {
		t.Error(diff)
	}
	b.fault = errors.New("disk")
	if w := post(n.Notify, "секрет", body); w.Code != 503 || w.Header().Get("Retry-After") == "" {
		t.Errorf("a notice that was not stored: %d", w.Code)
	}
}

func TestClientAndDriverAreJoinedOnRequest(t *testing.T) {
	n, b := newNews(t)
	for _, body := range []string{`{"order_id": 42}`, `{"client": "8 916 123-45-67", "driver": "+79267654321"}`} {
		if w := post(n.Join, "секрет", body); w.Code != 202 || !strings.Contains(w.Body.String(), `"id":"call-1"`) {
			t.Errorf("%d %s", w.Code, w.Body)
		}
	}
	if diff := cmp.Diff([]pbx.ConnectRequest{{OrderID: "42"}, {Client: client, Driver: driver}}, b.joined); diff != "" {
		t.Error(diff)
	}
	b.fault = pbx.ErrNoOrder
	if w := post(n.Join, "секрет", `{"order_id": 43}`); w.Code != 422 {
		t.Errorf("no such order: %d", w.Code)
	}
}

func TestNewsThatCannotBeTrustedOrReadChangesNothing(t *testing.T) {
	for name, c := range map[string]struct {
		secret, body string
		code         int
	}{
		"signed by another":  {"другой", `{"id": 1, "state": "AT_PLACE"}`, 401},
		"signed with none":   {"", `{"id": 1, "state": "AT_PLACE"}`, 401},
		"too long":           {"секрет", `{"id": "` + strings.Repeat("x", maxNews) + `"}`, 413},
		"no JSON":            {"секрет", `<xml/>`, 422},
		"no order":           {"секрет", `{"state": "AT_PLACE"}`, 422},
		"no status":          {"секрет", `{"id": 1}`, 422},
		"a list":             {"секрет", `[1, 2]`, 422},
		"nested without end": {"секрет", strings.Repeat("[", 60000), 422},
	} {
		t.Run(name, func(t *testing.T) {
			n, b := newNews(t)
			if w := post(n.Notify, c.secret, c.body); w.Code != c.code || len(b.notices) > 0 {
				t.Errorf("%d, want %d; told %v", w.Code, c.code, b.notices)
			}
		})
	}
	n, _ := newNews(t)
	n.Secret = ""
	if w := post(n.Notify, "", `{"id": 1, "state": "AT_PLACE"}`); w.Code != 401 {
		t.Errorf("without a secret of ours anybody is let in: %d", w.Code)
	}
}
