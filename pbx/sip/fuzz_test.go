package sip

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"

	wire "github.com/emiago/sipgo/sip"

	"cabline/pbx"
)

// memory is a connection that only keeps what is sent.
type memory struct{ sent []wire.Message }

func (m *memory) LocalAddr() net.Addr             { return &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 5060} }
func (m *memory) WriteMsg(msg wire.Message) error { m.sent = append(m.sent, msg); return nil }
func (m *memory) Ref(int) int                     { return 1 }
func (m *memory) TryClose() (int, error)          { return 1, nil }
func (m *memory) Close() error                    { return nil }

// FuzzMessage puts a datagram through all that happens to one short of a leg,
// from a trunk and from a stranger. Nothing may panic, and nothing that would be
// sent may hold a line break or a NUL of the sender's in a header.
func FuzzMessage(f *testing.F) {
	for _, c := range tortures {
		f.Add(torture(f, c.file))
	}
	for _, text := range examples {
		f.Add([]byte(crlf(text)))
		for _, part := range []string{";tag=", "<sip:", ";branch=", "Call-ID: ", "SIP/2.0\r", "z9hG4bK"} { // a line break and a NUL in each
			f.Add([]byte(strings.Replace(crlf(text), part, part+"\nX-Evil: 1", 1)))
			f.Add([]byte(strings.Replace(crlf(text), part, part+"\x00", 1)))
		}
	}
	inside := []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
	online := &exchange{online: make(chan string, 1), story: func(context.Context, pbx.Leg, pbx.Arrival) {}}
	trusting, err := New(Config{Exchange: online, Trunks: []Trunk{{Name: "carrier", From: inside}}})
	if err != nil {
		f.Fatal(err)
	}
	wary, err := New(Config{Exchange: online})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		for _, s := range []*Server{trusting, wary} {
			s.strangers = strangers{}
			for _, isStream := range []bool{true, false} {
				if code := misshapen(raw, isStream); code != 0 {
					harmlessText(t, s.rebuff(raw, code, netip.MustParseAddrPort("127.0.0.1:5070")))
				}
			}
			msg, err := wire.ParseMessage(raw)
			if err != nil {
				return
			}
			s.work.fault = func(fault any) { t.Errorf("panic: %v", fault) }
			s.strangers = strangers{}
			msg.SetTransport("UDP")
			msg.SetSource("127.0.0.1:5070")
			switch m := msg.(type) {
			case *wire.Response:
				s.tagRequest(m)
				s.strayResponse(m)
			case *wire.Request:
				harmless(t, dealtWith(s, m))
			}
		}
	})
}

// dealtWith is what would be sent because of a request: the answers, those that
// sipgo would give by itself, and the BYE of a call it began.
func dealtWith(s *Server, req *wire.Request) []wire.Message {
	s.tagRequest(req)
	if req.Transport() != "UDP" { // dropped
		return nil
	}
	conn := new(memory)
	sent := []wire.Message{wire.NewResponseFromRequest(req, 400, "Bad Request", nil)}
	if req.CSeq() == nil {
		return sent // sipgo makes no transaction of it
	}
	tx := wire.NewServerTx("fuzz", req, conn, slog.New(slog.DiscardHandler))
	_ = tx.Init()
	defer tx.Terminate()
	s.receive(context.Background(), req, tx)
	sent = append(sent, conn.sent...)
	if req.Method == wire.INVITE && invalid(req) == 0 {
		d, err := dialogOf(req, path{network: "UDP", here: netip.MustParseAddr("127.0.0.1"), port: 5060})
		if err == nil {
			bye := d.compose(wire.BYE, 1)
			bye.SetBody(nil)
			sent = append(sent, bye, respond(req, 200, d.contact()))
		}
	}
	return sent
}

