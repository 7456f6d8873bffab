package sip

import (
	wire "github.com/emiago/sipgo/sip"
)

// inDialog deals with a request inside a dialog, found by its To tag.
func (s *Server) inDialog(req *wire.Request, tx *wire.ServerTx, tag string) {
	l, lately := s.legs.find(tag)
	switch {
	case req.Method == wire.ACK:
		if l != nil {
			l.confirmed(req)
		}
	case l == nil && lately && req.Method == wire.BYE:
		s.answer(req, tx, wire.StatusOK) // theirs crossed ours, or comes again
	case l == nil || !l.belongs(req):
		s.answer(req, tx, wire.StatusCallTransactionDoesNotExists)
	default:
		l.handle(req, tx)
	}
}

// belongs says whether a request with the leg's tag has the rest right too
// (RFC 3261 §12.2.2).
func (l *Leg) belongs(req *wire.Request) bool {
	tag, _ := req.From().Params.Get("tag")
	l.mu.Lock()
	defer l.mu.Unlock()
	return string(*req.CallID()) == l.callID && tag == l.remoteTag
}

// handle deals with a request of the dialog, one at a time and in order.
func (l *Leg) handle(req *wire.Request, tx *wire.ServerTx) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if seq := req.CSeq().SeqNo; seq <= l.remoteSeq {
		l.server.answer(req, tx, wire.StatusInternalServerError)
		return
	} else {
		l.remoteSeq = seq
	}
	switch req.Method {
	case wire.BYE:
		l.peerHungUp()
		l.server.answer(req, tx, wire.StatusOK)
	case wire.OPTIONS:
		l.server.answer(req, tx, wire.StatusOK, capabilities()...)
	default:
		l.server.answer(req, tx, wire.StatusMethodNotAllowed, capabilities()...)
	}
}
