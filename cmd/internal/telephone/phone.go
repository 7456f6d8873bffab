// Package telephone is a telephone to look at Cabline with from outside: a
// [Phone] places and takes calls over SIP and RTP of its own, keeps all that
// passes it, and has an ear ([Recording]) that knows what was said. What it
// says of itself may be a canary, which must not come out at the other end of a
// call ([Phone.Leaks]).
//
// It is for the tests of the whole and for the self-test of masking. It knows
// the protocols and nothing of the exchange's code. It does not log.
package telephone

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/coder/websocket"

	"cabline/cmd/internal/siptext"
)

// Options are how a phone is set up.
type Options struct {
	Network  string         // udp (the zero value), tcp, or ws: a browser's
	Listen   netip.AddrPort // its SIP address; port 0: any
	Server   netip.AddrPort // who is called
	Number   string         // our own, put into From; a login
	Password string         // of that login
	Codecs   []uint8        // RTP payload types in order of preference; nil: A-law, µ-law
	Event    uint8          // payload type of telephone-event; 0: 101
	NoEvent  bool           // no telephone-event at all
	LoseACK  int            // so many ACKs are never sent
	Canary   string         // digits put into everything that leaves, see canary.go
	// Canaries are others, by the number of whoever is at the phone: a carrier
	// has both parties of a call behind it.
	Canaries map[string]string
}

// Phone is a telephone, or a carrier with all the telephones behind it: it
// places calls and takes those that come, several at once.
type Phone struct {
	opt     Options
	self    netip.AddrPort
	udp     *net.UDPConn
	tcp     net.Listener
	coming  chan *Call
	workers sync.WaitGroup
	closed  chan struct{}
	web     *websocket.Conn

	mu      sync.Mutex
	calls   map[string]*Call                 // by Call-ID
	replies map[string]chan *siptext.Message // to what is asked outside of calls, by Call-ID
	conns   map[netip.AddrPort]net.Conn
	acks    int // not sent yet although due
	tape    []Wire
}

// Wire is something that passed a phone's sockets.
type Wire struct {
	At    time.Time
	Out   bool
	Kind  string // SIP, RTP or RTCP
	Call  string // the Call-ID it belongs to
	Bytes []byte
}

const maxTape = 200_000 // entries; a test that needs more has gone wrong

// NewPhone opens a phone. Close it.
func NewPhone(opt Options) (*Phone, error) {
	if opt.Codecs == nil {
		opt.Codecs = []uint8{8, 0}
	}
	if opt.Event == 0 && !opt.NoEvent {
		opt.Event = 101
	}
	if opt.Network == "" {
		opt.Network = "udp"
	}
	p := &Phone{opt: opt, coming: make(chan *Call, 64), closed: make(chan struct{}), calls: map[string]*Call{}, replies: map[string]chan *siptext.Message{},
		conns: map[netip.AddrPort]net.Conn{}, acks: opt.LoseACK}
	var err error
	if opt.Network == "ws" {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		return p, p.dialWeb(ctx)
	}
	if opt.Network == "tcp" {
		if p.tcp, err = net.Listen("tcp4", opt.Listen.String()); err != nil {
			return nil, fmt.Errorf("open phone: %w", err)
		}
		p.self = p.tcp.Addr().(*net.TCPAddr).AddrPort()
		p.workers.Go(p.accept)
		return p, nil
	}
	if p.udp, err = net.ListenUDP("udp4", net.UDPAddrFromAddrPort(opt.Listen)); err != nil {
		return nil, fmt.Errorf("open phone: %w", err)
	}
	p.self = p.udp.LocalAddr().(*net.UDPAddr).AddrPort()
	p.workers.Go(p.readDatagrams)
	return p, nil
}

// Addr is the phone's SIP address.
func (p *Phone) Addr() netip.AddrPort { return p.self }

// Close hangs up nothing: the other side of open calls hears no more. The
// second time it does nothing.
func (p *Phone) Close() error {
	select {
	case <-p.closed:
		return nil
	default:
		close(p.closed)
	}
	var errs []error
	if p.udp != nil {
		errs = append(errs, p.udp.Close())
	}
	if p.tcp != nil {
		errs = append(errs, p.tcp.Close())
	}
	if p.web != nil {
		_ = p.web.CloseNow()
	}
	p.mu.Lock()
	for _, c := range p.conns {
		c.Close()
	}
	calls := slices.Collect(maps.Values(p.calls))
	p.mu.Unlock()
	for _, c := range calls { // what they hear is recorded under the lock
		c.sound.close()
	}
	p.workers.Wait()
	return errors.Join(errs...)
}

// Coming waits for the next call that comes. The phone does not ring by itself.
func (p *Phone) Coming(ctx context.Context) (*Call, error) {
	select {
	case c := <-p.coming: // also when ctx is over
		return c, nil
	default:
	}
	select {
	case c := <-p.coming:
		return c, nil
	case <-ctx.Done():
		return nil, fmt.Errorf("no call came: %w", context.Cause(ctx))
	}
}

