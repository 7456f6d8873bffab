//go:build linux

package wire

import (
	"net"
	"net/netip"
	"sync/atomic"
	"testing"
	"time"
)

// sleeper hears one datagram and then no more until it is woken.
type sleeper struct {
	woken chan struct{}
	heard atomic.Uint64
}

func (s *sleeper) Receive([]byte, netip.AddrPort, time.Time) {
	<-s.woken
	s.heard.Add(1)
}

func (*sleeper) Hurt() {}

func TestWhatIsNotReadInTimeIsCounted(t *testing.T) {
	w, err := New(2)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.Close)
	var sum uint64
	for range 2 { // a socket that is closed counts on
		to := sleeper{woken: make(chan struct{})}
		s, err := w.Open(netip.MustParseAddrPort("127.0.0.1:0"), &to, 0)
		if err != nil {
			t.Fatal(err)
		}
		c, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(s.Local()))
		if err != nil {
			t.Fatal(err)
		}
		const sent = 3000
		for range sent {
			if _, err := c.Write(make([]byte, 1000)); err != nil {
				t.Fatal(err)
			}
		}
		_ = c.Close()
		close(to.woken)
		for end := time.Now().Add(time.Minute); to.heard.Load()+w.Overflowed()-sum != sent; time.Sleep(time.Millisecond) {
			if time.Now().After(end) {
				t.Fatalf("%d datagrams, %d heard, %d counted as lost", sent, to.heard.Load(), w.Overflowed()-sum)
			}
		}
		if to.heard.Load() == sent {
			t.Fatal("nothing was lost: this proves nothing")
		}
		s.Close()
		sum += sent - to.heard.Load()
		if got := w.Overflowed(); got != sum {
			t.Errorf("%d lost of a socket that is closed, want %d", got, sum)
		}
	}
}

func TestAReaderIsFullBeforeTheNextOneIsWoken(t *testing.T) {
	w, err := New(2)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.Close)
	e := w.(*epoll)
	e.full = 3
	open := func() *descriptor {
		t.Helper()
		s, err := w.Open(netip.MustParseAddrPort("127.0.0.1:0"), nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(s.Close)
		return s.(*descriptor)
	}
	var got []int
	for range 8 {
		if s := open(); s.reader == e.readers[0] {
			got = append(got, 0)
		} else {
			got = append(got, 1)
		}
	}
	for i, want := range []int{0, 0, 0, 1, 1, 1, 0, 1} { // and then in turns
		if got[i] != want {
			t.Fatalf("sockets are at readers %v", got)
		}
	}
}
