package taximaster

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"cabline/dispatchapi/courier"
	"cabline/pbx"
	"cabline/pbx/store"
)

const (
	tapiKey   = "ключ-1"
	commonKey = "ключ-2"
	client    = pbx.Phone("+79161234567")
	driver    = pbx.Phone("+79267654321")
)

// office is a Такси-Мастер that answers with recorded bodies and checks every
// signature as its papers say.
type office struct {
	t *testing.T
	*httptest.Server

	mu      sync.Mutex
	answers map[string]string // by request, a file of testdata
	asked   []string          // requests with their parameters, decoded, without the signature
}

func newOffice(t *testing.T, answers map[string]string) *office {
	o := &office{t: t, answers: answers}
	o.Server = httptest.NewServer(o)
	t.Cleanup(o.Close)
	return o
}

func (o *office) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	o.mu.Lock()
	defer o.mu.Unlock()
	sent := r.URL.RawQuery
	if r.Method == http.MethodPost {
		body, _ := io.ReadAll(r.Body)
		sent = string(body)
		if got := r.Header.Get("Content-Type"); got != "application/x-www-form-urlencoded" {
			o.t.Errorf("%s: Content-Type %q", r.URL.Path, got)
		}
	}
	signed, want := sent, ""
	if name, tapi := strings.CutPrefix(r.URL.Path, "/tm_tapi/1.0/"); tapi {
		var signature string
		signed, signature, _ = strings.Cut(sent, "&signature=")
		if want = sign(signed, tapiKey); signature != want {
			o.t.Errorf("%s: signature %q, want %q as the last parameter", name, signature, want)
		}
	} else if want = sign(sent, commonKey); r.Header.Get("Signature") != want {
		o.t.Errorf("%s: header Signature %q, want %q", r.URL.Path, r.Header.Get("Signature"), want)
	}
	plain, err := url.QueryUnescape(signed)
	if err != nil {
		o.t.Error(err)
	}
	request := filepath.Base(r.URL.Path)
	o.asked = append(o.asked, r.Method+" "+request+"?"+plain)
	file, known := o.answers[request]
	if !known {
		http.NotFound(w, r)
		return
	}
	body, err := os.ReadFile(filepath.Join("testdata", file))
	if err != nil {
		o.t.Error(err)
	}
	_, _ = w.Write(body)
}

func (o *office) requests() []string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return append([]string(nil), o.asked...)
}

