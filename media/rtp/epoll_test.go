//go:build linux

package rtp

import (
	"net/netip"
	"testing"
)

func TestAReaderIsFullBeforeTheNextOneIsWoken(t *testing.T) {
	w, err := newWire(2)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.close)
	e := w.(*epoll)
	e.full = 3
	open := func() *descriptor {
		t.Helper()
		s, err := w.open(netip.AddrPortFrom(loopback, 0), hearer(func([]byte) {}))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(s.close)
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