// Tape is all that has passed the phone so far.
func (p *Phone) Tape() []Wire {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.tape[:len(p.tape):len(p.tape)]
}

// record is called with p.mu held.
func (p *Phone) record(out bool, kind, call string, b []byte) {
	if len(p.tape) < maxTape {
		p.tape = append(p.tape, Wire{time.Now(), out, kind, call, append([]byte(nil), b...)})
	}
}

func (p *Phone) readDatagrams() {
	buf := make([]byte, siptext.MaxSize)
	for {
		n, from, err := p.udp.ReadFromUDPAddrPort(buf)
		if err != nil {
			return
		}
		p.take(buf[:n], nil, netip.AddrPortFrom(from.Addr().Unmap(), from.Port()))
	}
}

func (p *Phone) accept() {
	for {
		conn, err := p.tcp.Accept()
		if err != nil {
			return
		}
		p.mu.Lock()
		p.keep(conn)
		p.mu.Unlock()
	}
}

// keep reads a connection until it ends; p.mu is held.
func (p *Phone) keep(conn net.Conn) {
	from := conn.RemoteAddr().(*net.TCPAddr).AddrPort()
	p.conns[from] = conn
	p.workers.Go(func() {
		defer conn.Close()
		for r := bufio.NewReaderSize(conn, siptext.MaxSize); ; {
			m, raw, err := siptext.Read(r)
			if err != nil {
				return
			}
			p.take(raw, m, from)
		}
	})
}

// send is called with p.mu held.
func (p *Phone) send(m *siptext.Message, to netip.AddrPort) error {
	p.mark(m)
	raw := m.Bytes()
	p.record(true, "SIP", m.Value("Call-ID"), raw)
	if p.udp != nil {
		_, err := p.udp.WriteToUDPAddrPort(raw, to)
		return err
	}
	if p.web != nil {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		return p.web.Write(ctx, websocket.MessageText, raw)
	}
	conn := p.conns[to]
	if conn == nil {
		local := net.TCPAddrFromAddrPort(netip.AddrPortFrom(p.self.Addr(), 0))
		var err error
		if conn, err = (&net.Dialer{LocalAddr: local, Timeout: 5 * time.Second}).Dial("tcp4", to.String()); err != nil {
			return err
		}
		p.keep(conn)
	}
	_, err := conn.Write(raw)
	return err
}

// repeat sends a message until stop is closed, at the intervals of RFC 3261
// §17.1.2.2; over TCP once. p.mu is held.
func (p *Phone) repeat(m *siptext.Message, to netip.AddrPort, stop <-chan struct{}) error {
	if err := p.send(m, to); err != nil || p.udp == nil {
		return err
	}
	p.workers.Go(func() {
		for gap := 500 * time.Millisecond; gap < 8*time.Second; gap *= 2 {
			select {
			case <-time.After(gap):
			case <-stop:
				return
			case <-p.closed:
				return
			}
			p.mu.Lock()
			_ = p.send(m, to) // an error shows as the answer that does not come
			p.mu.Unlock()
		}
	})
	return nil
}

func (p *Phone) take(raw []byte, m *siptext.Message, from netip.AddrPort) {
	if m == nil {
		var err error
		if m, err = siptext.Parse(raw); err != nil {
			m = siptext.Request("JUNK", "sip:junk") // kept on the tape
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	id := m.Value("Call-ID")
	p.record(false, "SIP", id, raw)
	call := p.calls[id]
	replies := p.replies[id]
	switch {
	case replies != nil && !m.IsRequest():
		select {
		case replies <- m:
		default: // nobody waits for so many
		}
	case call != nil && m.IsRequest():
		call.asked(m, from)
	case call != nil:
		call.answered(m, from)
	case m.IsRequest() && m.Method() == "INVITE":
		p.ring(m, from)
	case m.IsRequest() && m.Method() == "OPTIONS":
		_ = p.send(siptext.Response(m, 200, "OK", token()), from)
	case m.IsRequest() && m.Method() != "ACK":
		_ = p.send(siptext.Response(m, 481, "Call Does Not Exist", token()), from)
	}
}

// ring takes a new call.
func (p *Phone) ring(m *siptext.Message, from netip.AddrPort) {
	c, err := p.newCall(m.Value("Call-ID"))
	if err != nil {
		_ = p.send(siptext.Response(m, 500, "Out Of Sockets", token()), from)
		return
	}
	c.Dialled = siptext.User(m.RequestURI())
	c.From = siptext.User(siptext.URI(m.Value("From")))
	c.Invite, c.peer, c.tag = m, from, token()+p.canary(c)
	c.local, c.remote = m.Value("To")+";tag="+c.tag, m.Value("From")
	c.target, c.routes = siptext.URI(m.Value("Contact")), m.Values("Record-Route")
	c.sound.agree(m.Body, false)
	_ = p.send(siptext.Response(m, 100, "Trying", ""), from)
	select {
	case p.coming <- c:
	default: // nobody takes calls here
	}
}
