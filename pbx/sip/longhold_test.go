package sip

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"cabline/media"
	"cabline/media/rtp"
	"cabline/pbx"
	"cabline/pbx/pbxtest"
)

// subscriber is a party behind a carrier who keeps to session timers: it answers
// what we ask, and refreshes where that is its part.
type subscriber struct {
	terms
	*talk
	ear     *ear
	says    string // SDP
	version int
	answers chan message

	mu        sync.Mutex // guards all below
	refreshes []time.Time
	lazy      bool // it refreshes no more
	goodbye   message
}

// terms are what is agreed on with a subscriber.
type terms struct {
	interval time.Duration
	theirs   bool   // the subscriber refreshes
	by       string // the method of refreshes, ours and theirs
	speaks   bool   // while the other one holds
}

// expires is what a request of the subscriber says of the session.
func (s *subscriber) expires(asUAC bool) string {
	if s.interval == 0 {
		return ""
	}
	refresher := "uac"
	if s.theirs != asUAC {
		refresher = "uas"
	}
	return fmt.Sprintf("Supported: timer\nSession-Expires: %.0f;refresher=%s\n", s.interval.Seconds(), refresher)
}

// allow has us refresh by the method meant.
func (s *subscriber) allow() string {
	if s.by == "UPDATE" {
		return "Allow: INVITE, ACK, BYE, UPDATE\n"
	}
	return ""
}

// sdp is the subscriber's session; hold is a line of SDP, empty: none.
func (s *subscriber) sdp(hold string) string {
	at := s.ear.socket.Local()
	s.version++
	host := at.Addr().String()
	if hold == "c=IN IP4 0.0.0.0" {
		host, hold = "0.0.0.0", ""
	}
	if hold != "" {
		hold += "\n"
	}
	s.says = fmt.Sprintf("Content-Type: application/sdp\n\nv=0\no=- 1 %d IN IP4 %s\ns=-\nc=IN IP4 %s\nt=0 0\nm=audio %d RTP/AVP 8\n%s", s.version, at.Addr(), host, at.Port(), hold)
	return s.says
}

// live answers what comes until the connection ends, and hands answers on.
func (s *subscriber) live() {
	for {
		select {
		case m := <-s.got:
			s.take(m)
		case <-s.gone:
			return
		}
	}
}

func (s *subscriber) take(m message) {
	method, _, _ := strings.Cut(string(m), " ")
	switch method {
	case "SIP/2.0":
		s.answers <- m
	case "ACK":
	case "UPDATE", "INVITE":
		s.note()
		more := s.expires(false)
		if theirs := m.header("Session-Expires"); theirs != "" { // who refreshes says so
			more = "Require: timer\nSession-Expires: " + theirs + "\n"
		}
		body := ""
		if method == "INVITE" {
			body = s.says
		}
		s.send(m.reply("200 OK", "", "Contact: <sip:x@"+s.self+">\n"+s.allow()+more+body))
	case "BYE":
		s.mu.Lock()
		s.goodbye = m
		s.mu.Unlock()
		s.send(m.reply("200 OK", "", ""))
	default:
		s.send(m.reply("200 OK", "", ""))
	}
}

// note writes down that the session was refreshed, by whomever.
func (s *subscriber) note() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.refreshes = append(s.refreshes, time.Now())
}

// ask sends a request of the dialog and returns its final answer.
func (s *subscriber) ask(method, more string) message {
	s.t.Helper()
	s.request(method, more)
	for {
		m := wait(s.t, "answer to "+method, s.answers)
		if !strings.HasPrefix(string(m), "SIP/2.0 1") {
			if !strings.HasPrefix(string(m), "SIP/2.0 200") || !strings.HasSuffix(m.header("CSeq"), method) {
				s.t.Fatalf("to %s came\n%s", method, m)
			}
			return m
		}
	}
}

// offer sends an INVITE with the session as it is now, and its ACK.
func (s *subscriber) offer(hold string) message {
	s.t.Helper()
	ok := s.ask("INVITE", s.allow()+s.expires(true)+s.sdp(hold))
	s.enter(ok)
	s.request("ACK", "")
	s.note()
	return ok
}

