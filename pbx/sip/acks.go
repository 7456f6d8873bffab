package sip

import (
	"context"

	wire "github.com/emiago/sipgo/sip"
)

// lateAnswer is our answer to the offer in a 2xx; each of its ACKs brings it.
type lateAnswer struct {
	seq uint32 // of the INVITE
	sdp []byte
}

// ack acknowledges a 2xx to the INVITE with number seq, with the credentials of
// that and an answer where it makes an offer (RFC 3261 §13.2.2.4). The lock is held, and so nothing is waited for: where
// the DNS has to be asked or a connection opened, the ACK goes when that is done.
func (l *Leg) ack(seq uint32) {
	if l.acking != nil || !l.server.connected(l.path) {
		return // the 2xx comes again
	}
	ctx, p, ack := context.WithoutCancel(l.ctx), l.path, l.compose(wire.ACK, seq)
	for _, h := range l.proof {
		ack.AppendHeader(h)
	}
	if l.answer.sdp != nil && l.answer.seq == seq {
		ack.AppendHeader(wire.NewHeader("Content-Type", "application/sdp"))
		ack.SetBody(l.answer.sdp)
	}
	now, end := context.WithCancel(ctx)
	end()
	if l.server.sendACK(now, p, ack) == nil {
		return
	}
	gone := make(chan struct{})
	l.acking = gone
	l.Go(func() {
		defer l.acknowledged(gone)
		_ = l.server.sendACK(ctx, p, ack)
	})
}

// acknowledged lets those go on that wait for an ACK to go first.
func (l *Leg) acknowledged(gone chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.acking = nil
	close(gone)
}

// letACKGoFirst waits while an ACK does: what comes after it in the dialog, a BYE
// most of all, must not overtake it.
func (l *Leg) letACKGoFirst() {
	l.mu.Lock()
	gone := l.acking
	l.mu.Unlock()
	if gone != nil {
		<-gone
	}
}
