package sip

import (
	"bytes"
	"fmt"
	"net"
	"net/netip"
	"reflect"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	wire "github.com/emiago/sipgo/sip"
)

// memoryUDP is a UDP socket made of memory, with one peer.
type memoryUDP struct {
	local, peer *net.UDPAddr
	in          chan []byte
	out         chan message
	done        chan struct{}
	once        sync.Once
}

func (m *memoryUDP) ReadFrom(b []byte) (int, net.Addr, error) {
	select {
	case raw := <-m.in:
		return copy(b, raw), m.peer, nil
	case <-m.done:
		return 0, nil, net.ErrClosed
	}
}

// WriteTo takes what is sent to the peer's host, whatever the port: the messages
// of RFC 4475 have no rport.
func (m *memoryUDP) WriteTo(b []byte, to net.Addr) (int, error) {
	if !to.(*net.UDPAddr).IP.Equal(m.peer.IP) {
		m.out <- message("sent to " + to.String() + ":\n")
	}
	m.out <- message(b)
	return len(b), nil
}

func (m *memoryUDP) Close() error                     { m.once.Do(func() { close(m.done) }); return nil }
func (m *memoryUDP) LocalAddr() net.Addr              { return m.local }
func (m *memoryUDP) SetDeadline(time.Time) error      { return nil }
func (m *memoryUDP) SetReadDeadline(time.Time) error  { return nil }
func (m *memoryUDP) SetWriteDeadline(time.Time) error { return nil }

var (
	fromTrunk    = netip.MustParseAddrPort("192.0.2.47:5075")
	fromStranger = netip.MustParseAddrPort("198.51.100.47:5075")
)

// inMemory runs a server with a trunk, and a phone somewhere that reaches it
// over UDP or TCP made of memory: with it the whole lives in a bubble of synctest.
func inMemory(t *testing.T, network string, from netip.AddrPort) (*bench, func() *phone) {
	t.Helper()
	udp := &memoryUDP{peer: net.UDPAddrFromAddrPort(from), in: make(chan []byte, 10), out: make(chan message, 100), done: make(chan struct{})}
	tcp := newInnerListener()
	b := startAlone(t, answerAll, func(c *Config) {
		c.Listen = c.Listen[:1]
		c.Trunks[0].From = []netip.Prefix{netip.PrefixFrom(fromTrunk.Addr(), 32)}
	}, func(s *Server) {
		udp.local = s.udp[0].LocalAddr().(*net.UDPAddr)
		_ = s.udp[0].PacketConn.Close()
		s.udp[0].PacketConn = udp
		s.doors = append(s.doors, &door{Listener: tcp, network: "tcp", server: s})
	})
	return b, func() *phone {
		if network == "UDP" {
			return &phone{t: t, network: "UDP", got: udp.out, self: from.String(), write: func(m []byte) error { udp.in <- m; return nil }, hangUp: func() {}}
		}
		theirs, ours := net.Pipe()
		tcp.conns <- innerConn{theirs, net.TCPAddrFromAddrPort(b.udp[0].addr), net.TCPAddrFromAddrPort(from)}
		p := stream(t, ours)
		p.self = from.String()
		return p
	}
}

// left is what a server has of others: goroutines, transactions, dialogs, places.
func (b *bench) left() string {
	stacks := make([]byte, 1<<20)
	stacks = stacks[:runtime.Stack(stacks, true)] // ours is the first
	_, bubble, _ := bytes.Cut(stacks, []byte("synctest bubble "))
	bubble, _, _ = bytes.Cut(bubble, []byte("]"))
	goroutines := bytes.Count(stacks, slices.Concat([]byte("synctest bubble "), bubble, []byte("]")))
	transactions := func(field string) int { // sipgo does not tell
		return reflect.ValueOf(b.transactions).Elem().FieldByName(field).Elem().FieldByName("items").Len()
	}
	b.places.mu.Lock()
	defer b.places.mu.Unlock()
	return fmt.Sprintf("%d goroutines, %d transactions of others, %d of ours, %d dialogs, %d connections",
		goroutines, transactions("serverTransactions"), transactions("clientTransactions"), b.Server.legs.count(), b.places.taken)
}

