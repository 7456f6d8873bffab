package sip

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"sync"
	"time"

	"github.com/coder/websocket"
	"github.com/gobwas/ws"
	"github.com/gobwas/ws/wsutil"
)

// SIP over WebSocket (RFC 7118). sipgo's own server would block everyone on one
// slow handshake, take any path and origin, lose fragments and never notice a
// dead browser. So net/http and coder/websocket do the real WebSocket, with
// pings because JsSIP sends none, and sipgo gets an in-memory connection that
// speaks only the little it knows.

const (
	maxMessage  = 32 << 10         // bytes; sipgo reads into 32 KB and cuts the rest off
	pingEvery   = 20 * time.Second // short enough for the NATs of mobile networks
	pongWithin  = 10 * time.Second
	writeWithin = 10 * time.Second
)

// WebSocket takes SIP over WebSocket. TLS, the path and time limits of the
// handshake are the HTTP server's.
func (s *Server) WebSocket() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		from, err := netip.ParseAddrPort(r.RemoteAddr)
		var place *place
		if err == nil && !s.stopping.Load() {
			place = s.places.take("WS", net.TCPAddrFromAddrPort(from))
		}
		if place == nil {
			w.Header().Set("Retry-After", "5")
			http.Error(w, "too many connections", http.StatusServiceUnavailable)
			return
		}
		defer place.leave()
		conn, err := websocket.Accept(w, r, &websocket.AcceptOptions{
			Subprotocols: []string{"sip"}, OriginPatterns: s.cfg.Origins, CompressionMode: websocket.CompressionDisabled,
		})
		if err != nil {
			return // it has answered
		}
		defer func() { _ = conn.CloseNow() }()
		place.limit(func() { _ = conn.CloseNow() })
		if conn.Subprotocol() != "sip" {
			_ = conn.Close(websocket.StatusPolicyViolation, `the subprotocol is "sip"`)
			return
		}
		conn.SetReadLimit(maxMessage - 1)
		local, _ := r.Context().Value(http.LocalAddrContextKey).(net.Addr)
		inner, err := s.ws.connect(r.Context(), net.TCPAddrFromAddrPort(from), local)
		if err != nil {
			return
		}
		s.pump(r.Context(), conn, inner)
		s.flowClosed(r.Context(), "WS", r.RemoteAddr)
	})
}

// pump carries messages between a browser and sipgo until one of them, or the
// server, ends it.
func (s *Server) pump(ctx context.Context, browser *websocket.Conn, sipgo net.Conn) {
	ctx, stop := context.WithCancel(ctx)
	out := &outlet{work: &s.work, part: stop, reset: stop, write: func(message []byte) error {
		limit, cancel := context.WithTimeout(ctx, writeWithin)
		defer cancel()
		return browser.Write(limit, websocket.MessageText, message)
	}}
	var pumps sync.WaitGroup
	pumps.Go(func() {
		defer out.close()
		defer s.work.recover()
		s.toBrowser(sipgo, out)
	})
	pumps.Go(func() {
		defer stop()
		defer s.work.recover()
		for {
			_, message, err := browser.Read(ctx)
			if err != nil {
				return
			}
			s.rehearse(message)
			if wsutil.WriteClientText(sipgo, message) != nil {
				return
			}
		}
	})
	pings := time.NewTicker(pingEvery)
	defer pings.Stop()
	done := s.ws.done
	for alive := true; alive; {
		select {
		case <-ctx.Done():
			alive = false
		case <-done: // what waits for the browser may go
			_ = sipgo.Close()
			done = nil
		case <-pings.C:
			wait, cancel := context.WithTimeout(ctx, pongWithin)
			alive = browser.Ping(wait) == nil
			cancel()
		}
	}
	stop()
	_ = sipgo.Close()
	_ = browser.CloseNow()
	pumps.Wait()
}

// toBrowser reads what sipgo says, which must not have to wait for the browser.
func (s *Server) toBrowser(sipgo net.Conn, out *outlet) {
	frames := bufio.NewReader(sipgo)
	for {
		header, err := ws.ReadHeader(frames)
		if err != nil || header.OpCode != ws.OpText || header.Length > 1<<20 {
			return
		}
		message := make([]byte, header.Length)
		if _, err := io.ReadFull(frames, message); err != nil {
			return
		}
		if message, err = s.guard(message); err != nil {
			continue // to sipgo it is as if the browser did not answer
		}
		if out.take(message) != nil {
			return
		}
	}
}

// innerListener hands sipgo connections made of memory.
type innerListener struct {
	conns chan net.Conn
	once  sync.Once
	done  chan struct{}
}

func newInnerListener() *innerListener {
	return &innerListener{conns: make(chan net.Conn), done: make(chan struct{})}
}

func (l *innerListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.done:
		return nil, net.ErrClosed
	}
}

func (l *innerListener) Close() error {
	l.once.Do(func() { close(l.done) })
	return nil
}

func (l *innerListener) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4zero, Port: 1} }

// connect returns our end of a connection which sipgo has accepted.
func (l *innerListener) connect(ctx context.Context, remote, local net.Addr) (net.Conn, error) {
	theirs, ours := net.Pipe()
	select {
	case l.conns <- innerConn{theirs, local, remote}:
	case <-l.done:
		return nil, net.ErrClosed
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	// sipgo answers the handshake in its accept loop, at once.
	dialer := ws.Dialer{Protocols: []string{"sip"}}
	buffered, _, err := dialer.Upgrade(ours, &url.URL{Scheme: "ws", Host: "cabline"})
	if err != nil || buffered != nil { // sipgo does not speak first
		_ = ours.Close()
		return nil, net.ErrClosed
	}
	return ours, nil
}

type innerConn struct {
	net.Conn
	local, remote net.Addr
}

func (c innerConn) LocalAddr() net.Addr  { return c.local }
func (c innerConn) RemoteAddr() net.Addr { return c.remote }
