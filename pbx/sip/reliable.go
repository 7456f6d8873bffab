package sip

import (
	"cmp"
	"context"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"time"

	wire "github.com/emiago/sipgo/sip"

	"cabline/pbx"
)

// Provisional responses that are repeated until a PRACK confirms them (RFC
// 3262): ours where a caller requires it or the trunk's setting wishes it,
// theirs wherever they come. Browsers have neither.

// provisional is a reliable response of ours which waits for its PRACK.
type provisional struct {
	res     *wire.Response
	rseq    uint32
	offered bool // it made our offer, the PRACK brings the answer
	done    chan struct{}
	sent    time.Time
	wait    time.Duration
	timer   *time.Timer
}

// wantsReliable says whether an INVITE's provisional responses are to be
// confirmed.
func wantsReliable(req *wire.Request, t *trunk) bool {
	return lists(req, "require", "", "100rel") || t != nil && t.Prack && lists(req, "supported", "k", "100rel")
}

// ring sends 180, or with our SDP 183. Where there is an offer to be made, the
// first reliable response makes it (RFC 3262 §5). The lock is held.
func (l *Leg) ring(code int, sdp []byte) error {
	a := l.arrival
	headers := []wire.Header{l.contact(), wire.NewHeader("Allow", l.allows())}
	if !a.reliable {
		return a.respond(code, sdp, headers...)
	}
	p := &provisional{done: make(chan struct{}), sent: time.Now(), wait: wire.T1}
	if a.sdp == nil {
		offer, err := l.audio.Offer()
		if err != nil {
			return fmt.Errorf("offer: %w", err)
		}
		a.sdp, sdp, p.offered = offer, offer, true
	}
	a.told = a.told || sdp != nil
	if a.rseq == 0 {
		a.rseq = rand.Uint32N(1 << 30) // RFC 3262 §3: below 2^31
	}
	a.rseq++
	p.rseq = a.rseq
	headers = append(headers, wire.NewHeader("Require", "100rel"), wire.NewHeader("RSeq", strconv.Itoa(int(p.rseq))))
	p.res = a.response(code, sdp, headers...)
	a.unsure = p
	p.timer = l.after(p.wait, func() { l.ringAgain(p) })
	return a.tx.Respond(p.res)
}

// ringAgain repeats a reliable response, or gives up (RFC 3262 §3).
func (l *Leg) ringAgain(p *provisional) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.arrival == nil || l.arrival.unsure != p {
		return
	}
	if time.Since(p.sent) >= 64*wire.T1 {
		l.arrival.unsure = nil
		close(p.done)
		l.reject(wire.StatusGatewayTimeout, fmt.Errorf("no PRACK came: %w", pbx.ErrUnreachable))
		return
	}
	_ = l.arrival.tx.Respond(p.res)
	p.wait *= 2
	p.timer.Reset(p.wait)
}

// reject ends a leg that arrived with a code of its own. The lock is held.
func (l *Leg) reject(code int, why error) {
	l.code = code
	l.finish(why)
	_ = l.arrival.respond(code, nil)
	l.leave()
}

// certain waits until the caller has confirmed what we told them last: a second
// response, provisional or final, before that would be too early.
func (l *Leg) certain(ctx context.Context) error {
	l.mu.Lock()
	var done chan struct{}
	if l.arrival != nil && l.arrival.unsure != nil {
		done = l.arrival.unsure.done
	}
	l.mu.Unlock()
	if done == nil {
		return nil
	}
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-l.ctx.Done():
		return context.Cause(l.ctx)
	}
}

// Progress implements pbx.Leg: 183 with our SDP. Where neither they have made an
// offer nor we may make one yet, nobody can be heard before the answer.
func (l *Leg) Progress(ctx context.Context) error {
	if err := l.certain(ctx); err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	a := l.arrival
	switch {
	case l.ctx.Err() != nil:
		return context.Cause(l.ctx)
	case a == nil || a.sdp == nil || a.told:
		return nil
	}
	a.told = true
	return l.ring(wire.StatusSessionInProgress, a.sdp)
}

