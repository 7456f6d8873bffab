package sip

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	wire "github.com/emiago/sipgo/sip"
	"github.com/rs/zerolog"

	"cabline/pbx"
)

// arrival is an INVITE that still wants its final answer.
type arrival struct {
	req *wire.Request
	tx  *wire.ServerTx
	sdp []byte // our answer; nil: they made no offer, so we shall

	reliable bool         // provisional responses are to be confirmed
	rseq     uint32       // of the last one
	unsure   *provisional // it is not confirmed yet
	told     bool         // a provisional response had our SDP
}

// invited deals with an INVITE that begins a call.
func (s *Server) invited(ctx context.Context, req *wire.Request, tx *wire.ServerTx) {
	tag, _ := req.To().Params.Get("tag")
	if _, lately := s.legs.find(tag); lately {
		tx.Terminate() // a late copy; the first one was dealt with
		return
	}
	who := party{trunk: s.trunkFrom(req)}
	var desk string
	var to pbx.Phone
	if who.trunk == nil {
		login, ok := s.authenticate(ctx, req, tx, wire.StatusProxyAuthRequired)
		if !ok {
			return
		}
		who.login, who.device = login, s.register.at(login, req.Transport(), req.Source())
		desk, to = s.whom(&req.Recipient)
	} else {
		who.number = who.trunk.caller(req, s.cfg.Country)
		to = who.trunk.dialled(req, s.cfg.Country)
	}
	if code := s.admit(req, who, to != "" || desk != ""); code != 0 {
		s.answer(req, tx, code, reasons(req, code)...)
		return
	}
	_ = tx.Respond(respond(req, wire.StatusTrying)) // lost, it is sent again when the INVITE comes again
	leg, err := s.arrive(ctx, who, req, tx)
	if err != nil {
		zerolog.Ctx(ctx).Warn().Err(err).Str("source", req.Source()).Msg("a call could not be taken")
		r := Rejection{Code: wire.StatusInternalServerError}
		errors.As(err, &r)
		s.answer(req, tx, r.Code, reasons(req, r.Code)...)
		return
	}
	arrival := pbx.Arrival{From: who.number, To: to, Operator: who.login, Desk: desk}
	if who.trunk != nil {
		arrival.Trunk = who.trunk.Name
	}
	s.work.Go(func() { s.tell(ctx, leg, arrival) })
}

// admit says why a call may not come in, as a code, or takes a channel of the
// trunk for it and returns 0.
func (s *Server) admit(req *wire.Request, who party, known bool) int {
	switch {
	case s.cancels.take(req):
		return wire.StatusRequestTerminated
	case len(unsupported(req)) > 0:
		return wire.StatusBadExtension
	case tooShort(req):
		return 422
	case !known:
		return wire.StatusNotFound
	case s.declining.Load(), who.trunk != nil && !who.trunk.admit():
		return wire.StatusServiceUnavailable
	}
	return 0
}

// reasons are the headers that go with a refusal.
func reasons(req *wire.Request, code int) []wire.Header {
	switch code {
	case wire.StatusServiceUnavailable:
		return []wire.Header{retryAfter()}
	case wire.StatusBadExtension:
		return []wire.Header{wire.NewHeader("Unsupported", strings.Join(unsupported(req), ", "))}
	case wire.StatusUnsupportedMediaType:
		return capabilities()
	case 422:
		return []wire.Header{minSE()}
	}
	return nil
}

// unsupported are the extensions a request insists on and we lack (RFC 3261
// §8.2.2.3).
func unsupported(req *wire.Request) (tags []string) {
	rings := req.Method == wire.INVITE || req.Method == wire.UPDATE
	for _, h := range req.GetHeaders("require") {
		for tag := range strings.SplitSeq(h.Value(), ",") {
			tag = token(tag)
			if tag == "timer" || tag == "100rel" && rings && !strings.HasPrefix(req.Transport(), "WS") {
				continue
			}
			tags = append(tags, tag)
		}
	}
	return tags
}

// tell runs the story of a leg. Whatever becomes of it, the leg is over then.
func (s *Server) tell(ctx context.Context, leg *Leg, a pbx.Arrival) {
	defer func() { _ = leg.HangUp(ctx, nil) }()
	s.cfg.Exchange.Incoming(ctx, leg, a)
}

