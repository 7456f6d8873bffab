package outbox_test

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"cabline/dispatchapi/courier"
	"cabline/dispatchapi/outbox"
	"cabline/pbx"
)

func TestAWebhookIsSignedAndASignatureIsGoodForItsBodyAndItsTimeOnly(t *testing.T) {
	var body []byte
	var header http.Header
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ = io.ReadAll(r.Body)
		header = r.Header
	}))
	defer s.Close()
	carrier, err := courier.New(courier.TLS{})
	if err != nil {
		t.Fatal(err)
	}
	defer carrier.Close()
	hook := &outbox.Webhook{URL: s.URL, Secret: "a secret", Courier: carrier}
	if err := hook.Deliver(t.Context(), "event-1", everything); err != nil {
		t.Fatal(err)
	}
	var got map[string]any
	if err := json.Unmarshal(body, &got); err != nil || got["id"] != "event-1" || got["kind"] != "call_ended" || got["order_id"] != "42" {
		t.Errorf("%s, %v", body, err)
	}
	later := func(h http.Header, name, value string) http.Header { h = h.Clone(); h.Set(name, value); return h }
	now := time.Now()
	for name, tc := range map[string]struct {
		secret string
		header http.Header
		at     time.Time
		body   string
		good   bool
	}{
		"as it came":         {"a secret", header, now, string(body), true},
		"a minute later":     {"a secret", header, now.Add(time.Minute), string(body), true},
		"an hour later":      {"a secret", header, now.Add(time.Hour), string(body), false},
		"an hour before":     {"a secret", header, now.Add(-time.Hour), string(body), false},
		"another body":       {"a secret", header, now, string(body) + " ", false},
		"another secret":     {"a Secret", header, now, string(body), false},
		"another id":         {"a secret", later(header, "webhook-id", "event-2"), now, string(body), false},
		"another time":       {"a secret", later(header, "webhook-timestamp", "1"), now, string(body), false},
		"no signature":       {"a secret", later(header, "webhook-signature", ""), now, string(body), false},
		"one good of two":    {"a secret", later(header, "webhook-signature", "v1,bad "+header.Get("webhook-signature")), now, string(body), true},
		"no secret of ours":  {"", outbox.Signed("", "x", now, body), now, string(body), false},
		"a secret in base64": {"whsec_YSBzZWNyZXQ=", header, now, string(body), true},
	} {
		if err := outbox.Verify(tc.secret, tc.header, tc.at, []byte(tc.body)); (err == nil) != tc.good {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// The example of https://www.standardwebhooks.com, section "signature scheme".
func TestTheSignatureIsThatOfStandardWebhooks(t *testing.T) {
	at := time.Unix(1614265330, 0)
	got := outbox.Signed("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "msg_p5jXN8AQM9LWM0D4loKWxJek", at, []byte(`{"test": 2432232314}`))
	if got.Get("webhook-signature") != "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=" {
		t.Error(got.Get("webhook-signature"))
	}
}

func TestAWebhookIsTriedAgainUnlessTheAnswerSaysThatTheEventIsWrong(t *testing.T) {
	for status, want := range map[int]string{200: "taken", 204: "taken", 400: "refused", 413: "refused", 422: "refused",
		401: "again", 404: "again", 408: "again", 429: "again", 500: "again", 503: "again", 302: "again"} {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Location", "http://127.0.0.1/elsewhere")
			w.WriteHeader(status)
		}))
		carrier, _ := courier.New(courier.TLS{})
		err := (&outbox.Webhook{URL: s.URL, Secret: "x", Courier: carrier}).Deliver(t.Context(), "1", event("c1", pbx.EventCallStarted))
		got := "again"
		switch {
		case err == nil:
			got = "taken"
		case errors.Is(err, outbox.ErrRefused):
			got = "refused"
		}
		if got != want {
			t.Errorf("after %d the event is %s, want %s", status, got, want)
		}
		carrier.Close()
		s.Close()
	}
}

func TestAWebhookTellsOnlyOfTheKindsAskedFor(t *testing.T) {
	hook := &outbox.Webhook{URL: "http://127.0.0.1:1", Kinds: []pbx.EventKind{pbx.EventCallEnded}} // which nobody listens at
	if err := hook.Deliver(t.Context(), "1", event("c1", pbx.EventCallStarted)); err != nil {
		t.Error(err)
	}
}

// The owner says of each receiver whether it learns numbers; one that may not
// loses nothing else, and others' events are not touched.
func TestAWebhookGetsNumbersWholeOrMaskedAsTheOwnerSays(t *testing.T) {
	told := make(chan string, 1)
	s := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		told <- string(body)
	}))
	defer s.Close()
	carrier, err := courier.New(courier.TLS{})
	if err != nil {
		t.Fatal(err)
	}
	defer carrier.Close()
	e := everything
	cdr := *e.CDR
	cdr.Legs = append(slices.Clone(cdr.Legs), pbx.LegRecord{Party: pbx.RoleDriver, Number: "+79035550001"}, pbx.LegRecord{Party: pbx.RoleClient, Number: "+79161234567"})
	e.CDR = &cdr
	hook := &outbox.Webhook{URL: s.URL, Secret: "a secret", Courier: carrier}
	var whole string
	for _, c := range []struct {
		name     string
		receiver outbox.Receiver
		shown    *strings.Replacer
	}{
		{"whole", hook, strings.NewReplacer()},
		{"masked", outbox.Masked{Receiver: hook}, strings.NewReplacer("+79161234567", "+7***4567", "+79035550001", "+7***0001")},
		{"whole again", hook, strings.NewReplacer()},
	} {
		if err := c.receiver.Deliver(t.Context(), "event-1", e); err != nil {
			t.Fatal(err)
		}
		got := <-told
		if whole == "" {
			whole = got
		}
		if n := strings.Count(whole, "+79161234567") + strings.Count(whole, "+79035550001"); n != 5 || !strings.Contains(got, `"line":"+74950000000"`) {
			t.Fatalf("%d numbers in %s", n, got)
		}
		if want := c.shown.Replace(whole); got != want {
			t.Errorf("%s: told\n%s, want\n%s", c.name, got, want)
		}
	}
}
