package gootax_test

import (
	"bytes"
	"context"
	"crypto/md5"
	"encoding/hex"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"golang.org/x/text/encoding/charmap"

	"cabline/dispatchapi/courier"
	"cabline/dispatchapi/gootax"
	"cabline/pbx"
	"cabline/pbx/store"
)

const (
	client pbx.Phone = "+79161234567"
	driver pbx.Phone = "+79267654321"
	line   pbx.Phone = "+74950000000"
)

// firm is a System with what is around it.
type firm struct {
	*gootax.System
	mu       sync.Mutex
	notices  []pbx.Notice
	connects []pbx.ConnectRequest
	calls    []string
	log      bytes.Buffer
	fail     error // of whatever is asked of the exchange
	mux      *http.ServeMux
}

func (f *firm) Notify(_ context.Context, n pbx.Notice) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.notices = append(f.notices, n)
	return f.fail
}

func newFirm(t *testing.T, change ...func(*gootax.Config)) *firm {
	t.Helper()
	db, err := store.Open(filepath.Join(t.TempDir(), "cabline.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	f := &firm{mux: http.NewServeMux()}
	cfg := gootax.Config{
		Panel: "romashka.gootax.pro", Tokens: []string{"voice-token", "integration-token"}, CallToken: "call-token", Country: "RU",
		Employees: []gootax.Employee{{Operator: "anna", Number: "101", AccessToken: "annas-token"}, {Operator: "boris"}},
		Statuses:  map[string]pbx.Status{"17": pbx.StatusLate}, Notices: f,
		Connect: func(_ context.Context, want pbx.ConnectRequest) (string, error) {
			f.mu.Lock()
			defer f.mu.Unlock()
			f.connects = append(f.connects, want)
			return "call-1", f.fail
		},
		CallTo: func(_ context.Context, operator string, number pbx.Phone) (string, error) {
			f.calls = append(f.calls, operator+" "+number.Dialable())
			return "call-2", f.fail
		},
	}
	for _, c := range change {
		c(&cfg)
	}
	f.System = gootax.New(cfg, db)
	for pattern, handler := range f.Handlers() {
		f.mux.Handle(pattern, handler)
	}
	return f
}

type ask struct {
	method, path, token, kind, body string
}

func (f *firm) ask(a ask) (code int, body string) {
	r := httptest.NewRequest(a.method, a.path, strings.NewReader(a.body))
	if a.token != "" {
		r.Header.Set("api-key", a.token)
	}
	r.Header.Set("Content-Type", a.kind)
	log := zerolog.New(&f.log)
	w := httptest.NewRecorder()
	f.mux.ServeHTTP(w, r.WithContext(log.WithContext(r.Context())))
	return w.Code, w.Body.String()
}

func (f *firm) notify(body string) (code int, answer string) {
	return f.ask(ask{"POST", "/integration/gootaxpro/notify", "voice-token", "application/json", body})
}

func recorded(t *testing.T, file string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", file))
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(text))
}

func TestANotifyOfGootaxBecomesAnOrderAndANotice(t *testing.T) {
	seven, zero := 7, 0
	inward, _ := charmap.Windows1251.NewEncoder().String(recorded(t, "notify_accepted.json"))
	accepted := pbx.Order{ID: "1042", Status: pbx.StatusAccepted, Phone: client, Driver: driver, ETA: &seven, Price: 350,
		Car: pbx.Car{Color: "белый", Mark: "Лада", Model: "Веста", Plate: "А123ВС77"}}
	for name, tc := range map[string]struct {
		kind, body string
		want       pbx.Order
	}{
		"as the vendor's papers have it": {"application/json", recorded(t, "notify_accepted.json"), accepted},
		"in windows-1251":                {"application/json; charset=windows-1251", inward, accepted},
		"without a content type":         {"", recorded(t, "notify_accepted.json"), accepted},
		"under the other names, in an object, with numbers for texts": {"application/json", recorded(t, "notify_aliases.json"),
			pbx.Order{ID: "1043", Status: pbx.StatusArrived, Phone: client, Driver: driver, ETA: &zero, Price: 418,
				Car: pbx.Car{Color: "чёрный", Mark: "Киа", Model: "Рио", Plate: "К777ОО150"}}},
		"as a form": {"application/x-www-form-urlencoded", recorded(t, "notify_form.txt"),
			pbx.Order{ID: "1044", Status: pbx.StatusArrived, Phone: client, Price: 200, Car: pbx.Car{Plate: "А111АА99"}}},
		"with a status of the config": {"application/json", `{"id":"1","status":17,"number":"9161234567"}`,
			pbx.Order{ID: "1", Status: pbx.StatusLate, Phone: client}},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFirm(t)
			code, answer := f.ask(ask{"POST", "/integration/gootaxpro/notify", "voice-token", tc.kind, tc.body})
			if code != 200 || strings.TrimSpace(answer) != `{"status":"ok"}` {
				t.Fatalf("%d %s\n%s", code, answer, &f.log)
			}
			order, err := f.OrderByPhone(t.Context(), client)
			if err != nil {
				t.Fatalf("%v\n%s", err, &f.log)
			}
			got := *order
			got.Created, got.Updated = time.Time{}, time.Time{}
			if (got.ETA == nil) != (tc.want.ETA == nil) || got.ETA != nil && *got.ETA != *tc.want.ETA {
				t.Errorf("ETA %v", got.ETA)
			}
			got.ETA, tc.want.ETA = nil, nil
			if got.ID != tc.want.ID || got.Status != tc.want.Status || got.Phone != tc.want.Phone || got.Driver != tc.want.Driver || got.Car != tc.want.Car || got.Price != tc.want.Price {
				t.Errorf("%+v, want %+v", got, tc.want)
			}
			if len(f.notices) != 1 || f.notices[0].OrderID != tc.want.ID || f.notices[0].Status != tc.want.Status || f.notices[0].Version != 1 || f.notices[0].Order.Phone != client {
				t.Errorf("notices %+v", f.notices)
			}
		})
	}
}