// arrive makes the leg of an INVITE: its dialog, its audio, its ringing. When
// it fails the party's channel is free again; an error that is a Rejection says
// what to answer.
func (s *Server) arrive(ctx context.Context, who party, req *wire.Request, tx *wire.ServerTx) (*Leg, error) {
	met := false
	defer func() {
		if !met {
			who.release()
		}
	}()
	d, audio, sdp, err := s.meet(req, who.trunk)
	if err != nil {
		return nil, err
	}
	met = true // from here the leg has the channel
	l := s.newLeg(ctx, who, d, audio)
	l.arrival = &arrival{req: req, tx: tx, sdp: sdp, reliable: wantsReliable(req, who.trunk)}
	l.mu.Lock()
	defer l.mu.Unlock()
	if !s.enter(l) {
		l.finish(pbx.ErrNoChannel)
		return nil, Rejection{Code: wire.StatusServiceUnavailable, Reason: "too many calls"}
	}
	if tx.OnCancel(func(*wire.Request) { l.Go(l.cancelled) }) {
		_ = l.ring(wire.StatusRinging, nil)
	} else {
		l.Go(l.cancelled)
	}
	// When the connection closes, so does the transaction; it may have by now.
	if d.network != "UDP" && !tx.OnTerminate(func(string, error) { l.Go(l.cancelled) }) {
		l.Go(l.cancelled)
	}
	return l, nil
}

// meet makes of an INVITE a dialog, the audio that suits its offer and our
// answer to it, if there was one.
func (s *Server) meet(req *wire.Request, t *trunk) (dialog, Audio, []byte, error) {
	p, err := s.pathBack(req, t != nil)
	if err != nil {
		return dialog{}, nil, nil, err
	}
	if t != nil {
		p.trust = t.trust
	}
	d, err := dialogOf(req, p)
	if err != nil {
		return dialog{}, nil, nil, err
	}
	offer := req.Body()
	if len(offer) > 0 && !isSDP(req) {
		return dialog{}, nil, nil, Rejection{Code: wire.StatusUnsupportedMediaType, Reason: "only SDP"}
	}
	audio, err := s.openAudio(d.path, t, offer)
	if err != nil || len(offer) == 0 {
		return d, audio, nil, err
	}
	sdp, err := audio.Answer(offer)
	if err != nil {
		_ = audio.Close()
		return dialog{}, nil, nil, fmt.Errorf("%w: %w", Rejection{Code: wire.StatusNotAcceptableHere, Reason: "SDP"}, err)
	}
	return d, audio, sdp, nil
}

// dialogOf is the UAS's side of a dialog (RFC 3261 §12.1.1).
func dialogOf(req *wire.Request, p path) (dialog, error) {
	from, to := req.From(), req.To()
	d := dialog{path: p, callID: string(*req.CallID()), local: *to.Address.Clone(), remote: *from.Address.Clone(), remoteSeq: req.CSeq().SeqNo,
		secured: req.Recipient.Scheme == "sips"}
	d.localTag, _ = to.Params.Get("tag")
	d.remoteTag, _ = from.Params.Get("tag")
	if err := d.hear(req.Contact(), recordRoutes(req)); err != nil {
		return dialog{}, fmt.Errorf("%w: %w", Rejection{Code: wire.StatusBadRequest, Reason: "no way back"}, err)
	}
	return d, nil
}

// openAudio opens RTP as the trunk wants it (nil: a phone), or ICE and DTLS
// where the offer or the transport is a browser's.
func (s *Server) openAudio(p path, t *trunk, offer []byte) (_ Audio, err error) {
	defer s.work.caught(&err) // who calls it gives the channel back
	browser := strings.HasPrefix(p.network, "WS") && len(offer) == 0 || bytes.Contains(offer, []byte("a=fingerprint:"))
	if !browser {
		o := RTPOptions{Bind: p.bind, Advertise: p.here, Peer: p.peer, SRTP: SRTPOffered} // plain where a phone has none
		if t != nil {
			o.DTMF, o.SRTP, o.Symmetric, o.Codecs = t.DTMF, t.SRTP, t.Symmetric, t.Codecs
		}
		audio, err := s.cfg.RTP(o)
		if err != nil {
			return nil, fmt.Errorf("open audio: %w", err)
		}
		return audio, nil
	}
	if s.cfg.Browser == nil {
		return nil, Rejection{Code: wire.StatusNotAcceptableHere, Reason: "no WebRTC here"}
	}
	audio, err := s.cfg.Browser()
	if err != nil {
		return nil, fmt.Errorf("open audio: %w", err)
	}
	return audio, nil
}

// enter puts a leg into the table; until it leaves, it is work.
func (s *Server) enter(l *Leg) bool {
	if !s.legs.add(l, s.cfg.MaxCalls) {
		return false
	}
	s.work.begin()
	return true
}

// cancelled is a CANCEL, which sipgo has answered together with the INVITE, or
// the end of the caller's connection.
func (l *Leg) cancelled() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.state != arriving {
		return
	}
	l.code = wire.StatusRequestTerminated
	l.finish(pbx.ErrHungUp)
	l.leave()
}

