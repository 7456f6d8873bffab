package main

import (
	"bufio"
	"context"
	"crypto/hmac"
	"crypto/md5"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"cabline/dispatchapi/courier"
	"cabline/dispatchapi/gootax"
	"cabline/dispatchapi/httpjson"
	"cabline/dispatchapi/outbox"
	"cabline/dispatchapi/taximaster"
	"cabline/pbx"
	"cabline/pbx/store"
)

// hostile draws text that would write headers, parameters or fields for us if it
// were let.
func hostile() *rapid.Generator[string] {
	piece := rapid.SampledFrom([]string{
		"\r\n", "\n", "\r", "\x00", "\r\n\r\n", "\r\nX-Evil: 1", "\r\n X-Evil: folded", "%0d%0aX-Evil:%201", "GET / HTTP/1.1\r\n", "&evil=1", "?evil=1", "#evil", "/../evil", ";evil=1",
		`","evil":"1`, `"}`, "\\", `\"`, "\\u000d\\n", "{phone}", "{evil}", "<evil>", "]]>", "&amp;", "%", "+", " ", "\t", "\x0b", "\x7f", "\x85", "\u2028", "\xff", "Ж", "+7916", "42", "=",
	})
	return rapid.Map(rapid.SliceOfN(piece, 0, 8), func(p []string) string { return strings.Join(p, "") })
}

// wiretap is a system that answers {} and keeps the last request as it came.
type wiretap struct {
	net.Listener
	last chan string
}

func tapWire(t *testing.T) *wiretap {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w := &wiretap{l, make(chan string, 1)}
	done := make(chan struct{})
	t.Cleanup(func() { _ = l.Close(); <-done })
	go func() {
		defer close(done)
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			w.serve(conn)
		}
	}()
	return w
}

// serve reads a request to where its own headers say it ends, and what is sent
// beyond that.
func (w *wiretap) serve(conn net.Conn) {
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(time.Minute))
	var got strings.Builder
	from := bufio.NewReader(io.TeeReader(conn, &got))
	r, err := http.ReadRequest(from)
	if err == nil {
		_, _ = io.Copy(io.Discard, r.Body)
	}
	w.last <- got.String()
	_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}")
}

// sent is a request as bytes, taken apart by nothing but line ends.
type sent struct {
	target, body string
	header       map[string]string
}

// of fails if what a request sends has more in it than the names given, the
// first of which are parameters of the address.
func (w *wiretap) of(t *rapid.T, ask func() error, headers ...string) (s sent, ok bool) {
	t.Helper()
	_ = ask() // the answer {} has no order in it
	var raw string
	select {
	case raw = <-w.last:
	default:
		return s, false // not sent at all
	}
	head, body, _ := strings.Cut(raw, "\r\n\r\n")
	lines := strings.Split(head, "\r\n")
	words := strings.Split(lines[0], " ")
	if len(words) != 3 || words[2] != "HTTP/1.1" || strings.ContainsFunc(words[1], func(r rune) bool { return r <= ' ' || r >= 0x7f }) {
		t.Fatalf("first line %q", lines[0])
	}
	s = sent{words[1], body, map[string]string{}}
	headers = append(headers, "Host", "User-Agent", "Content-Length", "Accept-Encoding", "Content-Type", "Connection")
	for _, line := range lines[1:] {
		name, value, _ := strings.Cut(line, ": ")
		if _, twice := s.header[name]; twice || !slices.Contains(headers, name) || strings.ContainsAny(line, "\r\n\x00") {
			t.Fatalf("header %q of\n%q", line, raw)
		}
		s.header[name] = value
	}
	if want := fmt.Sprint(len(body)); s.header["Content-Length"] != want && body != "" {
		t.Fatalf("%q has %s bytes", raw, want)
	}
	return s, true
}

