package sip

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"cabline/pbx"
)

// silence is the outcome of a message that is not answered.
const silence = 0

// torturing is one message of RFC 4475 with its outcomes.
type torturing struct {
	file, section   string
	trunk, stranger int
	called          int        // the same, to a number of ours; 0: not sent
	inStream        *[2]string // what comes over TCP, to the trunk and to the stranger, where it is not the same
	closes          bool       // a connection over TCP then
	why             string
}

// tortures are the messages of RFC 4475, in its order, and what becomes of each:
// sent from a trunk's address, sent by a stranger, and sent from the trunk to a
// number of ours in place of the user the RFC calls ("user", "joe", …), whom
// nobody here knows. A stranger who calls or registers is challenged before
// anything is looked at that a valid message may differ in; what is behind the
// challenge to a REGISTER is in registrations.
//
// Every request is answered; responses and ACKs are not. A stream in which a
// message cannot be read is closed, after the answer where there is one.
var tortures = []torturing{
	{file: "wsinv", section: "3.1.1.1", trunk: 481, stranger: 481, why: "valid; the To tag names a dialog that is not"},
	{file: "intmeth", section: "3.1.1.2", trunk: 501, stranger: 501, why: "valid; a method nobody knows"},
	{file: "esc01", section: "3.1.1.3", trunk: 404, stranger: 407, why: "valid; the user is sips:user@example.com, not a number"},
	{file: "escnull", section: "3.1.1.4", trunk: 401, stranger: 401, why: "valid; %00 stays escaped"},
	{file: "esc02", section: "3.1.1.5", trunk: 501, stranger: 501, why: "valid; RE%47IST%45R is not REGISTER"},
	{file: "lwsdisp", section: "3.1.1.6", trunk: 200, stranger: 200, why: "valid"},
	{file: "longreq", section: "3.1.1.7", trunk: 404, stranger: 407, called: 200, why: "valid"},
	{file: "dblreq", section: "3.1.1.8", trunk: 401, stranger: 401, inStream: &[2]string{"401 404", "401 407"}, closes: true, why: "valid; the INVITE after the end is ignored, but in a stream it is a second message, and what follows is none"},
	{file: "semiuri", section: "3.1.1.9", trunk: 200, stranger: 200, why: "valid"},
	{file: "transports", section: "3.1.1.10", trunk: 200, stranger: 200, why: "valid"},
	{file: "mpart01", section: "3.1.1.11", trunk: 405, stranger: 405, why: "valid; we take no MESSAGE"},
	{file: "unreason", section: "3.1.1.12", why: "valid; no request of ours waits for it"},
	{file: "noreason", section: "3.1.1.13", why: "valid; no request of ours waits for it"},

	{file: "badinv01", section: "3.1.2.1", trunk: 400, stranger: 400, closes: true, why: "empty parameters in Via"},
	{file: "clerr", section: "3.1.2.2", trunk: 400, stranger: 400, inStream: &[2]string{}, why: "the body is shorter than said; in a stream the rest is waited for"},
	{file: "ncl", section: "3.1.2.3", trunk: 400, stranger: 400, closes: true, why: "negative Content-Length"},
	{file: "scalar02", section: "3.1.2.4", trunk: 400, stranger: 400, closes: true, why: "CSeq does not fit 32 bits"},
	{file: "scalarlg", section: "3.1.2.5", closes: true, why: "a response, to be discarded"},
	{file: "quotbal", section: "3.1.2.6", trunk: 400, stranger: 400, closes: true, why: "quote without an end"},
	{file: "ltgtruri", section: "3.1.2.7", trunk: 400, stranger: 400, closes: true, why: "request URI in brackets"},
	{file: "lwsruri", section: "3.1.2.8", trunk: 400, stranger: 400, closes: true, why: "blank in the request URI"},
	{file: "lwsstart", section: "3.1.2.9", trunk: 400, stranger: 400, closes: true, why: "blanks in the request line"},
	{file: "trws", section: "3.1.2.10", trunk: 400, stranger: 400, closes: true, why: "blanks after the request line"},
	{file: "escruri", section: "3.1.2.11", trunk: 400, stranger: 400, why: "headers in the request URI"},
	{file: "baddate", section: "3.1.2.12", trunk: 404, stranger: 407, called: 200, why: "we do not read Date, so it may be what it likes"},
	{file: "regbadct", section: "3.1.2.13", trunk: 401, stranger: 401, why: "the challenge comes before the look at Contact"},
	{file: "badaspec", section: "3.1.2.14", trunk: 400, stranger: 400, closes: true, why: "blanks inside the brackets"},
	{file: "baddn", section: "3.1.2.15", trunk: 400, stranger: 400, inStream: &[2]string{}, why: "no empty line ends the headers; in a stream it is waited for"},
	{file: "badvers", section: "3.1.2.16", trunk: 505, stranger: 505},
	{file: "mismatch01", section: "3.1.2.17", trunk: 400, stranger: 400},
	{file: "mismatch02", section: "3.1.2.18", trunk: 400, stranger: 400, why: "or 501, says the RFC"},
	{file: "bigcode", section: "3.1.2.19", closes: true, why: "a response, to be discarded"},

	{file: "badbranch", section: "3.2.1", trunk: 200, stranger: 200, why: "the branch counts for none: matched as RFC 2543 had it"},

	{file: "insuf", section: "3.3.1", trunk: 400, stranger: 400},
	{file: "unkscm", section: "3.3.2", trunk: 416, stranger: 416},
	{file: "novelsc", section: "3.3.3", trunk: 416, stranger: 416, closes: true, why: "a scheme with a dot"},
	{file: "unksm2", section: "3.3.4", trunk: 401, stranger: 401, why: "the challenge comes before the look at To"},
	{file: "bext01", section: "3.3.5", trunk: 420, stranger: 420},
	{file: "invut", section: "3.3.6", trunk: 404, stranger: 407, called: 415},
	{file: "regaut01", section: "3.3.7", trunk: 401, stranger: 401, why: "credentials of a scheme nobody knows are none"},
	{file: "multi01", section: "3.3.8", trunk: 400, stranger: 400},
	{file: "mcl01", section: "3.3.9", trunk: 400, stranger: 400, closes: true, why: "two lengths; in a stream nobody knows what comes next"},
	{file: "bcast", section: "3.3.10", why: "a response, to be discarded; nothing goes to 255.255.255.255"},
	{file: "zeromf", section: "3.3.11", trunk: 200, stranger: 200, why: "it goes no further than us"},
	{file: "cparam01", section: "3.3.12", trunk: 401, stranger: 401, why: "valid"},
	{file: "cparam02", section: "3.3.13", trunk: 401, stranger: 401, why: "valid"},
	{file: "regescrt", section: "3.3.14", trunk: 401, stranger: 401, why: "valid"},
	{file: "sdp01", section: "3.3.15", trunk: 406, stranger: 406, called: 406, why: "what we could answer is not acceptable"},

	{file: "inv2543", section: "3.4.1", trunk: 400, stranger: 400, closes: true, why: "no tag in From, and no Contact to make a dialog with; in a stream a length is needed, too"},
}

