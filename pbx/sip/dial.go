package sip

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	wire "github.com/emiago/sipgo/sip"

	"cabline/pbx"
	"cabline/pbx/sip/locate"
)

var _ pbx.Dialer = (*Server)(nil)

// patience is how long the peer may stay silent before it counts as dead: 4 s,
// in which it is sent four times what is asked over UDP. Where there are others
// it is less; see haste.
func patience() time.Duration { return 8 * wire.T1 }

// errDead is a peer that gives no sign of life.
var errDead = errors.New("no sign of life")

// Dial implements pbx.Dialer.
func (s *Server) Dial(ctx context.Context, to pbx.Endpoint) (pbx.Leg, error) {
	if s.stopping.Load() {
		return nil, pbx.ErrShutdown
	}
	dial := s.dialTrunk
	if to.Operator != "" {
		dial = s.dialOperator
	}
	leg, err := dial(ctx, to)
	if err != nil {
		return nil, err // not a nil *Leg in an interface
	}
	return leg, nil
}

// dialogTo prepares a call over a trunk. All that the carrier learns of it is
// here: the two numbers, as it wants them written.
func (s *Server) dialogTo(ctx context.Context, t *trunk, h locate.Hop, to pbx.Endpoint) (dialog, []wire.Header, error) {
	p, err := s.pathOver(ctx, t, h)
	if err != nil {
		return dialog{}, nil, err
	}
	d := dialog{path: p, callID: newCallID(), localTag: newTag()}
	called := t.write(to.Number, Called, s.cfg.Country)
	d.local = wire.Uri{Scheme: "sip", Host: p.here.String()}
	if t.Domain != "" || t.Register || t.Proxy != "" {
		d.local.Host = cmp.Or(t.Domain, t.host)
	}
	d.target = t.uri(called)
	d.remote = d.target
	d.remote.Port = 0 // RFC 3261 §19.1.1: none in To
	t.lead(&d, h)
	from := cmp.Or(to.From, t.CallerID)
	if from == "" {
		d.local = numberURI("", "", 0)
		return d, nil, nil
	}
	return d, t.identify(&d.local, t.write(from, Caller, s.cfg.Country)), nil
}

func numberURI(number pbx.Phone, host string, port int) wire.Uri {
	user := number.Write(pbx.E164, "")
	if user == "" {
		user, host = "anonymous", "anonymous.invalid"
	}
	return wire.Uri{Scheme: "sip", User: user, Host: host, Port: port}
}

// call opens the audio, sends the INVITE and waits for its end. A party's
// channel that was seized is free again when it fails.
func (s *Server) call(ctx context.Context, who party, d dialog, extra ...wire.Header) (*Leg, error) {
	audio, err := s.openAudio(d.path, who.trunk, nil)
	if err != nil {
		who.release()
		return nil, err
	}
	l := s.newLeg(ctx, who, d, audio)
	l.state, l.placed = calling, true
	if !s.enter(l) {
		l.lose(pbx.ErrNoChannel)
		return nil, fmt.Errorf("too many calls: %w", pbx.ErrNoChannel)
	}
	var sdp []byte
	if !l.awaitsOffer() {
		if sdp, err = audio.Offer(); err != nil {
			l.lose(err)
			return nil, fmt.Errorf("offer: %w", err)
		}
	}
	if err := l.invite(ctx, sdp, extra); err != nil {
		return nil, &pbx.DialError{LegID: l.callID, Code: l.Record().Code, Err: err}
	}
	return l, nil
}

// lose ends a leg that did not come up.
func (l *Leg) lose(why error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	var r Rejection
	if errors.As(why, &r) {
		l.code = r.Code
	}
	l.finish(why)
	l.leave()
}

// invite sends the INVITE and waits until the leg is up, refused, or given up.
// Where a trunk asks for its password, or sends us on, or lacks our encryption, the
// INVITE goes again, with the next number in the same dialog.
func (l *Leg) invite(ctx context.Context, sdp []byte, extra []wire.Header) (err error) {
	defer func() {
		if errors.Is(err, errFault) {
			l.lose(err) // and with it what it has taken
		}
	}()
	defer l.server.work.caught(&err)
	l.mu.Lock()
	l.sdp = sdp
	l.mu.Unlock()
	pass, still := l.logIn(), newHush(cmp.Or(l.silence, patience()))
	for {
		req, p := l.composeInvite(extra, &pass)
		still.begin()
		connecting, cancel := context.WithTimeoutCause(ctx, still.left, fmt.Errorf("no connection within %s", still.limit))
		tx, err := l.server.send(connecting, p, req)
		cancel()
		if err != nil {
			if !errors.Is(err, errTold) {
				err = fmt.Errorf("%w: %w", errDead, err)
			}
			err = fmt.Errorf("%w: %w", pbx.ErrUnreachable, err)
			l.lose(err)
			return err
		}
		tx.OnRetransmission(l.server.strayResponse)
		again, err := l.wait(ctx, req, tx, &pass, still)
		if !again {
			return err
		}
	}
}

