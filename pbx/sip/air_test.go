package sip

import (
	"encoding/binary"
	"maps"
	"net/netip"
	"sync"
	"time"

	"cabline/media"
	datagrams "cabline/media/wire"
)

// air carries datagrams in memory, at once: with it the sockets of audio live in a
// bubble of synctest.
type air struct {
	datagrams.Wire // for all but the sockets

	mu   sync.Mutex // guards all below
	last uint16
	at   map[netip.AddrPort]datagrams.Receiver
}

func newAir() *air {
	return &air{Wire: datagrams.Goroutines(), last: 20000, at: map[netip.AddrPort]datagrams.Receiver{}}
}

// Open implements wire.Wire. The ports it chooses are even.
func (a *air) Open(at netip.AddrPort, to datagrams.Receiver, _ int) (datagrams.Socket, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if at.Port() == 0 {
		a.last += 2
		at = netip.AddrPortFrom(at.Addr(), a.last)
	}
	a.at[at] = to
	return airSocket{a, at}, nil
}

type airSocket struct {
	air *air
	at  netip.AddrPort
}

func (s airSocket) Local() netip.AddrPort { return s.at }

func (s airSocket) Send(b []byte, to netip.AddrPort) bool {
	s.air.mu.Lock()
	receiver := s.air.at[to]
	s.air.mu.Unlock()
	if receiver == nil {
		return false
	}
	lent := make([]byte, len(b), len(b)+datagrams.TailRoom)
	copy(lent, b)
	receiver.Receive(lent, s.at, time.Now())
	return true
}

func (s airSocket) Close() {
	s.air.mu.Lock()
	defer s.air.mu.Unlock()
	delete(s.air.at, s.at)
}

// ear is a telephone's audio: it says one A-law byte all the time, and counts what
// bytes it hears.
type ear struct {
	datagrams.Receiver // for all but receiving
	socket             datagrams.Socket
	says               byte
	seq                uint16

	mu    sync.Mutex // guards all below
	heard map[byte]int
	last  time.Time
	pause time.Duration // the longest between two packets since it listens
}

func (a *air) ear(at string, says byte) *ear {
	e := &ear{says: says}
	e.socket, _ = a.Open(netip.MustParseAddrPort(at), e, 0)
	e.listen()
	return e
}

// listen begins to count anew.
func (e *ear) listen() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.heard, e.last, e.pause = map[byte]int{}, time.Now(), 0
}

// counted is what was heard since listen.
func (e *ear) counted() (heard map[byte]int, pause time.Duration) {
	e.mu.Lock()
	defer e.mu.Unlock()
	return maps.Clone(e.heard), max(e.pause, time.Since(e.last))
}

// Receive implements wire.Receiver.
func (e *ear) Receive(b []byte, _ netip.AddrPort, now time.Time) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.heard[b[media.HeaderSize]]++
	e.pause, e.last = max(e.pause, now.Sub(e.last)), now
}

// Hurt implements wire.Receiver.
func (e *ear) Hurt() {}

// say sends a packet of 20 ms to a port of the exchange.
func (e *ear) say(to netip.AddrPort) {
	b := make([]byte, media.HeaderSize+media.FrameSize)
	b[0], b[1] = 2<<6, 8
	e.seq++
	binary.BigEndian.PutUint16(b[2:], e.seq)
	binary.BigEndian.PutUint32(b[4:], uint32(e.seq)*media.FrameSize)
	binary.BigEndian.PutUint32(b[8:], uint32(e.says)+1)
	for i := range media.FrameSize {
		b[media.HeaderSize+i] = e.says
	}
	e.socket.Send(b, to)
}

// report sends an RTCP report of nothing in particular, a receiver report without
// blocks, from the port above (RFC 3550 §6.4.2).
func (e *ear) report(to netip.AddrPort) {
	from, at := e.socket.Local(), netip.AddrPortFrom(to.Addr(), to.Port()+1)
	airSocket{e.socket.(airSocket).air, netip.AddrPortFrom(from.Addr(), from.Port()+1)}.Send([]byte{2 << 6, 201, 0, 1, 0, 0, 0, e.says + 1}, at)
}
