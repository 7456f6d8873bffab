package main

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"cabline/cmd/internal/siptext"
)

// caller is the client's end: it places calls and hangs them up.
type caller struct {
	*desk
	pbx    netip.AddrPort
	number string // dialled
	codec  uint8
	score  *score
	// audio is where call number n wants its audio.
	audio func(n int) netip.AddrPort
	// talk is called when a call was answered and the ACK sent, parted when it has
	// ended, however it did. They must not wait.
	talk   func(n int, theirs siptext.Audio)
	parted func(n int)
	rough  bool // calls may be refused, and the PBX may hang up: nothing failed
	phones int  // how many callers there are; 0: as many as calls

	mu    sync.Mutex
	calls map[string]*outcall
	over  ended[[]byte] // calls that ended, with the ACK they may still need
}

// outcall is a call we placed.
type outcall struct {
	n        int
	id       string
	from, to string
	branch   string
	state    outState
	hold     time.Duration // how long we talk; negative: until hangUpAll
	giveUp   time.Time     // when to cancel; zero: never
	invited  time.Time
	hangUp   time.Time
	pending  repeat // INVITE, later BYE
	ack      []byte
	peer     netip.AddrPort // where requests of the dialog go
	uri      string         // and their Request-URI
	routes   []string
}

type outState int

const (
	inviting outState = iota
	cancelling
	inTalk
	leaving
)

func openCaller(at, pbx netip.AddrPort, number string, codec uint8) (*caller, error) {
	d, err := openDesk(at)
	if err != nil {
		return nil, err
	}
	c := &caller{desk: d, pbx: pbx, number: number, codec: codec, score: newScore(), calls: map[string]*outcall{}}
	// The address need not take audio when only signalling is measured.
	c.audio = func(int) netip.AddrPort { return netip.AddrPortFrom(d.self.Addr(), 9) }
	d.take, d.sweep = c.receive, c.repeats
	return c, nil
}

// place begins call number n.
func (c *caller) place(n int, hold time.Duration) { c.dial(n, c.number, hold, 0) }

// phone is the number that call number n comes from.
func (c *caller) phone(n int) string {
	if c.phones > 0 {
		n %= c.phones
	}
	return phoneOf(n)
}

func phoneOf(n int) string { return fmt.Sprintf("+7916%07d", n%10_000_000) }

// dial begins call number n to a number, and cancels it unless it is answered
// within giveUp; 0: never.
func (c *caller) dial(n int, number string, hold, giveUp time.Duration) {
	call := &outcall{n: n, id: token() + "@cabload", branch: "z9hG4bK" + token(), hold: hold, uri: "sip:" + number + "@" + c.pbx.String()}
	call.from = fmt.Sprintf("<sip:%s@%s>;tag=%s", c.phone(n), c.self.Addr(), token())
	call.to = fmt.Sprintf("<sip:%s@%s>", number, c.pbx.Addr())
	offer := siptext.Audio{Addr: c.audio(n), Types: []uint8{c.codec}, Event: 101}
	message := c.request(call, "INVITE", 1, call.branch).WithBody("application/sdp", offer.SDP(1)).Bytes()

	c.mu.Lock()
	defer c.mu.Unlock()
	call.invited = time.Now()
	if giveUp > 0 {
		call.giveUp = call.invited.Add(giveUp)
	}
	call.pending = newRepeat(message, c.pbx, 0, call.invited)
	c.calls[call.id] = call
	c.score.add(&c.score.started)
	c.send(message, c.pbx)
}

func (c *caller) request(call *outcall, method string, cseq int, branch string) *siptext.Message {
	m := siptext.Request(method, call.uri,
		siptext.Header{Name: "Via", Value: "SIP/2.0/UDP " + c.self.String() + ";rport;branch=" + branch},
		siptext.Header{Name: "Max-Forwards", Value: "70"},
		siptext.Header{Name: "From", Value: call.from},
		siptext.Header{Name: "To", Value: call.to},
		siptext.Header{Name: "Call-ID", Value: call.id},
		siptext.Header{Name: "CSeq", Value: strconv.Itoa(cseq) + " " + method},
		siptext.Header{Name: "Contact", Value: "<sip:" + c.self.String() + ">"})
	for _, r := range call.routes {
		m.Add("Route", r)
	}
	return m
}

func (c *caller) receive(m *siptext.Message, from netip.AddrPort) {
	c.mu.Lock()
	defer c.mu.Unlock()
	call := c.calls[m.Value("Call-ID")]
	switch {
	case m.IsRequest():
		c.asked(call, m, from)
	case call == nil:
		if ack, known := c.over.find(m.Value("Call-ID")); known && m.Method() == "INVITE" && m.Status() >= 200 {
			c.score.add(&c.score.theirs)
			c.send(ack, from)
		}
	case m.Method() == "INVITE":
		c.progress(call, m, from)
	case m.Method() == "CANCEL" && call.state == cancelling:
		call.pending.hold() // now 487 is due, or 200 if that was on its way
	case m.Method() == "BYE" && call.state == leaving:
		if m.Status() >= 300 {
			c.score.lose("BYE was answered by "+m.Start[8:], call.id)
		} else {
			c.score.add(&c.score.ended)
		}
		c.forget(call)
	}
}

