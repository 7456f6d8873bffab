package webrtc

import (
	"net/netip"
	"testing"
	"time"

	"github.com/pion/rtcp"
	"github.com/pion/rtp"

	"cabline/media"
)

// FuzzSieve sees what anybody sends to the port of all browsers. What may end a
// call without a signature does not pass, and handshakes stay few.
func FuzzSieve(f *testing.F) {
	for _, seed := range [][]byte{
		{0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12},
		{alert, 254, 253, 0, 0, 0, 0, 0, 0, 0, 1, 0, 2, 1, 0}, {alert, 254, 253, 0, 1, 0, 0, 0, 0, 0, 1, 0, 2, 1, 0},
		{handshake, 254, 253, 0, 0, 0, 0, 0, 0, 0, 1, 0, 1, 1, alert, 254, 253, 0, 0, 0, 0, 0, 0, 0, 1, 0, 2, 1, 0}, {0x80, 8}, {},
		append([]byte{handshake, 254, 253, 0, 0, 0, 0, 0, 0, 0, 0, 0, 46, clientHello, 0, 0, 34, 0, 0, 0, 0, 0, 0, 0, 34}, make([]byte, 34)...),
		{handshake, 254, 253, 0, 0, 0, 0, 0, 0, 0, 0, 0, 14, clientHello, 0, 0, 36, 0, 0, 0, 0, 34, 0, 0, 2, 1, 1},
	} {
		f.Add(seed)
	}
	at := netip.MustParseAddrPort("192.0.2.1:5000")
	s := newSieve()
	s.closed = true // for sending
	p := newPort(&Browsers{sieve: s})
	f.Cleanup(p.handshakes.close)
	p.handshakes.begin(false, "")
	s.settle(at, p, true)
	f.Fuzz(func(t *testing.T, packet []byte) {
		if sane(packet, true) && !sane(packet, false) {
			t.Error("more passes after the handshake than during it")
		}
		if sane(packet, false) && len(packet) > recordHeader && packet[0] == alert && packet[3]|packet[4] == 0 {
			t.Error("an unsigned alert passes")
		}
		s.Receive(append(make([]byte, 0, len(packet)+64), packet...), at, time.Time{})
		if h := &p.handshakes; len(h.attempts) > maxAttempts || len(h.loose) > maxLoose || len(p.ear.early) > maxEarly {
			t.Errorf("%d handshakes, %d pieces, %d packets wait", len(h.attempts), len(h.loose), len(p.ear.early))
		}
		for len(s.passed) > 0 {
			s.spare.Put((<-s.passed).buf)
		}
	})
}

// FuzzEar hears what a browser has signed, which may be nonsense all the same.
func FuzzEar(f *testing.F) {
	sound, _ := (&rtp.Packet{Header: rtp.Header{Version: 2, PayloadType: 8, SSRC: 1}, Payload: make([]byte, 160)}).Marshal()
	key, _ := (&rtp.Packet{Header: rtp.Header{Version: 2, PayloadType: 126, SSRC: 1}, Payload: []byte{1, 0x80, 0, 160}}).Marshal()
	padded, _ := (&rtp.Packet{Header: rtp.Header{Version: 2, PayloadType: 8, SSRC: 1, Padding: true}, Payload: []byte{1, 2, 200}}).Marshal()
	report, _ := rtcp.Marshal([]rtcp.Packet{&rtcp.ReceiverReport{SSRC: 1, Reports: []rtcp.ReceptionReport{{SSRC: 2, TotalLost: 1 << 23}}}})
	full, _ := (&rtp.Packet{Header: rtp.Header{Version: 2, PayloadType: 111, SSRC: 1}, Payload: []byte{0xf8, 0xff, 0xfe}}).Marshal()
	for _, seed := range [][]byte{sound, key, padded, report, full, {0x80}, nil} {
		f.Add(seed, false)
		f.Add(seed, true)
	}
	f.Fuzz(func(t *testing.T, b []byte, opus bool) {
		e := ear{said: func() uint64 { return 7 }, ssrc: 2}
		e.agree(agreement{codecs: []media.Codec{media.PCMA}, event: 126}, true)
		if opus {
			e.agree(agreement{codecs: []media.Codec{media.Opus}, opus: 111, fullEvent: 126}, true)
		}
		e.plug(sink(func(p *media.Packet) {
			if n := len(p.Payload()); n == 0 || n > maxPacket {
				t.Errorf("%d octets of sound", n)
			}
		}))
		e.hear(append([]byte(nil), b...), time.Now())
		e.report(b, time.Now())
		if s := e.stats(); s.PeerLost >= 1<<23 {
			t.Errorf("%+v", s)
		}
	})
}

type sink func(*media.Packet)

func (s sink) WriteRTP(p *media.Packet) { s(p) }
