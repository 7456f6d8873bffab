package sip

import (
	"bytes"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"

	wire "github.com/emiago/sipgo/sip"
)

const plainRequest = `OPTIONS sip:user@example.org SIP/2.0
Via: SIP/2.0/UDP host4.example.com:5060;branch=z9hG4bKkdju43234;rport
Max-Forwards: 70
From: "Bell, \"A\"" <sip:a.g.bell@example.com>;tag=433423
To: Watson <sip:t.watson@example.org>
Call-ID: one
CSeq: 2147483647 OPTIONS
`

func TestWhichRequestsCannotBeRead(t *testing.T) {
	for name, c := range map[string]struct {
		from, to string
		code     int
	}{
		"as it should be":                {"", "", 0},
		"a folded header":                {";rport", "\n ;rport", 0},
		"a CSeq in two lines":            {"2147483647 OPTIONS", "\n\t8\t OPTIONS", 0},
		"two Via in one line":            {";rport", ", SIP/2.0/UDP b;branch=z9hG4bKx ; rport", 0},
		"a response":                     {"OPTIONS sip:user@example.org SIP/2.0", "SIP/2.0 200  OK", 0},
		"another protocol":               {"SIP/2.0", "HTTP/1.1", 0},
		"a blank more":                   {"OPTIONS sip", "OPTIONS  sip", 400},
		"a blank at the end":             {"org SIP/2.0", "org SIP/2.0 ", 400},
		"a blank within":                 {"user@", "us er@", 400},
		"an address in brackets":         {"sip:user@example.org ", "<sip:user@example.org> ", 400},
		"a scheme with a dot":            {"sip:user", "soap.beep:user", 416},
		"a scheme alone":                 {"sip:user@example.org ", "sip ", 400},
		"nothing behind the scheme":      {"sip:user@example.org ", "sips: ", 0}, // is refused when it is read
		"nothing behind a user":          {"sip:user@example.org ", "sip:user@ ", 0},
		"no scheme":                      {"sip:user@example.org ", "user@example.org ", 400},
		"IPv6 without brackets":          {"sip:user@example.org ", "sip:2001:db8::10 ", 400},
		"IPv6 without, of a user":        {"sip:user@example.org ", "sips:a:b@2001:db8::10;x=y ", 400},
		"IPv6 in brackets":               {"sip:user@example.org ", "sip:a:b@[2001:db8::10]:5060;x=y ", 0},
		"colons behind a port":           {"sip:user@example.org ", "sip:user@example.org:5060;x=y:z?a=b:c ", 0},
		"a CSeq that is too large":       {"2147483647", "2147483648", 400},
		"a CSeq without a number":        {"2147483647 ", "", 400},
		"an empty parameter":             {";rport", ";;rport", 400},
		"a comma at the end of Via":      {";rport", ";rport,", 400},
		"a quote without an end":         {"To: W", "t: \"W", 400},
		"a blank within the brackets":    {"<sip:t", "< sip:t", 400},
		"a length that is less than 0":   {"CSeq", "l: -1\nCSeq", 400},
		"a length that is no number":     {"CSeq", "Content-length: x\nCSeq", 400},
		"a length of more than there is": {"CSeq", "Content-Length: 1\nCSeq", 400},
	} {
		text := strings.Replace(plainRequest, c.from, c.to, 1)
		raw := strings.ReplaceAll(text, "\n", "\r\n") + "\r\n"
		if code := misshapen([]byte(raw), false); code != c.code {
			t.Errorf("%s: %d, want %d", name, code, c.code)
		}
		if _, err := wire.ParseMessage([]byte(raw)); err != nil && c.code == 0 && !strings.Contains(raw, "HTTP") {
			t.Errorf("%s: sipgo cannot read it: %v", name, err)
		}
	}
}

// In a stream the length says where the next message begins: there has to be one,
// and one alone.
func TestAStreamIsOfNoUseWithoutALengthOrWithTwo(t *testing.T) {
	head := strings.ReplaceAll(plainRequest, "\n", "\r\n")
	for name, c := range map[string]struct {
		lengths      string
		inStream, or int
	}{
		"one":           {"Content-Length: 0\r\n", 0, 0},
		"one, in short": {"l: 5\r\n", 0, 400}, // a datagram has no more than it has
		"none":          {"", 400, 0},
		"two":           {"Content-Length: 0\r\nl: 0\r\n", 400, 400},
	} {
		raw := []byte(head + c.lengths + "\r\n")
		if got := misshapen(raw, true); got != c.inStream {
			t.Errorf("%s in a stream: %d, want %d", name, got, c.inStream)
		}
		if got := misshapen(raw, false); got != c.or {
			t.Errorf("%s in a datagram: %d, want %d", name, got, c.or)
		}
	}
}

