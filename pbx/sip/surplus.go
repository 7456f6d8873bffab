package sip

import (
	"bufio"
	"bytes"
	"io"
	"net"
	"net/netip"
	"sync/atomic"
	"time"

	wire "github.com/emiago/sipgo/sip"
)

// A connection too many is told that it is one: its first request is answered
// 503 with Retry-After (RFC 3261 §21.5.4), and then it is closed. Those above
// maxSurplus are closed at once.

const (
	maxSurplus  = 50 // at once
	surplusTime = 2 * time.Second
	lastWord    = time.Second // which an answer gets to arrive before its connection is closed
)

// surplus counts the connections that are being turned away.
type surplus struct{ n atomic.Int32 }

// turnAway answers the first request of a connection and closes it.
func (s *Server) turnAway(conn net.Conn) {
	if s.stopping.Load() || s.surplus.n.Add(1) > maxSurplus {
		s.surplus.n.Add(-1)
		_ = conn.Close()
		return
	}
	s.work.Go(func() {
		defer s.surplus.n.Add(-1)
		defer conn.Close()
		deadline := time.Now().Add(surplusTime)
		_ = conn.SetDeadline(deadline)
		from, err := netip.ParseAddrPort(conn.RemoteAddr().String())
		if err != nil {
			return
		}
		if answer := s.rebuff(firstHead(conn), wire.StatusServiceUnavailable, from); answer != nil {
			_, _ = conn.Write(answer)
			linger(conn, deadline)
		}
	})
}

// firstHead reads the head of the first message of a stream, as far as it comes.
func firstHead(conn io.Reader) []byte {
	in := bufio.NewReader(io.LimitReader(conn, maxHead))
	var head []byte
	for !bytes.HasSuffix(head, blankLine) {
		line, err := in.ReadBytes('\n')
		if head = append(head, line...); err != nil {
			break
		}
		head = bytes.TrimLeft(head, "\r\n") // RFC 3261 §7.5
	}
	return head
}

// linger reads what still comes: a connection that is closed with something
// unread is reset, and the peer may lose the answer (RFC 1122 §4.2.2.13).
func linger(conn net.Conn, deadline time.Time) {
	_ = conn.SetReadDeadline(deadline)
	_, _ = io.Copy(io.Discard, conn)
}
