package httpjson

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"cabline/dispatchapi/courier"
	"cabline/dispatchapi/outbox"
	"cabline/pbx"
	"cabline/pbx/store"
)

// FuzzOrder reads whatever might come in the place of an order, as an answer and
// as signed news, by whatever paths an owner may write, in any charset. What is
// taken of it is an order that can be said and shown, or an error in words.
func FuzzOrder(f *testing.F) {
	files, err := filepath.Glob("testdata/*.json")
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add("application/json", "", "status", text)
		f.Add("text/plain; charset=windows-1251", "data.orders", "car.#.name|0", text)
	}
	f.Add("application/json; charset=utf-16", "@this", "..#(a>1)#.b", []byte(`{"id": 1e400, "id": [1], "status": {"a": true}, "eta": -1, "price": 1e300, "operator": ["a", {"b": 1}]}`))
	f.Add("", "@fromstr|@tostr", "@flatten:{\"deep\":true}", []byte(strings.Repeat(`{"id":`, 2000)))
	carrier, err := courier.New(courier.TLS{})
	if err != nil {
		f.Fatal(err)
	}
	p := &parrot{}
	carrier.Client().Transport = p
	db, err := store.Open(filepath.Join(f.TempDir(), "cabline.db"))
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { carrier.Close(); _ = db.Close() })
	f.Fuzz(func(t *testing.T, as, within, path string, text []byte) {
		p.kind, p.body = as, text
		asks := Request{URL: "http://dispatch/o?tel={phone}", Within: within, OK: path}
		s := New(Config{Courier: carrier, DB: db, Country: "RU", ByPhone: asks, ByID: asks, Answers: map[pbx.ClientAnswer]Request{pbx.AnswerCancel: asks},
			Order: Paths{ID: "id", Status: path, Phone: "phone", ClientName: path, Comment: path, Minutes: "eta", Color: path, Plate: "car.plate", Price: "price", Driver: path, TakenBy: "operator", Version: path}})
		order, err := s.OrderByPhone(t.Context(), client)
		sayable(t, order, err)
		_ = s.ClientAnswered(t.Context(), "42", pbx.AnswerCancel)
		news := &News{System: s, Secret: "secret", Notices: takes(func(n pbx.Notice) { sayable(t, &n.Order, nil) }),
			Connect: func(context.Context, pbx.ConnectRequest) (string, error) { return "call-1", nil }}
		for _, ask := range []http.HandlerFunc{news.Notify, news.Join} {
			r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(string(text)))
			r.Header = outbox.Signed("secret", "id", time.Now(), text)
			r.Header.Set("Content-Type", as)
			w := httptest.NewRecorder()
			ask(w, r)
			if w.Code >= 500 || w.Code == http.StatusUnauthorized || !json.Valid(w.Body.Bytes()) {
				t.Errorf("%d %s", w.Code, w.Body)
			}
		}
	})
}

// parrot answers every request with what it was given. It takes the place of the
// network, which would look like something new to the fuzzer each time.
type parrot struct {
	kind string
	body []byte
}

func (p *parrot) RoundTrip(r *http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: http.StatusOK, Header: http.Header{"Content-Type": {p.kind}}, Body: io.NopCloser(bytes.NewReader(p.body)), Request: r}, nil
}

type takes func(pbx.Notice)

func (f takes) Notify(_ context.Context, n pbx.Notice) error { f(n); return nil }

// sayable fails for an order that is none or holds what cannot be said.
func sayable(t *testing.T, o *pbx.Order, err error) {
	t.Helper()
	if err != nil {
		if text := err.Error(); strings.ContainsAny(text, "\r\n\x00") || len(text) > 4000 {
			t.Errorf("error %q", text)
		}
		return
	}
	for _, text := range append([]string{o.ID, string(o.Status), o.ClientName, o.Comment, o.Car.Color, o.Car.Plate}, o.TakenBy...) {
		if utf8.RuneCountInString(text) > courier.MaxText || !utf8.ValidString(text) || strings.ContainsAny(text, "\r\n\x00\t") {
			t.Errorf("%q is no text to say", text)
		}
	}
	for _, number := range []pbx.Phone{o.Phone, o.Driver} {
		if again, err := pbx.ParsePhone(number.Dialable(), "RU"); number != "" && (err != nil || again != number) {
			t.Errorf("number %q", number.Dialable())
		}
	}
	if o.ID == "" || o.Price < 0 || o.ETA != nil && (*o.ETA < 0 || *o.ETA > 24*60) || len(o.TakenBy) > maxOrders {
		t.Errorf("%+v", o)
	}
}

// FuzzTemplate fills templates that an owner may write with values that others
// may: in an address, in JSON and in a form each stays where it was put.
func FuzzTemplate(f *testing.F) {
	f.Add("{phone}", "{order_id}{call_id}", "79161234567", `","evil":"1`)
	f.Add("0", "\xc2{phone}{order_id}", "\xa9\xc2", "\xa9") // halves of a character
	f.Add("a{order_id", "{{phone}}{x}", "{order_id}&z=2#", "\r\n\x00 +%2e\xff\u2028")
	f.Fuzz(func(t *testing.T, one, two, phone, order string) {
		// A template is TOML and so UTF-8; half a character in it would make a whole
		// one with what is put behind it.
		one, two = strings.ToValidUTF8(one, "?"), strings.ToValidUTF8(two, "?")
		v := values{"phone": phone, "order_id": order}
		filled := func(text string, with values) string {
			return string(with.in(text, func(s string) string { return s }))
		}
		plain := func(text string) string { return filled(text, v) }
		address := url.Values{"a": {one}, "b": {two}}.Encode()
		address = strings.NewReplacer("%7B", "{", "%7D", "}").Replace(address) // as an owner writes them
		got, err := url.ParseQuery(string(v.in(address, inURL)))
		if err != nil || len(got) != 2 || got.Get("a") != plain(one) || got.Get("b") != plain(two) {
			t.Errorf("%q with %q, %q: %v, %v", address, phone, order, got, err)
		}
		object, err := json.Marshal(map[string]string{"a": one, "b": two})
		if err != nil {
			t.Fatal(err)
		}
		var fields map[string]string
		err = json.Unmarshal(v.in(string(object), inJSON), &fields)
		sayable := values{"phone": string([]rune(phone)), "order_id": string([]rune(order))}
		if err != nil || len(fields) != 2 || fields["a"] != filled(one, sayable) || fields["b"] != filled(two, sayable) {
			t.Errorf("%s with %q, %q: %q, %v", object, phone, order, fields, err)
		}
		if head := string(v.in(one, oneLine)); !strings.ContainsAny(one, "\r\n\x00") && strings.ContainsAny(head, "\r\n\x00") {
			t.Errorf("%q in a header: %q", one, head)
		}
	})
}