func TestAPhoneUnderAnUnusualNameIsFoundByAConfiguredPath(t *testing.T) {
	f := newFirm(t, func(c *gootax.Config) { c.PhonePath, c.DriverPath = "passenger.contacts.0", "crew.tel" })
	f.notify(`{"id":"1","status":"new","passenger":{"contacts":["89161234567"]},"crew":{"tel":"89267654321"}}`)
	if order, err := f.OrderByPhone(t.Context(), client); err != nil || order.Driver != driver {
		t.Errorf("%+v, %v", order, err)
	}
}

func TestTheSameNotifyTwiceIsOneNoticeAndAnAnswerEachTime(t *testing.T) {
	f := newFirm(t)
	for range 3 {
		if code, _ := f.notify(recorded(t, "notify_accepted.json")); code != 200 {
			t.Errorf("%d", code)
		}
	}
	for _, n := range f.notices {
		if n.Version != 1 || n.OrderID != "1042" || n.Status != pbx.StatusAccepted { // the noticeboard knows them by these
			t.Errorf("notice %+v", n)
		}
	}
	f.notify(`{"id":"1042","status":"car_at_place"}`)
	f.notify(recorded(t, "notify_accepted.json")) // repeated late
	if last := f.notices[len(f.notices)-1]; last.Status != pbx.StatusArrived || last.Version != 2 || last.Order.Phone != client {
		t.Errorf("the last notice is %+v", last)
	}
	if order, err := f.OrderByPhone(t.Context(), client); err != nil || order.Status != pbx.StatusArrived {
		t.Errorf("%+v, %v", order, err)
	}
}

func TestAnUnknownStatusIsLoggedAsItCameAndAnsweredWell(t *testing.T) {
	for name, any := range map[string]bool{"silence": false, "or told by the noticeboard's rules, where that is wanted": true} {
		t.Run(name, func(t *testing.T) {
			f := newFirm(t, func(c *gootax.Config) { c.AnyStatus = any })
			code, _ := f.notify(recorded(t, "notify_unknown.json"))
			if code != 200 || len(f.notices) != map[bool]int{true: 1}[any] {
				t.Errorf("%d, notices %+v", code, f.notices)
			}
			order, err := f.OrderByPhone(t.Context(), client)
			if err != nil || order.Status != "37" {
				t.Errorf("%+v, %v", order, err)
			}
			log := f.log.String()
			for _, want := range []string{`"status":"37"`, `comment`, `подъезд 2`, `points`} {
				if !strings.Contains(log, want) {
					t.Errorf("%s is not in the log:\n%s", want, log)
				}
			}
			for _, number := range []string{"9161234567", "9035550001"} {
				if strings.Contains(log, number) {
					t.Errorf("the number …%s is in the log whole:\n%s", number, log)
				}
			}
		})
	}
}

