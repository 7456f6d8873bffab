package sip

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"time"

	wire "github.com/emiago/sipgo/sip"

	"cabline/pbx"
)

// Session timers (RFC 4028): one side repeats itself in time, the other ends
// the call when that stops. We are the repeating side wherever we may choose:
// JsSIP would otherwise do it every 45 s, and its calls die with a page's
// connection that happens to be down then.

const (
	minSession = 90 * time.Second // RFC 4028 §5: not less
	ourSession = 30 * time.Minute // what we ask of browsers
)

// session is part of a leg and under its lock.
type session struct {
	interval time.Duration // 0: no timer
	ours     bool          // we refresh
	updates  bool          // the peer knows UPDATE
	sdp      []byte        // our side, as last sent
	timer    *time.Timer
	glare    *time.Timer // until a refusal by 491 is over
}

// sessionExpires reads the header; 0: there is none.
func sessionExpires(msg wire.Message) (interval time.Duration, refresher string) {
	h := header(msg, "session-expires", "x")
	if h == "" {
		return 0, ""
	}
	text, params, _ := strings.Cut(h, ";")
	n, err := strconv.ParseUint(strings.TrimSpace(text), 10, 31)
	if err != nil {
		return 0, ""
	}
	for p := range strings.SplitSeq(params, ";") {
		if key, value, _ := strings.Cut(p, "="); strings.EqualFold(strings.TrimSpace(key), "refresher") {
			refresher = strings.ToLower(strings.TrimSpace(value))
		}
	}
	return time.Duration(n) * time.Second, refresher
}

// sessionOf is sessionExpires as we keep to it: who asks for less than RFC 4028 §5
// allows, and cannot be told so, gets that.
func sessionOf(msg wire.Message) (interval time.Duration, refresher string) {
	if interval, refresher = sessionExpires(msg); interval > 0 {
		interval = max(interval, minSession)
	}
	return interval, refresher
}

// tooShort says whether a request wants to be repeated too often.
func tooShort(req *wire.Request) bool {
	interval, _ := sessionExpires(req)
	return interval > 0 && interval < minSession && lists(req, "supported", "k", "timer")
}

func minSE() wire.Header { return wire.NewHeader("Min-SE", seconds(minSession)) }

// agree settles the timer as UAS of req and returns what the 200 says of it.
// The lock is held.
func (l *Leg) agree(req *wire.Request) []wire.Header {
	l.notice(req)
	interval, refresher := sessionOf(req)
	knows := lists(req, "supported", "k", "timer")
	if interval == 0 && knows && strings.HasPrefix(l.network, "WS") {
		interval = ourSession
	}
	l.watchSession(interval, refresher != "uac")
	switch {
	case interval == 0:
		return nil
	case l.ours:
		return []wire.Header{wire.NewHeader("Session-Expires", seconds(interval)+";refresher=uas")}
	}
	return []wire.Header{wire.NewHeader("Session-Expires", seconds(interval)+";refresher=uac"), wire.NewHeader("Require", "timer")}
}

// agreed settles the timer as UAC from a 2xx. The lock is held.
func (l *Leg) agreed(res *wire.Response) {
	l.notice(res)
	interval, refresher := sessionOf(res)
	l.watchSession(interval, refresher != "uas")
}

// notice remembers whether the peer knows UPDATE.
func (l *Leg) notice(msg wire.Message) {
	if lists(msg, "allow", "", "UPDATE") {
		l.updates = true
	}
}

// watchSession starts the timer anew.
func (l *Leg) watchSession(interval time.Duration, ours bool) {
	l.interval, l.ours = interval, ours
	if l.timer != nil {
		l.timer.Stop()
		l.timer = nil
	}
	switch {
	case interval == 0:
	case ours:
		l.refreshIn(interval / 2)
	default: // RFC 4028 §10
		l.timer = l.after(interval-min(32*time.Second, interval/3), l.expire)
	}
}

// expire ends a call whose peer is no more.
func (l *Leg) expire() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.state == up {
		l.fail(pbx.ErrExpired)
	}
}

// fail hangs up on our own account. The lock is held.
func (l *Leg) fail(why error) {
	l.finish(why)
	if l.acked {
		l.bye(why)
	} else {
		l.byeDue = why
	}
}

// refresh tells the peer that we are here: with UPDATE, or with a re-INVITE
// where the peer does not know that.
func (l *Leg) refresh() {
	l.mu.Lock()
	method := wire.UPDATE
	if !l.updates {
		method = wire.INVITE
	}
	l.mu.Unlock()
	l.repeatSession(method, l.refresh)
}

// Renew implements pbx.Leg. A browser's audio mends itself or is lost (ICE).
func (l *Leg) Renew() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.state != up || l.inviting || strings.HasPrefix(l.network, "WS") {
		return
	}
	if sdp, err := l.audio.Offer(); err == nil {
		l.sdp = sdp
		l.Go(func() { l.repeatSession(wire.INVITE, l.Renew) })
	}
}

