package sip

import (
	"fmt"
	"net"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// phone is a SIP peer over UDP that sends exactly what a test tells it to.
type phone struct {
	t    *testing.T
	conn net.PacketConn
	peer net.Addr
	got  chan message
	self string // host:port
}

// message is what a phone received, as bytes.
type message string

var serial atomic.Int64

// newPhone opens a phone; it sends to peer, when that is set.
func newPhone(t *testing.T) *phone {
	t.Helper()
	conn, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &phone{t: t, conn: conn, got: make(chan message, 1000), self: conn.LocalAddr().String()}
	go func() {
		buf := make([]byte, 65536)
		for {
			n, _, err := conn.ReadFrom(buf)
			if err != nil {
				return
			}
			p.got <- message(buf[:n])
		}
	}()
	t.Cleanup(func() { conn.Close() })
	return p
}

// phone opens a phone that talks to the server under test.
func (b *bench) phone() *phone {
	b.t.Helper()
	p := newPhone(b.t)
	b.peer(p)
	return p
}

func (b *bench) peer(p *phone) {
	b.t.Helper()
	addr, err := net.ResolveUDPAddr("udp4", b.addr)
	if err != nil {
		b.t.Fatal(err)
	}
	p.peer = addr
}

// send puts a message on the wire: lines separated by \n, a body after an empty one.
func (p *phone) send(text string) {
	p.t.Helper()
	if _, err := p.conn.WriteTo([]byte(crlf(text)), p.peer); err != nil {
		p.t.Fatal(err)
	}
}

func crlf(text string) string {
	text = strings.TrimLeft(strings.ReplaceAll(text, "\r\n", "\n"), "\n")
	head, body, _ := strings.Cut(text, "\n\n")
	head, body = strings.ReplaceAll(head, "\n", "\r\n"), strings.ReplaceAll(body, "\n", "\r\n")
	return fmt.Sprintf("%s\r\nContent-Length: %d\r\n\r\n%s", head, len(body), body)
}

// want returns the next message that starts with what; messages before it that
// start with one of skip are passed over, any other fails the test.
func (p *phone) want(what string, skip ...string) message {
	p.t.Helper()
	deadline := time.After(10 * time.Second)
next:
	for {
		select {
		case m := <-p.got:
			if strings.HasPrefix(string(m), what) {
				return m
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

// silent fails the test if a message comes within d.
func (p *phone) silent(d time.Duration) {
	p.t.Helper()
	select {
	case m := <-p.got:
		p.t.Fatalf("want silence, got\n%s", m)
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
	return fmt.Sprintf("%s %s SIP/2.0\nVia: SIP/2.0/UDP %s;branch=%s;rport\nMax-Forwards: 70\nFrom: %s\nTo: %s\nCall-ID: %s\nCSeq: %d %s\nContact: <sip:phone@%s>\n%s",
		method, k.target, k.self, k.branch, k.from, k.to, k.id, k.seq, method, k.self, more)
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