func TestWhatGootaxSendsNeverGetsAnErrorPageOrStopsTheProgram(t *testing.T) {
	deep := strings.Repeat(`{"a":`, 10_000) + "1" + strings.Repeat("}", 10_000)
	for name, tc := range map[string]struct {
		ask
		want int
	}{
		"no body":             {ask{"POST", "/integration/gootaxpro/notify", "voice-token", "application/json", ""}, 200},
		"garbage":             {ask{"POST", "/integration/gootaxpro/notify", "voice-token", "application/json", "\x00\xff<html>"}, 200},
		"a list":              {ask{"POST", "/integration/gootaxpro/notify", "voice-token", "application/json", `[1,2]`}, 200},
		"broken JSON":         {ask{"POST", "/integration/gootaxpro/notify", "voice-token", "application/json", `{"id":"1","status":`}, 200},
		"JSON without an end": {ask{"POST", "/integration/gootaxpro/notify", "voice-token", "application/json", deep}, 200},
		"odd types":           {ask{"POST", "/integration/gootaxpro/notify", "voice-token", "application/json", `{"id":[1],"status":{"x":1},"phone":true,"car_time":1e300,"price":-5}`}, 200},
		"a huge body":         {ask{"POST", "/integration/gootaxpro/notify", "voice-token", "application/json", `{"id":"` + strings.Repeat("x", 200_000)}, 413},
		"a path nobody knows": {ask{"PUT", "/runtel/api/v2/agents", "integration-token", "application/json", `{"agent":"anna"}`}, 200},
		"no token":            {ask{"POST", "/integration/gootaxpro/notify", "", "application/json", `{}`}, 401},
		"a wrong token":       {ask{"POST", "/integration/gootaxpro/notify", "voice-toke", "application/json", `{}`}, 401},
		"either token":        {ask{"POST", "/integration/gootaxpro/notify", "integration-token", "application/json", `{"id":"1","status":"new"}`}, 200},
		"Runtel's Base Url":   {ask{"POST", "/runtel/notify", "integration-token", "application/json", `{"id":"1","status":"new"}`}, 200},
	} {
		f := newFirm(t)
		code, body := f.ask(tc.ask)
		if code != tc.want || !strings.HasPrefix(body, `{"status":"`) || len(body) > 200 {
			t.Errorf("%s: %d %s", name, code, body)
		}
	}
}

func TestNewsThatCannotBeStoredIsNotAnsweredWell(t *testing.T) {
	f := newFirm(t)
	f.fail = errors.New("disk full")
	if code, _ := f.notify(recorded(t, "notify_accepted.json")); code != 503 {
		t.Errorf("%d: Gootax would not tell it again", code)
	}
}

func TestAStrangerCannotFillTheLog(t *testing.T) {
	f := newFirm(t)
	for range 1000 {
		f.ask(ask{"POST", "/integration/gootaxpro/notify", "guess", "application/json", `{}`})
	}
	if lines := strings.Count(f.log.String(), "\n"); lines > 10 {
		t.Errorf("%d lines", lines)
	}
}

func TestConnectTakesTwoNumbersOrAnOrderAndEitherToken(t *testing.T) {
	both := pbx.ConnectRequest{Client: client, Driver: driver}
	for name, tc := range map[string]struct {
		path, token, body string
		want              pbx.ConnectRequest
	}{
		"two numbers":         {"/integration/gootaxpro/connect", "integration-token", `{"client_phone":"79161234567","driver_phone":"79267654321"}`, both},
		"other names":         {"/integration/gootaxpro/connect", "voice-token", `{"phone":"89161234567","worker_phone":"89267654321"}`, both},
		"from and to":         {"/runtel/connect", "voice-token", `{"from":"89161234567","to":"89267654321"}`, both},
		"an order":            {"/integration/gootaxpro/connect", "voice-token", `{"order_id":1042}`, pbx.ConnectRequest{OrderID: "1042"}},
		"an order and one":    {"/integration/gootaxpro/connect", "voice-token", `{"id":"1042","phone":"89161234567"}`, pbx.ConnectRequest{OrderID: "1042"}},
		"another line":        {"/integration/gootaxpro/connect", "voice-token", `{"id":"1042","did":"84950000000"}`, pbx.ConnectRequest{OrderID: "1042", Line: line}},
		"a configured path":   {"/pbx/join", "voice-token", `{"id":"1042"}`, pbx.ConnectRequest{OrderID: "1042"}},
		"a form in the query": {"/integration/gootaxpro/connect?client=79161234567&driver=79267654321", "voice-token", "", both},
	} {
		f := newFirm(t, func(c *gootax.Config) { c.ConnectAt = []string{"/pbx/join"} })
		code, body := f.ask(ask{"POST", tc.path, tc.token, "application/json", tc.body})
		if code != 200 || !strings.Contains(body, `"call_id":"call-1"`) || len(f.connects) != 1 || f.connects[0] != tc.want {
			t.Errorf("%s: %d %s, asked for %+v", name, code, body, f.connects)
		}
	}
}

