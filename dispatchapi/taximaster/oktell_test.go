package taximaster

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"golang.org/x/text/encoding/charmap"

	"cabline/pbx"
)

// board is what the exchange is asked to do.
type board struct {
	mu      sync.Mutex
	notices []pbx.Notice
	joined  []pbx.ConnectRequest
	fault   error
}

func (b *board) Notify(_ context.Context, n pbx.Notice) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.notices = append(b.notices, n)
	return b.fault
}

func (b *board) Connect(_ context.Context, want pbx.ConnectRequest) (string, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.joined = append(b.joined, want)
	return "call-1", b.fault
}

// oktell answers as Oktell; beside it, who is asked and what of the exchange.
func oktell(t *testing.T, answers map[string]string) (*Oktell, *office, *board) {
	o, b := newOffice(t, answers), &board{}
	return &Oktell{System: o.system(nil), Login: "oktell", Password: "секрет", Joining: "TMABConnect",
		Scripts: map[string]pbx.Status{"Водитель подъехал": pbx.StatusArrived},
		Notices: b, Connect: b.Connect}, o, b
}

func execute(s *Oktell, path string, q url.Values) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodGet, path+"?"+q.Encode(), nil)
	r.SetBasicAuth("oktell", "секрет")
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	return w
}

const (
	started = `<oktellxmlmapper version="80710"><data name="result" count="1"><property_set name="execsvcscript"><property_simple key="started" value="1"></property_simple><property_simple key="startresult" value="0"></property_simple><property_cdata key="returnvalue"><![CDATA[%s]]></property_cdata></property_set></data></oktellxmlmapper>`
	refused = `key="started" value="0"`
)

func TestTMABConnectJoinsTheTwoNumbers(t *testing.T) {
	s, _, b := oktell(t, nil)
	w := execute(s, "/execsvcscript", url.Values{"name": {"TMABConnect"}, "startparam1": {"89161234567"}, "startparam2": {"89267654321"}, "async": {"0"}, "timeout": {"10"}})
	if want := strings.ReplaceAll(started, "%s", "call-1"); w.Code != 200 || w.Body.String() != want {
		t.Errorf("%d %s\nwant %s", w.Code, w.Body, want)
	}
	if diff := cmp.Diff([]pbx.ConnectRequest{{Client: client, Driver: driver}}, b.joined); diff != "" {
		t.Error(diff)
	}
}

