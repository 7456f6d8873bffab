package sip

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coder/websocket"
)

// phone is a SIP peer that sends exactly what a test tells it to.
type phone struct {
	t       *testing.T
	got     chan message
	self    string // host:port
	network string // as in Via
	write   func([]byte) error
	peer    atomic.Value  // of UDP: the server, a *net.UDPAddr
	hangUp  func()        // closes the connection
	gone    chan struct{} // of a stream: closed when it is over
	seen    sync.Map      // the messages that were wanted, which may be repeated
}

// forAMoment is the time for what takes a moment, however busy the machine is.
const forAMoment = time.Minute

// message is what a phone received, as bytes.
type message string

var serial atomic.Int64

// newPhone opens a phone on UDP; the server under test becomes its peer by
// bench.peer.
func newPhone(t *testing.T) *phone {
	t.Helper()
	return newPhoneAt(t, "127.0.0.1:0")
}

func newPhoneAt(t *testing.T, addr string) *phone {
	t.Helper()
	conn, err := net.ListenPacket("udp", addr)
	if err != nil {
		t.Fatal(err)
	}
	p := &phone{t: t, network: "UDP", got: make(chan message, 1000), self: conn.LocalAddr().String(), hangUp: func() { conn.Close() }}
	p.write = func(b []byte) error { _, err := conn.WriteTo(b, p.peer.Load().(net.Addr)); return err }
	go func() {
		buf := make([]byte, 65536)
		for {
			n, from, err := conn.ReadFrom(buf)
			if err != nil {
				return
			}
			if to, ok := p.peer.Load().(*net.UDPAddr); !ok || from.String() != to.String() {
				continue // a stray from another program's test, whose port this was
			}
			p.got <- message(buf[:n])
		}
	}()
	t.Cleanup(p.hangUp)
	return p
}

// phone opens a phone on UDP that talks to the server under test, from where
// that is.
func (b *bench) phone() *phone {
	b.t.Helper()
	host, _, _ := net.SplitHostPort(b.addr)
	p := newPhoneAt(b.t, net.JoinHostPort(host, "0"))
	b.peer(p)
	return p
}

// tcpPhone opens one on TCP.
func (b *bench) tcpPhone() *phone { return b.tcpPhoneAt("") }

// tcpPhoneAt opens one on TCP at an address.
func (b *bench) tcpPhoneAt(addr string) *phone {
	b.t.Helper()
	conn, err := at(addr).Dial("tcp", b.tcpAddr)
	if err != nil {
		b.t.Fatal(err)
	}
	return stream(b.t, conn)
}

// at dials from an address; empty: from any.
func at(addr string) *net.Dialer {
	if addr == "" {
		return &net.Dialer{}
	}
	return &net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(addr)}}
}

// stream is a phone on a TCP connection.
func stream(t *testing.T, conn net.Conn) *phone { return streamOf(t, conn, false) }

// streamOf is one that may be deaf: it reads a message when a test wants it, and
// perhaps what comes along with that.
func streamOf(t *testing.T, conn net.Conn, deaf bool) *phone {
	room := 1000
	if deaf {
		room = 0
	}
	p := &phone{t: t, network: "TCP", got: make(chan message, room), self: conn.LocalAddr().String(), hangUp: func() { conn.Close() }, gone: make(chan struct{})}
	p.write = func(b []byte) error { _, err := conn.Write(b); return err }
	go func() {
		defer close(p.gone)
		in := bufio.NewReader(conn)
		for {
			m, err := readMessage(in)
			if err != nil {
				return
			}
			p.got <- m
		}
	}()
	t.Cleanup(func() {
		p.hangUp()
		for over := false; deaf && !over; { // it may be about to tell
			select {
			case <-p.got:
			case <-p.gone:
				over = true
			}
		}
	})
	return p
}

func readMessage(in *bufio.Reader) (message, error) {
	var head strings.Builder
	for {
		line, err := in.ReadString('\n')
		if err != nil {
			return "", err
		}
		head.WriteString(line)
		if line == "\r\n" && head.Len() > 2 {
			break
		}
	}
	m := message(head.String())
	n, _ := strconv.Atoi(m.header("Content-Length"))
	body := make([]byte, n)
	_, err := io.ReadFull(in, body)
	return m + message(body), err
}

