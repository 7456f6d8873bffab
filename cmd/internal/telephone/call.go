package telephone

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strconv"
	"time"

	"cabline/cmd/internal/siptext"
)

// Call is one call of a phone, placed or taken.
type Call struct {
	Dialled string           // the number called
	From    string           // the number shown to the one who is called
	Invite  *siptext.Message // as it was sent or came

	phone   *Phone
	sound   *sound
	id, tag string
	peer    netip.AddrPort
	local   string // From or To with our tag
	remote  string
	target  string // Request-URI within the dialog
	routes  []string
	cseq    int
	placed  bool
	late    bool // we offer nothing in the INVITE and answer in the ACK

	sent    *siptext.Message // our last INVITE
	status  []int            // of the responses to our INVITEs
	ok      *siptext.Message
	settled chan struct{} // closed when the last message repeated has been answered
	state   callState
	byThem  bool
	endedAt time.Time
	changed chan struct{} // closed and replaced at each change
	answers map[int]int   // to our requests but INVITE, by their numbers
}

type callState int

const (
	setUp callState = iota
	talking
	over
)

// LateOffer leaves the SDP out of the INVITE (RFC 3264 §4): the exchange offers
// in its 200.
func LateOffer(c *Call) { c.late = true }

func token() string { return fmt.Sprintf("%016x", rand.Uint64()) }

// newCall is called with p.mu held.
func (p *Phone) newCall(id string) (*Call, error) {
	c := &Call{phone: p, id: id, changed: make(chan struct{}), answers: map[int]int{}, settled: make(chan struct{})}
	var err error
	if c.sound, err = openSound(c); err != nil {
		return nil, err
	}
	p.calls[id] = c
	return c, nil
}

// Call places a call and returns at once.
func (p *Phone) Call(number string, how ...func(*Call)) (*Call, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	c, err := p.newCall(token() + p.opt.Canary + "@phone")
	if err != nil {
		return nil, err
	}
	for _, f := range how {
		f(c)
	}
	c.placed, c.Dialled, c.From, c.peer, c.cseq = true, number, p.opt.Number, p.opt.Server, 1
	c.local = fmt.Sprintf("<sip:%s@%s>;tag=%s", p.opt.Number, p.self.Addr(), token()+p.canary(c))
	c.remote = fmt.Sprintf("<sip:%s@%s>", number, p.opt.Server.Addr())
	c.target = fmt.Sprintf("sip:%s@%s", number, p.opt.Server)
	c.Invite = c.request("INVITE", c.cseq)
	c.sent = c.Invite
	if !c.late {
		c.Invite.WithBody("application/sdp", c.sound.offer("", 1))
	}
	if err := p.repeat(c.Invite, c.peer, c.settled); err != nil {
		return nil, fmt.Errorf("call %s: %w", number, err)
	}
	return c, nil
}

// request builds a request of the dialog; p.mu is held.
func (c *Call) request(method string, cseq int) *siptext.Message {
	network := map[string]string{"udp": "UDP", "tcp": "TCP", "ws": "WS"}[c.phone.opt.Network]
	m := siptext.Request(method, c.target).
		Add("Via", fmt.Sprintf("SIP/2.0/%s %s;rport;branch=z9hG4bK%s", network, c.phone.self, token())).
		Add("Max-Forwards", "70").Add("From", c.local).Add("To", c.remote).Add("Call-ID", c.id).
		Add("CSeq", strconv.Itoa(cseq)+" "+method).
		Add("Contact", fmt.Sprintf("<sip:%s;transport=%s>", c.phone.self, c.phone.opt.Network))
	for _, r := range c.routes {
		m.Add("Route", r)
	}
	return m
}

// change is called with p.mu held, after each change.
func (c *Call) change() {
	close(c.changed)
	c.changed = make(chan struct{})
}

// wait blocks until f, which is called with p.mu held, is true.
func (c *Call) wait(ctx context.Context, what string, f func() bool) error {
	for {
		c.phone.mu.Lock()
		ok, ended, changed := f(), c.state == over, c.changed
		status := slices.Clone(c.status)
		c.phone.mu.Unlock()
		switch {
		case ok:
			return nil
		case ended:
			return fmt.Errorf("%s: the call ended (responses %v)", what, status)
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return fmt.Errorf("%s: %w (responses %v)", what, context.Cause(ctx), status)
		}
	}
}

