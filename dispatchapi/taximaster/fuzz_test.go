package taximaster

import (
	"bytes"
	"encoding/xml"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	"cabline/dispatchapi/courier"
	"cabline/pbx"
	"cabline/pbx/store"
)

// parrot answers every request with what it was given. It takes the place of the
// network, which would look like something new to the fuzzer each time.
type parrot struct {
	kind       string
	tapi, json []byte
}

func (p *parrot) RoundTrip(r *http.Request) (*http.Response, error) {
	body := p.json
	if strings.HasPrefix(r.URL.Path, "/tm_tapi/") {
		body = p.tapi
	}
	return &http.Response{StatusCode: http.StatusOK, Header: http.Header{"Content-Type": {p.kind}}, Body: io.NopCloser(bytes.NewReader(body)), Request: r}, nil
}

func fuzzed(f *testing.F, p *parrot) *System {
	carrier, err := courier.New(courier.TLS{})
	if err != nil {
		f.Fatal(err)
	}
	carrier.Client().Transport = p
	db, err := store.Open(filepath.Join(f.TempDir(), "cabline.db"))
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { carrier.Close(); _ = db.Close() })
	return New(Config{URL: "http://dispatch", TAPIKey: tapiKey, CommonKey: commonKey, Courier: carrier, Country: "RU", DB: db,
		Answers: map[pbx.ClientAnswer]int{pbx.AnswerCancel: 9}})
}

// FuzzAnswer reads whatever might come in the place of an answer of tm_tapi and
// of common_api, in any charset. What is taken of it is an order that can be
// said and shown, or an error in words.
func FuzzAnswer(f *testing.F) {
	files, err := filepath.Glob("testdata/*.xml")
	if err != nil {
		f.Fatal(err)
	}
	state, err := os.ReadFile("testdata/get_order_state.json")
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add("text/xml; charset=windows-1251", text, state)
	}
	f.Add("", []byte("<?xml version=\"1.0\" encoding=\"koi8-r\"?><response><code>0</code><data><ORDER_ID>1</ORDER_ID><CAR_COLOR>\xc2\xc5\xcc\xd9\xca</CAR_COLOR><DRIVER_TIMECOUNT>99999999</DRIVER_TIMECOUNT></data></response>"),
		[]byte(`{"code":0,"data":{"state_id":"3","state_kind":"\u0000","total_sum":1e300,"phone":"89161234567","phone":"1"}}`))
	f.Add("application/json", []byte(`<response><code>0</code><data><ORDER_ID>0x1</ORDER_ID><ORDER_ID><a><b/></a>7</ORDER_ID></data></response>`), []byte(`{"code":0,"data":{"a":[{"id":3,"state_type":"in_work"}]}}`))
	p := &parrot{}
	s := fuzzed(f, p)
	f.Fuzz(func(t *testing.T, kind string, tapi, json []byte) {
		p.kind, p.tapi, p.json = kind, tapi, json
		order, err := s.OrderByPhone(t.Context(), client)
		sayable(t, order, err)
		orders, err := s.OrdersByDriver(t.Context(), driver)
		for _, order := range orders {
			sayable(t, order, err)
		}
		order, err = s.Order(t.Context(), "42")
		sayable(t, order, err)
		_ = s.ClientAnswered(t.Context(), "42", pbx.AnswerCancel)
	})
}

// sayable fails for an order that is none or holds what cannot be said.
func sayable(t *testing.T, o *pbx.Order, err error) {
	t.Helper()
	if err != nil {
		if text := err.Error(); strings.ContainsAny(text, "\r\n\x00") || len(text) > 4000 {
			t.Errorf("error %q", text)
		}
		return
	}
	for _, text := range []string{o.ID, string(o.Status), o.Car.Color, o.Car.Mark, o.Car.Model, o.Car.Plate, o.ClientName, o.Pickup, o.Dropoff, o.Comment} {
		if utf8.RuneCountInString(text) > courier.MaxText || !utf8.ValidString(text) || strings.ContainsAny(text, "\r\n\x00\t") {
			t.Errorf("%q is no text to say", text)
		}
	}
	for _, number := range []pbx.Phone{o.Phone, o.Driver} {
		if again, err := pbx.ParsePhone(number.Dialable(), "RU"); number != "" && (err != nil || again != number) {
			t.Errorf("number %q", number.Dialable())
		}
	}
	if o.ID == "" || o.Price < 0 || o.ETA != nil && (*o.ETA < 0 || *o.ETA > 24*60) || len(o.TakenBy) > maxTakers {
		t.Errorf("%+v", o)
	}
}

// FuzzOktell asks the exchange for scripts as Такси-Мастер does, with any
// parameters in the address and in a form, in any charset. The answer is whole
// XML with one of the two results, and nothing of the question is in it.
func FuzzOktell(f *testing.F) {
	f.Add("name=TMABConnect&startparam1=89161234567&startparam2=%2B79267654321&async=0&timeout=10", []byte(nil))
	f.Add("name=%D0%92%D0%BE%D0%B4%D0%B8%D1%82%D0%B5%D0%BB%D1%8C+%D0%BF%D0%BE%D0%B4%D1%8A%D0%B5%D1%85%D0%B0%D0%BB&startparam1=89161234567&startparam3=4&startparam4=42", []byte(nil))
	f.Add("name=%C2%EE%E4%E8%F2%E5%EB%FC+%EF%EE%E4%FA%E5%F5%E0%EB&startparam4=42", []byte("startparam1=89161234567&startparam4=43"))
	f.Add("name=x&startparam1=1&startparam1=2;startparam4=]]>&startparam4=%", []byte("%zz"))
	b := &board{}
	s := fuzzed(f, &parrot{})
	s.cfg.CommonKey = ""
	o := &Oktell{System: s, Joining: "TMABConnect", Scripts: map[string]pbx.Status{"Водитель подъехал": pbx.StatusArrived}, Notices: b, Connect: b.Connect}
	f.Fuzz(func(t *testing.T, query string, form []byte) {
		for _, path := range []string{"/execsvcscript", "/execsvcscriptplain"} {
			r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(string(form)))
			r.URL = &url.URL{Path: path, RawQuery: query}
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			w := httptest.NewRecorder()
			b.notices, b.joined = nil, nil
			o.ServeHTTP(w, r)
			if w.Code != http.StatusOK || len(w.Header()) != 1 {
				t.Errorf("%d %v", w.Code, w.Header())
			}
			done := len(b.notices)+len(b.joined) > 0
			if path == "/execsvcscriptplain" {
				if (w.Body.String() == "-1") == done {
					t.Errorf("answered %q, done: %v", w.Body, done)
				}
				continue
			}
			var answer struct {
				Values []struct {
					Key   string `xml:"key,attr"`
					Value string `xml:"value,attr"`
				} `xml:"data>property_set>property_simple"`
			}
			if err := xml.Unmarshal(w.Body.Bytes(), &answer); err != nil || len(answer.Values) != 2 || (answer.Values[0].Value == "1") != done {
				t.Errorf("%s, done: %v, %v", w.Body, done, err)
			}
			for _, n := range b.notices {
				sayable(t, &n.Order, nil)
			}
		}
	})
}
