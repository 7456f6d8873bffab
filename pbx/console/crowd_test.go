package console

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"net/http"
	"testing"
	"time"
)

func TestConnectionsTooManyAreAnswered503(t *testing.T) {
	h := newHouse(t)
	listener, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	server, served := h.Server(ctx), make(chan error)
	go func() { served <- server.Serve(listener) }()
	var open []net.Conn
	defer func() {
		for _, conn := range open {
			conn.Close()
		}
		cancel()
		_ = server.Close()
		<-served
	}()
	ask := func(conn net.Conn) (status int, retry string) {
		_ = conn.SetDeadline(time.Now().Add(time.Minute))
		fmt.Fprint(conn, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
		res, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil {
			return 0, ""
		}
		return res.StatusCode, res.Header.Get("Retry-After")
	}
	for n := 1; n <= 2*maxConnectionsPer+1; n++ {
		conn, err := net.Dial("tcp4", listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		open = append(open, conn)
		switch n {
		case maxConnectionsPer:
			if status, _ := ask(conn); status != 200 {
				t.Errorf("connection %d: %d", n, status)
			}
		case maxConnectionsPer + 1:
			if status, retry := ask(conn); status != 503 || retry == "" {
				t.Errorf("connection %d: %d, Retry-After %q", n, status, retry)
			}
			open[0].Close() // ours is closed by the server; both make room
			for end := time.Now().Add(time.Minute); ; time.Sleep(time.Millisecond) {
				h.crowd.mu.Lock()
				all := h.crowd.all
				h.crowd.mu.Unlock()
				if all == maxConnectionsPer-1 {
					break
				}
				if time.Now().After(end) {
					t.Fatalf("%d connections counted", all)
				}
			}
		}
	}
	// Two have been closed, so two more fit.
	for range 2 {
		conn, err := net.Dial("tcp4", listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		open = append(open, conn)
	}
	if status, _ := ask(open[len(open)-1]); status != 0 {
		t.Errorf("far too many: %d", status)
	}
	if status, _ := ask(open[1]); status != 200 {
		t.Errorf("who was there before: %d", status)
	}
}