func (l *Leg) composeInvite(extra []wire.Header, pass *login) (*wire.Request, path) {
	var sdp []byte
	req, p := l.composed(0, func(uint32) *wire.Request {
		sdp = l.sdp
		l.localSeq++
		l.forks, l.heardFrom = nil, ""
		req := l.compose(wire.INVITE, l.localSeq)
		req.AppendHeader(l.contact())
		return req
	}, pass)
	req.AppendHeader(wire.NewHeader("User-Agent", l.server.cfg.UserAgent))
	req.AppendHeader(wire.NewHeader("Allow", l.allows()))
	supported := "timer"
	if l.trunk != nil && l.trunk.Prack {
		supported = "timer, 100rel"
	}
	req.AppendHeader(wire.NewHeader("Supported", supported))
	for _, h := range extra {
		req.AppendHeader(h)
	}
	if !l.awaitsOffer() {
		req.AppendHeader(wire.NewHeader("Content-Type", "application/sdp"))
		req.SetBody(sdp)
	}
	return req, p
}

// wait reads the answers to the INVITE. again is true where it asks for a
// password that pass has now, or for another number.
func (l *Leg) wait(ctx context.Context, req *wire.Request, tx *wire.ClientTx, pass *login, still *hush) (again bool, why error) {
	silence := time.NewTimer(still.rest())
	defer silence.Stop()
	heard, rang := false, false
	for {
		res, why := next(ctx, tx, silence.C)
		if res != nil {
			silence.Stop()
			still.end()
		}
		switch {
		case why != nil:
			if errors.Is(why, errDead) {
				why = fmt.Errorf("no answer to INVITE within %s: %w: %w", still.limit, pbx.ErrUnreachable, why)
			}
			l.mu.Lock()
			l.finish(why)
			l.mu.Unlock()
			parted := l.server.partings.begin(l.login)
			l.Go(func() {
				defer parted()
				l.abandon(req, tx, heard, why)
			})
			return false, why
		case res == nil: // the transaction is over
			why = fmt.Errorf("%w: %w", pbx.ErrUnreachable, tx.Err())
			if rang { // the phone may ring on: it is told that it need not, and no other trunk calls it
				l.cancel(req, why)
			} else {
				why = fmt.Errorf("%w: %w", errDead, why)
			}
			l.lose(why)
			return false, why
		case res.IsProvisional():
			heard, rang = true, rang || res.StatusCode > wire.StatusTrying
			if res.StatusCode == wire.StatusRinging && l.ringing != nil {
				l.ringing()
			}
			if l.rings(res) && l.early != nil {
				l.early.EarlyMedia(ctx, l.audio)
			}
			continue
		case res.IsSuccess():
			tx.Terminate() // repetitions come to strayResponse
			return false, l.established(res)
		}
		why = Rejection{res.StatusCode, res.Reason, rang}
		if l.redirected(res) || l.unsecured(res) {
			return true, nil
		}
		if l.trunk != nil && challenged(res) {
			no := pass.answer(req, res)
			if no == nil {
				return true, nil
			}
			why = fmt.Errorf("%w: %w", why, no)
		}
		l.lose(why)
		return false, why
	}
}

// onItsWay is how long an answer may take through ourselves: a process that stood
// still finds its timers run out, and what came meanwhile in its sockets.
const onItsWay = 100 * time.Millisecond

// answers are what comes of a request.
type answers interface {
	Responses() <-chan *wire.Response
	Done() <-chan struct{}
}

// next is the next answer to an INVITE. One that has come counts, whatever else has
// happened; nil without an error: no more will come.
func next(ctx context.Context, tx answers, silence <-chan time.Time) (*wire.Response, error) {
	select {
	case res := <-tx.Responses():
		return res, nil
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	case <-tx.Done():
		select {
		case res := <-tx.Responses():
			return res, nil
		default:
			return nil, nil
		}
	case <-silence:
		select {
		case res := <-tx.Responses():
			return res, nil
		case <-time.After(onItsWay):
			return nil, errDead
		}
	}
}

