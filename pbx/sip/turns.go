package sip

import (
	"cmp"
	"slices"
	"time"

	wire "github.com/emiago/sipgo/sip"
)

// overtaking is how long a request waits for those numbered before it: sipgo
// hands messages over in goroutines of their own, in any order.
const overtaking = 20 * time.Millisecond

// overtaker is a request that came before one with a lower number.
type overtaker struct {
	seq  uint32
	turn chan struct{} // has room for one; to look whether it is its turn
}

// inTurn takes the number of a request; a number that was there already, or
// comes after a higher one, is refused (RFC 3261 §12.2.2). The lock is held, and
// given away while it waits.
func (l *Leg) inTurn(req *wire.Request) bool {
	defer l.nextTurn()
	if l.overtook(req) {
		l.awaitTurn(req)
	}
	seq, last := req.CSeq().SeqNo, l.count(req)
	if *last != 0 && seq <= *last {
		return false
	}
	*last = seq
	return true
}

// overtook says whether numbers before a request's are missing. The lock is held.
func (l *Leg) overtook(req *wire.Request) bool {
	last := *l.count(req)
	return last != 0 && req.CSeq().SeqNo > last+1
}

// awaitTurn waits until no number is missing before a request's, or for so long
// that there may be none: gaps are allowed. Then those that wait go by their
// numbers all the same. The lock is held, and given away meanwhile.
func (l *Leg) awaitTurn(req *wire.Request) {
	me := &overtaker{req.CSeq().SeqNo, make(chan struct{}, 1)}
	at, _ := slices.BinarySearchFunc(l.overtakers, me, func(a, b *overtaker) int { return cmp.Compare(a.seq, b.seq) })
	l.overtakers = slices.Insert(l.overtakers, at, me)
	limit := time.NewTimer(overtaking)
	defer limit.Stop()
	for late := false; l.overtook(req) && (!late || l.overtakers[0] != me); {
		l.mu.Unlock()
		select {
		case <-me.turn:
		case <-limit.C:
			late = true
		}
		l.mu.Lock()
	}
	l.overtakers = slices.DeleteFunc(l.overtakers, func(o *overtaker) bool { return o == me })
}

// nextTurn lets the first of those that wait look whether its turn has come. The
// lock is held.
func (l *Leg) nextTurn() {
	if len(l.overtakers) == 0 {
		return
	}
	select {
	case l.overtakers[0].turn <- struct{}{}:
	default: // it is about to look
	}
}

// count is the number of the last request of theirs; each branch of a fork has its
// own (RFC 3261 §12.2.2). The lock is held.
func (l *Leg) count(req *wire.Request) *uint32 {
	if l.state == calling {
		tag, _ := req.From().Params.Get("tag")
		if e := l.forks[tag]; e != nil {
			return &e.remoteSeq
		}
	}
	return &l.remoteSeq
}