// page opens a WebSocket as a browser does.
func (b *bench) page() *phone {
	b.t.Helper()
	p, res := b.pageAt("")
	if p == nil {
		b.t.Fatal(res.Status)
	}
	return p
}

// pageAt opens one at an address; nil: it was refused, as the response says.
func (b *bench) pageAt(addr string) (*phone, *http.Response) {
	b.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	client := &http.Client{Transport: &http.Transport{DialContext: at(addr).DialContext}}
	conn, res, err := websocket.Dial(ctx, "ws"+strings.TrimPrefix(b.web(), "http"), &websocket.DialOptions{Subprotocols: []string{"sip"}, HTTPClient: client})
	if err != nil {
		cancel()
		if res == nil {
			b.t.Fatal(err)
		}
		return nil, res
	}
	p := &phone{t: b.t, network: "WS", got: make(chan message, 1000), self: fmt.Sprintf("page%d.invalid", serial.Add(1)), gone: make(chan struct{})}
	p.hangUp = func() { cancel(); conn.CloseNow() }
	p.write = func(m []byte) error { return conn.Write(ctx, websocket.MessageText, m) }
	go func() {
		defer close(p.gone)
		for {
			_, m, err := conn.Read(ctx)
			if err != nil {
				return
			}
			p.got <- message(m)
		}
	}()
	b.t.Cleanup(p.hangUp)
	return p, res
}

// send puts a message on the wire: lines separated by \n, a body after an empty one.
func (p *phone) send(text string) {
	p.t.Helper()
	if err := p.write([]byte(crlf(text))); err != nil {
		p.t.Fatal(err)
	}
}

func crlf(text string) string {
	text = strings.TrimLeft(strings.ReplaceAll(text, "\r\n", "\n"), "\n")
	head, body, _ := strings.Cut(text, "\n\n")
	head, body = strings.ReplaceAll(strings.TrimRight(head, "\n"), "\n", "\r\n"), strings.ReplaceAll(body, "\n", "\r\n")
	return fmt.Sprintf("%s\r\nContent-Length: %d\r\n\r\n%s", head, len(body), body)
}

// want returns the next message that starts with what; messages before it that
// start with one of skip are passed over, any other fails the test. What was
// wanted before is passed over too: it is repeated when the machine is busy.
func (p *phone) want(what string, skip ...string) message {
	p.t.Helper()
	return p.next(false, what, skip...)
}

// wantAgain is want for what may be, word by word, what was wanted before.
func (p *phone) wantAgain(what string, skip ...string) message {
	p.t.Helper()
	return p.next(true, what, skip...)
}

func (p *phone) next(again bool, what string, skip ...string) message {
	p.t.Helper()
	deadline := time.After(forAMoment)
next:
	for {
		select {
		case m := <-p.got:
			_, repeated := p.seen.Load(m)
			if strings.HasPrefix(string(m), what) && (again || !repeated) {
				p.seen.Store(m, true)
				return m
			}
			if repeated {
				continue
			}
			for _, s := range skip {
				if strings.HasPrefix(string(m), s) {
					continue next
				}
			}
			p.t.Fatalf("want %q, got\n%s", what, m)
		case <-deadline:
			p.t.Fatalf("want %q, got nothing", what)
		}
	}
}

// wantAnother returns the next request of a method that is not one again, which
// comes when the machine is busy.
func (p *phone) wantAnother(method string, than message, skip ...string) message {
	p.t.Helper()
	for {
		if m := p.want(method, skip...); m.header("CSeq") != than.header("CSeq") {
			return m
		}
	}
}

// silent fails the test if a message comes within d that was not wanted before.
func (p *phone) silent(d time.Duration) {
	p.t.Helper()
	for end := time.After(d); ; {
		select {
		case m := <-p.got:
			if _, repeated := p.seen.Load(m); !repeated {
				p.t.Fatalf("want silence, got\n%s", m)
			}
		case <-end:
			return
		}
	}
}

// noRepeat is silent that takes no repetition either.
func (p *phone) noRepeat(d time.Duration) {
	p.t.Helper()
	select {
	case m := <-p.got:
		p.t.Fatalf("want no more, got\n%s", m)
	case <-time.After(d):
	}
}

