package sip

import (
	"cmp"
	"errors"
	"net"
	"sync"
	"time"
)

// Messages are written by whoever holds the lock of a leg, of a transaction, of all
// connections. A peer that does not read must not hold them up: what goes to a stream
// is taken into memory, and written beside.

const (
	outletRoom = 1 << 20 // bytes that may wait for one peer
	besides    = 64      // bytes that each message takes besides its own
)

var errFull = errors.New("more waits for the peer than there is room for")

// outlet is the way to one peer, by which messages go in their order. A goroutine
// writes while any wait. One that takes nothing for writeWithin, or for which too much
// waits, is a peer that is lost.
type outlet struct {
	work  *work
	write func(message []byte) error // waits for the peer, writeWithin at most
	part  func()                     // ends the connection as it should be; may wait for the peer
	reset func()                     // ends it at once; called more than once

	mu      sync.Mutex
	waiting [][]byte
	size    int         // of them
	writing bool        // there is a goroutine
	over    error       // why nothing is taken any more; nil: it is
	cut     *time.Timer // ends what takes too long, when it is being closed
}

// take has a message sent, which is the caller's again. An error is of the connection,
// and of messages before this one, or there is no room.
func (o *outlet) take(message []byte) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.over != nil {
		return o.over
	}
	size := len(message) + besides
	if o.size+size > outletRoom {
		o.lose(errFull)
		return o.over
	}
	o.waiting, o.size = append(o.waiting, append([]byte{}, message...)), o.size+size
	o.start()
	return nil
}

// close takes nothing more, and ends the connection when all that waits has gone, or
// after lastWord. It does not wait for that.
func (o *outlet) close() {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.over != nil {
		return
	}
	o.over = net.ErrClosed
	o.cut = time.AfterFunc(lastWord, o.reset)
	o.start()
}

// start begins to write, unless that is being done. The lock is held.
func (o *outlet) start() {
	if !o.writing {
		o.writing = true
		o.work.Go(o.run)
	}
}

// run writes what waits.
func (o *outlet) run() {
	done, err := false, error(nil)
	defer func() {
		if !done {
			o.mu.Lock()
			defer o.mu.Unlock()
			o.lose(cmp.Or(err, errFault))
		}
	}()
	for {
		message, parting := o.next()
		if message == nil {
			if parting {
				o.part()
				o.cut.Stop()
			}
			done = true
			return
		}
		if err = o.write(message); err != nil {
			return
		}
	}
}

// next is the message that is to be written next; nil: there is none, and where it is
// being closed the connection is to end.
func (o *outlet) next() (message []byte, parting bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(o.waiting) == 0 {
		o.writing = false
		return nil, o.cut != nil
	}
	message, o.waiting = o.waiting[0], o.waiting[1:]
	o.size -= len(message) + besides
	return message, false
}

// lose ends the connection; what waits is lost. The lock is held.
func (o *outlet) lose(why error) {
	if o.over == nil {
		o.over = why
	}
	o.waiting, o.size = nil, 0
	o.reset()
}