func harmless(t *testing.T, sent []wire.Message) {
	t.Helper()
	for _, m := range sent {
		start := fmt.Sprint(m)
		start, _, _ = strings.Cut(start, "\r\n")
		if strings.ContainsAny(start, "\r\n\x00") {
			t.Errorf("first line %q", start)
		}
		lines := 0
		for _, h := range headers(m) {
			lines++
			if text := h.String(); strings.ContainsAny(text, "\r\n\x00") {
				t.Errorf("header %q", text)
			}
		}
		head, _, _ := strings.Cut(m.String(), "\r\n\r\n")
		if n := strings.Count(head, "\n"); n != lines {
			t.Errorf("%d lines of %d headers in\n%q", n, lines, head)
		}
	}
}

// harmlessText is harmless for an answer we write ourselves.
func harmlessText(t *testing.T, answer []byte) {
	t.Helper()
	for i, line := range strings.Split(strings.TrimSuffix(string(answer), "\r\n\r\n"), "\r\n") {
		name, _, _ := strings.Cut(line, ":")
		if len(answer) > 0 && !clean(line) || i > 0 && !slices.Contains([]string{"Via", "From", "To", "Call-ID", "CSeq", "Content-Length"}, name) {
			t.Errorf("line %q", line)
		}
	}
}

func headers(m wire.Message) []wire.Header {
	switch m := m.(type) {
	case *wire.Request:
		return m.Headers()
	case *wire.Response:
		return m.Headers()
	}
	return nil
}

// examples are the messages of RFC 3261 §24, shortened to what differs.
var examples = []string{
	`REGISTER sip:registrar.biloxi.com SIP/2.0
Via: SIP/2.0/UDP bobspc.biloxi.com:5060;branch=z9hG4bKnashds7
Max-Forwards: 70
To: Bob <sip:bob@biloxi.com>
From: Bob <sip:bob@biloxi.com>;tag=456248
Call-ID: 843817637684230@998sdasdh09
CSeq: 1826 REGISTER
Contact: <sip:bob@192.0.2.4>
Expires: 7200
`, `INVITE sip:bob@biloxi.com SIP/2.0
Via: SIP/2.0/UDP bigbox3.site3.atlanta.com;branch=z9hG4bK77ef4c2312983.1
Via: SIP/2.0/UDP pc33.atlanta.com;branch=z9hG4bKnashds8;received=192.0.2.1
Max-Forwards: 69
Record-Route: <sip:p1.example.com;lr>
Timestamp: 54
To: Bob <sip:bob@biloxi.com>
From: Alice <sip:alice@atlanta.com>;tag=1928301774
Call-ID: a84b4c76e66710
CSeq: 314159 INVITE
Contact: <sip:alice@pc33.atlanta.com>
Content-Type: application/sdp

v=0
`, `INVITE sip:74950000000@biloxi.com SIP/2.0
v: SIP/2.0/UDP pc33.atlanta.com;branch=z9hG4bKnashds8;rport
t: "Bob \"x\"" <sip:bob@biloxi.com>
f: "Alice" <sip:+79161234567@atlanta.com;user=phone>;tag=1928301774
i: a84b4c76e66710
CSeq: 1 INVITE
m: <sip:alice@pc33.atlanta.com>
k: timer, 100rel
x: 90;refresher=uas
P-Asserted-Identity: <tel:+79161234567>
Proxy-Authorization: Digest username="anna", realm="cabline", nonce="x", uri="sip:a", response="y", qop=auth, nc=00000001, cnonce="z"
`, `CANCEL sip:bob@biloxi.com SIP/2.0
Via: SIP/2.0/UDP pc33.atlanta.com;branch=z9hG4bKnashds8
Max-Forwards: 70
To: <sip:bob@biloxi.com>
From: <sip:alice@atlanta.com>;tag=1928301774
Call-ID: a84b4c76e66710
CSeq: 1 CANCEL
`, `BYE sip:alice@pc33.atlanta.com SIP/2.0
Via: SIP/2.0/UDP 192.0.2.4;branch=z9hG4bKnashds10
Max-Forwards: 70
From: Bob <sip:bob@biloxi.com>;tag=a6c85cf
To: Alice <sip:alice@atlanta.com>;tag=1928301774
Call-ID: a84b4c76e66710
CSeq: 231 BYE
`, `SIP/2.0 200 OK
Via: SIP/2.0/UDP pc33.atlanta.com;branch=z9hG4bKnashds8;received=192.0.2.1
To: Bob <sip:bob@biloxi.com>;tag=a6c85cf
From: Alice <sip:alice@atlanta.com>;tag=1928301774
Call-ID: a84b4c76e66710
CSeq: 314159 INVITE
Contact: <sip:bob@192.0.2.4>
`}

