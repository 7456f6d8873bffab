package httpjson

import (
	"context"
	"crypto/hmac"
	"crypto/md5"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"cabline/dispatchapi/courier"
	"cabline/dispatchapi/outbox"
	"cabline/pbx"
	"cabline/pbx/store"
)

const (
	client = pbx.Phone("+79161234567")
	driver = pbx.Phone("+79267654321")
)

// seen is a request as it arrived.
type seen struct {
	Method, URI, Body string
	Header            http.Header
}

// office is a dispatch system that answers everything with one answer.
type office struct {
	*httptest.Server
	mu     sync.Mutex
	status []int // one for each request, the last one for all after it
	body   string
	asked  []seen
}

func newOffice(t *testing.T, body string, status ...int) *office {
	o := &office{body: body, status: status}
	o.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		sent, _ := io.ReadAll(r.Body)
		o.mu.Lock()
		defer o.mu.Unlock()
		o.asked = append(o.asked, seen{r.Method, r.RequestURI, string(sent), r.Header.Clone()})
		if len(o.status) > 0 {
			code := o.status[0]
			if len(o.status) > 1 {
				o.status = o.status[1:]
			}
			w.WriteHeader(code)
		}
		_, _ = io.WriteString(w, o.body)
	}))
	t.Cleanup(o.Close)
	return o
}

func (o *office) requests() []seen {
	o.mu.Lock()
	defer o.mu.Unlock()
	return append([]seen(nil), o.asked...)
}

