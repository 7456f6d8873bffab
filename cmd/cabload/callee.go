package main

import (
	"net/netip"
	"sync"
	"time"

	"cabline/cmd/internal/siptext"
)

// callee is the driver's end: it rings and answers at once, and waits to be
// hung up on, unless its manners are worse.
type callee struct {
	*desk
	codec  uint8
	score  *score
	audio  func(n int) netip.AddrPort
	talk   func(n int, theirs siptext.Audio) // see caller
	parted func(n int)
	behave func() manners // nil: the best

	mu    sync.Mutex
	taken int
	calls map[string]*incall
	over  ended[[]byte] // with the answer to their BYE
}

// manners are how the callee treats one call.
type manners struct {
	ring   time.Duration // until it answers or refuses
	refuse bool
	talk   time.Duration // until it hangs up; 0: it does not
}

// incall is a call we took.
type incall struct {
	manners
	n       int
	invite  *siptext.Message
	from    netip.AddrPort
	tag     string
	state   inState
	due     time.Time // of the answer, later of our BYE; zero: none
	answer  []byte    // our last, also to an INVITE that comes again
	pending repeat    // the final answer until ACK, later BYE
	theirs  siptext.Audio
}

type inState int

const (
	ringing inState = iota
	accepted
	refused
	talking
	departing
)

func openCallee(at netip.AddrPort, codec uint8) (*callee, error) {
	d, err := openDesk(at)
	if err != nil {
		return nil, err
	}
	c := &callee{desk: d, codec: codec, score: newScore(), calls: map[string]*incall{}}
	c.audio = func(int) netip.AddrPort { return netip.AddrPortFrom(d.self.Addr(), 9) }
	d.take, d.sweep = c.receive, c.repeats
	return c, nil
}

func (c *callee) receive(m *siptext.Message, from netip.AddrPort) {
	c.mu.Lock()
	defer c.mu.Unlock()
	id := m.Value("Call-ID")
	call := c.calls[id]
	if !m.IsRequest() {
		if m.Method() == "BYE" && call != nil && call.state == departing {
			c.score.add(&c.score.ended)
			c.forget(call, nil)
		}
		return
	}
	switch m.Method() {
	case "INVITE":
		c.invited(call, m, from)
	case "ACK":
		if call != nil {
			c.acknowledged(call)
		}
	case "BYE":
		c.left(call, m, from)
	case "CANCEL":
		c.send(siptext.Response(m, 200, "OK", "").Bytes(), from)
		c.cancelled(call)
	default:
		c.send(siptext.Response(m, 200, "OK", "").Bytes(), from)
	}
}

func (c *callee) invited(call *incall, m *siptext.Message, from netip.AddrPort) {
	switch {
	case call != nil && call.invite.Branch() == m.Branch():
		c.score.add(&c.score.theirs)
		c.send(call.answer, from)
		return
	case call != nil: // a re-INVITE, which nothing here calls for
		c.send(siptext.Response(m, 488, "Not Acceptable Here", "").Bytes(), from)
		return
	}
	id := m.Value("Call-ID")
	if _, known := c.over.find(id); known {
		c.score.add(&c.score.theirs)
		return
	}
	theirs, err := siptext.ParseSDP(m.Body)
	if err != nil {
		c.score.fail("INVITE without audio")
		c.send(siptext.Response(m, 488, "Not Acceptable Here", token()).Bytes(), from)
		return
	}
	now := time.Now()
	call = &incall{n: c.taken, invite: m, from: from, tag: token(), theirs: theirs, due: now}
	if c.behave != nil {
		call.manners = c.behave()
		call.due = now.Add(call.ring)
	}
	c.taken++
	c.calls[id] = call
	call.answer = siptext.Response(m, 180, "Ringing", call.tag).Add("Contact", c.contact()).Bytes()
	c.send(call.answer, from)
	if call.ring == 0 {
		c.decide(call, now)
	}
}

func (c *callee) contact() string { return "<sip:" + c.self.String() + ">" }

