package webrtc

import (
	"net/netip"
	"testing"
	"time"
)

func TestOnlyRecordsOfUsePass(t *testing.T) {
	at := netip.MustParseAddrPort("192.0.2.1:5000")
	s := &sieve{ports: map[netip.AddrPort]*Port{}}
	record := func(kind, epoch byte, content ...byte) []byte {
		return append([]byte{kind, 254, 253, 0, epoch, 0, 0, 0, 0, 0, 1, 0, byte(len(content))}, content...)
	}
	last := append(append(record(handshake, 0, 16), record(changeCipherSpec, 0, 1)...), record(handshake, 1, 20)...)
	for name, c := range map[string]struct {
		packet        []byte
		before, after bool
	}{
		"STUN":                            {[]byte{0, 1}, true, true},
		"SRTP":                            {[]byte{0x80, 8}, true, true},
		"nothing":                         {nil, true, true},
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
		delete(s.ports, at)
		if got := s.lets(c.packet, at, time.Time{}); got != c.before {
			t.Errorf("%s, during the handshake: %v", name, got)
		}
		p := new(Port)
		p.shaken.Store(true)
		s.settle(netip.MustParseAddrPort("[::ffff:192.0.2.1]:5000"), p)
		if got := s.lets(c.packet, at, time.Time{}); got != c.after {
			t.Errorf("%s, after it: %v", name, got)
		}
		s.forget(p)
		if len(s.ports) != 0 {
			t.Error("the address stays taken")
		}
	}
}
