package sip

import (
	"fmt"
	"time"

	wire "github.com/emiago/sipgo/sip"

	"cabline/pbx"
)

// accepted is a 200 of ours to an INVITE which waits for its ACK. We repeat it
// ourselves, whatever the transport (RFC 3261 §13.3.1.4).
type accepted struct {
	res     *wire.Response
	conn    wire.Connection
	seq     uint32 // of the INVITE
	offered bool   // the 200 made an offer, the ACK brings the answer
	done    chan struct{}
	sent    time.Time
	wait    time.Duration
	timer   *time.Timer
}

func (p *accepted) stop() {
	if p.timer != nil {
		p.timer.Stop()
	}
}

// repeat begins to wait for the ACK. The lock is held.
func (l *Leg) repeat(p *accepted) {
	if l.pending != nil {
		l.pending.stop()
	}
	l.pending, l.lastOK, p.sent, p.wait = p, p.seq, time.Now(), wire.T1
	p.timer = l.after(p.wait, func() { l.again(p) })
}

// again repeats a 200, or gives up.
func (l *Leg) again(p *accepted) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.pending != p {
		return
	}
	if time.Since(p.sent) >= 64*wire.T1 {
		l.pending, l.acked = nil, true
		l.fail(fmt.Errorf("no ACK came: %w", errUnheard))
		return
	}
	_ = p.conn.WriteMsg(p.res)
	p.wait = min(2*p.wait, wire.T2)
	p.timer.Reset(p.wait)
}

// confirmed is an ACK.
func (l *Leg) confirmed(req *wire.Request) {
	l.mu.Lock()
	defer l.mu.Unlock()
	p := l.pending
	if p == nil || p.seq != req.CSeq().SeqNo {
		return // a repetition
	}
	var err error
	if p.offered {
		if err = l.audio.Accept(req.Body()); err != nil {
			err = fmt.Errorf("answer in ACK: %w: %w", pbx.ErrUnreachable, err)
		}
		l.noticeHold()
	}
	l.settled()
	if err != nil && l.state == up {
		l.fail(err)
	}
}

// settled is the peer's word that our 200 has arrived. The lock is held.
func (l *Leg) settled() {
	p := l.pending
	p.stop()
	l.pending, l.acked = nil, true
	close(p.done)
	if l.byeDue != nil {
		l.bye(l.byeDue)
	}
}