// One goroutine reads a socket, and nobody else would.
func TestAFaultOfOursInLookingAtARequestEndsNothing(t *testing.T) {
	var told any
	s := &Server{} // has no gate to ask
	s.work.fault = func(fault any) { told = fault }
	answer, unfit := s.rebuffs([]byte("OPTIONS sip SIP/2.0\r\n\r\n"), false, netip.MustParseAddrPort("192.0.2.1:5060"))
	if answer != nil || !unfit || told == nil {
		t.Errorf("%q, %v, told of %v", answer, unfit, told)
	}
}

func TestAStreamIsClosedAfterARequestThatCannotBeRead(t *testing.T) {
	b := start(t, answerAll, nil)
	p := b.tcpPhone()
	text := strings.ReplaceAll(plainRequest, "\n", "\r\n") + "Content-Length: 0\r\n\r\n"
	bad := strings.Replace(text, "OPTIONS sip", "OPTIONS  sip", 1)
	if err := p.write([]byte(text + bad + text)); err != nil { // what comes before is dealt with
		t.Fatal(err)
	}
	wait(t, "end of the connection", p.gone)
	close(p.got)
	var answers []string
	for m := range p.got {
		answers = append(answers, m.status())
		if m.status() == "400" && (m.header("Call-ID") != "one" || m.header("CSeq") != "2147483647 OPTIONS" || !strings.Contains(m.header("To"), ";tag=") ||
			m.header("Via") != "SIP/2.0/UDP host4.example.com:5060;branch=z9hG4bKkdju43234;rport") {
			t.Errorf("got\n%s", m)
		}
	}
	if slices.Sort(answers); !slices.Equal(answers, []string{"200", "400"}) && !slices.Equal(answers, []string{"400"}) { // the first may have been too late
		t.Errorf("answers %q", answers)
	}
}

// Each is sent in two pieces, cut at every byte, over connections made of memory:
// what is written has been read when Write returns, so that no piece is joined
// with the next one.
func TestARequestThatCannotBeReadIsAnsweredWhereverItIsCut(t *testing.T) {
	b := startAlone(t, answerAll, nil, nil)
	port := uint16(1024)
	for file, code := range map[string]string{"badinv01": "400", "ncl": "400", "lwsstart": "400", "trws": "400", "novelsc": "416"} {
		raw := torture(t, file)
		end := bytes.Index(raw, blankLine) + len(blankLine)
		for cut := 1; cut < end; cut++ {
			port++
			theirs, ours := net.Pipe()
			from := net.TCPAddrFromAddrPort(netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), port))
			inner := b.newConnection(t.Context(), innerConn{theirs, b.doors[0].Listener.Addr(), from}, "TCP", func() {})
			if err := b.opened["TCP"].give(inner); err != nil {
				t.Fatal(err)
			}
			p := stream(t, ours)
			if err := p.write(raw[:cut]); err != nil {
				t.Fatalf("%s, the first %d bytes: %v", file, cut, err)
			}
			_ = p.write(raw[cut:])
			m := p.want("SIP/2.0 " + code)
			if m.header("Via") == "" || m.header("Call-ID") == "" {
				t.Errorf("%s, cut at %d:\n%s", file, cut, m)
			}
			p.hangUp()
		}
	}
}

func TestWhoSendsTooMuchThatCannotBeReadGetsNoMoreAnswers(t *testing.T) {
	s, err := New(Config{Exchange: &exchange{}})
	if err != nil {
		t.Fatal(err)
	}
	defer s.closeSockets()
	from := netip.MustParseAddrPort("192.0.2.1:5060")
	answered := 0
	for range 3 * strangerBurst {
		if s.rebuff([]byte(crlf(plainRequest)), 400, from) != nil {
			answered++
		}
	}
	if answered < strangerBurst || answered > 2*strangerBurst {
		t.Errorf("%d of %d answered", answered, 3*strangerBurst)
	}
	other := netip.MustParseAddrPort("192.0.2.2:5060")
	for name, raw := range map[string]string{
		"an ACK": strings.ReplaceAll(plainRequest, "OPTIONS", "ACK"), "no Via": strings.Replace(plainRequest, "Via", "Vi", 1),
		"a control character": strings.Replace(plainRequest, "Watson", "Wat\x01son", 1),
	} {
		if answer := s.rebuff([]byte(crlf(raw)), 400, other); answer != nil {
			t.Errorf("%s is answered\n%s", name, answer)
		}
	}
}

func BenchmarkMisshapen(b *testing.B) {
	raw := []byte(crlf(fmt.Sprintf("%sContact: <sip:a@b>\nUser-Agent: x\nSupported: timer\n%s", plainRequest, sdpOffer)))
	for b.Loop() {
		if misshapen(raw, false) != 0 {
			b.Fatal("it can be read")
		}
	}
}