// progress takes a response to INVITE.
func (c *caller) progress(call *outcall, m *siptext.Message, from netip.AddrPort) {
	switch status := m.Status(); {
	case status < 200:
		if call.state == inviting {
			call.pending.hold()
		}
	case call.state != inviting && call.state != cancelling:
		if status < 300 && call.ack != nil { // our ACK was lost, or the PBX in a hurry
			c.score.add(&c.score.theirs)
			c.send(call.ack, call.peer)
		}
	case status >= 300:
		call.to = m.Value("To")
		call.ack = c.request(call, "ACK", 1, call.branch).Bytes()
		c.send(call.ack, c.pbx)
		switch {
		case status == 487 && call.state == cancelling:
			c.score.add(&c.score.cancelled)
		case c.rough && slices.Contains(refusals, status):
			c.score.add(&c.score.refused)
		default:
			c.score.lose(strings.TrimSpace(m.Start[8:]), call.id)
		}
		c.forget(call)
	default:
		c.established(call, m, from)
	}
}

// refusals are the answers of a called party who does not want to talk.
var refusals = []int{480, 486, 603}

func (c *caller) established(call *outcall, m *siptext.Message, from netip.AddrPort) {
	now := time.Now()
	c.score.answer(now.Sub(call.invited))
	tooLate := call.state == cancelling // the 200 crossed our CANCEL
	call.state, call.to, call.peer = inTalk, m.Value("To"), target(m.Value("Contact"), from)
	if contact := siptext.URI(m.Value("Contact")); contact != "" {
		call.uri = contact
	}
	routes := m.Values("Record-Route")
	for i := range routes {
		call.routes = append(call.routes, routes[len(routes)-1-i])
	}
	call.pending.stop()
	call.ack = c.request(call, "ACK", 1, "z9hG4bK"+token()).Bytes()
	c.send(call.ack, call.peer)
	if c.talk != nil {
		theirs, err := siptext.ParseSDP(m.Body)
		if err != nil {
			c.score.lose("200 without audio", call.id)
		} else {
			c.talk(call.n, theirs)
		}
	}
	switch {
	case call.hold == 0 || tooLate:
		c.leave(call, now)
	case call.hold > 0:
		call.hangUp = now.Add(call.hold)
	}
}

// leave sends BYE.
func (c *caller) leave(call *outcall, now time.Time) {
	message := c.request(call, "BYE", 2, "z9hG4bK"+token()).Bytes()
	call.state, call.hangUp = leaving, time.Time{}
	call.pending = newRepeat(message, call.peer, timer2, now)
	c.send(message, call.peer)
}

// asked answers a request of the PBX. In these calls it has no reason to ask
// for anything but to be told that we live.
func (c *caller) asked(call *outcall, m *siptext.Message, from netip.AddrPort) {
	switch {
	case m.Method() == "ACK":
		return
	case call == nil && m.Method() != "OPTIONS":
		if _, known := c.over.find(m.Value("Call-ID")); !known {
			c.send(siptext.Response(m, 481, "Call Does Not Exist", "").Bytes(), from)
			return
		}
	case m.Method() == "BYE":
		if call.state != leaving { // otherwise the two BYEs crossed
			if c.rough {
				c.score.add(&c.score.left)
			} else {
				c.score.lose("the PBX hung up on the caller", call.id)
			}
			c.forget(call)
		}
	}
	c.send(siptext.Response(m, 200, "OK", "").Bytes(), from)
}

func (c *caller) forget(call *outcall) {
	delete(c.calls, call.id)
	c.over.add(call.id, call.ack)
	if c.parted != nil {
		c.parted(call.n)
	}
}

// repeats is the caller's sweep: what is overdue is sent again or given up,
// and calls that have talked enough end.
func (c *caller) repeats(now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.over.age(now)
	for _, call := range c.calls {
		again, expired := call.pending.due(now)
		switch {
		case again:
			c.score.add(&c.score.repeated)
			c.send(call.pending.message, call.pending.to)
		case expired:
			c.score.lose([]string{"no answer to INVITE", "no end after CANCEL", "", "no answer to BYE"}[call.state], call.id)
			c.forget(call)
		case !call.hangUp.IsZero() && now.After(call.hangUp):
			c.leave(call, now)
		case call.state == inviting && !call.giveUp.IsZero() && now.After(call.giveUp) && call.pending.message == nil:
			c.cancel(call, now)
		}
	}
}

// cancel takes an INVITE back. RFC 3261 §9.1: only when it was answered
// provisionally, which has stopped its repeats.
func (c *caller) cancel(call *outcall, now time.Time) {
	call.state = cancelling
	message := c.request(call, "CANCEL", 1, call.branch).Bytes()
	call.pending = newRepeat(message, c.pbx, timer2, now)
	c.send(message, c.pbx)
}

// hangUpAll ends the calls that last until told.
func (c *caller) hangUpAll() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, call := range c.calls {
		if call.state == inTalk {
			c.leave(call, time.Now())
		}
	}
}

// lock runs f while nothing happens here.
func (c *caller) lock(f func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	f()
}

// open is the number of calls that are not over.
func (c *caller) open() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.calls)
}

// ended remembers calls for a while after their end, for repeated messages. It
// keeps two generations and drops the older one.
type ended[T any] struct {
	young, old map[string]T
	turned     time.Time
}

const memory = 8 * time.Second

func (e *ended[T]) add(id string, what T) {
	if e.young == nil {
		e.young = map[string]T{}
	}
	e.young[id] = what
}

func (e *ended[T]) find(id string) (what T, ok bool) {
	if what, ok = e.young[id]; !ok {
		what, ok = e.old[id]
	}
	return what, ok
}

func (e *ended[T]) age(now time.Time) {
	if now.Sub(e.turned) > memory {
		e.young, e.old, e.turned = nil, e.young, now
	}
}