func (o *office) system(t *testing.T, cfg Config) *System {
	carrier, err := courier.New(courier.TLS{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(carrier.Close)
	db, err := store.Open(filepath.Join(t.TempDir(), "cabline.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	cfg.Courier, cfg.Country, cfg.DB = carrier, "RU", db
	for _, r := range []*Request{&cfg.ByPhone, &cfg.ByDriver, &cfg.ByID, &cfg.Event} {
		r.URL = strings.Replace(r.URL, "http://dispatch", o.URL, 1)
	}
	for said, r := range cfg.Answers {
		r.URL = strings.Replace(r.URL, "http://dispatch", o.URL, 1)
		cfg.Answers[said] = r
	}
	return New(cfg)
}

func recorded(t *testing.T, name string) string {
	body, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

// flat and deep are where two different systems have the fields of an order.
var (
	flat = Paths{ID: "id", Status: "state", Phone: "client_phone", Minutes: "eta", Price: "cost", Driver: "driver_phone",
		Color: "color", Mark: "mark", Model: "model", Plate: "plate", Pickup: "from", Version: "rev"}
	deep = Paths{ID: "bookingId", Status: "status.code", Phone: "passenger.phones.0", ClientName: "passenger.name", Pickup: "route.0.address",
		Dropoff: "route.1.address", Minutes: "vehicle.eta.minutes", Color: "vehicle.colour", Mark: "vehicle.make", Model: "vehicle.model",
		Plate: "vehicle.plate", Price: "fare.total", Driver: "vehicle.driver.phone", TakenBy: "takenBy"}
	words = map[string]pbx.Status{"ON_THE_WAY": pbx.StatusAccepted, "AT_PLACE": pbx.StatusArrived, "DONE": pbx.StatusCompleted}
)

func TestOrdersAreReadByTheirPaths(t *testing.T) {
	four := 4
	want := pbx.Order{ID: "42", Status: pbx.StatusAccepted, Phone: client, Driver: driver, ETA: &four, Price: 350, Pickup: "Ленина 1",
		Car: pbx.Car{Color: "белый", Mark: "Hyundai", Model: "Solaris", Plate: "М123ММ55"}}
	whole := want
	whole.ClientName, whole.Dropoff, whole.TakenBy = "Иван", "Вокзал", []string{"anna", "boris"}
	unknown := want
	unknown.Status = "поехали"
	for name, c := range map[string]struct {
		body   string
		status int
		cfg    Config
		want   *pbx.Order
		err    error
	}{
		"from an object":             {body: "flat.json", cfg: Config{Order: flat}, want: &want},
		"from deep within":           {body: "deep.json", cfg: Config{Order: deep, ByPhone: Request{Within: "activeBookings"}}, want: &whole},
		"the active one of a list":   {body: "list.json", cfg: Config{Order: flat, ByPhone: Request{Within: "orders"}}, want: &want},
		"in windows-1251":            {body: "flat_1251.json", cfg: Config{Order: flat}, want: &want},
		"a status nobody has mapped": {body: "unknown_status.json", cfg: Config{Order: flat}, want: &unknown},
		"404 says there is none":     {body: "none.json", status: 404, cfg: Config{Order: flat}, err: pbx.ErrNoOrder},
		"an empty list says so too":  {body: "empty.json", cfg: Config{Order: flat, ByPhone: Request{Within: "orders"}}, err: pbx.ErrNoOrder},
		"null does as well":          {body: "null.json", cfg: Config{Order: flat}, err: pbx.ErrNoOrder},
		"an error of theirs is one":  {body: "none.json", status: 500, cfg: Config{Order: flat}, err: courier.ErrStatus},
		"a page is no JSON":          {body: "page.html", cfg: Config{Order: flat}, err: courier.ErrGarbage},
	} {
		t.Run(name, func(t *testing.T) {
			o := newOffice(t, recorded(t, c.body))
			if c.status > 0 {
				o.status = []int{c.status}
			}
			c.cfg.Statuses, c.cfg.ByPhone.URL = words, "http://dispatch/find?phone={phone}"
			got, err := o.system(t, c.cfg).OrderByPhone(t.Context(), client)
			if !errors.Is(err, c.err) || c.err == nil && err != nil {
				t.Fatalf("error %v, want %v", err, c.err)
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Error(diff)
			}
			if asked := o.requests(); len(asked) != 1 || asked[0].Method != "GET" || asked[0].URI != "/find?phone=%2B79161234567" {
				t.Errorf("asked %v", asked)
			}
		})
	}
}

func TestAnOrderIsAskedForByItsIDAndADriverByTheNumber(t *testing.T) {
	o := newOffice(t, recorded(t, "list.json"))
	s := o.system(t, Config{Order: flat, Statuses: words, Numbers: "national",
		ByID:     Request{URL: "http://dispatch/orders/{order_id}", Within: "orders"},
		ByDriver: Request{URL: "http://dispatch/driver", Body: `{"tel": "{phone}"}`, Within: "orders"}})
	if order, err := s.Order(t.Context(), "41"); err != nil || order.Status != pbx.StatusCompleted {
		t.Errorf("order 41: %v %v", order, err)
	}
	if _, err := s.Order(t.Context(), "a/../b?c"); !errors.Is(err, pbx.ErrNoOrder) {
		t.Errorf("an order that is not in the answer: %v", err)
	}
	if orders, err := s.OrdersByDriver(t.Context(), driver); err != nil || len(orders) != 1 || orders[0].ID != "42" {
		t.Errorf("orders of the driver: %v %v", orders, err)
	}
	asked := o.requests()
	want := []seen{{Method: "GET", URI: "/orders/41"}, {Method: "GET", URI: "/orders/a%2F..%2Fb%3Fc"},
		{Method: "POST", URI: "/driver", Body: `{"tel": "89267654321"}`}}
	if diff := cmp.Diff(want, asked, cmpopts.IgnoreFields(seen{}, "Header")); diff != "" {
		t.Error(diff)
	}
}

func TestRequestsAreSignedAsTheSystemWants(t *testing.T) {
	mac := func(text string) string {
		h := hmac.New(sha256.New, []byte("секрет"))
		h.Write([]byte(text))
		return hex.EncodeToString(h.Sum(nil))
	}
	sum := func(text string) string { s := md5.Sum([]byte(text + "секрет")); return hex.EncodeToString(s[:]) }
	const query = "phone=%2B79161234567"
	for name, c := range map[string]struct {
		auth              Auth
		body, contentType string
		header, value     string
		uri, sent         string
	}{
		"bearer":               {auth: Auth{Kind: "bearer"}, header: "Authorization", value: "Bearer секрет"},
		"a header":             {auth: Auth{Kind: "header", Name: "X-Api-Key"}, header: "X-Api-Key", value: "секрет"},
		"basic":                {auth: Auth{Kind: "basic", Login: "cabline"}, header: "Authorization", value: "Basic Y2FibGluZTrRgdC10LrRgNC10YI="},
		"HMAC of the query":    {auth: Auth{Kind: "hmac", Name: "X-Sign"}, header: "X-Sign", value: mac(query)},
		"HMAC of the body":     {auth: Auth{Kind: "hmac", Name: "X-Sign"}, body: `{"p":"{phone}"}`, header: "X-Sign", value: mac(`{"p":"+79161234567"}`), sent: `{"p":"+79161234567"}`},
		"MD5 in a header":      {auth: Auth{Kind: "md5", Name: "Signature"}, header: "Signature", value: sum(query)},
		"MD5 as a parameter":   {auth: Auth{Kind: "md5", Name: "signature", InQuery: true}, uri: "/find?" + query + "&signature=" + sum(query)},
		"MD5 as a form's last": {auth: Auth{Kind: "md5", Name: "signature", InQuery: true}, body: "p={phone}", contentType: "application/x-www-form-urlencoded", sent: "p=%2B79161234567&signature=" + sum("p=%2B79161234567")},
	} {
		t.Run(name, func(t *testing.T) {
			o := newOffice(t, "{}")
			c.auth.Secret = "секрет"
			find := Request{URL: "http://dispatch/find?phone={phone}", Body: c.body, Header: http.Header{}}
			if c.contentType != "" {
				find.Header.Set("Content-Type", c.contentType)
			}
			s := o.system(t, Config{Order: flat, Auth: c.auth, ByPhone: find})
			if _, err := s.OrderByPhone(t.Context(), client); !errors.Is(err, pbx.ErrNoOrder) {
				t.Fatal(err)
			}
			asked := o.requests()[0]
			if c.header != "" && asked.Header.Get(c.header) != c.value {
				t.Errorf("%s: %q, want %q", c.header, asked.Header.Get(c.header), c.value)
			}
			if c.uri != "" && asked.URI != c.uri {
				t.Errorf("asked for %s, want %s", asked.URI, c.uri)
			}
			if asked.Body != c.sent {
				t.Errorf("sent %q, want %q", asked.Body, c.sent)
			}
		})
	}
}

func TestAValueStaysAValueWhateverItHolds(t *testing.T) {
	o := newOffice(t, `{}`)
	s := o.system(t, Config{Order: flat, ByID: Request{URL: "http://dispatch/o?id={order_id}&z=1", Body: `{"id":"{order_id}","z":1}`,
		Header: http.Header{"X-Order": {"{order_id}"}}}})
	rapid.Check(t, func(t *rapid.T) {
		id := rapid.String().Draw(t, "id")
		if _, err := s.Order(context.Background(), id); !errors.Is(err, pbx.ErrNoOrder) {
			t.Fatal(err)
		}
		asked := o.requests()
		last := asked[len(asked)-1]
		r := httptest.NewRequest("GET", last.URI, nil)
		if got := r.URL.Query(); got.Get("id") != id || got.Get("z") != "1" || len(got) != 2 {
			t.Fatalf("%q came as %v", id, got)
		}
		if len(last.Header["X-Order"]) != 1 {
			t.Fatalf("%q broke the header: %q", id, last.Header)
		}
		var body struct {
			ID string `json:"id"`
			Z  int    `json:"z"`
		}
		if err := unmarshal(last.Body, &body); err != nil || body.Z != 1 {
			t.Fatalf("%q broke the body %s: %v", id, last.Body, err)
		}
	})
}

func TestAQuestionIsAskedAgainWhereThatMayHelp(t *testing.T) {
	for name, c := range map[string]struct {
		status []int
		asked  int
		err    error
	}{
		"after a 503":   {status: []int{503, 200}, asked: 2},
		"not after 403": {status: []int{403, 200}, asked: 1, err: courier.ErrStatus},
		"not for ever":  {status: []int{500}, asked: 3, err: courier.ErrStatus},
	} {
		t.Run(name, func(t *testing.T) {
			o := newOffice(t, recorded(t, "flat.json"), c.status...)
			s := o.system(t, Config{Order: flat, Statuses: words, Retries: 2, ByPhone: Request{URL: "http://dispatch/find"}})
			_, err := s.OrderByPhone(t.Context(), client)
			if !errors.Is(err, c.err) || len(o.requests()) != c.asked {
				t.Errorf("asked %d times: %v", len(o.requests()), err)
			}
		})
	}
}

func TestAClientsAnswerIsToldAndARefusalIsHeard(t *testing.T) {
	for name, c := range map[string]struct {
		body   string
		status int
		taken  bool
	}{
		"taken":                  {body: `{"succeed": true}`, taken: true},
		"refused in the body":    {body: `{"succeed": false, "why": "the car is there"}`},
		"refused by its absence": {body: `{}`},
		"refused by the status":  {body: `{"succeed": true}`, status: 409},
	} {
		t.Run(name, func(t *testing.T) {
			o := newOffice(t, c.body)
			if c.status > 0 {
				o.status = []int{c.status}
			}
			s := o.system(t, Config{Answers: map[pbx.ClientAnswer]Request{
				pbx.AnswerCancel: {Method: "DELETE", URL: "http://dispatch/orders/{order_id}?why={answer}", OK: "succeed"}}})
			if err := s.ClientAnswered(t.Context(), "42", pbx.AnswerCancel); (err == nil) != c.taken || !c.taken && !errors.Is(err, pbx.ErrAnswerRefused) {
				t.Errorf("taken %v: %v", c.taken, err)
			}
			if asked := o.requests(); len(asked) != 1 || asked[0].Method != "DELETE" || asked[0].URI != "/orders/42?why=cancel" {
				t.Errorf("asked %v", asked)
			}
			if err := s.ClientAnswered(t.Context(), "42", pbx.AnswerComingOut); err == nil || errors.Is(err, pbx.ErrAnswerRefused) {
				t.Errorf("an answer without a request: %v", err)
			}
			if err := s.ClientAnswered(t.Context(), "42", pbx.AnswerKeepLooking); !errors.Is(err, pbx.ErrAnswerRefused) {
				t.Errorf("a change without a request: %v", err)
			}
		})
	}
}

func TestEventsAreToldAsTheSystemWants(t *testing.T) {
	e := pbx.Event{Kind: pbx.EventCallEnded, CallID: "call-1", OrderID: "42", At: time.Unix(1, 0),
		CDR: &pbx.CDR{ID: "call-1", Kind: pbx.KindInbound, From: client, Line: "+74950000000", Result: "completed"}}
	for name, c := range map[string]struct {
		event Request
		kinds []pbx.EventKind
		want  []seen
	}{
		"in its own words": {event: Request{URL: "http://dispatch/calls/{call_id}", Body: `{"what":"{kind}","tel":"{phone}","line":"{line}"}`},
			want: []seen{{Method: "POST", URI: "/calls/call-1", Body: `{"what":"call_ended","tel":"+79161234567","line":"+74950000000"}`}}},
		"not of what it does not want": {event: Request{URL: "http://dispatch/calls"}, kinds: []pbx.EventKind{pbx.EventNotice}},
		"not at all":                   {},
	} {
		t.Run(name, func(t *testing.T) {
			o := newOffice(t, "")
			if err := o.system(t, Config{Event: c.event, Kinds: c.kinds}).Deliver(t.Context(), "event-1", e); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, o.requests(), cmpopts.IgnoreFields(seen{}, "Header"), cmpopts.EquateEmpty()); diff != "" {
				t.Error(diff)
			}
		})
	}
	o := newOffice(t, "")
	if err := o.system(t, Config{Event: Request{URL: "http://dispatch/events"}}).Deliver(t.Context(), "event-1", e); err != nil {
		t.Fatal(err)
	}
	if asked := o.requests(); len(asked) != 1 || !strings.Contains(asked[0].Body, `"id":"event-1"`) || !strings.Contains(asked[0].Body, `"from":"+79161234567"`) {
		t.Errorf("our own words: %v", asked)
	}
	refusing := newOffice(t, "", 422)
	if err := refusing.system(t, Config{Event: Request{URL: "http://dispatch/events"}}).Deliver(t.Context(), "event-1", e); !errors.Is(err, outbox.ErrRefused) {
		t.Errorf("422: %v", err)
	}
}