// FuzzInfoBody reads keys out of INFO bodies; only keys come out.
func FuzzInfoBody(f *testing.F) {
	for _, body := range []string{"5", "#", " a ", "10", "Signal=5\r\nDuration=160\r\n", "Signal = *\n", "signal=11", "Signal=", "=\r\n==", "Signal=5\r\nSignal=6\r\n", "Signal=\x00"} {
		f.Add("application/dtmf-relay", []byte(body))
		f.Add("application/dtmf", []byte(body))
	}
	f.Fuzz(func(t *testing.T, kind string, body []byte) {
		key, ok := digitIn(kind, body)
		if ok != strings.Contains("0123456789*#ABCD", string(rune(key))) {
			t.Errorf("%q, %v", key, ok)
		}
	})
}

// FuzzCredentials reads what strangers send as a password, and carriers as a
// challenge. Nothing but the password of a login opens, and what answers a
// challenge is one clean line.
func FuzzCredentials(f *testing.F) {
	for _, text := range []string{
		`Digest username="anna", realm="cabline", nonce="x", uri="sip:a", response="y", qop=auth, nc=00000001, cnonce="z"`,
		`Digest realm="cabline", nonce="n\r\nX-Evil: 1", qop="auth,auth-int", algorithm=SHA-256, stale=true`, `Digest realm="a", nonce="b"`, `Basic YTpi`, `Digest`, "Digest username=\"\x00\"",
	} {
		f.Add(text)
	}
	s, err := New(Config{Realm: "cabline", Exchange: &exchange{}, Accounts: func(login string) (string, bool) { return sum("anna:cabline:secret"), login == "anna" }})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, text string) {
		req := wire.NewRequest(wire.REGISTER, wire.Uri{Scheme: "sip", Host: "pbx.test"})
		req.SetSource("192.0.2.1:5060")
		req.AppendHeader(wire.NewHeader("Authorization", text))
		if v := s.digest.judge(req, s.digest.credentials(req, "authorization")); v == right {
			t.Errorf("%q opens", text)
		}
		res := wire.NewResponse(401, "Unauthorized")
		res.AppendHeader(wire.NewHeader("WWW-Authenticate", text))
		g := login{user: "user", password: "secret", mine: func(string) bool { return true }}
		if g.answer(req, res) != nil {
			return
		}
		for _, h := range g.headers() {
			if line := h.String(); strings.ContainsAny(line, "\r\n\x00") || strings.Contains(line, "secret") {
				t.Errorf("%q is answered with %q", text, line)
			}
		}
	})
}

// FuzzStream cuts a stream of messages into pieces: what comes out does not
// depend on where it is cut.
func FuzzStream(f *testing.F) {
	f.Add([]byte("\r\n\r\nOPTIONS sip:a SIP/2.0\r\nContent-Length: 3\r\n\r\nabc\r\n\r\n"), uint8(1))
	f.Add([]byte("OPTIONS sip:a SIP/2.0\nl: 99999999999999999999\r\n\r\n"), uint8(7))
	f.Add([]byte("\r\r\n\nOPTIONS sip:a SIP/2.0\r\nl: -1\r\n\r\nOPTIONS"), uint8(3))
	f.Fuzz(func(t *testing.T, stream []byte, size uint8) {
		var whole, cut lull
		want, wantPings := whole.pass(bytes.Clone(stream))
		want = bytes.Clone(want)
		var got []byte
		pings := 0
		for len(stream) > 0 {
			n := min(len(stream), int(size)+1)
			part, p := cut.pass(bytes.Clone(stream[:n]))
			got, pings, stream = append(got, part...), pings+p, stream[n:]
		}
		if !bytes.Equal(got, want) || pings != wantPings || len(cut.head) > maxHead {
			t.Errorf("%d pings, %q; whole: %d, %q", pings, got, wantPings, want)
		}
	})
}