// refresh does what is the subscriber's part, for ever.
func (s *subscriber) refresh(ctx context.Context) {
	for {
		s.mu.Lock()
		next := s.refreshes[len(s.refreshes)-1].Add(s.interval / 2)
		s.mu.Unlock()
		select {
		case <-time.After(time.Until(next)):
		case <-ctx.Done():
			return
		}
		s.mu.Lock()
		due, lazy := time.Until(s.refreshes[len(s.refreshes)-1].Add(s.interval/2)) <= 0, s.lazy
		s.mu.Unlock()
		switch {
		case lazy:
			return
		case due && s.by == "UPDATE":
			s.ask("UPDATE", s.expires(true))
			s.note()
		case due:
			s.request("INVITE", s.expires(true)+s.says)
			ok := wait(s.t, "answer to a refresh", s.answers)
			for strings.HasPrefix(string(ok), "SIP/2.0 1") {
				ok = wait(s.t, "answer to a refresh", s.answers)
			}
			s.request("ACK", "")
			s.note()
		}
	}
}

// port is where the exchange takes the subscriber's audio, by its last SDP.
func portIn(t *testing.T, sdp string) netip.AddrPort {
	t.Helper()
	_, media, _ := strings.Cut(sdp, "m=audio ")
	number, _, _ := strings.Cut(media, " ")
	at, err := netip.ParseAddrPort("127.0.0.1:" + number)
	if err != nil {
		t.Fatalf("no port in %q", sdp)
	}
	return at
}

// musical is a voice whose music is one byte.
type musical struct{ pbxtest.Voice }

const music = 0x33

func (musical) Music() media.Clip {
	return media.Clip{Name: "music", ALaw: []byte(strings.Repeat("\x33", 2*media.Rate))}
}

// longTalk is a talk of two trunks' subscribers, with all there is of it: the
// story, SIP and RTP, in a bubble.
type longTalk struct {
	*testing.T
	client, target *subscriber
	ports          map[*subscriber]netip.AddrPort
	store          *pbxtest.Store
}

const westernTarget = "+79161234568"

func newLongTalk(t *testing.T, client, target terms) *longTalk {
	t.Helper()
	talk := &longTalk{T: t, client: &subscriber{terms: client}, target: &subscriber{terms: target}, store: &pbxtest.Store{}, ports: map[*subscriber]netip.AddrPort{}}
	air, clock := newAir(), media.NewClock()
	relay, err := rtp.Listen(rtp.Config{Wire: air, Clock: clock})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { relay.Close(); clock.Close() }) // after the server
	board := &pbx.Switchboard{Store: talk.store, Dispatch: pbxtest.Orders{}, Voices: map[string]pbx.Voice{"ru": musical{}}, Language: "ru",
		Lines: []pbx.Line{{Number: "+74950000000", Trunk: "west", Forward: westernTarget}}}
	far := newFarNet(t)
	b := startAlone(t, board.Incoming, func(c *Config) {
		c.Listen, c.dial = nil, far.dial
		c.Trunks = []Trunk{ // OPTIONS open the connection that the client's call comes by
			{Name: "east", Target: farFirst, Transport: "tcp", From: []netip.Prefix{netip.MustParsePrefix("192.0.2.1/32")}, Options: 24 * time.Hour},
			{Name: "west", Target: farSecond, Transport: "tcp", CallerID: "+74950000000"}}
		c.RTP = func(o RTPOptions) (Audio, error) {
			return relay.Open(rtp.Options{Bind: o.Bind, Advertise: o.Advertise, Signalling: o.Peer})
		}
	}, nil)
	board.Dialer = b.Server
	talk.client.ear, talk.target.ear = air.ear("192.0.2.1:4000", 0x11), air.ear("192.0.2.2:4000", 0x22)
	talk.begin(far)
	return talk
}

// begin has the client call and the target answer.
func (t *longTalk) begin(far *farNet) {
	t.Helper()
	east := far.carrier(farFirst)
	t.client.talk, t.client.answers = east.newTalk("79161234567", "74950000000"), make(chan message, 10)
	go t.client.live()
	called := make(chan message)
	go func() { called <- t.client.offer("") }()
	west := far.carrier(farSecond)
	invite := west.want("INVITE")
	t.target.talk = &talk{phone: west, id: invite.header("Call-ID"), from: invite.header("To") + ";tag=west", to: invite.header("From"), target: invite.uri("Contact")}
	t.target.answers = make(chan message, 10)
	west.send(invite.reply("200 OK", "west", "Contact: <sip:x@"+west.self+">\n"+t.target.allow()+t.target.expires(false)+t.target.sdp("")))
	west.want("ACK")
	t.target.note()
	go t.target.live()
	t.ports[t.client], t.ports[t.target] = portIn(t.T, wait(t.T, "answer", called).body()), portIn(t.T, invite.body())
	for _, s := range []*subscriber{t.client, t.target} {
		if s.theirs {
			go s.refresh(t.Context())
		}
	}
}