// repeatSession tells the peer the session as it is, and hears theirs; again is
// what does so once more.
func (l *Leg) repeatSession(method wire.RequestMethod, again func()) {
	l.mu.Lock()
	if l.state != up || l.inviting || l.pending != nil {
		l.mu.Unlock()
		return // an INVITE under way does it too
	}
	l.inviting = method == wire.INVITE
	l.localSeq++
	seq := l.localSeq
	l.mu.Unlock()
	res := l.deliver(seq, func(seq uint32) *wire.Request { return l.composeRefresh(method, seq) })

	l.mu.Lock()
	defer l.mu.Unlock()
	l.inviting = false
	if method == wire.INVITE && res != nil && res.IsSuccess() {
		l.ack(res.CSeq().SeqNo) // also where our BYE has crossed it
	}
	if l.state == up {
		l.refreshed(res, method, again)
	}
}

func (l *Leg) composeRefresh(method wire.RequestMethod, seq uint32) *wire.Request {
	req := l.compose(method, seq)
	req.AppendHeader(l.contact())
	req.AppendHeader(wire.NewHeader("Supported", "timer"))
	if l.interval > 0 {
		req.AppendHeader(wire.NewHeader("Session-Expires", seconds(l.interval)+";refresher=uac"))
		req.AppendHeader(minSE())
	}
	if method == wire.INVITE {
		req.AppendHeader(wire.NewHeader("Allow", l.allows()))
		req.AppendHeader(wire.NewHeader("Content-Type", "application/sdp"))
		req.SetBody(l.sdp)
	}
	return req
}

// refreshed is the answer to repeatSession. The lock is held.
func (l *Leg) refreshed(res *wire.Response, method wire.RequestMethod, again func()) {
	switch {
	case res == nil, res.StatusCode == 408, res.StatusCode == 481:
		why := errUnheard
		if l.interval > 0 {
			why = pbx.ErrExpired
		}
		l.fail(fmt.Errorf("session refresh unanswered: %w", why))
	case res.IsSuccess():
		l.retarget(res.Contact())
		if body := res.Body(); method == wire.INVITE && len(body) > 0 {
			_ = l.audio.Accept(body) // it was acceptable before
			l.noticeHold()
		}
		l.agreed(res)
	case res.StatusCode == wire.StatusRequestPending:
		if l.glare != nil {
			l.glare.Stop()
		}
		l.glare = time.AfterFunc(l.untilGlareEnds(), func() { l.Go(again) })
	case method == wire.UPDATE && (res.StatusCode == 405 || res.StatusCode == 501):
		l.updates = false
		l.Go(l.refresh)
	case l.interval == 0 || !l.ours: // it was no refresh, and can be done without
	case res.StatusCode == 422 && minimum(res) > l.interval: // RFC 4028 §7.3
		l.interval = minimum(res)
		l.Go(again)
	default:
		l.refreshIn(max(3*time.Second, l.interval/8)) // some four times before the session is over
	}
}

// refreshIn has the session refreshed after a while. The lock is held.
func (l *Leg) refreshIn(d time.Duration) {
	if l.timer != nil {
		l.timer.Stop()
	}
	l.timer = time.AfterFunc(d, func() { l.Go(l.refresh) })
}

// untilGlareEnds is when what 491 has refused goes again (RFC 3261 §14.1).
func (l *Leg) untilGlareEnds() time.Duration {
	if l.placed {
		return 2100*time.Millisecond + rand.N[time.Duration](191)*10*time.Millisecond
	}
	return rand.N[time.Duration](201) * 10 * time.Millisecond
}

// minimum is what a 422 asks for; a day and more is nonsense.
func minimum(res *wire.Response) time.Duration {
	n, _ := strconv.ParseUint(strings.TrimSpace(header(res, "min-se", "")), 10, 31)
	return min(time.Duration(n)*time.Second, 24*time.Hour)
}

// header returns the value of a header by its long or compact name.
func header(msg wire.Message, long, compact string) string {
	for _, name := range []string{long, compact} {
		if h := msg.GetHeaders(name); len(h) > 0 {
			return h[0].Value()
		}
	}
	return ""
}

// lists says whether a header's comma-separated values have a word.
func lists(msg wire.Message, long, compact, word string) bool {
	for _, name := range []string{long, compact} { // sipgo does not know most compact names
		for _, h := range msg.GetHeaders(name) {
			for v := range strings.SplitSeq(h.Value(), ",") {
				if strings.EqualFold(strings.TrimSpace(v), word) {
					return true
				}
			}
		}
	}
	return false
}

// digitIn reads the key in the body of an INFO; false: there is none.
func digitIn(kind string, body []byte) (byte, bool) {
	text := strings.TrimSpace(string(body))
	if kind == "application/dtmf-relay" {
		text = ""
		for line := range bytes.Lines(body) {
			key, value, _ := strings.Cut(string(line), "=")
			if strings.EqualFold(strings.TrimSpace(key), "Signal") {
				text = strings.TrimSpace(value)
			}
		}
	}
	if n, err := strconv.Atoi(text); err == nil && n >= 10 && n <= 15 { // as some gateways write them
		return "*#ABCD"[n-10], true
	}
	text = strings.ToUpper(text)
	if len(text) != 1 || !strings.Contains("0123456789*#ABCD", text) {
		return 0, false
	}
	return text[0], true
}