// decide answers a call that has rung, or refuses it.
func (c *callee) decide(call *incall, now time.Time) {
	if call.refuse {
		c.score.add(&c.score.refused)
		c.refuse(call, 486, "Busy Here", now)
		return
	}
	answer := siptext.Audio{Addr: c.audio(call.n), Types: []uint8{c.codec}, Event: call.theirs.Event}
	ok := siptext.Response(call.invite, 200, "OK", call.tag).Add("Contact", c.contact()).WithBody("application/sdp", answer.SDP(1))
	c.finish(call, accepted, ok, now)
	c.score.add(&c.score.answered)
}

func (c *callee) refuse(call *incall, status int, reason string, now time.Time) {
	c.finish(call, refused, siptext.Response(call.invite, status, reason, call.tag), now)
}

func (c *callee) finish(call *incall, state inState, answer *siptext.Message, now time.Time) {
	call.state, call.due, call.answer = state, time.Time{}, answer.Bytes()
	call.pending = newRepeat(call.answer, call.from, timer2, now)
	c.send(call.answer, call.from)
}

func (c *callee) acknowledged(call *incall) {
	switch call.state {
	case accepted:
		call.state = talking
		call.pending.stop()
		if call.manners.talk > 0 {
			call.due = time.Now().Add(call.manners.talk)
		}
		if c.talk != nil {
			c.talk(call.n, call.theirs)
		}
	case refused:
		c.forget(call, nil)
	}
}

// cancelled takes a CANCEL, which does nothing to a call that was answered.
func (c *callee) cancelled(call *incall) {
	if c.behave == nil { // it answers at once: nobody has a reason
		c.score.fail("the PBX cancelled")
	}
	if call != nil && call.state == ringing {
		c.score.add(&c.score.cancelled)
		c.refuse(call, 487, "Request Terminated", time.Now())
	}
}

func (c *callee) left(call *incall, m *siptext.Message, from netip.AddrPort) {
	if call == nil {
		if ok, known := c.over.find(m.Value("Call-ID")); known && ok != nil {
			c.score.add(&c.score.theirs)
			c.send(ok, from)
			return
		}
		c.send(siptext.Response(m, 481, "Call Does Not Exist", "").Bytes(), from)
		return
	}
	ok := siptext.Response(m, 200, "OK", "").Bytes()
	c.score.add(&c.score.ended)
	c.forget(call, ok)
	c.send(ok, from)
}

// forget remembers of a call only our answer to their BYE; nil: they sent none.
func (c *callee) forget(call *incall, answer []byte) {
	id := call.invite.Value("Call-ID")
	delete(c.calls, id)
	c.over.add(id, answer)
	if c.parted != nil {
		c.parted(call.n)
	}
}

// leave hangs up on the PBX.
func (c *callee) leave(call *incall, now time.Time) {
	to := target(call.invite.Value("Contact"), call.from)
	bye := siptext.Request("BYE", siptext.URI(call.invite.Value("Contact")),
		siptext.Header{Name: "Via", Value: "SIP/2.0/UDP " + c.self.String() + ";rport;branch=z9hG4bK" + token()},
		siptext.Header{Name: "Max-Forwards", Value: "70"},
		siptext.Header{Name: "From", Value: call.invite.Value("To") + ";tag=" + call.tag},
		siptext.Header{Name: "To", Value: call.invite.Value("From")},
		siptext.Header{Name: "Call-ID", Value: call.invite.Value("Call-ID")},
		siptext.Header{Name: "CSeq", Value: "1 BYE"})
	for _, r := range call.invite.Values("Record-Route") {
		bye.Add("Route", r)
	}
	call.state, call.due = departing, time.Time{}
	call.pending = newRepeat(bye.Bytes(), to, timer2, now)
	c.send(call.pending.message, to)
}

// repeats is the callee's sweep.
func (c *callee) repeats(now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.over.age(now)
	for _, call := range c.calls {
		again, expired := call.pending.due(now)
		due := !call.due.IsZero() && now.After(call.due)
		switch {
		case again:
			c.score.add(&c.score.repeated)
			c.send(call.pending.message, call.pending.to)
		case expired:
			c.score.lose([]string{"", "no ACK", "no ACK of a refusal", "", "no answer to the callee's BYE"}[call.state], call.invite.Value("Call-ID"))
			c.forget(call, nil)
		case due && call.state == ringing:
			c.decide(call, now)
		case due && call.state == talking:
			c.leave(call, now)
		}
	}
}

// open is the number of calls that are not over.
func (c *callee) open() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.calls)
}
