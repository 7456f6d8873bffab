package sip

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coder/websocket"
	"github.com/gobwas/ws/wsutil"

	"cabline/pbx"
)

// end is what a test does at our end of a connection in memory, and peer what is at
// the other one.
type end struct {
	send func(text string) error // waits for nobody
	hang func()
	peer net.Conn
	read func() (string, error)
	over func() bool // the connection has ended
}

// onOutlets runs a test in virtual time on either way to a peer.
func onOutlets(t *testing.T, test func(t *testing.T, e *end)) {
	cert, _ := testAuthority().issue(loopback) // in real time
	secure := func(t *testing.T, s *Server) *end { return secureEnd(t, s, cert) }
	for name, open := range map[string]func(*testing.T, *Server) *end{"a stream": plainEnd, "TLS": secure, "a WebSocket": pageEnd} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, err := New(Config{Exchange: &exchange{}})
				if err != nil {
					t.Fatal(err)
				}
				s.work.fault = func(fault any) { t.Error(fault) }
				e := open(t, s)
				t.Cleanup(func() { _ = e.peer.Close() })
				test(t, e)
			})
		})
	}
}

// piped are the two ends of a connection in memory.
func piped() (ours, theirs net.Conn) {
	here, far := &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 1}, &net.TCPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 5060}
	a, b := net.Pipe()
	return innerConn{a, here, far}, innerConn{b, far, here}
}

func plainEnd(t *testing.T, s *Server) *end {
	ours, theirs := piped()
	return streamEnd(t, s, ours, theirs)
}

func secureEnd(t *testing.T, s *Server, cert tls.Certificate) *end {
	ours, theirs := piped()
	server := tls.Server(ours, &tls.Config{Certificates: []tls.Certificate{cert}, SessionTicketsDisabled: true})
	client := tls.Client(theirs, &tls.Config{InsecureSkipVerify: true}) // 2000 is before its time
	go func() { _ = client.Handshake() }()
	if err := server.Handshake(); err != nil {
		t.Fatal(err)
	}
	e := streamEnd(t, s, server, client)
	e.peer = theirs // nobody reads a goodbye
	return e
}

func streamEnd(t *testing.T, s *Server, ours, theirs net.Conn) *end {
	var gone atomic.Bool
	c := s.newConnection(t.Context(), ours, "TCP", func() { gone.Store(true) })
	return &end{
		send: func(text string) error { _, err := c.Write([]byte(text)); return err },
		hang: func() { _ = c.Close() },
		peer: theirs,
		read: func() (string, error) {
			buf := make([]byte, maxMessage)
			n, err := theirs.Read(buf)
			return string(buf[:n]), err
		},
		over: gone.Load,
	}
}

// pageEnd is a page's; sipgo is the test.
func pageEnd(t *testing.T, s *Server) *end {
	ours, theirs := piped()
	var gone atomic.Bool
	sipgo, inner := net.Pipe()
	web := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		browser, err := websocket.Accept(w, r, &websocket.AcceptOptions{Subprotocols: []string{"sip"}})
		if err != nil {
			t.Error(err)
			return
		}
		s.pump(r.Context(), browser, inner)
		gone.Store(true)
	})}
	listener := newInnerListener()
	go func() { _ = web.Serve(listener) }()
	t.Cleanup(func() { _ = web.Close() })
	go func() { listener.conns <- ours }()
	dial := func(context.Context, string, string) (net.Conn, error) { return theirs, nil }
	page, _, err := websocket.Dial(t.Context(), "ws://pbx.test", &websocket.DialOptions{Subprotocols: []string{"sip"},
		HTTPClient: &http.Client{Transport: &http.Transport{DialContext: dial}}})
	if err != nil {
		t.Fatal(err)
	}
	return &end{
		send: func(text string) error { return wsutil.WriteServerText(sipgo, []byte(text)) },
		hang: func() { _ = sipgo.Close() },
		peer: theirs,
		read: func() (string, error) { _, m, err := page.Read(context.Background()); return string(m), err },
		over: gone.Load,
	}
}