func TestAScriptIsNewsForTheClient(t *testing.T) {
	cp1251, err := charmap.Windows1251.NewEncoder().String("Водитель подъехал")
	if err != nil {
		t.Fatal(err)
	}
	for name, script := range map[string]string{"in UTF-8": "Водитель подъехал", "in windows-1251": cp1251} {
		t.Run(name, func(t *testing.T) {
			s, _, b := oktell(t, nil)
			for range 2 { // they ask again when an answer was late
				w := execute(s, "/execsvcscriptplain", url.Values{"name": {script}, "startparam1": {"89161234567"}, "startparam3": {"55"}, "startparam4": {"98798"}})
				if w.Code != 200 || w.Body.String() != "98798" {
					t.Fatalf("%d %s", w.Code, w.Body)
				}
			}
			news := pbx.Notice{OrderID: "98798", Status: pbx.StatusArrived, Version: 1, Source: "taximaster",
				Order: pbx.Order{ID: "98798", Status: pbx.StatusArrived, Phone: client}}
			if diff := cmp.Diff([]pbx.Notice{news, news}, b.notices, cmpopts.IgnoreTypes(time.Time{})); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestAScriptWithoutAMappingTellsHowTheOrderStands(t *testing.T) {
	s, _, b := oktell(t, map[string]string{"get_info_by_order_id": "get_info_by_phone.xml"})
	w := execute(s, "/execsvcscript", url.Values{"name": {"Отзвон"}, "startparam1": {"89161234567"}, "startparam4": {"98798"}})
	if w.Code != 200 || strings.Contains(w.Body.String(), refused) {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	if len(b.notices) != 1 || b.notices[0].Status != pbx.StatusAccepted || b.notices[0].Order.Car.Plate != "М123ММ55" || b.notices[0].Order.Phone != client {
		t.Errorf("told %+v", b.notices)
	}
}

func TestNewsAfterOtherNewsIsANewVersion(t *testing.T) {
	s, _, b := oktell(t, nil)
	s.Scripts["Назначен"] = pbx.StatusAccepted
	for _, script := range []string{"Назначен", "Водитель подъехал", "Назначен", "Назначен"} {
		execute(s, "/execsvcscript", url.Values{"name": {script}, "startparam1": {"89161234567"}, "startparam4": {"98798"}})
	}
	var versions []int
	for _, n := range b.notices {
		versions = append(versions, n.Version)
	}
	if diff := cmp.Diff([]int{1, 2, 3, 3}, versions); diff != "" {
		t.Error(diff)
	}
}

func TestWhatCannotBeDoneIsAnsweredWith200AndSaysSo(t *testing.T) {
	for name, q := range map[string]url.Values{
		"no number":         {"name": {"TMABConnect"}},
		"no second number":  {"name": {"TMABConnect"}, "startparam1": {"89161234567"}},
		"letters":           {"name": {"TMABConnect"}, "startparam1": {"8916CALLNOW"}, "startparam2": {"89267654321"}},
		"no order":          {"name": {"Водитель подъехал"}, "startparam1": {"89161234567"}},
		"an unknown order":  {"name": {"Отзвон"}, "startparam1": {"89161234567"}, "startparam4": {"98798"}},
		"an endless name":   {"name": {strings.Repeat("я", 5000)}, "startparam1": {"89161234567"}, "startparam4": {"98798"}},
		"nothing whatever":  {},
		"CR, LF and NUL":    {"name": {"a\r\nb\x00"}, "startparam1": {"8916\r\n1234567"}, "startparam4": {"1"}},
		"an end of a CDATA": {"name": {"]]>"}, "startparam1": {"89161234567"}, "startparam4": {"]]>"}},
	} {
		t.Run(name, func(t *testing.T) {
			s, _, b := oktell(t, nil)
			w := execute(s, "/execsvcscript", q)
			if w.Code != 200 || !strings.Contains(w.Body.String(), refused) {
				t.Errorf("%d %s", w.Code, w.Body)
			}
			if len(b.notices)+len(b.joined) > 0 {
				t.Errorf("did something: %+v", b)
			}
		})
	}
}

func TestAnExchangeThatCannotIsNoSuccess(t *testing.T) {
	s, _, b := oktell(t, nil)
	b.fault = errors.New("the disk is full")
	w := execute(s, "/execsvcscriptplain", url.Values{"name": {"Водитель подъехал"}, "startparam1": {"89161234567"}, "startparam4": {"98798"}})
	if w.Code != 200 || w.Body.String() != "-1" {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

func TestAStrangerIsNotAnswered(t *testing.T) {
	s, _, b := oktell(t, nil)
	for name, dress := range map[string]func(*http.Request){
		"without a password": func(*http.Request) {},
		"a wrong password":   func(r *http.Request) { r.SetBasicAuth("oktell", "другой") },
		"a wrong login":      func(r *http.Request) { r.SetBasicAuth("root", "секрет") },
	} {
		r := httptest.NewRequest(http.MethodGet, "/execsvcscript?name=TMABConnect&startparam1=89161234567&startparam2=89267654321", nil)
		dress(r)
		w := httptest.NewRecorder()
		s.ServeHTTP(w, r)
		if w.Code != http.StatusUnauthorized || len(b.joined) > 0 {
			t.Errorf("%s: %d, joined %v", name, w.Code, b.joined)
		}
	}
}

func TestTheOutcomeIsReportedToTheRequestItBelongsTo(t *testing.T) {
	for outcome, state := range map[string]string{"running": "1", "delivered": "2", "busy": "3", "no_answer": "4",
		"rejected": "5", "unreachable": "5", "superseded": "5", "dropped": "5", "failed": "5"} {
		t.Run(outcome, func(t *testing.T) {
			s, o, _ := oktell(t, map[string]string{"set_request_state": "ok.xml"})
			execute(s, "/execsvcscript", url.Values{"name": {"Водитель подъехал"}, "startparam1": {"89161234567"}, "startparam3": {"55"}, "startparam4": {"98798"}})
			report := pbx.Event{Kind: pbx.EventNotice, OrderID: "98798", Notice: &pbx.NoticeReport{Status: pbx.StatusArrived, Version: 1, Outcome: outcome}}
			if err := s.System.Deliver(t.Context(), "event-1", report); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff([]string{"POST set_request_state?STATE_ID=55&PHONE_TYPE=1&ORDER_ID=98798&STATE=" + state}, o.requests()); diff != "" {
				t.Error(diff)
			}
			report.Notice.Version = 2 // theirs was the first
			if err := s.System.Deliver(t.Context(), "event-1", report); err != nil || len(o.requests()) != 1 {
				t.Errorf("reported a notice they did not ask for: %v %v", err, o.requests())
			}
		})
	}
}

func TestARecordingIsLinkedToItsCall(t *testing.T) {
	began := time.Date(2026, 11, 22, 18, 5, 9, 0, time.UTC)
	answered := func(party pbx.Role) pbx.LegRecord { return pbx.LegRecord{Party: party, Answered: began} }
	for name, tc := range map[string]struct {
		cdr  pbx.CDR
		want string
	}{
		"a client who called": {pbx.CDR{Kind: pbx.KindInbound, From: client, Legs: []pbx.LegRecord{answered(pbx.RoleOperator), {Party: pbx.RoleOperator}}},
			"&CALL_TYPE=1&CALL_RESULT=answered"},
		"a client who was handed over": {pbx.CDR{Kind: pbx.KindInbound, From: client, Legs: []pbx.LegRecord{answered(pbx.RoleOperator), answered(pbx.RoleTarget)}},
			"&CALL_TYPE=1&CALL_RESULT=transfered"},
		"a client whom an operator called": {pbx.CDR{Kind: pbx.KindOutgoing, To: client, Legs: []pbx.LegRecord{answered(pbx.RoleOperator), answered(pbx.RoleTarget)}},
			"&CALL_TYPE=0&CALL_RESULT=success"},
	} {
		t.Run(name, func(t *testing.T) {
			s, o, _ := oktell(t, map[string]string{"create_record_link": "ok.xml"})
			err := s.System.Deliver(t.Context(), "event-1", pbx.Event{Kind: pbx.EventRecording, CallID: "call-1", CDR: &tc.cdr,
				Recording: &pbx.Recording{File: "2026-11-22/180509.000-call1-1-client-operator.wav", Started: began, Length: 61*time.Second + 400*time.Millisecond}})
			if err != nil {
				t.Fatal(err)
			}
			want := "POST create_record_link?RECORD_DATE=22112026210509&RECORD_LENGTH=61&CALL_ID=call-1&PHONE=89161234567" +
				"&FILE_PATH=/rec/2026-11-22/180509.000-call1-1-client-operator.wav" + tc.want
			if diff := cmp.Diff([]string{want}, o.requests()); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestAReportThatFailsIsTriedAgainByTheOutbox(t *testing.T) {
	s, o, _ := oktell(t, nil)
	execute(s, "/execsvcscript", url.Values{"name": {"Водитель подъехал"}, "startparam1": {"89161234567"}, "startparam3": {"55"}, "startparam4": {"98798"}})
	o.Close()
	if err := s.System.Deliver(t.Context(), "event-1", pbx.Event{Kind: pbx.EventNotice, OrderID: "98798", Notice: &pbx.NoticeReport{Status: pbx.StatusArrived, Version: 1, Outcome: "busy"}}); err == nil {
		t.Error("a report nobody heard was taken for told")
	}
}
