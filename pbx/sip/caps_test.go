package sip

import (
	"net"
	"net/http/httputil"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
	"golang.org/x/time/rate"
)

// caps are all there are on this side; those of the web port are the console's
// (TestConnectionsTooManyAreAnswered503).
var caps = []struct {
	name   string
	config func(*Config)
	fill   func(*bench) (room func()) // up to the edge; room is made again
	more   func(*bench) (answer message)
}{
	{"calls at once", func(c *Config) { c.MaxCalls = 1 }, oneCall, anotherCall},
	{"channels of a trunk", func(c *Config) { c.Trunks[0].Channels = 1 }, oneCall, anotherCall},
	{"calls a second of a trunk", func(c *Config) { c.Trunks[0].CallsPerSecond = 1 }, func(b *bench) func() {
		b.trunks[0].in.SetLimit(rate.Every(time.Hour)) // so that no machine is slow enough
		end := oneCall(b)
		return func() { end(); b.trunks[0].in.SetLimit(rate.Inf) }
	}, anotherCall},
	{"requests whose answer may have to be repeated", func(c *Config) { c.maxPending = 1 }, func(b *bench) func() {
		k := b.phone().newTalk("79161234567", "nobody")
		k.request("INVITE", sdpOffer)
		k.want("SIP/2.0 404", "SIP/2.0 1")
		return func() { k.again("ACK", "") }
	}, func(b *bench) message {
		k := b.phone().newTalk("1", "2")
		k.request("OPTIONS", "")
		return k.want("SIP/2.0")
	}},
	{"WebSockets", nil, fillPlaces(maxPlaces, false), anotherWebSocket},
	{"WebSockets from one address", nil, fillPlaces(maxHousehold, true), anotherWebSocket},
	{"TCP connections", nil, fillPlaces(maxPlaces, false), another((*bench).tcpPhone)},
	{"TCP connections from one address", nil, fillPlaces(maxHousehold, true), another((*bench).tcpPhone)},
	{"TLS connections", overTLS, fillPlaces(maxPlaces, false), another((*bench).tlsPhone)},
	{"TLS connections from one address", overTLS, fillPlaces(maxHousehold, true), another((*bench).tlsPhone)},
}

func oneCall(b *bench) func() {
	k := b.phone().newTalk("79161234567", "74950000000")
	k.call()
	return k.bye
}

func anotherCall(b *bench) message { return b.phone().mayCall() }

// mayCall calls and returns the final answer; a call that stands is ended.
func (p *phone) mayCall() message {
	p.t.Helper()
	k := p.newTalk("79161234568", "74950000000")
	k.request("INVITE", sdpOffer)
	m := k.want("SIP/2.0", "SIP/2.0 1")
	for m.status()[0] == '1' {
		m = k.want("SIP/2.0")
	}
	k.to = m.header("To")
	if m.status() == "200" {
		k.enter(m)
		k.request("ACK", "")
		k.bye()
	} else {
		_ = k.write([]byte(crlf(k.text("ACK", "")))) // the connection may be gone
	}
	return m
}

func anotherWebSocket(b *bench) message {
	b.t.Helper()
	conn, res, err := websocket.Dial(b.t.Context(), "ws"+strings.TrimPrefix(b.web(), "http"), &websocket.DialOptions{Subprotocols: []string{"sip"}})
	if err == nil {
		defer conn.CloseNow()
	}
	head, err := httputil.DumpResponse(res, false)
	if err != nil {
		b.t.Fatal(err)
	}
	return message(head)
}

// another calls over one more connection.
func another(open func(*bench) *phone) func(*bench) message {
	return func(b *bench) message {
		p := open(b)
		defer p.hangUp()
		return p.mayCall()
	}
}

// fillPlaces takes so many places, at the phones' own address or at others, all of
// a carrier's.
func fillPlaces(n int, same bool) func(*bench) func() {
	return func(b *bench) func() {
		from := netip.MustParseAddr("127.0.0.1")
		var all []*place
		for range n {
			all = append(all, b.places.take("TCP", net.TCPAddrFromAddrPort(netip.AddrPortFrom(from, 9))))
			if !same {
				from = from.Next()
			}
		}
		return func() {
			for _, l := range all {
				l.leave()
			}
		}
	}
}

// outcome is the code of an answer of SIP or HTTP.
func outcome(m message) string { return strings.Fields(string(m))[1] }

func TestEveryCapAnswers503WithRetryAfter(t *testing.T) {
	for _, c := range caps {
		t.Run(c.name, func(t *testing.T) {
			b := start(t, answerAll, c.config)
			room := c.fill(b)
			if m := c.more(b); outcome(m) != "503" || m.header("Retry-After") == "" {
				t.Errorf("got\n%s", m)
			}
			room()
			for end := time.Now().Add(forAMoment); ; time.Sleep(5 * time.Millisecond) {
				m := c.more(b)
				if outcome(m) < "3" {
					break
				}
				if time.Now().After(end) {
					t.Fatalf("there is no room again: %s", m)
				}
			}
		})
	}
}

func TestConnectionsFarTooManyAreClosedWithoutAWord(t *testing.T) {
	b := start(t, answerAll, nil)
	room := fillPlaces(maxHousehold, true)(b)
	b.surplus.n.Add(maxSurplus)
	p := b.tcpPhone()
	_ = p.write([]byte(crlf(p.newTalk("79161234567", "74950000000").text("OPTIONS", ""))))
	wait(t, "end of the connection", p.gone)
	p.silent(0)
	b.surplus.n.Add(-maxSurplus)

	silent := b.tcpPhone() // one too many that says nothing is not kept for long
	wait(t, "end of the connection", silent.gone)
	room()
	if m := another((*bench).tcpPhone)(b); m.status() != "200" {
		t.Errorf("afterwards\n%s", m)
	}
}
