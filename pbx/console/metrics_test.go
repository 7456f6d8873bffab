package console

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"cabline/pbx"
)

type deafStore struct{ err error }

func (s deafStore) SaveCDR(context.Context, pbx.CDR) error { return s.err }

func TestMetricsCountWhatHappens(t *testing.T) {
	metrics := NewMetrics()
	h := newHouse(t, func(c *Config) {
		c.Metrics = metrics
		c.Registrations = func() int { return 3 }
		c.Ports = func() (int, int) { return 5, 495 }
		c.Dropped = func() uint64 { return 7 }
		c.Overflowed = func() uint64 { return 9 }
		c.Faults = func() uint64 { return 2 }
		c.Trunks = func() map[string]bool { return map[string]bool{"carrier": true, "Облако \"1\"": false} }
		c.Backlogs = func(context.Context) ([]pbx.Backlog, error) {
			return []pbx.Backlog{{Receiver: "events", Waiting: 7, Delivered: 5, Failed: 2, GivenUp: 1}}, nil
		}
	})
	store := metrics.Store(h.db)
	for i, result := range []string{"completed", "completed", "hung up"} {
		call := aCall(fmt.Sprint(i), noon)
		call.Result = result
		if err := store.SaveCDR(t.Context(), call); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := h.db.CDR(t.Context(), "2"); err != nil {
		t.Errorf("counted but not saved: %v", err)
	}
	full := errors.New("disk full")
	if err := metrics.Store(deafStore{full}).SaveCDR(t.Context(), aCall("lost", noon)); !errors.Is(err, full) {
		t.Errorf("the store's error: %v", err)
	}
	metrics.LookedUp(30*time.Millisecond, nil)
	metrics.LookedUp(2*time.Millisecond, fmt.Errorf("order: %w", pbx.ErrNoOrder))
	metrics.LookedUp(time.Second, context.DeadlineExceeded)
	metrics.NoticeRang(pbx.NoticeRecord{}, 30*time.Millisecond)
	for _, r := range []pbx.NoticeRecord{{State: pbx.NoticeDelivered, Machine: true}, {State: pbx.NoticeDropped}} {
		r.Status = pbx.StatusArrived
		metrics.NoticeEnded(r)
		r.Status = "their own"
		metrics.NoticeEnded(r)
	}
	for version, state := range []pbx.NoticeState{pbx.NoticeWaiting, pbx.NoticeSpeaking, pbx.NoticeDelivered} {
		if _, _, err := h.db.AcceptNotice(t.Context(), pbx.NoticeRecord{Notice: pbx.Notice{OrderID: fmt.Sprint(version), Status: "arrived", Version: 1, At: noon}, State: state}, ""); err != nil {
			t.Fatal(err)
		}
	}
	h.floor.live = make([]pbx.CDR, 4)
	h.floor.waiting = make([]pbx.Waiting, 2)
	h.floor.operators = []pbx.OperatorState{{Online: true}, {}}
	h.ask("GET", "/api/v1/orders/77", nil, byToken)
	h.ask("GET", "/api/v1/orders/78", nil, byToken)
	h.ask("GET", "/no/such/file", nil)
	for range 9 {
		h.guess("eve", "192.0.2.1")
	}

	got := h.ask("GET", "/metrics", nil, from("127.0.0.1:1"))
	if got.status != http.StatusOK {
		t.Fatalf("%+v", got)
	}
	for _, line := range []string{
		`cabline_calls_total{kind="inbound",result="completed"} 3`,
		`cabline_calls_total{kind="inbound",result="hung up"} 1`,
		`cabline_talk_seconds_total{kind="inbound"} 124`,
		`cabline_cdrs_unsaved_total 1`,
		`cabline_outbox_waiting{receiver="events"} 7`,
		`cabline_outbox_oldest_seconds{receiver="events"} 0`,
		`cabline_outbox_events_total{receiver="events",what="given_up"} 1`,
		`cabline_calls_live 4`,
		`cabline_notices_total{machine="yes",outcome="delivered",status="arrived"} 1`,
		`cabline_notices_total{machine="no",outcome="dropped",status="other"} 1`,
		`cabline_notice_ring_seconds_bucket{le="0.025"} 0`,
		`cabline_notice_ring_seconds_bucket{le="0.05"} 1`,
		`cabline_notices_waiting 1`,
		`cabline_notices_in_hand 1`,
		`cabline_queue_waiting 2`,
		`cabline_operators_online 1`,
		`cabline_registrations 3`,
		`cabline_rtp_ports_taken 5`,
		`cabline_rtp_ports_free 495`,
		`cabline_bans 1`,
		`cabline_bans_total 1`,
		`cabline_sip_dropped_total 7`,
		`cabline_rtp_overflowed_total 9`,
		`cabline_faults_total 2`,
		`cabline_trunk_up{trunk="carrier"} 1`,
		`cabline_trunk_up{trunk="Облако \"1\""} 0`,
		`cabline_rtp_packets_total{party="client",what="received"} 4`,
		`cabline_rtp_packets_total{party="client",what="sent"} 8`,
		`cabline_rtp_packets_total{party="client",what="lost"} 12`,
		`cabline_rtp_packets_total{party="client",what="dropped"} 16`,
		`cabline_rtp_packets_total{party="client",what="late"} 24`,
		`cabline_rtp_packets_total{party="operator",what="received"} 0`,
		`cabline_audio_mos_bucket{direction="in",trunk="carrier",le="1.5"} 4`,
		`cabline_audio_mos_bucket{direction="out",trunk="carrier",le="4.3"} 0`,
		`cabline_audio_mos_bucket{direction="out",trunk="carrier",le="4.5"} 4`,
		`cabline_audio_loss_ratio_sum{direction="in",trunk="carrier"} 4`,
		`cabline_audio_loss_ratio_bucket{direction="out",trunk="carrier",le="0"} 4`,
		`cabline_audio_jitter_seconds_sum{direction="in",trunk="carrier"} 0.02`,
		`cabline_audio_jitter_seconds_bucket{direction="out",trunk="carrier",le="0.01"} 4`,
		`cabline_audio_round_trip_seconds_count{trunk="carrier"} 4`,
		`cabline_audio_unheard_total{trunk="carrier"} 4`,
		`cabline_order_lookup_seconds_bucket{result="found",le="0.05"} 1`,
		`cabline_order_lookup_seconds_bucket{result="found",le="0.025"} 0`,
		`cabline_order_lookup_seconds_count{result="none"} 1`,
		`cabline_order_lookup_seconds_count{result="failed"} 1`,
		`cabline_http_requests_total{code="404",route="GET /api/v1/orders/{id}"} 2`,
		`cabline_http_requests_total{code="404",route="/"} 1`,
	} {
		if !strings.Contains(got.body, line+"\n") {
			t.Errorf("no %s in\n%s", line, grep(got.body, line[:strings.IndexAny(line, "{ ")]))
		}
	}
}

func grep(text, word string) string {
	var found []string
	for line := range strings.Lines(text) {
		if strings.HasPrefix(line, word) {
			found = append(found, line)
		}
	}
	return strings.Join(found, "")
}

func TestMetricsAreNotForStrangers(t *testing.T) {
	h := newHouse(t)
	for name, tc := range map[string]struct {
		how    []with
		status int
	}{
		"this machine":                      {[]with{from("127.0.0.1:1")}, 200},
		"this machine, over IPv6":           {[]with{from("[::1]:1")}, 200},
		"another machine":                   {[]with{from("192.0.2.1:1")}, 401},
		"another machine behind a proxy":    {[]with{from("127.0.0.1:1"), header("X-Forwarded-For", "192.0.2.1")}, 401},
		"another machine with the token":    {[]with{from("192.0.2.1:1"), byToken}, 200},
		"another machine with an operator":  {[]with{from("192.0.2.1:1"), cookie(h.login("anna"))}, 200},
		"another machine with wrong tokens": {[]with{from("192.0.2.1:1"), header("Authorization", "Bearer x")}, 401},
	} {
		if got := h.ask("GET", "/metrics", nil, tc.how...); got.status != tc.status {
			t.Errorf("%s: %d", name, got.status)
		}
	}
}

func TestHealth(t *testing.T) {
	h := newHouse(t)
	got := h.ask("GET", "/healthz", nil)
	if got.status != http.StatusOK {
		t.Fatalf("%+v", got)
	}
	sameJSON(t, got.tree(t), m{"status": "ok", "version": "1.2.3"})
	_ = h.db.Close()
	got = h.ask("GET", "/healthz", nil)
	if got.status != http.StatusServiceUnavailable || got.tree(t)["status"] != "unwell" || got.tree(t)["reason"] == "" {
		t.Errorf("without its database: %+v", got)
	}
}

func TestAConsoleWithAPartMissingIsNotMade(t *testing.T) {
	if _, err := New(Config{}); err == nil {
		t.Error("made from nothing")
	}
}