func torture(t testing.TB, file string) []byte { return tortureOf(t, "torture", file) }

func tortureOf(t testing.TB, folder, file string) []byte {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join("..", "..", "testdata", "sip", folder, file+".dat"))
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// alley is a UDP socket that leads the answers to the RFC's messages home. They
// have no rport, so an answer goes to the address they came from and the port in
// their Via (RFC 3261 §18.2.2); it reaches the phone that lives at the address.
type alley struct {
	net.PacketConn
	home *net.UDPAddr
}

var alleyHouse = netip.MustParseAddr("127.4.75.1")

func (a alley) WriteTo(b []byte, to net.Addr) (int, error) {
	if at := to.(*net.UDPAddr); at.IP.Equal(a.home.IP) && at.Port < 32768 { // above are other phones of ours
		to = a.home
	}
	return a.PacketConn.WriteTo(b, to)
}

// torment sends one message and checks what comes back, first of all; after a
// message that is not answered, another one is.
func torment(t *testing.T, b *bench, p *phone, raw []byte, want int) {
	t.Helper()
	if err := p.write(raw); err != nil {
		t.Fatal(err)
	}
	if want != silence {
		m := p.want(fmt.Sprintf("SIP/2.0 %d ", want), "SIP/2.0 1")
		if !clean(strings.ReplaceAll(string(m), "\r\n", "")) {
			t.Errorf("a control character in\n%q", m)
		}
		if missing := m.header("Unsupported"); want == 420 && missing != "nothingSupportsThis, nothingSupportsThisEither" {
			t.Errorf("Unsupported: %s", missing)
		}
	} else {
		p.silent(100 * time.Millisecond)
		k := b.phone().newTalk("1", "2")
		k.request("OPTIONS", "")
		k.want("SIP/2.0 200")
		p.silent(time.Millisecond)
	}
	if len(b.legs) != 0 {
		t.Error("a call came in")
	}
}