// query fails if the parameters of a text are not those wanted.
func query(t *rapid.T, text string, want map[string]string) {
	t.Helper()
	values, err := url.ParseQuery(text)
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for name, all := range values {
		got[name] = strings.Join(all, " AND ")
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Fatalf("%q: %s", text, diff)
	}
}

func hexMD5(text string) string { return fmt.Sprintf("%x", md5.Sum([]byte(text))) }

// told draws an event with hostile text wherever others may have written.
func toldEvent(t *rapid.T, text *rapid.Generator[string]) pbx.Event {
	draw := func(where string) string { return text.Draw(t, where) }
	kind := rapid.SampledFrom(pbx.EventKinds).Draw(t, "kind")
	e := pbx.Event{Kind: kind, CallID: draw("call"), OrderID: draw("order"), Answer: pbx.ClientAnswer(draw("answer"))}
	if kind == pbx.EventRecording {
		e.Recording = &pbx.Recording{Number: 1, File: draw("file"), URL: draw("url"), Left: pbx.Role(draw("left")), Right: pbx.Role(draw("right"))}
	}
	switch kind {
	case pbx.EventNotice:
		e.Notice = &pbx.NoticeReport{Status: pbx.Status(draw("status")), Phone: pbx.Phone(draw("phone")), Outcome: draw("outcome"), Next: draw("next")}
	case pbx.EventClientAnswer:
	default:
		e.CDR = &pbx.CDR{From: pbx.Phone(draw("from")), To: pbx.Phone(draw("to")), Line: pbx.Phone(draw("line")), Result: draw("result"), Branch: draw("branch"),
			Kind: pbx.KindInbound, Legs: []pbx.LegRecord{{Operator: draw("operator"), Cause: draw("cause")}}}
	}
	return e
}

