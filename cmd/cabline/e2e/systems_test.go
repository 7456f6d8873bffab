//go:build e2e

package e2e

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"cabline/cmd/cabline/dispatcher"
	"cabline/dispatchapi/orderbook"
	"cabline/pbx"
	"cabline/pbx/store"
	"cabline/prompts"
)

// foreign is an exchange that works with a dispatch system of another make,
// played by the test, and that system's orders.
type foreign struct {
	*world
	book   *orderbook.Book
	system interface {
		dispatcher.System
		Join(context.Context, pbx.Order) error
	}
	mu   sync.Mutex
	told []string // the paths of what the exchange asked

	bodies [][]byte // of what was posted
}

func newForeign(t *testing.T, kind, notices string) *foreign {
	db, err := store.Open(filepath.Join(t.TempDir(), "orders.db"))
	check(t, err)
	t.Cleanup(func() { check(t, db.Close()) })
	f := &foreign{book: orderbook.New(db, "RU")}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		f.mu.Lock()
		f.told = append(f.told, filepath.Base(r.URL.Path))
		body, _ := io.ReadAll(r.Body) // of our own exchange, on loopback
		f.bodies = append(f.bodies, body)
		r.Body = io.NopCloser(bytes.NewReader(body))
		f.mu.Unlock()
		f.system.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	dispatch := map[string]string{
		"gootax": `{kind: gootax, token: dispatch-token, gootax: {voice_token: voice-token-voice, integration_token: integration-token,
  client_api: {url: "` + server.URL + `", tenant: 1, key: api}}}`,
		"taximaster": `{kind: taximaster, token: dispatch-token, taximaster: {url: "` + server.URL + `", tapi_key: tapi, common_key: common,
  states: [{id: 15, status: no_driver}], answers: [{answer: cancel, state: 13}],
  oktell: {listen: "{exchange}:4055", login: oktell, password: secret}}}`,
		"httpjson": `{kind: httpjson, token: dispatch-token, httpjson: {secret: hook, auth: {kind: header, name: X-Key, secret: key}, numbers: plain,
  by_phone: {url: "` + server.URL + `/find?tel={phone}", within: found}, by_driver: {url: "` + server.URL + `/find?tel={phone}", within: found},
  by_id: {url: "` + server.URL + `/rides/{order_id}"}, events: {request: {url: "` + server.URL + `/events"}},
  order: {id: ride, status: stage, phone: who.tels.0, driver: car.tel, color: car.colour, mark: car.make, model: car.model, plate: car.plate, minutes: car.minutes},
  statuses: [{theirs: ON_THE_WAY, status: accepted}, {theirs: AT_PLACE, status: arrived}, {theirs: CANCELLED, status: refused}],
  answers: [{answer: cancel, request: {url: "` + server.URL + `/rides/{order_id}/cancel", method: POST, ok: accepted}}]}}`,
	}[kind]
	firm := strings.Replace(Firm, "dispatch: {kind: orderbook, token: dispatch-token}", "dispatch: "+dispatch+"\nnotices: {enabled: "+notices+"}\nrecording: {on: true}", 1)
	f.world = newWorldOf(t, firm)
	switch kind {
	case "gootax":
		f.system = &dispatcher.Gootax{Book: f.book, Exchange: f.Web, VoiceToken: "voice-token-voice", IntegrationToken: "integration-token", Key: "api"}
	case "taximaster":
		f.system = &dispatcher.Taximaster{Book: f.book, TAPIKey: "tapi", CommonKey: "common", Oktell: "http://" + f.Network.Exchange.String() + ":4055", Login: "oktell", Password: "secret"}
	case "httpjson":
		f.system = &dispatcher.HTTPJSON{Book: f.book, Key: "key", Exchange: f.Web, Secret: "hook"}
	}
	return f
}

