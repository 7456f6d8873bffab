package wire

import (
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"cabline/internal/lacking"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// echo sends back what it hears.
type echo struct{ at chan Socket }

func (e echo) Receive(b []byte, from netip.AddrPort, now time.Time) {
	s := <-e.at
	if cap(b)-len(b) >= TailRoom && time.Since(now) <= time.Minute {
		s.Send(b, from)
	}
	e.at <- s
}

func (echo) Hurt() {}

func onBoth(t *testing.T, f func(t *testing.T, w Wire)) {
	for name, open := range map[string]func() (Wire, error){
		"native":     func() (Wire, error) { return New(2) },
		"goroutines": func() (Wire, error) { return Goroutines(), nil },
	} {
		t.Run(name, func(t *testing.T) {
			w, err := open()
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(w.Close)
			f(t, w)
		})
	}
}

func TestASocketIsReachedByTheFamiliesOfItsAddress(t *testing.T) {
	onBoth(t, func(t *testing.T, w Wire) {
		for at, from := range map[string][]string{
			"127.0.0.1:0": {"127.0.0.1"},
			"0.0.0.0:0":   {"127.0.0.1"},
			"[::1]:0":     {"::1"},
			"[::]:0":      {"127.0.0.1", "::1"},
		} {
			t.Run(at, func(t *testing.T) {
				if strings.HasPrefix(at, "[") {
					lacking.NeedIPv6(t)
				}
				reached(t, w, netip.MustParseAddrPort(at), from)
			})
		}
	})
}

func reached(t *testing.T, w Wire, at netip.AddrPort, from []string) {
	t.Helper()
	e := echo{make(chan Socket, 1)}
	s, err := w.Open(at, e, 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	e.at <- s
	for _, host := range from {
		echoes(t, at.String(), netip.AddrPortFrom(netip.MustParseAddr(host), s.Local().Port()))
	}
	<-e.at // nobody sends any more
	s.Close()
	again, err := w.Open(netip.AddrPortFrom(at.Addr(), s.Local().Port()), e, 0)
	if err != nil {
		t.Fatalf("it is not free after it was closed: %v", err)
	}
	if _, err := w.Open(again.Local(), e, 0); err == nil {
		t.Error("it was opened twice")
	}
	again.Close()
}

// echoes proves that what is sent to an address comes back from there.
func echoes(t *testing.T, name string, to netip.AddrPort) {
	t.Helper()
	c, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(to))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for _, text := range []string{"one", "two", ""} {
		if _, err := c.Write([]byte(text)); err != nil {
			t.Fatal(err)
		}
		_ = c.SetReadDeadline(time.Now().Add(time.Minute))
		b := make([]byte, 10)
		if n, err := c.Read(b); err != nil || string(b[:n]) != text {
			t.Errorf("%s by %v: %q came back as %q: %v", name, to, text, b[:n], err)
		}
	}
}
