package sip

import (
	"context"
	"hash/maphash"
	"strconv"

	wire "github.com/emiago/sipgo/sip"
)

// tagRequest sees a request before anyone else. It drops what is not to be dealt
// with, and gives a request outside a dialog the To tag all its answers will
// carry. The tag follows from the transaction, so
// that repetitions, and the CANCEL, get the same one (RFC 3261 §8.2.6.2, §9.2),
// and from a secret of this process, so that nobody can guess it.
func (s *Server) tagRequest(msg wire.Message) {
	defer func() { // it is sipgo's goroutine, which reads for all
		if fault := recover(); fault != nil {
			s.work.fault(fault)
			s.leaveOut(msg)
		}
	}()
	s.trace(msg)
	req, ok := msg.(*wire.Request)
	if !ok {
		return
	}
	if !s.screen(req) {
		s.leaveOut(msg)
		return
	}
	if req.Method == wire.ACK {
		return
	}
	if to := req.To(); to != nil && !to.Params.Has("tag") {
		to.Params.Add("tag", s.tagFor(req))
	}
}

// leaveOut has the transaction layer, which is the next to see it, pass over a message.
func (s *Server) leaveOut(msg wire.Message) {
	if req, ok := msg.(*wire.Request); ok {
		s.dropped.Add(1)
		drop(req)
	}
}

func (s *Server) tagFor(req *wire.Request) string {
	var h maphash.Hash
	h.SetSeed(s.tagSeed)
	if via := req.Via(); via != nil {
		branch, _ := via.Params.Get("branch")
		_, _ = h.WriteString(branch)
	}
	if id := req.CallID(); id != nil {
		_, _ = h.WriteString(string(*id))
	}
	if from := req.From(); from != nil {
		tag, _ := from.Params.Get("tag")
		_, _ = h.WriteString(tag)
	}
	if cseq := req.CSeq(); cseq != nil {
		_, _ = h.WriteString(strconv.Itoa(int(cseq.SeqNo)))
	}
	return "c" + strconv.FormatUint(h.Sum64(), 36)
}

// receive deals with one request; sipgo runs it in a goroutine of its own.
func (s *Server) receive(ctx context.Context, req *wire.Request, tx *wire.ServerTx) {
	defer func() {
		if fault := recover(); fault != nil {
			s.work.fault(fault)
			s.answer(req, tx, wire.StatusInternalServerError)
		}
	}()
	if req.Method == wire.ACK {
		defer tx.Terminate() // sipgo makes a transaction even of this
	}
	if req.Method != wire.ACK && !s.placesFor(req).begin(tx, s.cfg.maxPending) {
		s.answer(req, tx, wire.StatusServiceUnavailable, retryAfter())
		tx.Terminate()
		return
	}
	code := invalid(req)
	if code == 0 {
		tag, _ := req.To().Params.Get("tag")
		if req.Method == wire.ACK || tag != s.tagFor(req) {
			s.inDialog(req, tx, tag)
			return
		}
	}
	switch {
	case !s.welcome(req):
		tx.Terminate()
	case code != 0:
		s.answer(req, tx, code)
		if s.trunkFrom(req) == nil {
			tx.Terminate() // strangers get every answer once
		}
	default:
		s.outsideDialog(ctx, req, tx)
	}
}

// outsideDialog deals with a request that begins something.
func (s *Server) outsideDialog(ctx context.Context, req *wire.Request, tx *wire.ServerTx) {
	if (req.Method == wire.OPTIONS || req.Method == wire.REGISTER) && len(unsupported(req)) > 0 {
		s.answer(req, tx, wire.StatusBadExtension, reasons(req, wire.StatusBadExtension)...)
		return
	}
	switch req.Method {
	case wire.INVITE:
		s.invited(ctx, req, tx)
	case wire.OPTIONS:
		if s.declining.Load() && s.trunkFrom(req) != nil { // RFC 3261 §11.2: as an INVITE would be
			s.answer(req, tx, wire.StatusServiceUnavailable, retryAfter())
			return
		}
		s.answer(req, tx, wire.StatusOK, s.about(req)...)
	case wire.REGISTER:
		s.registered(ctx, req, tx)
	case wire.CANCEL: // of no INVITE we know, yet
		if s.known(req) {
			s.cancels.note(req)
		}
		s.noDialog(req, tx)
	case wire.BYE, wire.INFO, wire.UPDATE, wire.PRACK, wire.NOTIFY:
		s.noDialog(req, tx)
	case wire.REFER, wire.SUBSCRIBE, wire.MESSAGE, wire.PUBLISH:
		about := s.about(req)
		if about == nil {
			about = capabilities()[:1] // RFC 3261 §21.4.6: Allow, whoever asks
		}
		s.answer(req, tx, wire.StatusMethodNotAllowed, about...)
	default:
		s.answer(req, tx, wire.StatusNotImplemented, s.about(req)...)
	}
}

// about is what we tell of ourselves; to strangers, nothing.
func (s *Server) about(req *wire.Request) []wire.Header {
	if !s.known(req) {
		return nil
	}
	return capabilities()
}

// answer sends a final response to a request. A transaction that needs no
// ACK and whose answer comes out the same again is forgotten at once.
func (s *Server) answer(req *wire.Request, tx *wire.ServerTx, code int, headers ...wire.Header) {
	if req.Method == wire.ACK {
		return
	}
	res := respond(req, code, headers...)
	_ = tx.Respond(res) // the peer repeats the request, or is gone
	switch req.Method {
	case wire.INVITE, wire.INFO, wire.UPDATE, wire.PRACK:
	default:
		tx.Terminate()
	}
}

// noDialog answers a request of a dialog that there is not. All copies of it get
// the same, so that nothing has to be kept or sent again, of an INVITE neither.
func (s *Server) noDialog(req *wire.Request, tx *wire.ServerTx) {
	s.answer(req, tx, wire.StatusCallTransactionDoesNotExists)
	tx.Terminate()
}

// respond builds a response: what RFC 3261 §8.2.6 has us repeat of the request,
// and the headers given.
func respond(req *wire.Request, code int, headers ...wire.Header) *wire.Response {
	res := wire.NewResponseFromRequest(req, code, phrase(code), nil)
	res.SipVersion = "SIP/2.0" // not whatever the request claimed
	for _, h := range headers {
		res.AppendHeader(h)
	}
	return res
}

// allows are the methods the party may use: operators may REFER.
func (l *Leg) allows() string {
	if l.referrals != nil {
		return allowed + ", REFER"
	}
	return allowed
}

func (l *Leg) capabilities() []wire.Header {
	return append([]wire.Header{wire.NewHeader("Allow", l.allows())}, capabilities()[1:]...)
}

func capabilities() []wire.Header {
	return []wire.Header{
		wire.NewHeader("Allow", allowed),
		wire.NewHeader("Accept", "application/sdp, application/dtmf-relay, application/dtmf"),
		wire.NewHeader("Supported", "timer"),
	}
}