// WaitStatus waits for a response to our INVITE with that status.
func (c *Call) WaitStatus(ctx context.Context, status int) error {
	return c.wait(ctx, fmt.Sprintf("wait for %d", status), func() bool { return slices.Contains(c.status, status) })
}

// WaitTalk waits until the call is answered and acknowledged.
func (c *Call) WaitTalk(ctx context.Context) error {
	return c.wait(ctx, "wait for the answer", func() bool { return c.state == talking })
}

// WaitOver waits for the end. It returns when that was and whether the other
// side made it.
func (c *Call) WaitOver(ctx context.Context) (at time.Time, byThem bool, err error) {
	err = c.wait(ctx, "wait for the end", func() bool { return c.state == over })
	c.phone.mu.Lock()
	defer c.phone.mu.Unlock()
	return c.endedAt, c.byThem, err
}

// Statuses are the responses to our INVITE so far.
func (c *Call) Statuses() []int {
	c.phone.mu.Lock()
	defer c.phone.mu.Unlock()
	return slices.Clone(c.status)
}

// end is called with p.mu held.
func (c *Call) end(byThem bool) {
	if c.state != over {
		c.state, c.byThem, c.endedAt = over, byThem, time.Now()
		c.sound.mute()
		c.settle()
		c.change()
	}
}

// settle stops repeating; p.mu is held.
func (c *Call) settle() {
	select {
	case <-c.settled:
	default:
		close(c.settled)
	}
}

// answered takes a response; p.mu is held.
func (c *Call) answered(m *siptext.Message, from netip.AddrPort) {
	status := m.Status()
	if m.Method() != "INVITE" {
		if status >= 200 {
			c.answers[m.CSeq()] = status
			c.change()
		}
		if status >= 200 && m.Method() == "BYE" {
			c.settle()
		}
		return
	}
	c.status = append(c.status, status)
	if status < 200 || m.CSeq() == c.cseq {
		c.settle()
	}
	switch {
	case status < 200:
	case status < 300:
		c.accepted(m)
	default:
		ack := c.request("ACK", m.CSeq())
		ack.Headers[0] = siptext.Header{Name: "Via", Value: c.sent.Value("Via")} // of the same transaction, RFC 3261 §17.1.1.3
		ack.Headers[3] = siptext.Header{Name: "To", Value: m.Value("To")}
		_ = c.phone.send(ack, from)
		if challenged := status == 401 || status == 407; challenged && m.CSeq() == 1 && c.again(m) == nil {
			return
		}
		if c.state == setUp {
			c.end(true)
		}
	}
	c.change()
}

// accepted takes a 200 to INVITE, the first one or a repeated one.
func (c *Call) accepted(m *siptext.Message) {
	c.remote = m.Value("To")
	if contact := siptext.URI(m.Value("Contact")); contact != "" {
		c.target = contact
	}
	if c.state != talking { // later the route set stands (RFC 3261 §12.2)
		c.routes = m.Values("Record-Route")
		slices.Reverse(c.routes)
	}
	ack := c.request("ACK", m.CSeq())
	if c.sound.agree(m.Body, !c.late) && c.late {
		ack.WithBody("application/sdp", c.sound.answer(1))
	}
	if c.phone.acks > 0 {
		c.phone.acks--
		return
	}
	if c.state == over { // the 200 crossed our CANCEL
		_ = c.phone.send(ack, c.peer)
		c.cseq++
		_ = c.phone.send(c.request("BYE", c.cseq), c.peer)
		return
	}
	if c.state = talking; c.phone.send(ack, c.peer) == nil {
		c.sound.speak()
	}
}