// confirmedEarly is a PRACK. The lock is held.
func (l *Leg) confirmedEarly(req *wire.Request, tx *wire.ServerTx) {
	var p *provisional
	if l.arrival != nil {
		p = l.arrival.unsure
	}
	if p == nil || header(req, "rack", "") != fmt.Sprintf("%d %d INVITE", p.rseq, l.arrival.req.CSeq().SeqNo) {
		l.server.answer(req, tx, wire.StatusCallTransactionDoesNotExists)
		return
	}
	var sdp []byte
	var err error
	switch body := req.Body(); {
	case p.offered:
		err = l.audio.Accept(body)
	case len(body) > 0 && isSDP(req):
		sdp, err = l.audio.Answer(body) // RFC 3262 §5: a second offer
	}
	l.arrival.settle()
	if err != nil {
		l.server.answer(req, tx, wire.StatusNotAcceptableHere)
		if p.offered {
			l.reject(wire.StatusNotAcceptableHere, fmt.Errorf("answer in PRACK: %w: %w", pbx.ErrUnreachable, err))
		}
		return
	}
	res := respond(req, wire.StatusOK)
	if sdp != nil {
		l.arrival.sdp = sdp
		res.AppendHeader(wire.NewHeader("Content-Type", "application/sdp"))
		res.SetBody(sdp)
	}
	_ = tx.Respond(res) // lost, it is sent again when the PRACK comes again
}

// updatedEarly is an UPDATE before the answer. It may change the session once
// both sides are sure of it (RFC 3311 §5.1). The lock is held.
func (l *Leg) updatedEarly(req *wire.Request, tx *wire.ServerTx) {
	from, _ := req.From().Params.Get("tag")
	a := l.arrival
	e := l.forks[from]
	agreed := l.state == calling && l.heardFrom == from && e != nil && e.certain || a != nil && a.reliable && a.told && a.unsure == nil
	switch {
	case len(req.Body()) == 0:
		l.server.answer(req, tx, wire.StatusOK, l.contact())
		return
	case !agreed:
		l.server.answer(req, tx, wire.StatusInternalServerError, wire.NewHeader("Retry-After", "1"))
		return
	case !isSDP(req):
		l.server.answer(req, tx, wire.StatusUnsupportedMediaType, l.capabilities()...)
		return
	}
	sdp, err := l.sessionFor(req.Body())
	if err != nil {
		l.server.answer(req, tx, wire.StatusNotAcceptableHere)
		return
	}
	if l.sdp = sdp; a != nil {
		a.sdp = sdp
	} else {
		e.sdp, e.offered = req.Body(), true
	}
	res := respond(req, wire.StatusOK, l.contact(), wire.NewHeader("Content-Type", "application/sdp"))
	res.SetBody(sdp)
	_ = tx.Respond(res)
}

// settle ends the wait for a PRACK.
func (a *arrival) settle() {
	if a.unsure != nil {
		a.unsure.timer.Stop()
		close(a.unsure.done)
		a.unsure = nil
	}
}

// early is what a leg that is being called knows of who rings: one for each
// branch of a fork.
type early struct {
	rseq      uint32 // of the reliable response that came last; 0: none did
	remoteSeq uint32 // of the request that came last
	sdp       []byte // what the branch said last; nil: nothing yet
	offered   bool   // it was an offer: in UPDATE, or in answer to an INVITE without one
	certain   bool   // it came reliably: there will be no other
}

// maxForks bounds the branches of one call that are heard, and pracksMax what they
// may have counted our requests up to.
const (
	maxForks  = 20
	pracksMax = 1000
)

