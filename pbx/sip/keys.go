package sip

import (
	"fmt"
	"sync"

	wire "github.com/emiago/sipgo/sip"

	"cabline/media"
)

// keys are those of a leg that go by INFO, one after another. They have a lock
// of their own, which is never held for long: audio waits for it.
type keys struct {
	mu      sync.Mutex
	queue   []media.Digit
	sending bool
}

// maxKeys is how many keys wait for the answer to the INFO of one before them.
const maxKeys = 32

// keysByInfo has the keys towards a leg's party sent by INFO where its trunk
// wants them so.
func (l *Leg) keysByInfo() {
	port, ok := l.audio.(interface{ TellKeys(press func(media.Digit)) })
	if ok && l.trunk != nil && l.trunk.DTMF == DTMFInfo {
		port.TellKeys(l.press)
	}
}

// press sends a key by INFO. It does not wait.
func (l *Leg) press(d media.Digit) {
	l.keys.mu.Lock()
	defer l.keys.mu.Unlock()
	if len(l.keys.queue) == maxKeys {
		return
	}
	l.keys.queue = append(l.keys.queue, d)
	if !l.keys.sending {
		l.keys.sending = true
		l.Go(l.sendKeys)
	}
}

// sendKeys sends the keys that wait. A key that was not understood is lost.
func (l *Leg) sendKeys() {
	for {
		d, more := l.nextKey()
		if !more {
			return
		}
		l.mu.Lock()
		if l.state != up {
			l.mu.Unlock()
			continue
		}
		l.localSeq++
		seq := l.localSeq
		l.mu.Unlock()
		l.deliver(seq, func(seq uint32) *wire.Request {
			req := l.compose(wire.INFO, seq)
			req.AppendHeader(wire.NewHeader("Content-Type", "application/dtmf-relay"))
			req.SetBody(fmt.Appendf(nil, "Signal=%c\r\nDuration=100\r\n", d))
			return req
		})
	}
}

// nextKey takes a key off the queue; after the last one nobody sends.
func (l *Leg) nextKey() (d media.Digit, more bool) {
	l.keys.mu.Lock()
	defer l.keys.mu.Unlock()
	if len(l.keys.queue) == 0 {
		l.keys.sending = false
		return 0, false
	}
	d, l.keys.queue = l.keys.queue[0], l.keys.queue[1:]
	return d, true
}
