package console

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"cabline/media"
	"cabline/pbx"
)

// sameJSON compares a tree with what is expected, leaving out some keys.
func sameJSON(t *testing.T, got m, want m, except ...string) {
	t.Helper()
	for _, key := range except {
		if _, there := got[key]; !there {
			t.Errorf("%q is missing in %v", key, got)
		}
		delete(got, key)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestAnOrderThroughItsLife(t *testing.T) {
	h := newHouse(t)
	made := h.ask("POST", "/api/v1/orders", `{"phone": "8 916 123-45-67", "line": "+74950000000", "branch": "Центр", "tariff": "Стандарт",
		"status": "accepted", "eta_minutes": 7, "car": {"color": "белый", "mark": "Лада", "model": "Веста", "plate": "А123ВС77"},
		"price": 350, "driver_phone": "89035550001", "client_name": "Ольга", "pickup": "Ленина, 1", "dropoff": "Мира, 2", "comment": "подъезд 3"}`, byToken)
	if made.status != http.StatusCreated {
		t.Fatalf("%+v", made)
	}
	want := m{"id": "1", "status": "accepted", "phone": "+79161234567", "client_name": "Ольга", "line": "+74950000000", "branch": "Центр",
		"tariff": "Стандарт", "pickup": "Ленина, 1", "dropoff": "Мира, 2", "comment": "подъезд 3", "eta_minutes": 7.0,
		"car": m{"color": "белый", "mark": "Лада", "model": "Веста", "plate": "А123ВС77"}, "price": 350.0, "driver_phone": "+79035550001"}
	sameJSON(t, made.tree(t), want, "created", "updated")
	sameJSON(t, h.ask("GET", "/api/v1/orders/1", nil, byToken).tree(t), want, "created", "updated")

	for _, step := range []struct {
		name, patch string
		change      m
	}{
		{"a status and nothing else", `{"status": "arrived"}`, m{"status": "arrived"}},
		{"one field of the car", `{"car": {"plate": "В777ОР 99"}}`, m{"car": m{"color": "белый", "mark": "Лада", "model": "Веста", "plate": "В777ОР 99"}}},
		{"null clears one field of the car", `{"car": {"model": null}}`, m{"car": m{"color": "белый", "mark": "Лада", "model": "", "plate": "В777ОР 99"}}},
		{"null clears minutes and price", `{"eta_minutes": null, "price": null}`, m{"eta_minutes": nil, "price": nil}},
		{"zero minutes are minutes", `{"eta_minutes": 0}`, m{"eta_minutes": 0.0}},
		{"null takes the car away", `{"car": null, "driver_phone": null}`, m{"car": m{"color": "", "mark": "", "model": "", "plate": ""}, "driver_phone": ""}},
		{"another phone", `{"phone": "9160000000"}`, m{"phone": "+79160000000"}},
		{"nothing", `{}`, m{}},
	} {
		got := h.ask("PATCH", "/api/v1/orders/1", step.patch, byToken, header("Content-Type", "application/merge-patch+json"))
		for key, value := range step.change {
			want[key] = value
		}
		t.Run(step.name, func(t *testing.T) {
			if got.status != http.StatusOK {
				t.Fatalf("%+v", got)
			}
			sameJSON(t, got.tree(t), want, "created", "updated")
		})
	}
	sameJSON(t, h.ask("GET", "/api/v1/orders/1", nil, byToken).tree(t), want, "created", "updated")
	if history, err := h.book.History(t.Context(), "1"); err != nil || len(history) != 2 {
		t.Errorf("history: %v %v", history, err)
	}
}

func TestTheLeastOrderIsAPhone(t *testing.T) {
	h := newHouse(t)
	got := h.ask("POST", "/api/v1/orders", `{"phone": "1234", "status": null, "eta_minutes": null, "car": null, "driver_phone": ""}`, byToken)
	if got.status != http.StatusCreated {
		t.Fatalf("%+v", got)
	}
	sameJSON(t, got.tree(t), m{"id": "1", "status": "new", "phone": "1234", "client_name": "", "line": "", "branch": "", "tariff": "", "pickup": "",
		"dropoff": "", "comment": "", "eta_minutes": nil, "car": m{"color": "", "mark": "", "model": "", "plate": ""}, "price": nil, "driver_phone": ""},
		"created", "updated")
}

func TestAnOrderIsRefusedWithItsField(t *testing.T) {
	h := newHouse(t)
	h.ask("POST", "/api/v1/orders", `{"phone": "1234"}`, byToken)
	for name, tc := range map[string]struct{ body, location string }{
		"no phone":                    {`{}`, `body`},
		"a phone of null":             {`{"phone": null}`, `body.phone`},
		"letters for a phone":         {`{"phone": "call me"}`, `body.phone`},
		"a status nobody knows":       {`{"phone": "1234", "status": "lost"}`, `body.status`},
		"minutes in words":            {`{"phone": "1234", "eta_minutes": "five"}`, `body.eta_minutes`},
		"minutes in parts":            {`{"phone": "1234", "eta_minutes": 1.5}`, `body.eta_minutes`},
		"minutes below zero":          {`{"phone": "1234", "eta_minutes": -1}`, `body.eta_minutes`},
		"two days":                    {`{"phone": "1234", "eta_minutes": 2880}`, `body.eta_minutes`},
		"a price below zero":          {`{"phone": "1234", "price": -1}`, `body.price`},
		"a plate of 17":               {`{"phone": "1234", "car": {"plate": "12345678901234567"}}`, `body.car.plate`},
		"a plate with a quote":        {`{"phone": "1234", "car": {"plate": "A'1"}}`, `body.car.plate`},
		"a field nobody knows":        {`{"phone": "1234", "colour": "red"}`, `body.colour`},
		"a car's field nobody knows":  {`{"phone": "1234", "car": {"wheels": 4}}`, `body.car.wheels`},
		"an ID of one's own choosing": {`{"phone": "1234", "id": "7"}`, `body.id`},
		"a list":                      {`[]`, `body`},
	} {
		for _, request := range [][2]string{{"POST", "/api/v1/orders"}, {"PATCH", "/api/v1/orders/1"}} {
			t.Run(name+", "+request[0], func(t *testing.T) {
				if name == "no phone" && request[0] == "PATCH" {
					return // that is no change, and allowed
				}
				got := h.ask(request[0], request[1], tc.body, byToken)
				got.isProblem(t, http.StatusUnprocessableEntity, fmt.Sprintf(`"location":%q`, tc.location))
			})
		}
	}
	if all, err := h.book.Find(t.Context(), "", false, 10); err != nil || len(all) != 1 || all[0].Phone != "1234" {
		t.Errorf("the book has %v %v", all, err)
	}
}

func TestGarbageIsRefused(t *testing.T) {
	h := newHouse(t)
	for name, body := range map[string]string{"nothing at all": "", "half a JSON": `{"phone": `, "two JSONs": `{"phone": "1234"} {}`, "noise": "\x00\xff"} {
		t.Run(name, func(t *testing.T) {
			got := h.ask("POST", "/api/v1/orders", body, byToken)
			got.isProblem(t, http.StatusBadRequest, "")
		})
	}
	t.Run("64 KB and more", func(t *testing.T) {
		h.ask("POST", "/api/v1/orders", `{"phone": "1234", "comment": "`+strings.Repeat("x", 64<<10)+`"}`, byToken).
			isProblem(t, http.StatusRequestEntityTooLarge, "")
	})
	t.Run("thousands of unknown fields", func(t *testing.T) {
		var fields []string
		for i := range 5000 {
			fields = append(fields, fmt.Sprintf(`"f%d":1`, i))
		}
		got := h.ask("POST", "/api/v1/orders", `{`+strings.Join(fields, ",")+`}`, byToken)
		got.isProblem(t, http.StatusUnprocessableEntity, "")
		if len(got.body) > 4096 {
			t.Errorf("answered with %d bytes", len(got.body))
		}
	})
	t.Run("another kind of content", func(t *testing.T) {
		h.ask("POST", "/api/v1/orders", `phone=1234`, byToken, header("Content-Type", "application/x-www-form-urlencoded")).
			isProblem(t, http.StatusUnsupportedMediaType, "")
	})
}

func TestOrdersAreFound(t *testing.T) {
	h := newHouse(t)
	for _, body := range []string{`{"phone": "+79161234567"}`, `{"phone": "+79161234567", "status": "completed"}`, `{"phone": "+79160000000"}`} {
		h.ask("POST", "/api/v1/orders", body, byToken)
	}
	for query, want := range map[string]string{
		"":             "3 2 1",
		"?active=true": "3 1",
		"?phone=" + url.QueryEscape("+79161234567"): "2 1",
		"?phone=89161234567&active=true":            "1",
		"?phone=+79161234567&active=true":           "1", // an unescaped plus is a space
		"?phone=89169999999":                        "",
		"?limit=1":                                  "3",
	} {
		t.Run(query, func(t *testing.T) {
			got := h.ask("GET", "/api/v1/orders"+query, nil, byToken)
			var ids []string
			for _, o := range got.tree(t)["orders"].([]any) {
				ids = append(ids, o.(m)["id"].(string))
			}
			if got.status != http.StatusOK || strings.Join(ids, " ") != want {
				t.Errorf("%d %v, want %q", got.status, ids, want)
			}
		})
	}
	for _, query := range []string{"?phone=abc", "?limit=0", "?limit=501", "?limit=x", "?active=perhaps", "?phon=1"} {
		h.ask("GET", "/api/v1/orders"+query, nil, byToken).isProblem(t, http.StatusUnprocessableEntity, "")
	}
	for _, id := range []string{"4", "x", "1%2F2", "0x1"} {
		h.ask("GET", "/api/v1/orders/"+id, nil, byToken).isProblem(t, http.StatusNotFound, "no such order")
		h.ask("PATCH", "/api/v1/orders/"+id, `{}`, byToken).isProblem(t, http.StatusNotFound, "no such order")
	}
}

func TestConnectByOrderAndByNumbers(t *testing.T) {
	h := newHouse(t)
	for body, want := range map[string]pbx.ConnectRequest{
		`{"order_id": "42"}`: {OrderID: "42"},
		`{"client": "89161234567", "driver": "79035550001"}`:   {Client: "+79161234567", Driver: "+79035550001"},
		`{"client": "1234", "driver": "1235", "line": "1236"}`: {Client: "1234", Driver: "1235", Line: "1236"},
	} {
		h.floor.connects = nil
		got := h.ask("POST", "/api/v1/connect", body, byToken)
		if got.status != http.StatusAccepted || len(h.floor.connects) != 1 || h.floor.connects[0] != want {
			t.Errorf("%s: %+v, asked for %+v", body, got, h.floor.connects)
			continue
		}
		sameJSON(t, got.tree(t), m{"id": "c1", "state": "calling_client"})
	}
	for _, body := range []string{`{}`, `{"order_id": "1", "client": "1234", "driver": "1235"}`, `{"client": "1234"}`, `{"driver": "1234"}`, `{"client": "x", "driver": "1234"}`} {
		h.ask("POST", "/api/v1/connect", body, byToken).isProblem(t, http.StatusUnprocessableEntity, "")
	}
	for _, tc := range []struct {
		refuse error
		status int
		says   string
	}{
		{fmt.Errorf("order 42: %w", pbx.ErrNoOrder), http.StatusNotFound, "no such order"},
		{fmt.Errorf("driver's number: %w", pbx.ErrNotAPhone), http.StatusConflict, "driver's number"},
		{pbx.ErrShutdown, http.StatusServiceUnavailable, "shutting down"},
		{errBroken, http.StatusInternalServerError, "something went wrong"},
	} {
		h.floor.refuse = tc.refuse
		got := h.ask("POST", "/api/v1/connect", `{"order_id": "42"}`, byToken)
		got.isProblem(t, tc.status, tc.says)
		if strings.Contains(got.body, "fire") {
			t.Errorf("what went wrong inside is told outside: %s", got.body)
		}
	}
}

func TestAConnectIsFollowedToItsEnd(t *testing.T) {
	h := newHouse(t)
	h.ask("POST", "/api/v1/connect", `{"client": "89161234567", "driver": "79035550001"}`, byToken)
	see := func(state, result string) m {
		t.Helper()
		got := h.ask("GET", "/api/v1/connect/c1", nil, byToken).tree(t)
		if got["id"] != "c1" || got["state"] != state || got["result"] != result {
			t.Errorf("got %v, want %s %s", got, state, result)
		}
		return got["cdr"].(m)
	}
	if cdr := see("calling_client", ""); cdr["ended"] != nil || cdr["from"] != "+79161234567" {
		t.Errorf("%v", cdr)
	}
	h.floor.live[0].State = pbx.StateTalking
	see("talking", "")
	over := h.floor.live[0]
	over.State, over.Ended, over.Result = pbx.StateEnded, noon.Add(time.Minute), "completed"
	h.floor.live = nil
	if err := h.db.SaveCDR(t.Context(), over); err != nil {
		t.Fatal(err)
	}
	if cdr := see("ended", "completed"); cdr["ended"] != "2026-11-22T12:01:00Z" {
		t.Errorf("%v", cdr)
	}
	if err := h.db.SaveCDR(t.Context(), pbx.CDR{ID: "in", Kind: pbx.KindInbound, Started: noon, Ended: noon}); err != nil {
		t.Fatal(err)
	}
	for _, id := range []string{"c2", "in"} {
		h.ask("GET", "/api/v1/connect/"+id, nil, byToken).isProblem(t, http.StatusNotFound, "no such call")
	}
}

// aCall has something in every field.
func aCall(id string, ended time.Time) pbx.CDR {
	started := ended.Add(-time.Minute)
	return pbx.CDR{
		ID: id, Kind: pbx.KindInbound, Line: "+74950000000", From: "+79161234567", To: "+79035550001", OrderID: "42", Branch: "Центр",
		Started: started, Answered: started.Add(time.Second), Ended: ended, Waited: 1500 * time.Millisecond, Talked: 31 * time.Second,
		State: pbx.StateEnded, Result: "completed", Steps: []pbx.Step{{At: started, What: "order 42"}},
		Legs: []pbx.LegRecord{
			{ID: "a@x", Party: pbx.RoleClient, Number: "+79161234567", Trunk: "carrier", Started: started, Answered: started, Ended: ended, Cause: "hung up",
				Code: 200, Audio: media.Stats{Codec: "G722", Received: 1, Sent: 2, Lost: 3, Dropped: 4, Jitter: 5 * time.Millisecond, PeerExpected: 2, Sampled: 100, Soundless: 100,
					Late: 6, TooLate: 1, PeerJitter: 7 * time.Millisecond, RoundTrip: 8 * time.Millisecond, LongestSilence: 10 * time.Second}},
			{Party: pbx.RoleOperator, Operator: "anna", Started: started, Cause: "busy", Code: 486},
		},
	}
}

var aCallInJSON = m{
	"id": "one", "kind": "inbound", "line": "+74950000000", "from": "+79161234567", "to": "+79035550001", "order_id": "42", "branch": "Центр",
	"started": "2026-11-22T11:59:00Z", "answered": "2026-11-22T11:59:01Z", "ended": "2026-11-22T12:00:00Z",
	"waited_seconds": 1.5, "talked_seconds": 31.0, "state": "ended", "result": "completed",
	"steps": []any{m{"at": "2026-11-22T11:59:00Z", "what": "order 42"}},
	"legs": []any{
		m{"id": "a@x", "party": "client", "number": "+79161234567", "operator": "", "trunk": "carrier", "started": "2026-11-22T11:59:00Z",
			"answered": "2026-11-22T11:59:00Z", "ended": "2026-11-22T12:00:00Z", "cause": "hung up", "code": 200.0,
			"audio": m{"codec": "G722", "received": 1.0, "sent": 2.0, "lost": 3.0, "late": 6.0, "too_late": 1.0, "dropped": 4.0, "jitter_ms": 5.0,
				"peer_lost": 0.0, "peer_jitter_ms": 7.0, "round_trip_ms": 8.0, "mos": 1.18, "peer_mos": 4.41, "mute": true, "unheard": true}},
		m{"id": "", "party": "operator", "number": "", "operator": "anna", "trunk": "", "started": "2026-11-22T11:59:00Z",
			"answered": nil, "ended": nil, "cause": "busy", "code": 486.0,
			"audio": m{"codec": "", "received": 0.0, "sent": 0.0, "lost": 0.0, "late": 0.0, "too_late": 0.0, "dropped": 0.0, "jitter_ms": 0.0,
				"peer_lost": 0.0, "peer_jitter_ms": 0.0, "round_trip_ms": 0.0, "mos": nil, "peer_mos": nil, "mute": false, "unheard": false}},
	},
}

func TestCallsThatAreOver(t *testing.T) {
	h := newHouse(t)
	for i, id := range []string{"one", "two", "three"} {
		if err := h.db.SaveCDR(t.Context(), aCall(id, noon.Add(time.Duration(i)*time.Hour))); err != nil {
			t.Fatal(err)
		}
	}
	read := func(query string) (ids string, next string, first m) {
		t.Helper()
		got := h.ask("GET", "/api/v1/cdrs"+query, nil, byToken)
		if got.status != http.StatusOK {
			t.Fatalf("%s: %+v", query, got)
		}
		tree := got.tree(t)
		var all []string
		for i, cdr := range tree["cdrs"].([]any) {
			all = append(all, cdr.(m)["id"].(string))
			if i == 0 {
				first = cdr.(m)
			}
		}
		return strings.Join(all, " "), tree["next"].(string), first
	}
	ids, next, first := read("?limit=2")
	if ids != "one two" {
		t.Errorf("first page: %s", ids)
	}
	if diff := cmp.Diff(aCallInJSON, first); diff != "" {
		t.Error(diff)
	}
	if ids, next, _ = read("?after=" + next); ids != "three" {
		t.Errorf("second page: %s", ids)
	}
	if ids, _, _ = read("?after=" + next); ids != "" {
		t.Errorf("third page: %s", ids)
	}
	if ids, _, _ = read("?since=2026-11-22T13:00:00Z"); ids != "two three" {
		t.Errorf("since one o'clock: %s", ids)
	}
	if ids, _, _ = read("?since=" + url.QueryEscape("2026-11-22T17:00:00+03:00")); ids != "three" {
		t.Errorf("since five in Moscow: %s", ids)
	}
	if ids, _, _ = read("?newest=true&limit=2"); ids != "three two" {
		t.Errorf("newest first: %s", ids)
	}
	for _, query := range []string{"?since=yesterday", "?after=x", "?limit=1001"} {
		h.ask("GET", "/api/v1/cdrs"+query, nil, byToken).isProblem(t, http.StatusUnprocessableEntity, "")
	}
}

func TestCallsInProgress(t *testing.T) {
	h := newHouse(t)
	if got := h.ask("GET", "/api/v1/calls", nil, byToken); got.status != http.StatusOK || strings.TrimSpace(got.body) != `{"calls":[]}` {
		t.Errorf("of none: %+v", got)
	}
	call := aCall("one", noon)
	call.Ended, call.Answered, call.State, call.Result = time.Time{}, time.Time{}, pbx.StateWaiting, ""
	h.floor.live = []pbx.CDR{call}
	want := m{}
	for key, value := range aCallInJSON {
		want[key] = value
	}
	want["ended"], want["answered"], want["state"], want["result"] = nil, nil, "waiting", ""
	sameJSON(t, h.ask("GET", "/api/v1/calls", nil, byToken).tree(t), m{"calls": []any{want}})
}

func TestWhereThereIsNoSuchPath(t *testing.T) {
	h := newHouse(t)
	for _, path := range []string{"/api/v1/nothing", "/api/v2/orders", "/console/api/nothing", "/api/v1/orders/1/2"} {
		h.ask("GET", path, nil, byToken).isProblem(t, http.StatusNotFound, "no such path")
	}
	for path, allow := range map[string]string{"/api/v1/orders": "GET, POST", "/api/v1/orders/1": "GET, PATCH", "/console/api/login": "POST", "/api/v1/calls": "GET"} {
		got := h.ask("DELETE", path, nil, byToken)
		got.isProblem(t, http.StatusMethodNotAllowed, "DELETE")
		if got.header.Get("Allow") != allow {
			t.Errorf("%s allows %q", path, got.header.Get("Allow"))
		}
	}
}