// rings is a provisional response to our INVITE. It returns true when the party
// can be heard from now on.
func (l *Leg) rings(res *wire.Response) bool {
	to := res.To()
	if res.StatusCode == wire.StatusTrying || to == nil || l.trunk == nil {
		return false
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	tag, _ := to.Params.Get("tag")
	e := l.branch(tag)
	if e == nil || !inOrder(res, e) {
		return false
	}
	first := l.heardFrom == ""
	speaks := l.describes(res, tag, e)
	var answer []byte
	if speaks && e.offered {
		answer = l.sdp // RFC 3262 §5: in the PRACK
	}
	l.confirm(res, answer)
	return speaks && first && l.trunk.EarlyMedia != Ringback
}

// describes takes the SDP of a provisional response, where it counts: not after
// one that came reliably, nor as an offer where none is made (RFC 3262 §5). The
// lock is held.
func (l *Leg) describes(res *wire.Response, tag string, e *early) bool {
	said := early{sdp: res.Body(), offered: l.awaitsOffer(), certain: reliable(res) != 0}
	if len(said.sdp) == 0 || !isSDP(res) || e.certain || said.offered && !said.certain {
		return false
	}
	if l.hears(tag, said) != nil {
		return false // what cannot be understood here may be in the 200
	}
	e.sdp, e.offered, e.certain = said.sdp, said.offered, said.certain
	return true
}

// branch is what we know of the branch with a tag; nil: there are too many. The
// lock is held.
func (l *Leg) branch(tag string) *early {
	e := l.forks[tag]
	if e == nil && len(l.forks) < maxForks {
		if l.forks == nil {
			l.forks = map[string]*early{}
		}
		e = &early{}
		l.forks[tag] = e
	}
	return e
}

// hears gives the audio, which all branches share, what the one with a tag has
// said. The lock is held.
func (l *Leg) hears(tag string, said early) (err error) {
	if said.offered {
		l.sdp, err = l.audio.Answer(said.sdp)
	} else {
		if last := l.forks[l.heardFrom]; last != nil && last.offered { // an answer is to our offer, not to what came of it in another branch
			if l.sdp, err = l.audio.Offer(); err != nil {
				return err
			}
		}
		err = l.audio.Accept(said.sdp)
	}
	if err == nil {
		l.heardFrom = tag
	}
	return err
}

// reliable is the number of a response that asks for a PRACK; 0: it does not.
func reliable(res *wire.Response) uint32 {
	rseq, err := strconv.ParseUint(strings.TrimSpace(header(res, "rseq", "")), 10, 32)
	if !lists(res, "require", "", "100rel") || err != nil {
		return 0
	}
	return uint32(rseq)
}

// inOrder says whether a response is to be dealt with; false: it was confirmed
// before, or came out of order and comes again (RFC 3262 §4).
func inOrder(res *wire.Response, e *early) bool {
	rseq := reliable(res)
	if rseq != 0 && e.rseq != 0 && rseq != e.rseq+1 {
		return false
	}
	e.rseq = cmp.Or(rseq, e.rseq)
	return true
}

// confirm sends the PRACK of a response that asks for it, with our answer where
// there is one to bring.
func (l *Leg) confirm(res *wire.Response, answer []byte) {
	rseq := reliable(res)
	branch := l.dialog
	if rseq == 0 || l.localSeq >= res.CSeq().SeqNo+pracksMax || branch.reach(res) != nil {
		return
	}
	l.localSeq++
	seq, rack := l.localSeq, fmt.Sprintf("%d %d INVITE", rseq, res.CSeq().SeqNo)
	l.Go(func() {
		l.deliver(seq, func(seq uint32) *wire.Request {
			req := branch.compose(wire.PRACK, seq)
			req.AppendHeader(wire.NewHeader("RAck", rack))
			if answer != nil {
				req.AppendHeader(wire.NewHeader("Content-Type", "application/sdp"))
				req.SetBody(answer)
			}
			return req
		})
	})
}

// answeredBy takes the answer to our offer from a 200, or the offer that we
// answer, or finds that it came before: then what the 200 says does not count
// (RFC 3261 §13.2.1). The lock is held.
func (l *Leg) answeredBy(res *wire.Response) error {
	said := early{sdp: res.Body(), offered: l.awaitsOffer()}
	inACK := said.offered
	if e := l.forks[l.remoteTag]; e != nil && e.sdp != nil && (e.certain || len(res.Body()) == 0) {
		if said, inACK = *e, false; l.heardFrom == l.remoteTag {
			return nil
		}
	}
	if err := l.hears(l.remoteTag, said); err != nil {
		return fmt.Errorf("answer: %w: %w", pbx.ErrUnreachable, err)
	}
	if inACK {
		l.answer = lateAnswer{res.CSeq().SeqNo, l.sdp}
	}
	return nil
}