func TestAConnectWhoseAnswerWasLostDoesNotRingTwice(t *testing.T) {
	f := newFirm(t)
	for range 3 {
		_, body := f.ask(ask{"POST", "/integration/gootaxpro/connect", "voice-token", "application/json", `{"order_id":1042}`})
		if !strings.Contains(body, "call-1") {
			t.Error(body)
		}
	}
	if len(f.connects) != 1 {
		t.Errorf("%d calls", len(f.connects))
	}
}

func TestAConnectThatCannotBeIsAnsweredWithAWord(t *testing.T) {
	f := newFirm(t)
	f.fail = pbx.ErrNoOrder
	code, body := f.ask(ask{"POST", "/integration/gootaxpro/connect", "voice-token", "application/json", `{"order_id":7}`})
	if code != 200 || !strings.Contains(body, `"message":"no order"`) {
		t.Errorf("%d %s", code, body)
	}
	if code, body = f.ask(ask{"POST", "/integration/gootaxpro/connect", "voice-token", "application/json", `{}`}); code != 200 || !strings.Contains(body, "ignored") {
		t.Errorf("%d %s", code, body)
	}
}

func TestCallUrlRingsTheOperatorWhoClicked(t *testing.T) {
	for name, tc := range map[string]struct {
		query string
		fail  error
		code  int
		call  string
	}{
		"by login":                  {"token=call-token&to=%2B79161234567&operator=boris", nil, 200, "boris +79161234567"},
		"by number in Gootax":       {"token=call-token&to=8(916)123-45-67&operator=101", nil, 200, "anna +79161234567"},
		"with a plus unescaped":     {"token=call-token&to=+79161234567&operator=anna", nil, 200, "anna +79161234567"},
		"without our token":         {"to=79161234567&operator=anna", nil, 401, ""},
		"with the integration's":    {"token=voice-token&to=79161234567&operator=anna", nil, 401, ""},
		"without an operator":       {"token=call-token&to=79161234567", nil, 422, ""},
		"to what is no number":      {"token=call-token&to=sip:evil@example.org&operator=anna", nil, 422, ""},
		"to whom nobody may dial":   {"token=call-token&to=%2B33123456789&operator=anna", pbx.ErrNotAllowed, 403, "anna +33123456789"},
		"while their phone is busy": {"token=call-token&to=79161234567&operator=anna", pbx.ErrBusy, 409, "anna +79161234567"},
		"while they are away":       {"token=call-token&to=79161234567&operator=anna", pbx.ErrUnreachable, 409, "anna +79161234567"},
	} {
		f := newFirm(t)
		f.fail = tc.fail
		code, body := f.ask(ask{"GET", "/call?" + tc.query, "", "", ""})
		if code != tc.code || strings.Join(f.calls, "") != tc.call {
			t.Errorf("%s: %d %s, called %q", name, code, body, f.calls)
		}
	}
}

