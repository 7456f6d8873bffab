package webrtc

import (
	"net/netip"
	"slices"
	"testing"
	"time"
)

func TestOnlyRecordsOfUsePass(t *testing.T) {
	record := func(kind, epoch byte, content ...byte) []byte {
		return append([]byte{kind, 254, 253, 0, epoch, 0, 0, 0, 0, 0, 1, 0, byte(len(content))}, content...)
	}
	last := append(append(record(handshake, 0, 16), record(changeCipherSpec, 0, 1)...), record(handshake, 1, 20)...)
	for name, c := range map[string]struct {
		packet        []byte
		before, after bool
	}{
		"a ClientHello":                   {record(handshake, 0, 1), true, false},
		"the end of the handshake":        {last, true, false},
		"its repetition, signed":          {record(handshake, 1, 20), true, true},
		"a change of ciphers":             {record(changeCipherSpec, 0, 1), true, false},
		"a change with nothing to change": {record(changeCipherSpec, 1, 1), false, false},
		"a change of two octets":          {record(changeCipherSpec, 0, 1, 1), false, false},
		"an unsigned goodbye":             {record(alert, 0, 1, 0), false, false},
		"a goodbye":                       {record(alert, 1, 1, 0), true, true},
		"data":                            {record(23, 1, 1), false, false},
		"a heartbeat":                     {record(24, 1, 1), false, false},
		"a record that breaks off":        {record(alert, 1, 1, 0)[:14], false, false},
		"half a header":                   {[]byte{alert, 254}, false, false},
		"a goodbye with an unsigned one":  {append(record(alert, 1, 1, 0), record(alert, 0, 1, 0)...), false, false},
	} {
		if got := sane(c.packet, false); got != c.before {
			t.Errorf("%s, during the handshake: %v", name, got)
		}
		if got := sane(c.packet, true); got != c.after {
			t.Errorf("%s, after it: %v", name, got)
		}
	}
}

func TestABrowserIsHeardFromWhereItHasProvenToBeAndNowhereElse(t *testing.T) {
	at := netip.MustParseAddrPort("192.0.2.1:5000")
	s := newSieve()
	s.closed = true // for sending
	p := newPort(&Browsers{sieve: s})
	defer p.handshakes.close()
	p.handshakes.begin(false, "")
	hello := slices.Concat([]byte{handshake, 254, 253, 0, 0, 0, 0, 0, 0, 0, 0, 0, 12 + 34, clientHello, 0, 0, 34, 0, 0, 0, 0, 0, 0, 0, 34}, make([]byte, 34))
	heard := func() [3]bool { // by pion, by a handshake, as audio
		for _, b := range [][]byte{{0, 1}, hello, {0x80, 8}, {2}, {4}, {64}, {0xff}, nil} {
			s.Receive(b, at, time.Now())
		}
		all := [3]bool{len(s.passed) == 2, p.way.Load() != nil, len(p.ear.early) == 1}
		for len(s.passed) > 0 {
			<-s.passed
		}
		p.way.Store(nil)
		p.ear.early = nil
		return all
	}
	if got := heard(); got != [3]bool{true} {
		t.Errorf("from a stranger: %v", got)
	}
	other := newPort(&Browsers{sieve: s})
	defer other.handshakes.close()
	if !s.settle(at, other, false) || s.settle(at, p, false) {
		t.Error("who only says that it is where another is, is believed")
	}
	s.settle(canonical(netip.MustParseAddrPort("[::ffff:192.0.2.1]:5000")), p, true)
	if got := heard(); got != [3]bool{true, true, true} {
		t.Errorf("from the browser: %v", got)
	}
	for i := range uint16(2 * maxAddresses) {
		s.settle(netip.AddrPortFrom(at.Addr(), 6000+i), p, false)
	}
	if len(s.ports) != maxAddresses {
		t.Errorf("one browser is at %d addresses", len(s.ports))
	}
	if s.forget(p); len(s.ports) != 0 {
		t.Error("its addresses stay taken")
	}
	if got := heard(); got != [3]bool{true} {
		t.Errorf("from the browser of a call that is over: %v", got)
	}
}