// unsecured says whether a refusal may be of the encryption that we offered and
// can do without, and takes it out of the next offer, once (RFC 3261 §21.4.13,
// §21.4.26).
func (l *Leg) unsecured(res *wire.Response) bool {
	audio, can := l.audio.(interface{ OfferPlain() ([]byte, error) })
	required := l.trunk != nil && l.trunk.SRTP != SRTPOffered // phones are offered it
	if !can || required || l.plain || l.awaitsOffer() || res.StatusCode != wire.StatusNotAcceptableHere && res.StatusCode != wire.StatusUnsupportedMediaType {
		return false
	}
	sdp, err := audio.OfferPlain()
	if err != nil {
		return false
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.sdp, l.plain = sdp, true
	return true
}

// abandon sees an INVITE that nobody waits for any more to its end: ACK and BYE
// where the answer crossed the CANCEL.
func (l *Leg) abandon(req *wire.Request, tx *wire.ClientTx, heard bool, why error) {
	defer l.lose(why)
	if res := l.takeBack(req, tx, heard, why); res != nil && res.IsSuccess() {
		l.mu.Lock()
		l.refuseFork(res)
		l.mu.Unlock()
	}
}

// takeBack cancels an INVITE as soon as the peer has shown signs of life (RFC 3261
// §9.1), and returns its final response; nil: none came.
func (l *Leg) takeBack(req *wire.Request, tx *wire.ClientTx, heard bool, why error) *wire.Response {
	deadline := time.NewTimer(64 * wire.T1)
	defer deadline.Stop()
	if heard {
		l.cancel(req, why)
	}
	for {
		select {
		case res := <-tx.Responses():
			if !res.IsProvisional() {
				if res.IsSuccess() {
					tx.Terminate() // repetitions come to strayResponse
				}
				return res
			}
			if !heard {
				heard = true
				l.cancel(req, why)
			}
		case <-tx.Done():
			return nil
		case <-deadline.C:
			tx.Terminate()
			return nil
		}
	}
}

// cancel takes the INVITE req back.
func (l *Leg) cancel(req *wire.Request, why error) {
	c, p := l.composed(req.CSeq().SeqNo, func(seq uint32) *wire.Request { return l.compose(wire.CANCEL, seq) }, &login{})
	*c.Via() = *req.Via() // RFC 3261 §9.1: the same branch
	if errors.Is(why, pbx.ErrElsewhere) {
		c.AppendHeader(wire.NewHeader("Reason", `SIP;cause=200;text="Call completed elsewhere"`))
	}
	l.Go(func() { _, _ = l.exchange(p, c) })
}

// established is the first 2xx: the dialog stands.
func (l *Leg) established(res *wire.Response) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.reach(res); err != nil {
		l.finish(err)
		l.leave()
		return err
	}
	l.state, l.acked, l.code, l.answered = up, true, res.StatusCode, time.Now()
	if e := l.forks[l.remoteTag]; e != nil {
		l.remoteSeq = e.remoteSeq
	}
	err := l.answeredBy(res) // before the ACK, which may bring our answer
	l.ack(res.CSeq().SeqNo)
	l.agreed(res)
	if err != nil {
		l.fail(err)
	}
	return err
}

// reach is the UAC's side of a dialog (RFC 3261 §12.1.2).
func (d *dialog) reach(res *wire.Response) error {
	to := res.To()
	if to == nil || !cleanHeader(to) {
		return fmt.Errorf("To: %w: %w", errMalformed, pbx.ErrUnreachable)
	}
	d.remoteTag, _ = to.Params.Get("tag")
	if res.Contact() == nil {
		return nil // wrong, but the way the INVITE went may do
	}
	routes := recordRoutes(res)
	slices.Reverse(routes)
	if err := d.hear(res.Contact(), routes); err != nil {
		return fmt.Errorf("%w: %w", err, pbx.ErrUnreachable)
	}
	return nil
}

// strayResponse is a response no transaction waits for. A 2xx is repeated
// because our ACK was lost, or comes from another branch of a fork, or after we
// gave up (RFC 3261 §13.2.2.4).
func (s *Server) strayResponse(res *wire.Response) {
	defer s.work.recover()
	from, to, seq := res.From(), res.To(), res.CSeq()
	if !res.IsSuccess() || from == nil || to == nil || seq == nil || seq.MethodName != wire.INVITE || res.CallID() == nil {
		return
	}
	local, _ := from.Params.Get("tag")
	l, lately := s.legs.find(local)
	if !lately {
		return // not of ours
	}
	if l == nil {
		if p, err := s.pathBack(res, true); err == nil {
			(&Leg{server: s, dialog: dialog{path: p}}).refuseFork(res)
		}
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	switch tag, _ := to.Params.Get("tag"); {
	case l.state == calling: // the first one is on its way to Dial
	case tag == l.remoteTag:
		l.ack(seq.SeqNo)
	default:
		l.refuseFork(res)
	}
}

// refuseFork ends a dialog we do not want, another branch's: ACK and BYE, from
// what the 2xx says. An offer in it gets no answer, for the BYE is right behind.
// The lock is held.
func (l *Leg) refuseFork(res *wire.Response) {
	from := res.From()
	fork := &Leg{server: l.server, ctx: context.Background(), party: party{trunk: l.trunk}, proof: l.proof,
		dialog: dialog{path: l.path, callID: string(*res.CallID()), local: from.Address, localSeq: res.CSeq().SeqNo}}
	fork.localTag, _ = from.Params.Get("tag")
	fork.remote = res.To().Address
	if res.Contact() == nil || fork.reach(res) != nil {
		return
	}
	fork.ack(fork.localSeq)
	fork.localSeq += pracksMax
	fork.sendBye(nil)
}