// speak lets some of them speak for a while, and time go by in any case.
func (t *longTalk) speak(d time.Duration, who ...*subscriber) {
	for range d / media.FrameTime {
		for _, s := range who {
			s.ear.say(t.ports[s])
		}
		time.Sleep(media.FrameTime)
	}
}

// hear proves that each hears what the other says, and nothing else.
func (t *longTalk) hear(when string) {
	t.Helper()
	t.speak(time.Second, t.client, t.target) // what comes after a silence may be late
	t.client.ear.listen()
	t.target.ear.listen()
	t.speak(time.Second, t.client, t.target)
	for _, pair := range [][2]*subscriber{{t.client, t.target}, {t.target, t.client}} {
		heard, _ := pair[0].ear.counted()
		if n := heard[pair[1].ear.says]; n < 49 || len(heard) != 1 {
			t.Errorf("%s, of what %#x says %#x heard %v", when, pair[1].ear.says, pair[0].ear.says, heard)
		}
	}
}

// end is a BYE of the client.
func (t *longTalk) end() pbx.CDR {
	t.Helper()
	t.client.ask("BYE", "")
	return t.record()
}

// record is the call's.
func (t *longTalk) record() pbx.CDR {
	t.Helper()
	until(t.T, "the call is over", func() bool { return len(t.store.CDRs()) == 1 })
	return t.store.CDRs()[0]
}

// kept says whether a session was refreshed at half its time and at no other.
func (s *subscriber) kept(t *testing.T, since, to time.Time) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.goodbye != "" {
		t.Errorf("we have hung up:\n%s", s.goodbye)
	}
	count := 0
	for i, at := range s.refreshes {
		if at.After(since) && !at.After(to) {
			count++
			if took := at.Sub(s.refreshes[i-1]).Round(time.Second); took != s.interval/2 {
				t.Errorf("refreshed after %v, not %v", took, s.interval/2)
			}
		}
	}
	if least := int(to.Sub(since)/(s.interval/2)) - 1; count < max(least, 1) {
		t.Errorf("refreshed %d times in %v, every %v", count, to.Sub(since), s.interval/2)
	}
}

const longHold = 25 * time.Minute