// ride is the order of order() in the system's book.
func (f *foreign) ride(t *testing.T) *pbx.Order {
	five := 5
	o, err := f.book.Create(t.Context(), pbx.Order{Status: pbx.StatusAccepted, Phone: clientPhone, Driver: driverPhone, ETA: &five,
		Car: pbx.Car{Color: "белый", Mark: "Лада", Model: "Веста", Plate: "А123ВС"}})
	check(t, err)
	return o
}

func TestEachDispatchSystemAnswersWhoCallsTellsNewsAndJoins(t *testing.T) {
	for _, kind := range []string{"gootax", "taximaster", "httpjson"} {
		t.Run(kind+": a caller hears the order and reaches the driver", func(t *testing.T) {
			t.Parallel()
			f, ctx := newForeign(t, kind, "false"), within(t)
			o := f.ride(t)
			if kind == "gootax" { // it cannot be asked who calls
				check(t, f.system.Tell(ctx, *o))
			}
			call, err := f.client.Call(menuLine)
			check(t, err)
			check(t, call.WaitTalk(ctx))
			hears(t, call, append(f.status(), f.menu()...))
			call.Press("1")
			driver, err := f.people.Coming(ctx)
			check(t, err)
			if driver.Dialled != driverPhone || driver.From != menuLine {
				t.Errorf("%s is called by %s", driver.Dialled, driver.From)
			}
			check(t, driver.Answer())
			check(t, driver.WaitTalk(ctx))
			hearsEachOther(t, call, driver)
			check(t, call.HangUp())
			_, err = f.WaitCDR(ctx, clientPhone)
			check(t, err)
		})
		t.Run(kind+": news is told by a call and reported", func(t *testing.T) {
			t.Parallel()
			f, ctx := newForeign(t, kind, "true"), within(t)
			o := f.ride(t)
			o, err := f.book.Update(ctx, o.ID, func(o *pbx.Order) error { o.Status = pbx.StatusArrived; return nil })
			check(t, err)
			for range 3 { // they ask again when in doubt: it is one call
				check(t, f.system.Tell(ctx, *o))
			}
			call, err := f.people.Coming(ctx)
			check(t, err)
			if call.Dialled != clientPhone || call.From != menuLine {
				t.Errorf("%s is called by %s", call.Dialled, call.From)
			}
			check(t, call.Answer())
			check(t, call.WaitTalk(ctx))
			hears(t, call, f.voice.OrderStatus(prompts.Facts{Status: "arrived", Color: "белый", Mark: "Лада", Model: "Веста", Plate: "А123ВС"}))
			check(t, call.HangUp())
			cdr, err := f.WaitCDR(ctx, clientPhone)
			check(t, err)
			if cdr.Kind != "notice" || cdr.OrderID != o.ID {
				t.Errorf("CDR %+v", cdr)
			}
			report := map[string]string{"gootax": "get_order_info", "taximaster": "set_request_state", "httpjson": "events"}[kind]
			until(t, "the outcome is reported, or the order was asked for before the call", func() bool {
				f.mu.Lock()
				defer f.mu.Unlock()
				return slices.Contains(f.told, report)
			})
		})
		t.Run(kind+": client and driver are joined on request", func(t *testing.T) {
			t.Parallel()
			f, ctx := newForeign(t, kind, "true"), within(t)
			check(t, f.system.Join(ctx, *f.ride(t)))
			client, err := f.people.Coming(ctx)
			check(t, err)
			check(t, client.Answer())
			driver, err := f.people.Coming(ctx)
			check(t, err)
			if client.Dialled != clientPhone || driver.Dialled != driverPhone {
				t.Errorf("called %s, then %s", client.Dialled, driver.Dialled)
			}
			check(t, driver.Answer())
			check(t, driver.WaitTalk(ctx))
			hearsEachOther(t, client, driver)
			check(t, driver.HangUp())
			_, err = f.WaitCDR(ctx, clientPhone)
			check(t, err)
		})
	}
}