func peaceful(t *testing.T) (*courier.Courier, *store.Store) {
	carrier, err := courier.New(courier.TLS{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(carrier.Close)
	return carrier, openStore(t)
}

// Whatever stands in a number, an order, an operator's name or the place of a
// recording: it stays a value, and the signature is over what was sent.
func TestNoValueChangesWhatHTTPJSONSendsBesidesItself(t *testing.T) {
	tap := tapWire(t)
	carrier, db := peaceful(t)
	text := hostile()
	rapid.Check(t, func(rt *rapid.T) {
		e := toldEvent(rt, text)
		form := rapid.Bool().Draw(rt, "a form")
		auth := httpjson.Auth{Kind: rapid.SampledFrom([]string{"", "bearer", "header", "basic", "hmac", "md5"}).Draw(rt, "auth"), Name: "X-Sign", Login: "us", Secret: "key"}
		request := httpjson.Request{URL: "http://" + tap.Addr().String() + "/o/{order_id}/x?call={call_id}&who={phone}&what={answer}&z=1",
			Header: http.Header{"X-Order": {"a{order_id}z"}, "X-Phone": {"tel {phone}"}}, Body: `{"id": "{order_id}", "call": "{call_id}", "said": ["{answer}"]}`}
		if form {
			request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			request.Body = "id={order_id}&call={call_id}&said={answer}"
			auth.InQuery = auth.Kind == "md5"
		}
		s := httpjson.New(httpjson.Config{Courier: carrier, DB: db, Country: "RU", Numbers: rapid.SampledFrom(pbx.Formats).Draw(rt, "format"), Event: request, Auth: auth})
		got, ok := tap.of(rt, func() error { return s.Deliver(context.Background(), "id", e) }, "X-Order", "X-Phone", "X-Sign", "Authorization")
		if !ok {
			rt.Fatalf("%+v was not told", e)
		}
		path, parameters, _ := strings.Cut(got.target, "?")
		if plain, err := url.PathUnescape(strings.TrimSuffix(strings.TrimPrefix(path, "/o/"), "/x")); err != nil || plain != e.OrderID || strings.Count(path, "/") != 3 {
			rt.Fatalf("path %q is order %q, %v; want %q", path, plain, err, e.OrderID)
		}
		number := strings.TrimPrefix(got.header["X-Phone"], "tel")
		query(rt, parameters, map[string]string{"call": e.CallID, "who": strings.TrimSpace(number), "what": string(e.Answer), "z": "1"})
		body := got.body
		if form {
			want := map[string]string{"id": e.OrderID, "call": e.CallID, "said": string(e.Answer)}
			if auth.InQuery {
				signed, signature, _ := strings.Cut(body, "&X-Sign=")
				if signature != hexMD5(signed+"key") {
					rt.Fatalf("signature %q of %q", signature, signed)
				}
				body = signed
			}
			query(rt, body, want)
		} else {
			var fields map[string]any
			if err := json.Unmarshal([]byte(body), &fields); err != nil {
				rt.Fatalf("%q: %v", body, err)
			}
			want := map[string]any{"id": utf8Of(e.OrderID), "call": utf8Of(e.CallID), "said": []any{utf8Of(string(e.Answer))}}
			if diff := cmp.Diff(want, fields); diff != "" {
				rt.Fatalf("%q: %s", body, diff)
			}
		}
		mac := hmac.New(sha256.New, []byte("key"))
		mac.Write([]byte(got.body))
		want := map[string]string{"hmac": hex.EncodeToString(mac.Sum(nil)), "md5": hexMD5(got.body + "key"), "header": "key"}[auth.Kind]
		if !auth.InQuery && got.header["X-Sign"] != want {
			rt.Fatalf("signed %q, want %q", got.header["X-Sign"], want)
		}
	})
}

// utf8Of is a text as JSON can say it.
func utf8Of(text string) string { return string([]rune(text)) }

func TestNoValueChangesWhatTaximasterIsSentBesidesItself(t *testing.T) {
	tap := tapWire(t)
	carrier, db := peaceful(t)
	s := taximaster.New(taximaster.Config{URL: "http://" + tap.Addr().String(), TAPIKey: "key", Courier: carrier, Country: "RU", DB: db,
		Answers: map[pbx.ClientAnswer]int{pbx.AnswerCancel: 9}})
	text := hostile()
	rapid.Check(t, func(rt *rapid.T) {
		e := toldEvent(rt, text)
		var ask func() error
		var want []string
		file := ""
		switch rapid.IntRange(0, 2).Draw(rt, "question") {
		case 0:
			ask, want = func() error { _, err := s.OrderByPhone(context.Background(), pbx.Phone("+7"+e.CallID)); return err }, []string{"PHONE", "FIELDS"}
		case 1:
			ask, want = func() error { return s.ClientAnswered(context.Background(), e.OrderID, pbx.AnswerCancel) }, []string{"ORDER_ID", "NEED_STATE"}
		case 2:
			e.Kind, e.CDR = pbx.EventRecording, &pbx.CDR{From: pbx.Phone(e.OrderID), Kind: pbx.KindInbound}
			e.Recording = &pbx.Recording{File: text.Draw(rt, "file")}
			file = e.Recording.File
			ask = func() error { return s.Deliver(context.Background(), "id", e) }
			want = []string{"RECORD_DATE", "RECORD_LENGTH", "CALL_ID", "PHONE", "FILE_PATH", "CALL_TYPE", "CALL_RESULT"}
		}
		got, ok := tap.of(rt, ask)
		if !ok {
			rt.Fatalf("nothing was asked of %+v", e)
		}
		path, parameters, _ := strings.Cut(got.target, "?")
		if !strings.HasPrefix(path, "/tm_tapi/1.0/") || strings.Count(path, "/") != 3 {
			rt.Fatalf("path %q", path)
		}
		if got.body != "" {
			parameters = got.body
		}
		signed, signature, _ := strings.Cut(parameters, "&signature=")
		if signature != hexMD5(signed+"key") {
			rt.Fatalf("signature %q of %q", signature, signed)
		}
		values, err := url.ParseQuery(signed)
		names := slices.Sorted(maps.Keys(values))
		slices.Sort(want)
		if diff := cmp.Diff(want, names); diff != "" || err != nil {
			rt.Fatalf("%q: %v %s", signed, err, diff)
		}
		for name, value := range map[string]string{"ORDER_ID": e.OrderID, "CALL_ID": e.CallID, "FILE_PATH": file} {
			if values.Has(name) && values.Get(name) != value && values.Get(name) != utf8Of(value) {
				rt.Fatalf("%s is %q, want %q", name, values.Get(name), value)
			}
		}
	})
}

func TestNoValueChangesWhatGootaxIsSentBesidesItself(t *testing.T) {
	tap := tapWire(t)
	carrier, db := peaceful(t)
	s := gootax.New(gootax.Config{Country: "RU", Panel: "romashka.gootax.pro", Employees: []gootax.Employee{{Operator: "anna", AccessToken: "token"}},
		Orders: &gootax.API{URL: "http://" + tap.Addr().String(), Tenant: "1", App: "2", Key: "key", Courier: carrier}}, db)
	text := hostile()
	rapid.Check(t, func(rt *rapid.T) {
		id := text.Draw(rt, "order")
		got, ok := tap.of(rt, func() error { return s.ClientAnswered(context.Background(), id, pbx.AnswerCancel) }, "Typeclient", "Lang", "Tenantid", "Appid", "Signature")
		if !ok {
			rt.Fatalf("%q was not told", id)
		}
		values, err := url.ParseQuery(got.body)
		if err != nil || len(values) != 2 || values.Get("order_id") != id || got.target != "/reject_order" || got.header["Signature"] != hexMD5(got.body+"key") {
			rt.Fatalf("%+v: %v, %v", got, values, err)
		}
		card := pbx.Card{Phone: pbx.Phone(text.Draw(rt, "phone")), Line: pbx.Phone(text.Draw(rt, "line")), CallID: text.Draw(rt, "call")}
		link := s.CardLink("anna", card)
		u, err := url.Parse(link)
		if err != nil || u.Host != "romashka.gootax.pro" || u.Fragment != "" || strings.ContainsFunc(link, func(r rune) bool { return r <= ' ' || r >= 0x7f || strings.ContainsRune(`<>"`, r) }) {
			rt.Fatalf("link %q: %v", link, err)
		}
		if q := u.Query(); len(q) != 4 || q.Get("call_id") != card.CallID || q.Get("access_token") != "token" {
			rt.Fatalf("link %q: %v", link, q)
		}
	})
}

func TestNoValueChangesAWebhookBesidesItself(t *testing.T) {
	tap := tapWire(t)
	carrier, _ := peaceful(t)
	hook := &outbox.Webhook{URL: "http://" + tap.Addr().String() + "/hook", Secret: "secret", Courier: carrier}
	text := hostile()
	rapid.Check(t, func(rt *rapid.T) {
		e := toldEvent(rt, text)
		got, ok := tap.of(rt, func() error { return hook.Deliver(context.Background(), "id", e) }, "Webhook-Id", "Webhook-Timestamp", "Webhook-Signature")
		if !ok {
			rt.Fatalf("%+v was not told", e)
		}
		header := http.Header{}
		for name, value := range got.header {
			header.Set(name, value)
		}
		if err := outbox.Verify("secret", header, time.Now(), []byte(got.body)); err != nil {
			rt.Fatal(err)
		}
		var fields map[string]any
		if err := json.Unmarshal([]byte(got.body), &fields); err != nil {
			rt.Fatalf("%q: %v", got.body, err)
		}
		if fields["call_id"] != utf8Of(e.CallID) || fields["evil"] != nil || got.target != "/hook" {
			rt.Fatalf("%s %q of %+v", got.target, got.body, e)
		}
	})
}