// outcome is the statuses of what has come so far, each once however often it was
// repeated, in order of their numbers.
func (p *phone) outcome(t *testing.T) string {
	t.Helper()
	var statuses []string
	for len(p.got) > 0 {
		m := <-p.got
		if _, again := p.seen.LoadOrStore(m, true); again {
			continue
		}
		if !strings.HasPrefix(string(m), "SIP/2.0 ") {
			t.Errorf("got\n%s", m)
			continue
		}
		if !clean(strings.ReplaceAll(string(m), "\r\n", "")) {
			t.Errorf("a control character in\n%q", m)
		}
		if missing := m.header("Unsupported"); m.status() == "420" && missing != "nothingSupportsThis, nothingSupportsThisEither" {
			t.Errorf("Unsupported: %s", missing)
		}
		statuses = append(statuses, m.status())
	}
	slices.Sort(statuses)
	return strings.Join(statuses, " ")
}

// closed says whether a phone's connection is over.
func (p *phone) closed() bool {
	select {
	case <-p.gone: // of UDP: never
		return true
	default:
		return false
	}
}

// outcomeOver is what comes over a network.
func (c torturing) outcomeOver(network string, stranger bool) string {
	status := c.trunk
	if stranger {
		status = c.stranger
	}
	switch {
	case network == "TCP" && c.inStream != nil && stranger:
		return c.inStream[1]
	case network == "TCP" && c.inStream != nil:
		return c.inStream[0]
	case status == silence:
		return ""
	}
	return strconv.Itoa(status)
}

// Each comes alone, to a server of its own, from the trunk's address and from
// another one, as a datagram and in a stream. What comes back is all that comes
// back; and what the message has begun is over by itself, also on a connection that
// stays, before the next one is answered as ever.
func TestEveryMessageOfRFC4475HasItsOutcomeAndLeavesNothingBehind(t *testing.T) {
	for _, c := range tortures {
		raw := torture(t, c.file)
		for _, network := range []string{"UDP", "TCP"} {
			for who, from := range map[string]netip.AddrPort{"a trunk": fromTrunk, "a stranger": fromStranger} {
				name := c.section + " " + c.file + " over " + network + " from " + who
				t.Run(name, func(t *testing.T) {
					leavesNothing(t, network, from, func(t *testing.T, b *bench, p *phone) {
						if err := p.write(raw); err != nil {
							t.Fatal(err)
						}
						time.Sleep(patience())
						synctest.Wait()
						if got, want := p.outcome(t), c.outcomeOver(network, from == fromStranger); got != want {
							t.Errorf("answered %q, not %q", got, want)
						}
						if p.closed() != (c.closes && network == "TCP") {
							t.Errorf("the connection is closed: %v", p.closed())
						}
						if len(b.legs) != 0 {
							t.Error("a call came in")
						}
					})
				})
			}
			if c.called != 0 {
				t.Run(c.section+" "+c.file+" over "+network+" to a number of ours", func(t *testing.T) {
					leavesNothing(t, network, fromTrunk, func(t *testing.T, b *bench, p *phone) { callOurs(t, b, p, raw, c.called) })
				})
			}
		}
	}
	// The RFC lets the quotes around the comma in a name be inferred.
	ended := append(torture(t, "baddn"), "\r\n"...)
	t.Run("3.1.2.15 baddn with the end of its headers", func(t *testing.T) {
		leavesNothing(t, "UDP", fromTrunk, func(t *testing.T, _ *bench, p *phone) {
			_ = p.write(ended)
			p.want("SIP/2.0 200")
		})
	})
}

// leavesNothing does something with a server in a bubble, and proves that nothing is left of it.
func leavesNothing(t *testing.T, network string, from netip.AddrPort, do func(*testing.T, *bench, *phone)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		b, connect := inMemory(t, network, from)
		synctest.Wait()
		before := b.left()
		p := connect()
		do(t, b, p)
		time.Sleep(64*wire.T1 + remembered)
		synctest.Wait()
		if during := b.left(); !strings.Contains(during, "0 transactions of others, 0 of ours, 0 dialogs") {
			t.Errorf("there are still %s", during)
		}
		p.hangUp()
		synctest.Wait()
		if after := b.left(); after != before {
			t.Errorf("there are %s where there were %s", after, before)
		}
		again := connect()
		again.newTalk("1", "2").request("OPTIONS", "")
		again.want("SIP/2.0 200", "SIP/2.0")
		again.hangUp()
	})
}
