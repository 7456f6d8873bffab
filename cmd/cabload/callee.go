package main

import (
	"net/netip"
	"sync"
	"time"

	"cabline/cmd/internal/siptext"
)

// callee is the driver's end: it rings and answers at once, and waits to be
// hung up on.
type callee struct {
	*desk
	codec uint8
	score *score
	audio func(n int) netip.AddrPort
	talk  func(n int, theirs siptext.Audio)

	mu      sync.Mutex
	taken   int
	calls   map[string]*incall
	over    ended[[]byte] // with the answer to their BYE
	talking sync.WaitGroup
}

// incall is a call we took.
type incall struct {
	n      int
	branch string // of the INVITE
	ok     []byte
	answer repeat // 200 until ACK
	acked  bool
	theirs siptext.Audio
}

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
	if !m.IsRequest() {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	id := m.Value("Call-ID")
	call := c.calls[id]
	switch m.Method() {
	case "INVITE":
		c.invited(call, m, from)
	case "ACK":
		if call != nil && !call.acked {
			call.acked = true
			call.answer.stop()
			if c.talk != nil {
				c.talking.Go(func() { c.talk(call.n, call.theirs) })
			}
		}
	case "BYE":
		c.left(call, m, from)
	case "CANCEL": // we answer at once, so this is always too late
		c.score.fail("the PBX cancelled")
		fallthrough
	default:
		c.send(siptext.Response(m, 200, "OK", "").Bytes(), from)
	}
}

func (c *callee) invited(call *incall, m *siptext.Message, from netip.AddrPort) {
	id := m.Value("Call-ID")
	switch {
	case call != nil && call.branch == m.Branch():
		c.score.add(&c.score.theirs)
		c.send(call.ok, from)
		return
	case call != nil: // a re-INVITE, which nothing here calls for
		c.send(siptext.Response(m, 488, "Not Acceptable Here", "").Bytes(), from)
		return
	}
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
	tag, contact := token(), "<sip:"+c.self.String()+">"
	answer := siptext.Audio{Addr: c.audio(c.taken), Types: []uint8{c.codec}, Event: theirs.Event}
	call = &incall{n: c.taken, branch: m.Branch(), theirs: theirs}
	call.ok = siptext.Response(m, 200, "OK", tag).Add("Contact", contact).WithBody("application/sdp", answer.SDP(1)).Bytes()
	call.answer = newRepeat(call.ok, from, timer2, time.Now())
	c.taken++
	c.calls[id] = call
	c.send(siptext.Response(m, 180, "Ringing", tag).Add("Contact", contact).Bytes(), from)
	c.send(call.ok, from)
	c.score.add(&c.score.answered)
}

func (c *callee) left(call *incall, m *siptext.Message, from netip.AddrPort) {
	id := m.Value("Call-ID")
	if call == nil {
		if ok, known := c.over.find(id); known {
			c.score.add(&c.score.theirs)
			c.send(ok, from)
			return
		}
		c.send(siptext.Response(m, 481, "Call Does Not Exist", "").Bytes(), from)
		return
	}
	ok := siptext.Response(m, 200, "OK", "").Bytes()
	delete(c.calls, id)
	c.over.add(id, ok)
	c.score.add(&c.score.ended)
	c.send(ok, from)
}

// repeats is the callee's sweep.
func (c *callee) repeats(now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.over.age(now)
	for id, call := range c.calls {
		again, expired := call.answer.due(now)
		switch {
		case again:
			c.score.add(&c.score.repeated)
			c.send(call.ok, call.answer.to)
		case expired:
			c.score.fail("no ACK")
			delete(c.calls, id)
		}
	}
}

// open is the number of calls that are not over.
func (c *callee) open() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.calls)
}