// Whoever holds, however that is said, and whoever refreshes: in 25 minutes of
// silence of the one who holds nothing ends the call, and what was agreed on before
// is heard again after.
func TestAHoldOf25MinutesWithSessionTimersIsMusicAndThenATalkAgain(t *testing.T) {
	const half, least = 30 * time.Minute, 90 * time.Second
	for name, c := range map[string]struct {
		client, target terms
		targetHolds    bool
		hold, answer   string
		reports        bool // the holder sends RTCP
	}{
		"the caller holds, we refresh both":            {client: terms{interval: half, by: "UPDATE", speaks: true}, target: terms{interval: half, by: "UPDATE", speaks: true}, hold: "a=sendonly", answer: "a=recvonly"},
		"the caller holds, both refresh themselves":    {client: terms{interval: half, by: "UPDATE", theirs: true}, target: terms{interval: half, by: "UPDATE", theirs: true, speaks: true}, hold: "a=inactive", answer: "a=inactive"},
		"the callee holds, we refresh both":            {targetHolds: true, client: terms{interval: least, by: "UPDATE", speaks: true}, target: terms{interval: half, by: "INVITE"}, hold: "a=inactive", answer: "a=inactive", reports: true},
		"the callee holds, both refresh themselves":    {targetHolds: true, client: terms{interval: half, by: "INVITE", theirs: true, speaks: true}, target: terms{interval: least, by: "INVITE", theirs: true}, hold: "a=sendonly", answer: "a=recvonly", reports: true},
		"the caller holds as RFC 2543 had it":          {client: terms{interval: least, by: "INVITE", theirs: true}, target: terms{interval: least, by: "INVITE", speaks: true}, hold: "c=IN IP4 0.0.0.0", answer: "m=audio"},
		"the callee holds as RFC 2543 had it":          {targetHolds: true, client: terms{interval: least, by: "INVITE", speaks: true}, target: terms{interval: least, by: "UPDATE", theirs: true}, hold: "c=IN IP4 0.0.0.0", answer: "m=audio"},
		"the caller holds and the other is silent too": {client: terms{interval: half, by: "UPDATE"}, target: terms{interval: half, by: "INVITE"}, hold: "a=sendonly", answer: "a=recvonly", reports: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				talk := newLongTalk(t, c.client, c.target)
				holder, other := talk.client, talk.target
				if c.targetHolds {
					holder, other = other, holder
				}
				talk.hear("before the hold")
				if ok := holder.offer(c.hold); !strings.Contains(ok.body(), c.answer) {
					t.Errorf("answered\n%s", ok)
				}
				talk.holds(holder, other, c.reports)
				holder.offer("")
				talk.hear("after the hold")
				cdr := talk.end()
				if cdr.Result != "completed" || cdr.Talked < longHold || cdr.Talked > longHold+10*time.Second {
					t.Errorf("%q after %v", cdr.Result, cdr.Talked)
				}
				if missed := slices.ContainsFunc(cdr.Steps, func(s pbx.Step) bool { return strings.HasSuffix(s.What, "is not heard") }); missed == other.speaks {
					t.Errorf("steps %v", cdr.Steps)
				}
			})
		})
	}
}

// holds lets 25 minutes go by on hold, and looks at them.
func (t *longTalk) holds(holder, other *subscriber, reports bool) {
	t.Helper()
	var speakers []*subscriber
	if other.speaks {
		speakers = append(speakers, other)
	}
	t.speak(100*time.Millisecond, speakers...) // until the music has begun
	began := time.Now()
	holder.ear.listen()
	other.ear.listen()
	for range longHold / (5 * time.Second) {
		if reports {
			holder.ear.report(t.ports[holder])
		}
		t.speak(5*time.Second, speakers...)
	}
	if heard, _ := holder.ear.counted(); len(heard) != 0 {
		t.Errorf("who holds heard %v", heard)
	}
	if heard, pause := other.ear.counted(); heard[music] < int(longHold/media.FrameTime)*99/100 || len(heard) != 1 || pause > 2*media.FrameTime {
		t.Errorf("the other heard %v, with a pause of %v", heard, pause)
	}
	holder.kept(t.T, began, time.Now())
	if other.speaks { // one who is not heard is asked for its audio anew, between its refreshes
		other.kept(t.T, began, time.Now())
	}
}

// A session that its refresher no longer refreshes is over on hold as well; the
// BYE says why (RFC 3326), and so does the record.
func TestASessionNobodyRefreshesEndsAHoldAndSaysSo(t *testing.T) {
	const reason = `SIP;cause=408;text="Session expired", Q.850;cause=102;text="Recovery on timer expiry"`
	synctest.Test(t, func(t *testing.T) {
		talk := newLongTalk(t, terms{interval: 10 * time.Minute, by: "UPDATE", theirs: true}, terms{interval: 10 * time.Minute, by: "UPDATE"})
		talk.hear("before the hold")
		talk.client.offer("a=sendonly")
		held := time.Now()
		talk.client.mu.Lock()
		talk.client.lazy = true
		talk.client.mu.Unlock()
		talk.speak(10*time.Minute, talk.target)
		cdr := talk.record()
		if took := cdr.Ended.Sub(held).Round(time.Second); took != 10*time.Minute-32*time.Second { // RFC 4028 §10
			t.Errorf("over after %v", took)
		}
		if cdr.Result != "session expired" || cdr.Legs[0].Cause != "session expired" {
			t.Errorf("%q, the client's leg %q", cdr.Result, cdr.Legs[0].Cause)
		}
		for _, s := range []*subscriber{talk.client, talk.target} {
			s.mu.Lock()
			if got := s.goodbye.header("Reason"); got != reason {
				t.Errorf("Reason %q", got)
			}
			s.mu.Unlock()
		}
	})
}
