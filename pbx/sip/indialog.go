package sip

import (
	"errors"
	"strings"

	wire "github.com/emiago/sipgo/sip"

	"cabline/media"
)

// inDialog deals with a request inside a dialog, found by its To tag.
func (s *Server) inDialog(req *wire.Request, tx *wire.ServerTx, tag string) {
	l, lately := s.legs.find(tag)
	switch {
	case req.Method == wire.ACK:
		if l != nil && l.belongs(req) {
			l.confirmed(req)
		}
	case l == nil && lately && req.Method == wire.BYE:
		s.answer(req, tx, wire.StatusOK) // theirs crossed ours, or comes again
	case (l == nil || !l.belongs(req)) && !s.welcome(req):
		tx.Terminate()
	case l == nil || !l.belongs(req):
		s.noDialog(req, tx)
	default:
		s.places.proved(req.Transport(), req.Source()) // a phone may come back in mid-call before it registers
		l.handle(req, tx)
	}
}

// belongs says whether a request with the leg's tag has the rest right too
// (RFC 3261 §12.2.2).
func (l *Leg) belongs(req *wire.Request) bool {
	tag, _ := req.From().Params.Get("tag")
	l.mu.Lock()
	defer l.mu.Unlock()
	e := l.forks[tag]
	rings := l.state == calling && e != nil && e.rseq != 0 // RFC 3262 §4: a reliable response makes a dialog
	return string(*req.CallID()) == l.callID && (tag == l.remoteTag || rings)
}

// repeated recognises the last INVITE of the dialog when it comes again after
// its transaction, accepted, is over. Our 200 is being repeated anyway. The lock is
// held.
func (l *Leg) repeated(req *wire.Request) bool {
	return req.Method == wire.INVITE && l.lastOK != 0 && req.CSeq().SeqNo == l.lastOK
}

// handle deals with a request of the dialog, one at a time, by their numbers.
func (l *Leg) handle(req *wire.Request, tx *wire.ServerTx) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.repeated(req) {
		tx.Terminate()
		return
	}
	if !l.inTurn(req) {
		code := wire.StatusInternalServerError
		if req.Method == wire.BYE && l.state == over { // it came again while the first was dealt with
			code = wire.StatusOK
		}
		l.server.answer(req, tx, code)
		return
	}
	defer func() {
		if fault := recover(); fault != nil {
			l.fail(errFault)
			panic(fault) // for receive to tell of
		}
	}()
	if l.device != nil && req.Source() != l.flow { // a page that came back and did not register yet
		if p, err := l.server.pathBack(req, false); err == nil {
			l.takeWay(p)
		}
	}
	switch req.Method {
	case wire.BYE:
		l.server.answer(req, tx, wire.StatusOK)
		l.peerHungUp()
	case wire.INVITE:
		l.reinvited(req, tx)
	case wire.UPDATE:
		l.updated(req, tx)
	case wire.PRACK:
		l.confirmedEarly(req, tx)
	case wire.INFO:
		l.informed(req, tx)
	case wire.REFER:
		l.referred(req, tx)
	case wire.OPTIONS:
		l.server.answer(req, tx, wire.StatusOK, l.capabilities()...)
	default:
		l.server.answer(req, tx, wire.StatusMethodNotAllowed, l.capabilities()...)
	}
}

// errFault is the end of a leg whose audio, or we ourselves, broke.
var errFault = errors.New("a fault of ours")

// blocked answers a request that would change the session at the wrong moment
// (RFC 3261 §14.2, RFC 3311 §5.2). The lock is held.
func (l *Leg) blocked(req *wire.Request, tx *wire.ServerTx) bool {
	switch {
	case l.inviting:
		l.server.answer(req, tx, wire.StatusRequestPending)
	case l.state != up || l.pending != nil && l.pending.offered:
		l.server.answer(req, tx, wire.StatusInternalServerError, wire.NewHeader("Retry-After", "1"))
	case len(unsupported(req)) > 0:
		l.server.answer(req, tx, wire.StatusBadExtension, reasons(req, wire.StatusBadExtension)...)
	case tooShort(req):
		l.server.answer(req, tx, 422, minSE())
	case len(req.Body()) > 0 && !isSDP(req):
		l.server.answer(req, tx, wire.StatusUnsupportedMediaType, capabilities()...)
	default:
		return false
	}
	return true
}