func post(t *testing.T) *courier.Courier {
	c, err := courier.New(courier.TLS{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// system is a System of that office; change may be nil.
func (o *office) system(change func(*Config)) *System {
	db, err := store.Open(filepath.Join(o.t.TempDir(), "cabline.db"))
	if err != nil {
		o.t.Fatal(err)
	}
	o.t.Cleanup(func() { _ = db.Close() })
	cfg := Config{URL: o.URL, TAPIKey: tapiKey, Courier: post(o.t), Country: "RU", DB: db, Zone: time.FixedZone("MSK", 3*3600), Recordings: "/rec/",
		States: map[int]pbx.Status{7: pbx.StatusAccepted}}
	if change != nil {
		change(&cfg)
	}
	return New(cfg)
}

// The key of the example in the vendor's papers is not in them; its parameters
// and the length of its body (71) are.
func TestASignatureIsTheLastParameterOfTheDocumentedExample(t *testing.T) {
	encoded := params{{"order_id", "98798"}, {"need_state", "12"}}.encode()
	if body := encoded + "&signature=" + sign(encoded, "key"); len(body) != 71 || !strings.HasPrefix(body, "order_id=98798&need_state=12&signature=") {
		t.Errorf("%q is %d bytes", body, len(body))
	}
}

func TestASignatureIsMD5OfParametersAndKey(t *testing.T) {
	for encoded, want := range map[string]string{ // what md5sum says of the text and "12345" after it
		"order_id=98798&need_state=12": "73fc6fafd511786bfff575edf315a5f1",
	} {
		if got := sign(encoded, "12345"); got != want {
			t.Errorf("sign(%q) = %s, want %s", encoded, got, want)
		}
	}
}

func TestOrdersAreReadFromWhatTheSystemAnswers(t *testing.T) {
	four := 4
	told := pbx.Order{ID: "98798", Status: pbx.StatusAccepted, Phone: client, Driver: driver, ETA: &four, Price: 350,
		Car: pbx.Car{Color: "Белый", Mark: "Hyundai", Plate: "М123ММ55"}, TakenBy: []string{"anna", "boris"}}
	whole := told
	whole.Status, whole.Phone, whole.Car.Model = pbx.StatusArrived, "+79161234568", "Solaris"
	whole.ClientName, whole.Pickup, whole.Dropoff, whole.Comment = "Иван", "Ленина 1", "Вокзал", "с котом"
	ofDriver := pbx.Order{ID: "98798", Status: pbx.StatusAccepted, Phone: client, Driver: driver, Car: pbx.Car{Plate: "М123ММ55"}, TakenBy: []string{}}
	common := func(c *Config) { c.CommonKey, c.States = commonKey, nil }
	for name, c := range map[string]struct {
		answers map[string]string
		change  func(*Config)
		ask     func(*System) (*pbx.Order, error)
		want    *pbx.Order
		err     error
	}{
		"by the client's number, tm_tapi alone": {
			answers: map[string]string{"get_info_by_phone": "get_info_by_phone.xml"}, want: &told},
		"in windows-1251": {
			answers: map[string]string{"get_info_by_phone": "get_info_by_phone_1251.xml"}, want: &told},
		"completed by common_api, with the kind of its state": {
			answers: map[string]string{"get_info_by_phone": "get_info_by_phone.xml", "get_order_state": "get_order_state.json", "get_order_states_list": "get_order_states_list.json"},
			change:  common, want: &whole},
		"by the list of states where common_api has no such order": {
			answers: map[string]string{"get_info_by_phone": "get_info_by_phone.xml", "get_order_states_list": "get_order_states_list.json"},
			change:  common, want: &told},
		"by the driver's number": {
			answers: map[string]string{"get_info_by_phone": "get_info_by_phone_driver.xml"},
			ask: func(s *System) (*pbx.Order, error) {
				all, err := s.OrdersByDriver(context.Background(), driver)
				if err != nil || len(all) != 1 {
					return nil, err
				}
				return all[0], nil
			}, want: &ofDriver},
		"a driver is no client": {
			answers: map[string]string{"get_info_by_phone": "get_info_by_phone_driver.xml"}, err: pbx.ErrNoOrder},
		"an unknown number": {
			answers: map[string]string{"get_info_by_phone": "get_info_by_phone_unknown.xml"}, err: pbx.ErrNoOrder},
		"a finished order is not what a caller calls about": {
			answers: map[string]string{"get_info_by_phone": "get_info_by_phone.xml"},
			change:  func(c *Config) { c.States = map[int]pbx.Status{7: pbx.StatusCompleted} }, err: pbx.ErrNoOrder},
		"a state that nobody has mapped is kept as it came": {
			answers: map[string]string{"get_info_by_phone": "get_info_by_phone.xml"},
			change:  func(c *Config) { c.States = nil },
			want:    func() *pbx.Order { o := told; o.Status = "taximaster 7"; return &o }()},
		"by its id": {
			answers: map[string]string{"get_info_by_order_id": "get_info_by_phone.xml"},
			ask:     func(s *System) (*pbx.Order, error) { return s.Order(context.Background(), "98798") },
			want:    func() *pbx.Order { o := told; o.Phone = ""; return &o }()},
		"by an id that is none": {
			ask: func(s *System) (*pbx.Order, error) { return s.Order(context.Background(), "98798&x=1") }, err: pbx.ErrNoOrder},
	} {
		t.Run(name, func(t *testing.T) {
			s := newOffice(t, c.answers).system(c.change)
			if c.ask == nil {
				c.ask = func(s *System) (*pbx.Order, error) { return s.OrderByPhone(context.Background(), client) }
			}
			got, err := c.ask(s)
			if !errors.Is(err, c.err) || (c.err == nil && err != nil) {
				t.Fatalf("error %v, want %v", err, c.err)
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestNumbersAreWrittenAsTheSystemHasThem(t *testing.T) {
	for format, want := range map[pbx.Format]string{"": "89161234567", pbx.National: "89161234567", pbx.Plain: "79161234567", pbx.E164: "+79161234567"} {
		o := newOffice(t, map[string]string{"get_info_by_phone": "get_info_by_phone_unknown.xml"})
		s := o.system(func(c *Config) { c.Numbers = format })
		if _, err := s.OrderByPhone(context.Background(), client); !errors.Is(err, pbx.ErrNoOrder) {
			t.Error(err)
		}
		if asked := o.requests(); len(asked) != 1 || !strings.HasPrefix(asked[0], "GET get_info_by_phone?PHONE="+want+"&FIELDS=PHONE_TYPE-PHONE_TO_DIAL-ORDER_ID-") {
			t.Errorf("asked %q", asked)
		}
	}
}

func TestARefusalSaysWhatTheSystemSaid(t *testing.T) {
	s := newOffice(t, map[string]string{"get_info_by_phone": "refused_key.xml"}).system(nil)
	_, err := s.OrderByPhone(context.Background(), client)
	var refused *Refusal
	if !errors.As(err, &refused) || refused.Code != 4 || !strings.Contains(err.Error(), "Не совпал секретный ключ") {
		t.Error(err)
	}
}

func TestAnErrorHoldsNeitherTheNumberNorTheSignature(t *testing.T) {
	o := newOffice(t, nil)
	o.Close()
	_, err := o.system(nil).OrderByPhone(context.Background(), client)
	if err == nil || strings.Contains(err.Error(), "9161234567") || strings.Contains(err.Error(), "signature") {
		t.Error(err)
	}
}

func TestAClientsAnswerPutsTheOrderIntoTheStateSetUpForIt(t *testing.T) {
	o := newOffice(t, map[string]string{"change_order_state": "ok.xml"})
	s := o.system(func(c *Config) { c.Answers = map[pbx.ClientAnswer]int{pbx.AnswerCancel: 13} })
	if err := s.ClientAnswered(context.Background(), "98798", pbx.AnswerCancel); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"POST change_order_state?ORDER_ID=98798&NEED_STATE=13"}, o.requests()); diff != "" {
		t.Error(diff)
	}
	if err := s.ClientAnswered(context.Background(), "98798", pbx.AnswerComingOut); err == nil || errors.Is(err, pbx.ErrAnswerRefused) || !strings.Contains(err.Error(), "dispatch.taximaster.answers") {
		t.Errorf("an answer without a state: %v", err)
	}
	no := newOffice(t, map[string]string{"change_order_state": "refused_key.xml"}).system(func(c *Config) { c.Answers = map[pbx.ClientAnswer]int{pbx.AnswerCancel: 13} })
	if err := no.ClientAnswered(context.Background(), "98798", pbx.AnswerCancel); !errors.Is(err, pbx.ErrAnswerRefused) {
		t.Errorf("a cancellation that was refused: %v", err)
	}
}