// asked takes a request within the call; p.mu is held.
func (c *Call) asked(m *siptext.Message, from netip.AddrPort) {
	p := c.phone
	switch m.Method() {
	case "INVITE":
		if c.ok != nil && m.CSeq() == c.Invite.CSeq() { // repeated
			_ = p.send(c.ok, from)
		} else if c.ok != nil || c.placed {
			c.reinvited(m, from)
		}
	case "ACK":
		c.settle()
		c.sound.agree(m.Body, true)
		if c.state == setUp && c.ok != nil {
			c.state = talking
			c.sound.speak()
			c.change()
		}
	case "BYE":
		_ = p.send(siptext.Response(m, 200, "OK", ""), from)
		c.end(true)
	case "CANCEL":
		_ = p.send(siptext.Response(m, 200, "OK", c.tag), from)
		if c.state == setUp {
			_ = p.send(siptext.Response(c.Invite, 487, "Request Terminated", c.tag), from)
			c.end(true)
		}
	case "UPDATE":
		_ = p.send(siptext.Response(m, 200, "OK", "").Add("Contact", "<sip:"+p.self.String()+">"), from)
	default:
		_ = p.send(siptext.Response(m, 200, "OK", ""), from)
	}
}

// reinvited agrees to whatever the exchange wants now.
func (c *Call) reinvited(m *siptext.Message, from netip.AddrPort) {
	var ours []byte
	if c.sound.agree(m.Body, false) {
		ours = c.sound.answer(2)
	} else {
		ours = c.sound.offer("", 2)
	}
	ok := siptext.Response(m, 200, "OK", "").Add("Contact", "<sip:"+c.phone.self.String()+">")
	_ = c.phone.send(ok.WithBody("application/sdp", ours), from)
}

var errState = errors.New("the call is not in a state for this")

// Ring sends 180 for a call that came.
func (c *Call) Ring() error { return c.respond(180, "Ringing", false) }

// Answer takes a call that came.
func (c *Call) Answer() error { return c.respond(200, "OK", true) }

// Reject refuses it: 486 busy, 603 declined, 404 no such number.
func (c *Call) Reject(status int, reason string) error { return c.respond(status, reason, false) }

func (c *Call) respond(status int, reason string, audio bool, headers ...siptext.Header) error {
	p := c.phone
	p.mu.Lock()
	defer p.mu.Unlock()
	if c.placed || c.state != setUp || c.ok != nil {
		return fmt.Errorf("respond %d: %w", status, errState)
	}
	m := siptext.Response(c.Invite, status, reason, c.tag)
	if m.Headers = append(m.Headers, headers...); m.Value("Contact") == "" {
		m.Add("Contact", fmt.Sprintf("<sip:%s;transport=%s>", p.self, p.opt.Network))
	}
	if audio {
		var ours []byte
		if len(c.Invite.Body) == 0 { // a late offer: ours comes first
			ours = c.sound.offer("", 1)
		} else {
			ours = c.sound.answer(1)
		}
		c.ok = m.WithBody("application/sdp", ours)
	}
	if status < 200 {
		return p.send(m, c.peer)
	}
	err := p.repeat(m, c.peer, c.settled)
	if status >= 300 {
		c.state, c.endedAt = over, time.Now() // repeated until the ACK
		c.change()
	}
	return err
}

// HangUp ends the call, whatever its state: CANCEL, BYE, or 480.
func (c *Call) HangUp() error {
	p := c.phone
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case c.state == over:
		return nil
	case c.state == setUp && c.placed && !slices.ContainsFunc(c.status, func(s int) bool { return s >= 200 }):
		cancel := c.request("CANCEL", c.Invite.CSeq())
		cancel.Headers[0] = siptext.Header{Name: "Via", Value: c.Invite.Value("Via")} // RFC 3261 §9.1
		c.end(false)
		return p.send(cancel, c.peer)
	case c.state == setUp && c.ok == nil:
		c.end(false)
		return p.send(siptext.Response(c.Invite, 480, "Temporarily Unavailable", c.tag), c.peer)
	}
	c.cseq++
	bye := c.request("BYE", c.cseq)
	c.end(false)
	c.settled = make(chan struct{})
	return p.repeat(bye, c.peer, c.settled)
}

// Describe sends a re-INVITE with that direction: sendonly and inactive put the
// other side on hold, sendrecv takes it back.
func (c *Call) Describe(direction string) error {
	c.phone.mu.Lock()
	defer c.phone.mu.Unlock()
	if c.state != talking {
		return fmt.Errorf("re-INVITE: %w", errState)
	}
	c.cseq++
	m := c.request("INVITE", c.cseq).WithBody("application/sdp", c.sound.offer(direction, c.cseq))
	c.sent, c.settled = m, make(chan struct{})
	return c.phone.repeat(m, c.peer, c.settled)
}
