package rtp

import (
	"errors"
	"os"
	"sync"
	"testing"
	"time"

	"cabline/internal/lacking"
	"cabline/media"
)

func TestPortsCloseWhilePacketsFlow(t *testing.T) {
	onBothWires(t, Config{}, func(t *testing.T, r *Relay) {
		a, b := newPhone(t), newPhone(t)
		var wg sync.WaitGroup
		for range 50 {
			pa, pb := openPort(t, r, LatchFirst), openPort(t, r, LatchFirst)
			a.call(pa, "8 101")
			b.call(pb, "0")
			unplug := media.Cross(pa, pb)
			a.hum(440, 2)
			b.hum(440, 2)
			wg.Go(func() { _ = pa.Play(t.Context(), media.Speech{media.Silence(60 * time.Millisecond)}) })
			wg.Go(func() { pb.SendDigit('1'); pa.Heard('2'); _ = pa.Stats() })
			wg.Go(func() { pa.report(time.Now()); _, _ = pb.Offer() })
			wg.Go(func() { _ = pa.Close() })
			wg.Go(func() { _ = pb.Close() })
			wg.Go(func() { unplug(); pa.Plug(pb) })
		}
		wg.Wait()
	})
}

func TestAClosedRelayOpensNothingAndHasClosedAll(t *testing.T) {
	before := descriptors(t)
	onBothWires(t, Config{}, func(t *testing.T, r *Relay) {
		var sink catcher
		a, p := newPhone(t), openPort(t, r, LatchFirst)
		a.call(p, "8")
		p.Plug(&sink)
		for range 20 {
			openPort(t, r, LatchFirst)
		}
		r.Close()
		r.Close()
		if _, err := r.Open(Options{Bind: loopback}); !errors.Is(err, ErrClosed) {
			t.Error(err)
		}
		if err := p.Close(); err != nil {
			t.Error(err)
		}
		p.Plug(&sink)
		p.SendDigit('1')
		p.WriteRTP(&media.Packet{Buf: make([]byte, 172, 236), Start: 12})
		p.receive([]byte("\x80\x08aabbbbccccsound"), a.addr(), time.Now())
		if s := p.Stats(); s.Sent > 0 || s.Received > 0 || len(sink.all()) > 0 || p.pressing.Busy() {
			t.Errorf("a closed port: %+v", s)
		}
	})
	if after := descriptors(t); after > before {
		t.Errorf("%d descriptors before, %d after", before, after)
	}
}

// descriptors is how many this process has open.
func descriptors(t *testing.T) int {
	t.Helper()
	names, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		lacking.Skip(t, lacking.Descriptors, err)
	}
	return len(names)
}