// tortureBench runs a server and the phone that sends the message to it.
func tortureBench(t *testing.T, at netip.Addr, network string, strangers bool) (*bench, *phone) {
	house := newPhoneAt(t, netip.AddrPortFrom(at, 0).String())
	b := startAlone(t, answerAll, func(c *Config) {
		if at.Is6() {
			overIPv6(c)
		}
		if strangers {
			c.Trunks = nil
		}
	}, func(s *Server) {
		s.udp[0].PacketConn = alley{s.udp[0].PacketConn, net.UDPAddrFromAddrPort(netip.MustParseAddrPort(house.self))}
	})
	b.peer(house)
	p := house
	if network == "TCP" {
		p = b.tcpPhone()
	}
	return b, p
}

// calledAt sends an INVITE to a number of ours. A call that comes in is brought to
// its end.
func calledAt(t *testing.T, at netip.Addr, raw []byte, network string, want int) {
	t.Helper()
	b, p := tortureBench(t, at, network, false)
	callOurs(t, b, p, raw, want)
}

func callOurs(t *testing.T, b *bench, p *phone, raw []byte, want int) {
	t.Helper()
	if err := p.write(bytes.Replace(raw, []byte("sip:user@"), []byte("sip:74950000000@"), 1)); err != nil {
		t.Fatal(err)
	}
	m := p.want(fmt.Sprintf("SIP/2.0 %d ", want), "SIP/2.0 1")
	if want != 200 {
		return
	}
	seq, _ := strconv.Atoi(strings.Fields(m.header("CSeq"))[0])
	for i, method := range []string{"ACK", "BYE"} {
		p.send(fmt.Sprintf("%s sip:cabline SIP/2.0\nVia: SIP/2.0/%s x;branch=z9hG4bKend%d\nMax-Forwards: 70\nFrom: %s\nTo: %s\nCall-ID: %s\nCSeq: %d %[1]s\n",
			method, p.network, i, m.header("From"), m.header("To"), m.header("Call-ID"), seq+i))
	}
	p.want("SIP/2.0 200 OK\r\nVia: SIP/2.0/"+p.network+" x", "SIP/2.0 200")
	if err := ended(t, wait(t, "leg", b.legs)); !errors.Is(err, pbx.ErrHungUp) {
		t.Error(err)
	}
}

// All of them through one server, which then has nothing left of them.
func TestTheMessagesOfRFC4475LeaveNothingBehind(t *testing.T) {
	before := goleak.IgnoreCurrent()
	func() {
		b := startAlone(t, answerAll, nil, nil)
		p, caller := b.phone(), b.phone()
		defer p.hangUp()
		defer caller.hangUp()
		work := func() {
			k := caller.newTalk("79161234567", "74950000000")
			k.call()
			k.bye()
		}
		work()
		until(t, "the call is over", func() bool { return b.Server.legs.count() == 0 })
		serving := goleak.IgnoreCurrent()
		for _, c := range tortures {
			raw := torture(t, c.file)
			_ = p.write(raw)
			over := b.tcpPhone()
			_ = over.write(raw)
			over.hangUp()
		}
		work() // it still works
		dealt(t)
		until(t, "what the messages have begun is over while the server goes on", func() bool {
			return b.Server.legs.count() == 0 && goleak.Find(serving) == nil
		})
		b.stop()
	}()
	goleak.VerifyNone(t, before)
}

// dealt waits until sipgo has got to every request it has read: it would open a
// socket of its own for one it gets to when ours are closed.
func dealt(t *testing.T) {
	t.Helper()
	stacks := make([]byte, 1<<22)
	for deadline := time.Now().Add(forAMoment); bytes.Contains(stacks[:runtime.Stack(stacks, true)], []byte("handleRequestBackground")); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("requests are still being dealt with")
		}
	}
}

