package main

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"cabline/cmd/cabline/config"
	"cabline/pbx"
	"cabline/pbx/store"
)

const gootaxClient pbx.Phone = "+79161234567"

func gootaxConfig() *config.Config {
	cfg := config.Default()
	cfg.Firm.Name, cfg.Dispatch.Kind, cfg.Dispatch.Token = "Ромашка", "gootax", "dispatch-token"
	cfg.Notices.Enabled = true
	cfg.Lines = []config.Line{{Number: "+74950000000", Language: "ru"}}
	cfg.Operators = []config.Operator{{Login: "anna", HA1: "00000000000000000000000000000000"}}
	g := &cfg.Dispatch.Gootax
	g.Domain, g.VoiceToken, g.CallToken = "romashka.gootax.pro", "voice-token-voice-token", "call-token-call-token"
	g.Employees = []config.GootaxEmployee{{Operator: "anna", Number: "101", AccessToken: "annas-token"}}
	return cfg
}

// asker sends requests to the exchange's web port.
func (x *exchange) asker(t *testing.T) func(method, path, token, body string) *httptest.ResponseRecorder {
	t.Helper()
	console, err := x.console(false, nil)
	if err != nil {
		t.Fatal(err)
	}
	handler := console.Handler()
	return func(method, path, token, body string) *httptest.ResponseRecorder {
		r := httptest.NewRequest(method, path, strings.NewReader(body))
		r.Header.Set("api-key", token)
		r.Header.Set("Content-Type", "application/json")
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		return w
	}
}

func TestGootaxIsAnsweredOnTheWebPortOfTheExchange(t *testing.T) {
	for name, tc := range map[string]struct {
		method, path, token, body string
		code                      int
	}{
		"Common ATS tells of an order": {"POST", "/integration/gootaxpro/notify", "voice-token-voice-token",
			`{"id":"1042","status":"car_assigned","car_time":7,"phone":"79161234567"}`, 200},
		"Runtel new does so under its Base Url": {"POST", "/runtel/notify", "voice-token-voice-token", `{"id":"1","status":"new"}`, 200},
		"nobody does without a token":           {"POST", "/integration/gootaxpro/notify", "", `{"id":"1","status":"new"}`, 401},
		"Call Url is there, for our token only": {"GET", "/call?token=guess&to=79161234567&operator=anna", "", "", 401},
		"a click on a stranger's number":        {"GET", "/call?token=call-token-call-token&to=%2B33123456789&operator=101", "", "", 403},
	} {
		t.Run(name, func(t *testing.T) {
			x := anExchange(t, gootaxConfig())
			if got := x.asker(t)(tc.method, tc.path, tc.token, tc.body); got.Code != tc.code {
				t.Fatalf("%d %s", got.Code, got.Body)
			}
		})
	}
}

func TestWhatGootaxHasToldAnswersTheVoiceTheClickAndTheConnect(t *testing.T) {
	x := anExchange(t, gootaxConfig())
	ask := x.asker(t)
	told := ask("POST", "/integration/gootaxpro/notify", "voice-token-voice-token",
		`{"id":"1042","status":"car_at_place","phone":"79161234567","driver_phone":"79267654321"}`)
	if told.Code != http.StatusOK {
		t.Fatalf("%d %s", told.Code, told.Body)
	}
	order, err := x.board.Dispatch.OrderByPhone(t.Context(), gootaxClient)
	if err != nil || order.Status != pbx.StatusArrived {
		t.Errorf("the voice says %+v, %v", order, err)
	}
	records, err := x.store.Notices(t.Context(), store.NoticeQuery{OrderID: "1042"})
	if err != nil || len(records) != 1 || records[0].Source != "gootax" {
		t.Errorf("notices %+v, %v", records, err)
	}
	// Anna is not logged in; a stranger's number would have been refused first.
	click := ask("GET", "/call?token=call-token-call-token&to=79161234567&operator=101", "", "")
	if click.Code != http.StatusConflict {
		t.Errorf("the click: %d %s", click.Code, click.Body)
	}
	if link := x.board.CardLink("anna", pbx.Card{CallID: "c1", Phone: gootaxClient}); !strings.HasPrefix(link, "https://romashka.gootax.pro/tenant/user/external-incoming-call?") {
		t.Error(link)
	}
}
