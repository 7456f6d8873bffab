package sip

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	wire "github.com/emiago/sipgo/sip"

	"cabline/media"
	"cabline/pbx"
)

// state is where a leg's INVITE stands.
type state int

const (
	arriving state = iota // they called, no final answer yet
	calling               // we called
	up                    // answered
	over                  // no more messages, but repetitions of old ones
)

// Leg is one dialog with its audio.
type Leg struct {
	party
	server *Server
	audio  Audio

	ctx context.Context
	end context.CancelCauseFunc

	mu sync.Mutex // guards all below
	dialog
	state    state
	arrival  *arrival  // until it is answered or refused
	pending  *accepted // our 200 that waits for its ACK
	acked    bool      // the first ACK came, or went
	byeDue   error     // hang up as soon as the ACK is here; see HangUp
	started  time.Time
	answered time.Time
	ended    time.Time
	cause    string
	code     int
	stats    media.Stats
}

var _ pbx.Leg = (*Leg)(nil)

// party is who is at the other end of a leg.
type party struct {
	trunk  *trunk // nil for operators; a channel of it is ours
	login  string // empty for trunks
	number pbx.Phone
}

// release gives the trunk's channel back.
func (p party) release() {
	if p.trunk != nil {
		p.trunk.release()
	}
}

// newLeg makes a leg, not yet in the table. It has the values of ctx and
// outlives it.
func (s *Server) newLeg(ctx context.Context, who party, d dialog, audio Audio) *Leg {
	l := &Leg{party: who, server: s, audio: audio, dialog: d, started: time.Now()}
	l.ctx, l.end = context.WithCancelCause(context.WithoutCancel(ctx))
	if port, ok := audio.(interface{ Lost() <-chan struct{} }); ok {
		s.work.Go(func() { l.watch(port.Lost()) })
	}
	return l
}

// watch ends a leg whose audio is gone for good: a page that was closed sends no BYE.
func (l *Leg) watch(lost <-chan struct{}) {
	select {
	case <-lost:
		_ = l.HangUp(l.ctx, pbx.ErrMediaLost)
	case <-l.ctx.Done():
	}
}

// Context implements pbx.Leg.
func (l *Leg) Context() context.Context { return l.ctx }

// Audio implements pbx.Leg.
func (l *Leg) Audio() media.Port { return l.audio }

// Record implements pbx.Leg.
func (l *Leg) Record() pbx.LegRecord {
	l.mu.Lock()
	defer l.mu.Unlock()
	r := pbx.LegRecord{
		ID: l.callID, Number: l.number, Operator: l.login,
		Started: l.started, Answered: l.answered, Ended: l.ended, Cause: l.cause, Code: l.code, Audio: l.stats,
	}
	if l.trunk != nil {
		r.Trunk = l.trunk.Name
	}
	if l.ended.IsZero() {
		r.Audio = l.audio.Stats()
	}
	return r
}

// HangUp implements pbx.Leg. It does not wait for the peer to confirm.
func (l *Leg) HangUp(_ context.Context, why error) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ctx.Err() != nil {
		return nil
	}
	var err error
	switch {
	case l.state == arriving:
		err = l.refuse(why)
	case l.state == up && !l.acked:
		l.byeDue = errors.Join(why, errHangUp) // RFC 3261 §15: no BYE before the ACK
	case l.state == up:
		l.bye(why)
	}
	l.finish(why)
	return err
}

var errHangUp = errors.New("hang up")

// finish ends the leg for everyone but the peer, once. The lock is held.
func (l *Leg) finish(why error) {
	if l.ctx.Err() != nil {
		return
	}
	l.ended, l.cause, l.stats = time.Now(), pbx.Ending(why), l.audio.Stats()
	l.end(why)
	l.release()
	l.server.work.Go(func() { _ = l.audio.Close() })
}

// leave forgets the dialog. The lock is held.
func (l *Leg) leave() {
	l.state, l.arrival = over, nil
	if l.pending != nil {
		l.pending.stop()
		l.pending = nil
	}
	if l.server.legs.remove(l.localTag) {
		l.server.work.done()
	}
}

// bye sends BYE and leaves the dialog. The lock is held.
func (l *Leg) bye(why error) {
	req := l.request(wire.BYE)
	req.AppendHeader(wire.NewHeader("Reason", byeReason(why)))
	l.leave()
	l.server.work.Go(func() { l.server.deliver(l.ctx, req) })
}

// request composes the dialog's next request. The lock is held.
func (l *Leg) request(method wire.RequestMethod) *wire.Request {
	l.localSeq++
	req := l.compose(method, l.localSeq)
	req.AppendHeader(wire.NewHeader("User-Agent", l.server.cfg.UserAgent))
	return req
}

// deliver sends a request and waits for its answer, which changes nothing. It
// outlives ctx.
func (s *Server) deliver(ctx context.Context, req *wire.Request) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), connectTime)
	defer cancel()
	tx, err := s.transactions.Request(ctx, req)
	if err != nil {
		return // the peer is unreachable; there is nobody to tell
	}
	defer tx.Terminate()
	for {
		select {
		case res := <-tx.Responses():
			if !res.IsProvisional() {
				return
			}
		case <-tx.Done():
			return
		}
	}
}

// connectTime is how long a TCP connection to a carrier may take.
const connectTime = 5 * time.Second

// peerHungUp is a BYE. The lock is held.
func (l *Leg) peerHungUp() {
	if l.state == arriving { // RFC 3261 §15.1.2: the INVITE still wants its answer
		_ = l.arrival.respond(wire.StatusRequestTerminated, nil)
		l.code = wire.StatusRequestTerminated
	}
	l.leave()
	l.finish(pbx.ErrHungUp)
}

var errMalformed = errors.New("malformed")

// run carries a story; its panic ends the call, not the process.
func (l *Leg) run(ctx context.Context, story func(context.Context)) (err error) {
	defer func() {
		if fault := recover(); fault != nil {
			err = fmt.Errorf("panic: %v", fault)
		}
	}()
	story(ctx)
	return nil
}
