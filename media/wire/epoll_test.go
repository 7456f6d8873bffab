//go:build linux

package wire

import (
	"net/netip"
	"testing"
)

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
