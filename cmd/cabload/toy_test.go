package main

import (
	"math/rand/v2"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"cabline/cmd/internal/siptext"
)

// toy is the smallest exchange there can be: two legs a call, no repeats. The
// tests give it faults, which the tool must see.
type toy struct {
	conn   *net.UDPConn
	addr   netip.AddrPort
	callee netip.AddrPort

	faults

	mu    sync.Mutex
	calls []*toyCall
	byID  map[string]*toyCall
	heard map[string]bool
	work  sync.WaitGroup
}

type faults struct {
	pass    func(n int) int  // how many times packet n of a stream is sent on; nil: once
	refuse  func(n int) bool // answer call n with 486
	fault   func(n int) bool // answer call n with 500
	deaf    bool             // ignore the first INVITE of each call
	swapped bool             // two callers are heard by each other's callees
	menu    menuFaults
}

// toyCall is two dialogs under one Call-ID with a suffix, and two sockets.
type toyCall struct {
	invite     *siptext.Message
	from       netip.AddrPort
	in, out    *net.UDPConn // towards the caller, towards the callee
	callerWant netip.AddrPort
	calleeWant netip.AddrPort
	to         string // of the callee's dialog
	answered   bool
	over       bool
}

// newToy starts an exchange and returns a bench around it. The addresses are
// this test's own: all of 127/8 is the loopback.
func newToy(t *testing.T, f faults) bench {
	host := func() netip.Addr {
		return netip.AddrFrom4([4]byte{127, byte(64 + rand.N(128)), byte(rand.N(256)), byte(1 + rand.N(250))})
	}
	x := &toy{faults: f}
	x.callee = netip.AddrPortFrom(host(), 5070)
	conn, err := net.ListenUDP("udp4", net.UDPAddrFromAddrPort(netip.AddrPortFrom(host(), 0)))
	if err != nil {
		t.Fatal(err)
	}
	x.conn, x.addr = conn, conn.LocalAddr().(*net.UDPAddr).AddrPort()
	x.byID, x.heard = map[string]*toyCall{}, map[string]bool{}
	x.work.Go(x.serve)
	t.Cleanup(func() {
		x.mu.Lock()
		for _, c := range x.calls {
			c.in.Close()
			if c.out != nil {
				c.out.Close()
			}
		}
		x.mu.Unlock()
		conn.Close()
		x.work.Wait()
	})
	return bench{PBX: x.addr, Number: "100", Caller: netip.AddrPortFrom(host(), 0), Callee: x.callee, CallerCodec: 8, CalleeCodec: 8}
}

func (x *toy) serve() {
	buf := make([]byte, 4096)
	for {
		n, from, err := x.conn.ReadFromUDPAddrPort(buf)
		if err != nil {
			return
		}
		if m, err := siptext.Parse(buf[:n]); err == nil {
			x.take(m, from)
		}
	}
}

func (x *toy) send(m *siptext.Message, to netip.AddrPort) {
	_, _ = x.conn.WriteToUDPAddrPort(m.Bytes(), to)
}

func (x *toy) take(m *siptext.Message, from netip.AddrPort) {
	x.mu.Lock()
	defer x.mu.Unlock()
	id := m.Value("Call-ID")
	if first, ok := strings.CutSuffix(id, "-b"); ok {
		x.fromCallee(x.byID[first], m, from)
		return
	}
	call := x.byID[id]
	switch {
	case m.IsRequest() && m.Method() == "INVITE" && call == nil:
		if x.deaf && !x.heard[id] {
			x.heard[id] = true
			return
		}
		if x.refuse != nil && x.refuse(len(x.byID)) {
			x.byID[id] = &toyCall{}
			x.send(siptext.Response(m, 486, "Busy Here", "toy"), from)
			return
		}
		if x.fault != nil && x.fault(len(x.byID)) {
			x.byID[id] = &toyCall{}
			x.send(siptext.Response(m, 500, "Server Internal Error", "toy"), from)
			return
		}
		if siptext.User(m.RequestURI()) == "menu" {
			x.announce(m, from)
			return
		}
		x.place(m, from)
	case m.IsRequest() && m.Method() == "BYE":
		x.send(siptext.Response(m, 200, "OK", ""), from)
		call.over = true
		if call.out != nil {
			x.send(x.request(call, "BYE", 2), x.callee)
		}
	case m.IsRequest() && m.Method() == "CANCEL":
		x.send(siptext.Response(m, 200, "OK", "toy"), from)
		if !call.answered && !call.over {
			x.send(x.request(call, "CANCEL", 1), x.callee)
			x.refused(call, 487, "Request Terminated")
		}
	}
}