// refuse answers the INVITE with what why means. The lock is held.
func (l *Leg) refuse(why error) error {
	l.code = refusal(why)
	var extra []wire.Header
	if l.code == wire.StatusServiceUnavailable {
		extra = append(extra, retryAfter())
	}
	err := l.arrival.respond(l.code, nil, extra...)
	l.leave()
	return err
}

// respond answers the INVITE.
func (a *arrival) respond(code int, sdp []byte, headers ...wire.Header) error {
	return a.tx.Respond(a.response(code, sdp, headers...))
}

func (a *arrival) response(code int, sdp []byte, headers ...wire.Header) *wire.Response {
	res := respond(a.req, code, headers...)
	if sdp != nil {
		res.AppendHeader(wire.NewHeader("Content-Type", "application/sdp"))
		res.SetBody(sdp)
	}
	return res
}

// Answer implements pbx.Leg. Where the peer made no offer it returns when their
// ACK has brought the answer to ours.
func (l *Leg) Answer(ctx context.Context) error {
	if err := l.certain(ctx); err != nil {
		return err
	}
	late, err := l.accept()
	if err != nil || late == nil {
		return err
	}
	select {
	case <-late:
		return context.Cause(l.ctx)
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-l.ctx.Done():
		return context.Cause(l.ctx)
	}
}

// accept sends the 200. The channel closes with the ACK; nil: it brings nothing.
func (l *Leg) accept() (late <-chan struct{}, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case l.ctx.Err() != nil:
		return nil, context.Cause(l.ctx)
	case l.state != arriving:
		return nil, nil
	}
	a := l.arrival
	pending := &accepted{seq: a.req.CSeq().SeqNo, conn: a.tx.Connection(), done: make(chan struct{}), offered: a.sdp == nil}
	if pending.offered {
		if a.sdp, err = l.audio.Offer(); err != nil {
			l.finish(err)
			_ = l.refuse(err)
			return nil, fmt.Errorf("offer: %w", err)
		}
	}
	sdp := a.sdp
	if l.sdp = sdp; a.reliable && a.told {
		sdp = nil // all was said and confirmed before (RFC 6337 §3.1)
	}
	pending.res = l.ok(a.req, sdp)
	if err := a.tx.Respond(pending.res); err != nil {
		// A CANCEL was faster, or the connection is gone. sipgo repeats the last
		// response it was given, so it must be the one that counts.
		_ = a.respond(wire.StatusRequestTerminated, nil)
		l.code = wire.StatusRequestTerminated
		l.finish(pbx.ErrHungUp)
		l.leave()
		return nil, pbx.ErrHungUp
	}
	l.state, l.arrival, l.code, l.answered = up, nil, wire.StatusOK, time.Now()
	l.repeat(pending)
	if pending.offered {
		return pending.done, nil
	}
	return nil, nil
}

// caller is who calls over a trunk: the word of the network, or what passes for
// it (RFC 3325; Remote-Party-ID never became an RFC), before the caller's, and
// nobody where the caller asked for privacy (RFC 3323). An anonymous From asks
// for it, unless something says that none is wanted.
func (t *trunk) caller(req *wire.Request, country string) pbx.Phone {
	from := req.From().Address
	private := strings.EqualFold(from.User, "anonymous") || strings.EqualFold(from.Host, "anonymous.invalid")
	wish := ""
	stated := func(name string) (found pbx.Phone) {
		for _, h := range req.GetHeaders(name) {
			var uri wire.Uri
			var params wire.HeaderParams
			if _, err := wire.ParseAddressValue(h.Value(), &uri, &params); err != nil {
				continue
			}
			if party, ok := params.Get("party"); ok && !strings.EqualFold(party, "calling") {
				continue
			}
			if privacy, ok := params.Get("privacy"); ok && wish == "" {
				wish = privacy
			}
			found = cmp.Or(found, t.read(&uri, Caller, country))
		}
		return found
	}
	asserted, remote, preferred := stated("p-asserted-identity"), stated("remote-party-id"), stated("p-preferred-identity")
	if h := req.GetHeader("privacy"); h != nil {
		wish = strings.TrimSpace(h.Value())
	}
	switch strings.ToLower(wish) {
	case "none", "off":
		private = false
	case "":
	default:
		private = true
	}
	if private {
		return ""
	}
	return cmp.Or(asserted, remote, preferred, t.read(&from, Caller, country))
}

func isSDP(msg interface {
	ContentType() *wire.ContentTypeHeader
}) bool {
	h := msg.ContentType()
	if h == nil {
		return true // RFC 3261 §7.4.1 says should, carriers forget it
	}
	kind, _, _ := strings.Cut(string(*h), ";")
	return strings.EqualFold(strings.TrimSpace(kind), "application/sdp")
}

func retryAfter() wire.Header { return wire.NewHeader("Retry-After", "5") }
