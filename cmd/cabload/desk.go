package main

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"sync/atomic"
	"time"

	"cabline/cmd/internal/siptext"
)

// Timers of RFC 3261 §17.1.1.1, and how long a message is repeated before the
// call counts as failed. That is less than the 32 s of the RFC: a PBX which
// needs ten seconds has failed the test, and the run has to end.
const (
	timer1   = 500 * time.Millisecond
	timer2   = 4 * time.Second
	patience = 10 * time.Second
	sweeping = 10 * time.Millisecond // how often repeats are looked for
)

// desk is the SIP socket of one end. Datagrams come to take, and sweep is
// called every few milliseconds; both from one goroutine, never at once.
type desk struct {
	conn  *net.UDPConn
	self  netip.AddrPort
	take  func(m *siptext.Message, from netip.AddrPort)
	sweep func(now time.Time)
	done  chan struct{}
	stood atomic.Int64 // the longest time between two sweeps: we were slow, and not the exchange
}

func openDesk(at netip.AddrPort) (*desk, error) {
	conn, err := net.ListenUDP("udp4", net.UDPAddrFromAddrPort(at))
	if err != nil {
		return nil, fmt.Errorf("open SIP socket: %w", err)
	}
	if err := conn.SetReadBuffer(receiveBuffer); err != nil {
		conn.Close()
		return nil, fmt.Errorf("open SIP socket: %w", err)
	}
	return &desk{conn: conn, self: conn.LocalAddr().(*net.UDPAddr).AddrPort(), done: make(chan struct{})}, nil
}

func (d *desk) start() { go d.work() }

// close ends the goroutine and waits for it.
func (d *desk) close() {
	d.conn.Close()
	<-d.done
}

func (d *desk) work() {
	defer close(d.done)
	buf := make([]byte, siptext.MaxSize)
	next := time.Now()
	for swept := next; ; {
		if now := time.Now(); now.After(next) {
			d.stood.Store(max(d.stood.Load(), int64(now.Sub(swept))))
			swept = now
			d.sweep(now)
			next = now.Add(sweeping)
			if d.conn.SetReadDeadline(next) != nil {
				return
			}
		}
		n, from, err := d.conn.ReadFromUDPAddrPort(buf)
		if err != nil {
			if errors.Is(err, os.ErrDeadlineExceeded) {
				continue
			}
			return // closed
		}
		if m, err := siptext.Parse(buf[:n]); err == nil {
			d.take(m, netip.AddrPortFrom(from.Addr().Unmap(), from.Port()))
		}
	}
}

func (d *desk) send(message []byte, to netip.AddrPort) {
	// A full buffer is a lost datagram: it will be repeated, and counted.
	_, _ = d.conn.WriteToUDPAddrPort(message, to)
}

// repeat is a message sent again until it is answered, at growing intervals.
type repeat struct {
	message []byte
	to      netip.AddrPort
	gap     time.Duration
	next    time.Time
	until   time.Time
	ceiling time.Duration // of the intervals; 0: none (INVITE over UDP)
}

func newRepeat(message []byte, to netip.AddrPort, ceiling time.Duration, now time.Time) repeat {
	return repeat{message: message, to: to, gap: timer1, next: now.Add(timer1), until: now.Add(patience), ceiling: ceiling}
}

// due says whether to send again now; expired, that nobody answered.
func (r *repeat) due(now time.Time) (again, expired bool) {
	if r.message == nil && r.until.IsZero() {
		return false, false
	}
	if now.After(r.until) {
		return false, true
	}
	if r.message == nil || now.Before(r.next) {
		return false, false
	}
	r.gap *= 2
	if r.ceiling > 0 {
		r.gap = min(r.gap, r.ceiling)
	}
	r.next = now.Add(r.gap)
	return true, false
}

// hold stops repeating, but not waiting.
func (r *repeat) hold() { r.message = nil }

// stop ends both.
func (r *repeat) stop() { *r = repeat{} }

// token is an unguessable word for tags, branches and Call-IDs.
func token() string { return fmt.Sprintf("%016x", rand.Uint64()) }

// target is where a dialog's requests go: its Contact, as long as that is an
// address on loopback, or else where the message came from.
func target(contact string, from netip.AddrPort) netip.AddrPort {
	uri := siptext.URI(contact)
	for i := range uri {
		if uri[i] != '@' && (uri[i] != ':' || i > 4) {
			continue
		}
		host := uri[i+1:]
		for j := range host {
			if host[j] == ';' || host[j] == '?' {
				host = host[:j]
				break
			}
		}
		if addr, err := netip.ParseAddrPort(host); err == nil && addr.Addr().IsLoopback() {
			return addr
		}
	}
	return from
}