// fromCallee takes a message of the second dialog.
func (x *toy) fromCallee(c *toyCall, m *siptext.Message, from netip.AddrPort) {
	switch {
	case m.IsRequest() && m.Method() == "BYE":
		x.send(siptext.Response(m, 200, "OK", ""), from)
		if !c.over {
			c.over = true
			x.send(siptext.Request("BYE", "sip:caller@"+c.from.String(),
				siptext.Header{Name: "Via", Value: "SIP/2.0/UDP " + x.addr.String() + ";branch=z9hG4bKbye" + c.invite.Value("Call-ID")},
				siptext.Header{Name: "Call-ID", Value: c.invite.Value("Call-ID")},
				siptext.Header{Name: "CSeq", Value: "1 BYE"}), c.from)
		}
	case m.Method() != "INVITE":
	case m.Status() == 180:
		x.send(siptext.Response(c.invite, 180, "Ringing", "toy"), c.from)
	case m.Status() == 200 && c.over: // cancelled, but too late
		c.to = m.Value("To")
		x.send(x.request(c, "ACK", 1), x.callee)
		x.send(x.request(c, "BYE", 2), x.callee)
	case m.Status() == 200:
		x.accepted(c, m)
	case m.Status() >= 300:
		c.to = m.Value("To")
		x.send(x.request(c, "ACK", 1), x.callee)
		if !c.over {
			x.refused(c, m.Status(), "Refused")
		}
	}
}

func (x *toy) refused(c *toyCall, status int, reason string) {
	c.over = true
	x.send(siptext.Response(c.invite, status, reason, "toy"), c.from)
}

func (x *toy) request(c *toyCall, method string, cseq int) *siptext.Message {
	id := c.invite.Value("Call-ID") + "-b"
	return siptext.Request(method, "sip:driver@"+x.callee.String(),
		siptext.Header{Name: "Via", Value: "SIP/2.0/UDP " + x.addr.String() + ";branch=z9hG4bK" + strings.Replace(method, "CANCEL", "INVITE", 1) + id},
		siptext.Header{Name: "From", Value: "<sip:100@toy>;tag=toy"},
		siptext.Header{Name: "To", Value: c.to},
		siptext.Header{Name: "Call-ID", Value: id},
		siptext.Header{Name: "CSeq", Value: string(rune('0'+cseq)) + " " + method},
		siptext.Header{Name: "Contact", Value: "<sip:" + x.addr.String() + ">"})
}

func (x *toy) place(m *siptext.Message, from netip.AddrPort) {
	theirs, _ := siptext.ParseSDP(m.Body)
	c := &toyCall{invite: m, from: from, in: x.open(), out: x.open(), callerWant: theirs.Addr, to: "<sip:driver@" + x.callee.String() + ">"}
	x.byID[m.Value("Call-ID")] = c
	x.calls = append(x.calls, c)
	x.send(x.request(c, "INVITE", 1).WithBody("application/sdp", describe(c.out)), x.callee)
}

func (x *toy) open() *net.UDPConn {
	c, err := net.ListenUDP("udp4", net.UDPAddrFromAddrPort(netip.AddrPortFrom(x.addr.Addr(), 0)))
	if err != nil {
		panic(err)
	}
	return c
}

func describe(c *net.UDPConn) []byte {
	return siptext.Audio{Addr: c.LocalAddr().(*net.UDPAddr).AddrPort(), Types: []uint8{8}, Event: 101}.SDP(1)
}

func (x *toy) accepted(c *toyCall, m *siptext.Message) {
	theirs, _ := siptext.ParseSDP(m.Body)
	if c.answered {
		return // a repeated 200
	}
	c.answered = true
	c.calleeWant, c.to = theirs.Addr, m.Value("To")
	x.send(x.request(c, "ACK", 1), x.callee)
	x.work.Go(func() { x.relay(c.in, func() (*net.UDPConn, netip.AddrPort) { return x.calleeOf(c) }) })
	x.work.Go(func() { x.relay(c.out, func() (*net.UDPConn, netip.AddrPort) { return c.in, c.callerWant }) })
	ok := siptext.Response(c.invite, 200, "OK", "toy").Add("Contact", "<sip:"+x.addr.String()+">").WithBody("application/sdp", describe(c.in))
	x.send(ok, c.from)
}

// calleeOf is the way to the other party of c.
func (x *toy) calleeOf(c *toyCall) (*net.UDPConn, netip.AddrPort) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if i := slices.Index(x.calls, c) ^ 1; x.swapped {
		if i >= len(x.calls) {
			return nil, netip.AddrPort{}
		}
		c = x.calls[i]
	}
	return c.out, c.calleeWant
}

func (x *toy) relay(from *net.UDPConn, to func() (*net.UDPConn, netip.AddrPort)) {
	buf := make([]byte, 2048)
	for n := 0; ; n++ {
		size, err := from.Read(buf)
		if err != nil {
			return
		}
		times := 1
		if x.pass != nil {
			times = x.pass(n)
		}
		for range times {
			if conn, addr := to(); addr.IsValid() {
				_, _ = conn.WriteToUDPAddrPort(buf[:size], addr)
			}
		}
	}
}

const short = 400 * time.Millisecond