// retarget follows a peer that says where it is now (RFC 3261 §12.2.2). The
// lock is held.
func (l *Leg) retarget(c *wire.ContactHeader) {
	if c != nil && routable(&c.Address) {
		l.target = *c.Address.Clone()
		l.target.Headers = nil
	}
}

// reinvited is a re-INVITE: hold, another address, a sign of life. The lock is
// held.
func (l *Leg) reinvited(req *wire.Request, tx *wire.ServerTx) {
	if l.pending != nil && !l.pending.offered {
		// Whoever goes on has our 200; the ACK was lost or is overtaken.
		l.settled()
	}
	if l.state != over && l.blocked(req, tx) {
		return
	}
	if l.state == over {
		l.server.answer(req, tx, wire.StatusCallTransactionDoesNotExists)
		return
	}
	sdp, err := l.sessionFor(req.Body())
	if err != nil {
		l.server.answer(req, tx, wire.StatusNotAcceptableHere)
		return
	}
	l.retarget(req.Contact())
	p := &accepted{seq: req.CSeq().SeqNo, conn: tx.Connection(), done: make(chan struct{}), offered: len(req.Body()) == 0}
	p.res = l.ok(req, sdp)
	if tx.Respond(p.res) == nil {
		l.repeat(p)
	}
}

// sessionFor answers an offer, or makes one where there is none. The lock is
// held.
func (l *Leg) sessionFor(offer []byte) (sdp []byte, err error) {
	if len(offer) == 0 {
		return l.audio.Offer()
	}
	sdp, err = l.audio.Answer(offer)
	l.noticeHold()
	return sdp, err
}

// ok builds the 200 to an INVITE or UPDATE. The lock is held.
func (l *Leg) ok(req *wire.Request, sdp []byte) *wire.Response {
	res := respond(req, wire.StatusOK, l.contact(), wire.NewHeader("Allow", l.allows()), wire.NewHeader("Supported", "timer"))
	for _, h := range l.agree(req) {
		res.AppendHeader(h)
	}
	if sdp != nil {
		l.sdp = sdp
		res.AppendHeader(wire.NewHeader("Content-Type", "application/sdp"))
		res.SetBody(sdp)
	}
	return res
}

// updated is an UPDATE (RFC 3311). The lock is held.
func (l *Leg) updated(req *wire.Request, tx *wire.ServerTx) {
	if l.state == arriving || l.state == calling {
		l.updatedEarly(req, tx)
		return
	}
	if l.blocked(req, tx) {
		return
	}
	var sdp []byte
	if len(req.Body()) > 0 {
		var err error
		if sdp, err = l.sessionFor(req.Body()); err != nil {
			l.server.answer(req, tx, wire.StatusNotAcceptableHere)
			return
		}
	}
	l.retarget(req.Contact())
	_ = tx.Respond(l.ok(req, sdp)) // lost, it is sent again when the UPDATE comes again
}

// informed is an INFO: a key (JsSIP's way), or nothing. The lock is held.
func (l *Leg) informed(req *wire.Request, tx *wire.ServerTx) {
	body := req.Body()
	if len(body) == 0 {
		l.server.answer(req, tx, wire.StatusOK)
		return
	}
	var kind string
	if h := req.ContentType(); h != nil {
		kind, _, _ = strings.Cut(strings.ToLower(string(*h)), ";")
		kind = strings.TrimSpace(kind)
	}
	if kind != "application/dtmf-relay" && kind != "application/dtmf" {
		l.server.answer(req, tx, wire.StatusUnsupportedMediaType, capabilities()...)
		return
	}
	key, ok := digitIn(kind, body)
	if !ok {
		l.server.answer(req, tx, wire.StatusBadRequest)
		return
	}
	l.audio.Heard(media.Digit(key))
	l.server.answer(req, tx, wire.StatusOK)
}