func TestMessagesComeInTheirOrderHoweverLateTheyAreRead(t *testing.T) {
	onOutlets(t, func(t *testing.T, e *end) {
		const many = 1000
		for i := range many { // all before the first is read
			if err := e.send(fmt.Sprint("message ", i)); err != nil {
				t.Fatal(i, err)
			}
		}
		time.Sleep(writeWithin / 2)
		for i := range many {
			if got, err := e.read(); got != fmt.Sprint("message ", i) || err != nil {
				t.Fatalf("message %d is %q: %v", i, got, err)
			}
		}
	})
}

func TestAPeerThatTakesNothingIsResetAfterTenSeconds(t *testing.T) {
	onOutlets(t, func(t *testing.T, e *end) {
		began := time.Now()
		if err := e.send("hello?"); err != nil || time.Since(began) != 0 {
			t.Fatalf("%v after %v", err, time.Since(began))
		}
		time.Sleep(writeWithin - time.Nanosecond)
		if synctest.Wait(); e.over() {
			t.Fatal("it has no time")
		}
		time.Sleep(time.Nanosecond)
		if synctest.Wait(); !e.over() {
			t.Fatal("it is not reset")
		}
		if err := e.send("hello?"); err == nil {
			t.Error("who writes then is not told")
		}
	})
}

func TestNoMoreThanAMegabyteWaitsForAPeer(t *testing.T) {
	onOutlets(t, func(t *testing.T, e *end) {
		text := strings.Repeat("x", 1000-besides)
		sent := 0
		for ; sent <= outletRoom/1000+10; sent++ { // one is being written, and sipgo's may be one more
			if synctest.Wait(); e.over() || e.send(text) != nil {
				break
			}
		}
		if synctest.Wait(); sent < outletRoom/1000 || sent > outletRoom/1000+3 || !e.over() {
			t.Errorf("%d bytes and then over: %v", sent*1000, e.over())
		}
		if e.send(text) == nil {
			t.Error("it is not told")
		}
	})
}

// The write that is under way may still succeed.
func TestAPeerForWhomTooMuchWaitsIsResetOnceAndNotSaidGoodbye(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &work{fault: func(fault any) { t.Error(fault) }}
		gate := make(chan struct{})
		resets := 0
		o := &outlet{work: w, write: func([]byte) error { <-gate; return nil }, reset: func() { resets++ }, part: func() { t.Error("it is said goodbye") }}
		for o.take(make([]byte, 1000)) == nil {
			synctest.Wait()
		}
		close(gate)
		synctest.Wait()
		if err := o.take(nil); !errors.Is(err, errFull) || resets != 1 {
			t.Errorf("%d resets, then %v", resets, err)
		}
	})
}

func TestClosingLetsWhatWaitsGoForASecond(t *testing.T) {
	for name, c := range map[string]struct{ reads, ends time.Duration }{
		"it is read at once": {0, 0}, "in time": {lastWord - time.Millisecond, lastWord - time.Millisecond}, "too late": {lastWord + time.Millisecond, lastWord},
	} {
		t.Run(name, func(t *testing.T) {
			onOutlets(t, func(t *testing.T, e *end) {
				began := time.Now()
				for _, text := range []string{"good", "bye"} {
					if err := e.send(text); err != nil {
						t.Fatal(err)
					}
				}
				synctest.Wait()
				if e.hang(); time.Since(began) != 0 {
					t.Errorf("closing waits for %v", time.Since(began))
				}
				ended := make(chan time.Duration, 1)
				go func() {
					for !e.over() {
						time.Sleep(time.Millisecond)
					}
					ended <- time.Since(began)
				}()
				time.Sleep(c.reads)
				var got []string
				for range 2 {
					if text, err := e.read(); err == nil {
						got = append(got, text)
					}
				}
				_, err := e.read()
				if took := <-ended; took > c.ends+time.Millisecond || (len(got) == 2) != (c.reads < lastWord) || err == nil {
					t.Errorf("ended after %v, having said %q; then %v", took, got, err)
				}
			})
		})
	}
}

