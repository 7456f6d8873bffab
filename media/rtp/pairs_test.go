package rtp

import (
	"errors"
	"net"
	"net/netip"
	"testing"

	"cabline/media"
)

// freePair is a range of one even port which is free with the next.
func freePair(t *testing.T) [2]uint16 {
	t.Helper()
	c := media.NewClock()
	defer c.Close()
	r, err := Listen(Config{Clock: c})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	p := openPort(t, r, LatchFirst)
	return [2]uint16{p.here, p.here + 1}
}

func TestPortsAreEvenAndTheNextIsOursToo(t *testing.T) {
	onBothWires(t, Config{}, func(t *testing.T, r *Relay) {
		for range 20 {
			p := openPort(t, r, LatchFirst)
			if p.here%2 != 0 || p.LocalAddr() != netip.AddrPortFrom(loopback, p.here) {
				t.Errorf("port %v", p.LocalAddr())
			}
			for n := range uint16(2) {
				if c, err := net.ListenUDP("udp4", net.UDPAddrFromAddrPort(netip.AddrPortFrom(loopback, p.here+n))); err == nil {
					_ = c.Close()
					t.Errorf("port %d is not bound", p.here+n)
				}
			}
		}
	})
}

func TestARangeIsUsedUpAndGivenBack(t *testing.T) {
	pair := freePair(t)
	onBothWires(t, Config{Ports: pair}, func(t *testing.T, r *Relay) {
		p := openPort(t, r, LatchFirst)
		if p.here != pair[0] {
			t.Errorf("port %d is not of %v", p.here, pair)
		}
		if _, err := r.Open(Options{Bind: loopback}); !errors.Is(err, ErrNoPorts) {
			t.Error(err)
		}
		_ = p.Close()
		_ = p.Close()
		if p = openPort(t, r, LatchFirst); p.here != pair[0] {
			t.Errorf("port %d after it was given back", p.here)
		}
	})
}

func TestAPortThatOthersHoldIsPassedOver(t *testing.T) {
	var pair [2]uint16
	var other *net.UDPConn
	until(t, "one of a free pair is taken", func() (ok bool) { // others may be faster
		pair = freePair(t)
		var err error
		other, err = net.ListenUDP("udp4", net.UDPAddrFromAddrPort(netip.AddrPortFrom(loopback, pair[1])))
		return err == nil
	})
	defer func() { _ = other.Close() }()
	onBothWires(t, Config{Ports: pair}, func(t *testing.T, r *Relay) {
		if _, err := r.Open(Options{Bind: loopback}); !errors.Is(err, ErrNoPorts) {
			t.Error(err)
		}
	})
}

func TestPairsGoRoundFromARandomStart(t *testing.T) {
	starts := map[uint16]bool{}
	for range 50 {
		r := newPairs(20001, 20021) // 20002 to 20020
		first, _ := r.take()
		starts[first.port] = true
		r.give(first)
		for range 9 {
			p, ok := r.take()
			if !ok || p.port == first.port || p.port%2 == 1 || p.port < 20002 || p.port > 20020 {
				t.Fatalf("took %d while %d had rested shortest", p.port, first.port)
			}
			r.give(p)
		}
		if p, _ := r.take(); p.port != first.port {
			t.Fatalf("took %d while %d had rested longest", p.port, first.port)
		}
	}
	if len(starts) < 5 {
		t.Errorf("starts are %v", starts)
	}
}

func TestARangeWithoutAPairIsRefused(t *testing.T) {
	c := media.NewClock()
	defer c.Close()
	for _, ports := range [][2]uint16{{1, 1}, {20001, 20002}, {20000, 20000}, {30000, 20000}, {65535, 65535}} {
		if r, err := Listen(Config{Ports: ports, Clock: c}); err == nil {
			r.Close()
			t.Errorf("%v is taken", ports)
		}
	}
}

func TestAPortNeedsAnAddressToTellTheParty(t *testing.T) {
	onBothWires(t, Config{}, func(t *testing.T, r *Relay) {
		for name, o := range map[string]Options{
			"none":                     {},
			"any address, none told":   {Bind: netip.IPv4Unspecified()},
			"an address of no machine": {Bind: netip.MustParseAddr("192.0.2.1")},
		} {
			if _, err := r.Open(o); err == nil || errors.Is(err, ErrNoPorts) {
				t.Errorf("%s: %v", name, err)
			}
		}
		p, err := r.Open(Options{Bind: netip.IPv4Unspecified(), Advertise: netip.MustParseAddr("192.0.2.1")})
		if err != nil || p.LocalAddr().Addr() != netip.MustParseAddr("192.0.2.1") {
			t.Error(err)
		}
	})
}
