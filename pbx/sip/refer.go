package sip

import (
	"context"
	"fmt"
	"net/url"
	"strings"
	"time"

	wire "github.com/emiago/sipgo/sip"

	"cabline/pbx"
)

// REFER (RFC 3515) is for operators' phones: who has a call of ours and a
// password of ours may hand the other party on. Carriers are refused.

// reportWait is how long a phone has to confirm the end of its REFER before it
// is hung up.
const reportWait = 2 * time.Second

// referred is a REFER within the dialog. The lock is held.
func (l *Leg) referred(req *wire.Request, tx *wire.ServerTx) {
	refuse := func(code int) { l.server.answer(req, tx, code, l.capabilities()...) }
	if l.referrals == nil {
		refuse(wire.StatusMethodNotAllowed)
		return
	}
	to, err := l.server.referTo(req, l)
	switch {
	case err != nil:
		refuse(wire.StatusBadRequest)
	case l.state != up || l.referring:
		refuse(wire.StatusRequestPending)
	case to.Number == "" && to.Operator == "" && to.Instead == nil:
		refuse(wire.StatusNotFound)
	default:
		l.referring = true
		progress := &subscription{leg: l, id: req.CSeq().SeqNo, sent: make(chan struct{})}
		close(progress.sent)
		to.Ringing, to.Report = progress.ringing, progress.report
		l.server.answer(req, tx, wire.StatusAccepted, l.contact())
		progress.notify(wire.StatusTrying) // RFC 3515 §2.4.4: at once
		l.referrals <- to                  // there is room, for only one is under way
	}
}

// referTo reads whom a REFER of a leg means. An empty one is nobody we know.
func (s *Server) referTo(req *wire.Request, by *Leg) (to pbx.Referral, err error) {
	values := req.GetHeaders("refer-to")
	if values = append(values, req.GetHeaders("r")...); len(values) != 1 { // RFC 3515 §2.4.2
		return to, fmt.Errorf("%d Refer-To: %w", len(values), errMalformed)
	}
	var uri wire.Uri
	if _, err := wire.ParseAddressValue(values[0].Value(), &uri, nil); err != nil || !cleanURI(&uri) {
		return to, fmt.Errorf("Refer-To: %w", errMalformed)
	}
	if replaces, ok := uri.Headers.Get("Replaces"); ok {
		other, err := s.replaced(replaces, by)
		if other != nil {
			to.Instead = other
		}
		return to, err
	}
	to.Operator, to.Number = s.whom(&uri)
	return to, nil
}

// whom reads an address that an operator may call: another operator, a number,
// or what stands for one.
func (s *Server) whom(uri *wire.Uri) (login string, number pbx.Phone) {
	if _, ok := s.cfg.Accounts(uri.User); ok && uri.Scheme != "tel" {
		return uri.User, ""
	}
	if s.cfg.Alias != nil {
		if user, err := url.PathUnescape(uri.User); err == nil {
			if number, ok := s.cfg.Alias(user); ok {
				return "", number
			}
		}
	}
	return "", numberIn(uri, s.cfg.Country)
}

// replaced finds the leg that a Replaces names (RFC 3891 §3), another one of the
// same operator; nil: there is none.
func (s *Server) replaced(text string, by *Leg) (*Leg, error) {
	text, err := url.PathUnescape(text)
	if err != nil {
		return nil, fmt.Errorf("Replaces: %w", errMalformed)
	}
	callID, params, _ := strings.Cut(text, ";")
	tags := map[string]string{}
	for p := range strings.SplitSeq(params, ";") {
		key, value, _ := strings.Cut(p, "=")
		tags[strings.ToLower(strings.TrimSpace(key))] = strings.TrimSpace(value)
	}
	l, _ := s.legs.find(tags["to-tag"])
	if l == nil || l == by || l.login == "" || l.login != by.login {
		return nil, nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.callID != strings.TrimSpace(callID) || l.remoteTag != tags["from-tag"] || l.state != up {
		return nil, nil
	}
	return l, nil
}

// subscription is what a phone is told of its REFER (RFC 3515 §2.4.4).
type subscription struct {
	leg  *Leg
	id   uint32        // the number of the REFER
	sent chan struct{} // closed when the last NOTIFY is answered
	said bool          // that somebody rings, or all there is to say
}

// ringing is Ringing of a pbx.Referral.
func (n *subscription) ringing() {
	n.leg.mu.Lock()
	defer n.leg.mu.Unlock()
	if !n.said && n.leg.state == up {
		n.said = true
		n.notify(wire.StatusRinging)
	}
}

// report is Report of a pbx.Referral.
func (n *subscription) report(ctx context.Context, err error) {
	code := wire.StatusOK
	if err != nil {
		code = refusal(err)
	}
	n.leg.mu.Lock()
	n.leg.referring, n.said = false, true
	gone := n.leg.state != up
	if !gone {
		n.notify(code)
	}
	sent := n.sent
	n.leg.mu.Unlock()
	if gone {
		return
	}
	wait := time.NewTimer(reportWait)
	defer wait.Stop()
	select {
	case <-sent:
	case <-wait.C:
	case <-ctx.Done():
	case <-n.leg.ctx.Done():
	}
}

// notify sends a NOTIFY after the one before it. The leg's lock is held.
func (n *subscription) notify(code int) {
	l := n.leg
	l.localSeq++
	seq, before, sent := l.localSeq, n.sent, make(chan struct{})
	n.sent = sent
	l.Go(func() {
		defer close(sent)
		<-before
		l.deliver(seq, func(seq uint32) *wire.Request { return l.composeNotify(n.id, seq, code) })
	})
}

func (l *Leg) composeNotify(id, seq uint32, code int) *wire.Request {
	req := l.compose(wire.NOTIFY, seq)
	req.AppendHeader(l.contact())
	req.AppendHeader(wire.NewHeader("Event", fmt.Sprintf("refer;id=%d", id)))
	state := "active;expires=180"
	if code >= 200 {
		state = "terminated;reason=noresource"
	}
	req.AppendHeader(wire.NewHeader("Subscription-State", state))
	req.AppendHeader(wire.NewHeader("Content-Type", "message/sipfrag;version=2.0"))
	req.SetBody(fmt.Appendf(nil, "SIP/2.0 %d %s\r\n", code, phrase(code)))
	return req
}