func (m message) header(name string) string {
	head, _, _ := strings.Cut(string(m), "\r\n\r\n")
	for _, line := range strings.Split(head, "\r\n")[1:] {
		key, value, _ := strings.Cut(line, ":")
		if strings.EqualFold(key, name) {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

func (m message) body() string {
	_, body, _ := strings.Cut(string(m), "\r\n\r\n")
	return body
}

// uri is the address within the brackets of a header.
func (m message) uri(name string) string {
	return regexp.MustCompile(`<([^>]*)>`).FindStringSubmatch(m.header(name) + "<>")[1]
}

// reply answers a request as a UAS: code and phrase, then headers, then a body.
func (m message) reply(status, tag, more string) string {
	to := m.header("To")
	if tag != "" && !strings.Contains(to, "tag=") {
		to += ";tag=" + tag
	}
	return fmt.Sprintf("SIP/2.0 %s\nVia: %s\nFrom: %s\nTo: %s\nCall-ID: %s\nCSeq: %s\n%s",
		status, m.header("Via"), m.header("From"), to, m.header("Call-ID"), m.header("CSeq"), more)
}

// talk is one dialog of a phone as UAC.
type talk struct {
	*phone
	id, from, to string // Call-ID, From and To as they stand in requests
	target       string // request line
	seq          int
	branch       string // of the last request
	params       string // of the Contact
	noContact    bool
}

// newTalk prepares a call from a number to a number.
func (p *phone) newTalk(from, to string) *talk {
	n := serial.Add(1)
	return &talk{
		phone: p, id: fmt.Sprintf("call-%d@phone", n),
		from: fmt.Sprintf("<sip:%s@%s>;tag=t%d", from, p.self, n), to: fmt.Sprintf("<sip:%s@pbx.test>", to),
		target: fmt.Sprintf("sip:%s@pbx.test", to),
	}
}

// request sends the next request of the dialog.
func (k *talk) request(method, more string) {
	k.t.Helper()
	if method != "ACK" && method != "CANCEL" {
		k.seq++
	}
	if method != "CANCEL" {
		k.branch = fmt.Sprintf("z9hG4bKtest%d", serial.Add(1))
	}
	k.again(method, more)
}

// again sends a request with the last branch.
func (k *talk) again(method, more string) {
	k.t.Helper()
	k.send(k.text(method, more))
}

func (k *talk) text(method, more string) string {
	contact := fmt.Sprintf("Contact: <sip:phone@%s>%s\n", k.self, k.params)
	if k.noContact {
		contact = ""
	}
	return fmt.Sprintf("%s %s SIP/2.0\nVia: SIP/2.0/%s %s;branch=%s;rport\nMax-Forwards: 70\nFrom: %s\nTo: %s\nCall-ID: %s\nCSeq: %d %s\n%s%s",
		method, k.target, k.network, k.self, k.branch, k.from, k.to, k.id, k.seq, method, contact, more)
}

// upgrade tries to open a WebSocket and returns what comes back: the whole of a
// refusal, or the answer and the first frame.
func upgrade(t *testing.T, url, headers string) string {
	t.Helper()
	host := strings.TrimPrefix(url, "http://")
	conn, err := net.Dial("tcp", host)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprintf(conn, "GET /ws HTTP/1.1\r\nHost: %s\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n%s\r\n", host, headers)
	_ = conn.SetReadDeadline(time.Now().Add(forAMoment))
	in := bufio.NewReader(conn)
	head, _ := readMessage(in) // the same shape as a SIP message
	frame := make([]byte, 1)
	if strings.Contains(string(head), " 101 ") {
		_, _ = in.Read(frame)
	}
	return string(head) + string(frame)
}

const sdpOffer = "Content-Type: application/sdp\n\nv=0\no=- 1 1 IN IP4 127.0.0.1\ns=-\nc=IN IP4 127.0.0.1\nt=0 0\nm=audio 4000 RTP/AVP 8 101\na=rtpmap:101 telephone-event/8000\n"

// enter takes over what a 2xx or a 180 says about the dialog.
func (k *talk) enter(m message) {
	k.to, k.target = m.header("To"), m.uri("Contact")
}

// call brings the call up to the ACK.
func (k *talk) call() message {
	k.t.Helper()
	k.request("INVITE", sdpOffer)
	ok := k.want("SIP/2.0 200", "SIP/2.0 1")
	k.enter(ok)
	k.request("ACK", "")
	return ok
}