func TestAClickInABrowserIsAnsweredWithALineInTheFirmsLanguage(t *testing.T) {
	f := newFirm(t)
	r := httptest.NewRequest("GET", "/call?token=call-token&to=79161234567&operator=anna", nil)
	r.Header.Set("Accept", "text/html,application/xhtml+xml")
	w := httptest.NewRecorder()
	f.mux.ServeHTTP(w, r)
	if w.Code != 200 || !strings.Contains(w.Body.String(), "сначала звонит ваш телефон") || !strings.HasPrefix(w.Header().Get("Content-Type"), "text/html") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

func TestClicksAreBounded(t *testing.T) {
	f := newFirm(t)
	for range 200 {
		f.ask(ask{"GET", "/call?token=call-token&to=79161234567&operator=anna", "", "", ""})
	}
	if len(f.calls) > 40 {
		t.Errorf("%d calls were asked for at once", len(f.calls))
	}
}

func TestThereIsNoCallUrlWithoutAToken(t *testing.T) {
	f := newFirm(t, func(c *gootax.Config) { c.CallToken = "" })
	if code, _ := f.ask(ask{"GET", "/call?token=&to=79161234567&operator=anna", "", "", ""}); code != 404 || len(f.calls) > 0 {
		t.Errorf("%d, called %q", code, f.calls)
	}
}

func TestTheLinkToTheCardIsTheOperatorsOwn(t *testing.T) {
	f := newFirm(t)
	card := pbx.Card{CallID: "c 1", Phone: client, Line: line}
	want := "https://romashka.gootax.pro/tenant/user/external-incoming-call?access_token=annas-token&call_id=c+1&clid=79161234567&did=74950000000"
	if got := f.CardLink("anna", card); got != want {
		t.Error(got)
	}
	for _, who := range []string{"boris", "nobody", ""} {
		if got := f.CardLink(who, card); got != "" {
			t.Errorf("%s is shown %s", who, got)
		}
	}
	national := newFirm(t, func(c *gootax.Config) { c.Numbers = pbx.National })
	if got := national.CardLink("anna", card); !strings.Contains(got, "clid=89161234567") {
		t.Error(got)
	}
}

// api is Gootax's client API.
func api(t *testing.T, answer func(w http.ResponseWriter, r *http.Request)) *gootax.API {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(answer))
	t.Cleanup(s.Close)
	carrier, err := courier.New(courier.TLS{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(carrier.Close)
	return &gootax.API{URL: s.URL, Tenant: "68", App: "1", Key: "the key", Courier: carrier}
}

func TestTheClientAPISaysHowTheOrderStandsNowAndIsAskedWithItsSignature(t *testing.T) {
	var asked []string
	orders := api(t, func(w http.ResponseWriter, r *http.Request) {
		params := r.URL.RawQuery
		file := "get_order_info.json"
		if r.Method == http.MethodPost {
			body, _ := io.ReadAll(r.Body)
			params, file = string(body), "reject_order.json"
		}
		values, _ := url.ParseQuery(params)
		asked = append(asked, r.URL.Path+" "+values.Get("order_id"))
		if r.Header.Get("signature") != md5hex(params+"the key") || r.Header.Get("tenantid") != "68" || r.Header.Get("lang") != "ru" || values.Get("current_time") == "" {
			t.Errorf("asked with %v of %s", r.Header, params)
		}
		_, _ = io.WriteString(w, recorded(t, file))
	})
	f := newFirm(t, func(c *gootax.Config) { c.Orders = orders })
	f.notify(recorded(t, "notify_accepted.json"))
	order, err := f.OrderByPhone(t.Context(), client)
	if err != nil || order.Status != pbx.StatusArrived || order.Car.Plate != "А123ВС77" {
		t.Errorf("%+v, %v", order, err)
	}
	if err := f.ClientAnswered(t.Context(), "1042", pbx.AnswerCancel); err != nil {
		t.Error(err)
	}
	if want := []string{"/get_order_info 1042", "/reject_order 1042"}; !slices.Equal(asked, want) {
		t.Errorf("asked %q", asked)
	}
	if err := f.ClientAnswered(t.Context(), "1042", pbx.AnswerComingOut); err == nil {
		t.Error("a client was told that Gootax knows they are coming out")
	}
}

func TestWhatWasToldLastAnswersWhenTheClientAPIDoesNot(t *testing.T) {
	for name, answer := range map[string]http.HandlerFunc{
		"garbage": func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, "<html>502") },
		"a refusal": func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.WriteString(w, `{"code":8,"info":"BAD_SIGNATURE"}`)
		},
		"a status nobody knows": func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.WriteString(w, `{"code":0,"result":{"order_info":{"status_id":999}}}`)
		},
		"an error": func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(500) },
		"silence":  func(w http.ResponseWriter, r *http.Request) { <-r.Context().Done() },
	} {
		f := newFirm(t, func(c *gootax.Config) { c.Orders = api(t, answer) })
		f.notify(recorded(t, "notify_accepted.json"))
		ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
		order, err := f.OrderByPhone(ctx, client)
		cancel()
		if err != nil || order.Status != pbx.StatusAccepted {
			t.Errorf("%s: %+v, %v", name, order, err)
		}
	}
}

func md5hex(text string) string {
	sum := md5.Sum([]byte(text))
	return hex.EncodeToString(sum[:])
}