// A peer that went deaf in the middle of a call: what it is answered is written with the
// leg's lock held.
func TestALegWhosePeerDoesNotReadEndsInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, n := startFar(t, Trunk{Name: "carrier", Target: farFirst, From: []netip.Prefix{netip.MustParsePrefix("192.0.2.1/32")}})
		n.end(farFirst).deaf = true
		done := b.dial(t.Context(), driver)
		carrier := n.carrier(farFirst)
		k, leg := carrier.answers(done)
		synctest.Wait()
		for range 10 {
			k.request("OPTIONS", "")
		}
		synctest.Wait()
		began := time.Now()
		if err := leg.HangUp(t.Context(), nil); err != nil {
			t.Error(err)
		}
		_ = ended(t, leg)
		if took := time.Since(began); took != 0 {
			t.Errorf("hung up after %v", took)
		}
		n.end(farFirst).deaf = false
		again := n.carrier(farFirst)
		bye := again.want("BYE")
		if took := time.Since(began); took != writeWithin {
			t.Errorf("the BYE goes over another connection after %v", took)
		}
		again.send(bye.reply("200 OK", "", ""))
	})
}

// One that does not even read the answers to its INVITE.
func TestAStoryBeginsAndEndsWhoeverDoesNotRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, n := startFar(t, Trunk{Name: "carrier", Target: farFirst, From: []netip.Prefix{netip.MustParsePrefix("192.0.2.1/32")}})
		n.end(farFirst).deaf = true
		done := b.dial(t.Context(), driver)
		carrier := n.carrier(farFirst)
		first, _ := carrier.answers(done)
		synctest.Wait()
		began := time.Now()
		for range 10 {
			first.request("OPTIONS", "")
		}
		carrier.newTalk("79161234567", "74950000000").request("INVITE", sdpOffer)
		leg := wait(t, "leg", b.legs)
		if took := time.Since(began); took != 0 {
			t.Errorf("the story begins after %v", took)
		}
		if err := ended(t, leg); !errors.Is(err, pbx.ErrHungUp) && !errors.Is(err, pbx.ErrUnreachable) {
			t.Error(err)
		}
		if took := time.Since(began); took > 64*time.Second {
			t.Errorf("the story ends after %v", took)
		}
	})
}

// Over sockets of the kernel, which have room of their own.
func TestAPeerThatAsksAndReadsNothingIsReset(t *testing.T) {
	for name, open := range map[string]func(*bench) net.Conn{
		"TCP": func(b *bench) net.Conn {
			conn, err := net.Dial("tcp", b.tcpAddr)
			if err != nil {
				t.Fatal(err)
			}
			return conn
		},
		"TLS": func(b *bench) net.Conn {
			conn, err := tls.Dial("tcp", b.addrOf("tls"), &tls.Config{RootCAs: testAuthority().pool, ServerName: "pbx.test"})
			if err != nil {
				t.Fatal(err)
			}
			return conn
		},
	} {
		t.Run(name, func(t *testing.T) {
			b := start(t, answerAll, overTLS)
			conn := open(b)
			defer conn.Close()
			ping := []byte(strings.Repeat("\r\n\r\n", 1000))
			_ = conn.SetWriteDeadline(time.Now().Add(forAMoment))
			var err error
			for err == nil {
				_, err = conn.Write(ping)
			}
			if !errors.Is(err, syscall.ECONNRESET) && !errors.Is(err, syscall.EPIPE) {
				t.Errorf("after all it is %v", err)
			}
			other := b.tcpPhone()
			other.newTalk("79161234567", "74950000000").request("OPTIONS", "")
			other.want("SIP/2.0 200")
		})
	}
}