// The bytes are those that were taken, all of them, and no others.
func TestTheMessagesOfRFC4475AreUnchanged(t *testing.T) {
	sums, err := os.ReadFile(filepath.Join("..", "..", "testdata", "sip", "torture", "SHA256SUMS"))
	if err != nil {
		t.Fatal(err)
	}
	var have string
	for _, c := range slices.SortedFunc(slices.Values(tortures), func(a, b torturing) int { return strings.Compare(a.file, b.file) }) {
		have += fmt.Sprintf("%x  %s.dat\n", sha256.Sum256(torture(t, c.file)), c.file)
	}
	if have != string(sums) {
		t.Errorf("the sums are\n%s", have)
	}
}

// The bytes are the RFC's: what it says of them is so.
func TestTheMessagesAreAsRFC4475SaysOfThem(t *testing.T) {
	length := regexp.MustCompile(`(?im)^(?:content-length|l)\s*:\s*(\d+)`)
	wrong := map[string]bool{"clerr": true, "mcl01": true, "dblreq": true}
	for _, c := range tortures {
		head, body, ended := bytes.Cut(torture(t, c.file), []byte("\r\n\r\n"))
		if ended == (c.file == "baddn") {
			t.Errorf("%s: headers end: %v", c.file, ended)
		}
		if bytes.Count(head, []byte("\n")) != bytes.Count(head, []byte("\r\n")) || bytes.Count(head, []byte("\r")) != bytes.Count(head, []byte("\r\n")) {
			t.Errorf("%s: a line that CR LF does not end", c.file)
		}
		if n := bytes.Count(head, []byte{0}); n != map[string]int{"intmeth": 1}[c.file] {
			t.Errorf("%s: %d NULs", c.file, n)
		}
		if m := length.FindSubmatch(head); m != nil && !wrong[c.file] && string(m[1]) != strconv.Itoa(len(body)) {
			t.Errorf("%s: Content-Length %s, body %d", c.file, m[1], len(body))
		}
	}
	for file, parts := range map[string][]string{
		"wsinv":    {"TO :\r\n sip:vivekg@", "cseq: 0009\r\n  INVITE", `"J Rosenberg \\\""`, "UnknownHeaderWithUnusualValue: ;;,,;;,;"},
		"intmeth":  {"BEL:\\\a NUL:\\\x00 DEL:\\\x7f", "Max-Forwards: 255", "word%ZK-!.*_+'@word`~)(><:\\/\"][?}{", "\ufeff\u5927\u505c\u96fb"},
		"esc01":    {"sips%3Auser%40example.com@example.net", "n%61me=v%61lue%25%34%31"},
		"escnull":  {"<sip:%00@", "<sip:%00%00@"},
		"esc02":    {"RE%47IST%45R", "C%6Fntact:", "z9hG4bK209%fzsnel234"},
		"lwsdisp":  {"From: caller<sip:"},
		"longreq":  {strings.Repeat("extreme", 10), strings.Repeat("982", 50) + "424", strings.Repeat("amazinglylongcallername", 5), "one" + strings.Repeat("really", 20) + "longcallid", strings.Repeat("Long", 20), "very" + strings.Repeat("long", 50) + "branchvalue"},
		"unreason": {"= 2**3 * 5**2 но сто девяносто девять - простое"},
		"noreason": {"SIP/2.0 100 \r\n"},
		"clerr":    {"Content-Length: 9999"},
		"ncl":      {"Content-Length: -999"},
		"scalar02": {"36893488147419103232", "Max-Forwards: 300", "expires=280297596632815", "Expires: 1" + strings.Repeat("0", 100)},
		"scalarlg": {"9292394834772304023312", "949302838503028349304023988", "Warning: 1812"},
		"trws":     {"SIP/2.0  \r\n"},
		"lwsstart": {"INVITE  sip:user@example.com  SIP/2.0"},
		"bigcode":  {"SIP/2.0 4294967301 better not break the receiver"},
		"bext01":   {"nothingSupportsThis, nothingSupportsThisEither"},
	} {
		for _, part := range parts {
			if !strings.Contains(string(torture(t, file)), part) {
				t.Errorf("%s has no %q", file, part)
			}
		}
	}
}
