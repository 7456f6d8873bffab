package console

import (
	"context"
	"net/http"
	"testing"

	"github.com/google/go-cmp/cmp"

	"cabline/pbx"
	"cabline/pbx/store"
)

// board stores what it is told, and calls nobody.
type board struct{ db *store.Store }

func (b board) Notify(ctx context.Context, n pbx.Notice) error {
	n.At = noon
	_, _, err := b.db.AcceptNotice(ctx, pbx.NoticeRecord{Notice: n, Line: "+74950000000", State: pbx.NoticeWaiting, Due: noon}, "to be told")
	return err
}

func TestNewsIsPostedAndItsJournalRead(t *testing.T) {
	h := newHouse(t)
	for range 2 { // the same one twice is one notice
		got := h.ask("POST", "/api/v1/notices", `{"order_id": "42", "status": "arrived", "version": 3, "phone": "8 916 123-45-67", "eta_minutes": 0,
			"car": {"color": "белый", "mark": "Лада", "plate": "А123ВС77"}, "driver_phone": "89035550001"}`, byToken)
		if got.status != http.StatusAccepted {
			t.Fatalf("%+v", got)
		}
		sameJSON(t, got.tree(t), m{"order_id": "42", "status": "arrived"})
	}
	r, _, err := h.db.Notice(t.Context(), 1)
	if err != nil || r.Order.Driver != "+79035550001" || r.Order.Car.Plate != "А123ВС77" || r.Order.ETA == nil || *r.Order.ETA != 0 {
		t.Errorf("%v: stored %+v", err, r)
	}
	r.State, r.Tries, r.Machine = pbx.NoticeDialling, 1, true
	if _, err := h.db.MoveNotice(t.Context(), pbx.NoticeWaiting, r, "call 1"); err != nil {
		t.Fatal(err)
	}
	notice := m{"id": 1.0, "order_id": "42", "status": "arrived", "version": 3.0, "phone": "+79161234567", "line": "+74950000000", "source": "REST",
		"at": "2026-11-22T12:00:00Z", "state": "dialling", "why": "call 1", "due": nil, "tries": 1.0, "call_id": "", "answer": "", "machine": true, "ended": nil}
	for query, want := range map[string][]any{"": {notice}, "?order_id=42": {notice}, "?phone=%2B79161234567": {notice}, "?state=dialling": {notice},
		"?state=waiting": {}, "?order_id=43": {}, "?before=1": {}} {
		got := h.ask("GET", "/api/v1/notices"+query, nil, byToken).tree(t)
		if diff := cmp.Diff(m{"notices": want}, got); diff != "" {
			t.Errorf("%s: %s", query, diff)
		}
	}
	got := h.ask("GET", "/api/v1/notices/1", nil, byToken).tree(t)
	var steps []string
	for _, s := range got["journal"].([]any) {
		steps = append(steps, s.(m)["state"].(string)+": "+s.(m)["what"].(string))
	}
	if diff := cmp.Diff([]string{"waiting: to be told", "dialling: call 1"}, steps); diff != "" {
		t.Error(diff)
	}
}

func TestWhoWantsNoCallsIsOnAList(t *testing.T) {
	h := newHouse(t)
	list := func() (phones []string) {
		for _, o := range h.ask("GET", "/api/v1/opt-outs", nil, byToken).tree(t)["opt_outs"].([]any) {
			phones = append(phones, o.(m)["phone"].(string)+" "+o.(m)["note"].(string))
		}
		return phones
	}
	for _, body := range []string{`{"phone": "89161234567", "note": "asked by phone"}`, `{"phone": "+79161234567", "note": "again"}`, `{"phone": "1234"}`} {
		if got := h.ask("POST", "/api/v1/opt-outs", body, byToken); got.status != http.StatusOK {
			t.Fatalf("%+v", got)
		}
	}
	if diff := cmp.Diff([]string{"+79161234567 asked by phone", "1234 "}, list()); diff != "" {
		t.Error(diff)
	}
	h.ask("POST", "/api/v1/opt-outs", `{"phone": "9161234567", "calls": true}`, byToken)
	if diff := cmp.Diff([]string{"1234 "}, list()); diff != "" {
		t.Error(diff)
	}
	if out, err := h.db.OptedOut(t.Context(), "+79161234567"); err != nil || out {
		t.Errorf("%v %v", out, err)
	}
}
