package rtp

import (
	"fmt"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/pion/rtcp"

	"cabline/media"
)

// control is the RTCP socket of a phone.
type control struct {
	t    *testing.T
	conn *net.UDPConn
}

func newControl(t *testing.T) control {
	t.Helper()
	conn, err := net.ListenUDP("udp4", net.UDPAddrFromAddrPort(netip.AddrPortFrom(loopback, 0)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return control{t, conn}
}

// line tells where it is, in SDP.
func (c control) line() string {
	return fmt.Sprint("a=rtcp:", c.conn.LocalAddr().(*net.UDPAddr).Port)
}

// bytes is the next datagram.
func (c control) bytes() []byte {
	c.t.Helper()
	buf := make([]byte, 2000)
	_ = c.conn.SetReadDeadline(time.Now().Add(time.Minute))
	n, err := c.conn.Read(buf)
	if err != nil {
		c.t.Fatal(err)
	}
	return buf[:n]
}

func (c control) read() []rtcp.Packet {
	c.t.Helper()
	packets, err := rtcp.Unmarshal(c.bytes())
	if err != nil {
		c.t.Fatal(err)
	}
	return packets
}

func (c control) write(p *Port, packets ...rtcp.Packet) {
	c.t.Helper()
	b, err := rtcp.Marshal(packets)
	if err != nil {
		c.t.Fatal(err)
	}
	c.send(p, b)
}

func (c control) send(p *Port, b []byte) {
	c.t.Helper()
	if _, err := c.conn.WriteToUDPAddrPort(b, netip.AddrPortFrom(loopback, p.here+1)); err != nil {
		c.t.Fatal(err)
	}
}

func TestReportsTellWhatWasSaidAndHeard(t *testing.T) {
	onBothWires(t, Config{}, func(t *testing.T, r *Relay) {
		p, a, c := openPort(t, r, LatchFirst), newPhone(t), newControl(t)
		a.call(p, "8", c.line())
		p.report(time.Now()) // nothing has passed: nothing is sent

		first := a.packet.SequenceNumber
		a.hum(440, 10)
		a.packet.SequenceNumber += 10 // half are lost
		a.hum(440, 1)
		until(t, "all was heard", func() bool { return p.Stats().Received == 11 })
		p.report(time.Now())
		packets := c.read()
		rr, ok := packets[0].(*rtcp.ReceiverReport)
		if !ok || len(rr.Reports) != 1 {
			t.Fatalf("%v", packets)
		}
		block := rr.Reports[0]
		if block.SSRC != a.packet.SSRC || block.TotalLost != 10 || block.FractionLost != 10*256/21 || block.LastSequenceNumber != uint32(first)+20 {
			t.Errorf("block is %+v", block)
		}

		for range 3 {
			p.WriteRTP(&media.Packet{Buf: make([]byte, 172, 236), Start: 12})
		}
		p.report(time.Now())
		packets = c.read()
		sr, ok := packets[0].(*rtcp.SenderReport)
		if !ok || sr.PacketCount != 3 || sr.OctetCount != 480 || sr.SSRC != p.tx.stream.SSRC || sr.Reports[0].FractionLost != 0 {
			t.Errorf("%v", packets)
		}
		names := packets[1].(*rtcp.SourceDescription).Chunks
		if len(names) != 1 || len(names[0].Items) != 1 || names[0].Items[0].Type != rtcp.SDESCNAME || len(names[0].Items[0].Text) != 16 {
			t.Errorf("our name is %v", names)
		}
		if sent := time.Unix(int64(sr.NTPTime>>32)-2208988800, 0); time.Since(sent) > time.Minute || time.Since(sent) < -time.Minute {
			t.Errorf("sent at %v", sent)
		}

		if err := p.Close(); err != nil {
			t.Error(err)
		}
		packets = c.read()
		if bye, ok := packets[len(packets)-1].(*rtcp.Goodbye); !ok || bye.Sources[0] != sr.SSRC {
			t.Errorf("%v", packets)
		}
	})
}

// Nobody asks for it: some seconds pass.
func TestThePartyIsToldInTime(t *testing.T) {
	clock := media.NewClock()
	defer clock.Close()
	r, err := Listen(Config{Clock: clock})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	p, a, c := openPort(t, r, LatchFirst), newPhone(t), newControl(t)
	a.call(p, "8", c.line())
	p.WriteRTP(&media.Packet{Buf: make([]byte, 172, 236), Start: 12})
	a.hum(440, 1)
	until(t, "a was heard", func() bool { return p.Stats().Received == 1 })
	sr, ok := c.read()[0].(*rtcp.SenderReport)
	if !ok || sr.PacketCount != 1 || len(sr.Reports) != 1 || sr.Reports[0].SSRC != a.packet.SSRC {
		t.Errorf("%+v", sr)
	}
}

func TestThePartysReportsAreRead(t *testing.T) {
	onBothWires(t, Config{}, func(t *testing.T, r *Relay) {
		p, a, c, stranger := openPort(t, r, LatchFirst), newPhone(t), newControl(t), newControl(t)
		a.call(p, "8", c.line())
		a.hum(440, 1)
		until(t, "it was heard", func() bool { return p.Stats().Received == 1 })
		if m := p.Stats().PeerMOS(); m != 0 {
			t.Errorf("rated %.2f before any report", m)
		}
		for range 70 {
			p.WriteRTP(&media.Packet{Buf: make([]byte, 172, 236), Start: 12})
		}
		now := media.NTP(time.Now().Add(-time.Second))
		block := rtcp.ReceptionReport{
			SSRC: p.tx.stream.SSRC, TotalLost: 7, Jitter: 80,
			LastSenderReport: uint32(now >> 16), Delay: 1 << 15, // half a second
		}
		c.write(p, &rtcp.SenderReport{SSRC: 5, NTPTime: 0x0123456789abcdef, Reports: []rtcp.ReceptionReport{{SSRC: 1, TotalLost: 99}, block}})
		until(t, "the report was read", func() bool { return p.Stats().PeerLost == 7 })
		s := p.Stats()
		if s.PeerExpected != 70 || s.PeerMOS() > 3.5 {
			t.Errorf("a tenth lost of %d is rated %.2f", s.PeerExpected, s.PeerMOS())
		}
		if s.PeerJitter != 10*time.Millisecond || s.RoundTrip < 400*time.Millisecond || s.RoundTrip > 10*time.Second {
			t.Errorf("%+v", s)
		}
		p.report(time.Now())
		if sr := c.read()[0].(*rtcp.SenderReport); sr.Reports[0].LastSenderReport != 0x456789ab || sr.Reports[0].Delay > 10<<16 {
			t.Errorf("our block is %+v", sr.Reports[0])
		}

		// Garbage, negative loss, and times that can not be change nothing.
		if _, err := c.conn.WriteToUDPAddrPort([]byte(strings.Repeat("\x81\xc9", 700)), netip.AddrPortFrom(loopback, p.here+1)); err != nil {
			t.Fatal(err)
		}
		block.TotalLost, block.LastSenderReport, block.Jitter = 0xfffffe, 0xffffffff-uint32(now>>16), 96 // the mean is 11 ms
		stranger.write(p, &rtcp.ReceiverReport{SSRC: 5, Reports: []rtcp.ReceptionReport{block}})         // from the same host: its port moved
		until(t, "the report was read", func() bool { return p.Stats().PeerJitter == 11*time.Millisecond })
		if s := p.Stats(); s.PeerLost != 7 || s.RoundTrip > 10*time.Second {
			t.Errorf("%+v", s)
		}
	})
}

func TestReportsOnThePortOfRTP(t *testing.T) {
	onBothWires(t, Config{}, func(t *testing.T, r *Relay) {
		p, c := openPort(t, r, LatchFirst), newControl(t)
		port := c.conn.LocalAddr().(*net.UDPAddr).Port
		offer := fmt.Sprintf("v=0\r\nc=IN IP4 127.0.0.1\r\nm=audio %d RTP/AVP 8\r\na=rtcp-mux\r\n", port)
		if _, err := p.Answer([]byte(offer)); err != nil {
			t.Fatal(err)
		}
		p.WriteRTP(&media.Packet{Buf: make([]byte, 172, 236), Start: 12})
		if b := c.bytes(); isRTCP(b) {
			t.Errorf("% x came first", b)
		}
		p.report(time.Now())
		if sr, ok := c.read()[0].(*rtcp.SenderReport); !ok || sr.PacketCount != 1 {
			t.Error("no sender's report came where audio goes")
		}
		block := rtcp.ReceptionReport{SSRC: p.tx.stream.SSRC, TotalLost: 3}
		b, err := rtcp.Marshal([]rtcp.Packet{&rtcp.ReceiverReport{SSRC: 5, Reports: []rtcp.ReceptionReport{block}}})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := c.conn.WriteToUDPAddrPort(b, p.LocalAddr()); err != nil {
			t.Fatal(err)
		}
		until(t, "the report was read", func() bool { return p.Stats().PeerLost == 3 })
	})
}

func FuzzRTCP(f *testing.F) {
	sr, _ := rtcp.Marshal([]rtcp.Packet{
		&rtcp.SenderReport{SSRC: 1, Reports: []rtcp.ReceptionReport{{SSRC: 2}}},
		rtcp.NewCNAMESourceDescription(1, "name"), &rtcp.Goodbye{Sources: []uint32{1}},
	})
	f.Add(sr)
	p := noCall(f, "127.0.0.1")
	if _, err := p.Answer([]byte(lines("m=audio 4000 RTP/AVP 8"))); err != nil {
		f.Fatal(err)
	}
	from := netip.MustParseAddrPort("127.0.0.9:4001")
	f.Fuzz(func(t *testing.T, b []byte) {
		(*reports)(p).Receive(b, from, time.Now())
		if s := p.Stats(); s.RoundTrip < 0 || s.RoundTrip > time.Minute {
			t.Errorf("%+v", s)
		}
	})
}
