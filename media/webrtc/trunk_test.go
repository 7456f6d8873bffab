package webrtc_test

import (
	"fmt"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/pion/ice/v4"
	pionrtp "github.com/pion/rtp"
	pion "github.com/pion/webrtc/v4"

	"cabline/internal/lacking"
	"cabline/media"
	"cabline/media/rtp"
)

// trunk is a leg of a trunk, and the phone behind it, which has one codec.
func trunk(t *testing.T, ours []media.Codec, payloadType int, rtpmap string) (*rtp.Port, *net.UDPConn) {
	t.Helper()
	clock := media.NewClock()
	t.Cleanup(clock.Close)
	relay, err := rtp.Listen(rtp.Config{Clock: clock})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(relay.Close)
	port, err := relay.Open(rtp.Options{Bind: netip.MustParseAddr("127.0.0.1"), Codecs: ours})
	if err != nil {
		t.Fatal(err)
	}
	phone, err := net.ListenUDP("udp4", net.UDPAddrFromAddrPort(netip.MustParseAddrPort(loopback)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { phone.Close() })
	here := phone.LocalAddr().(*net.UDPAddr).Port
	answer, err := port.Answer(fmt.Appendf(nil, "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"+
		"m=audio %d RTP/AVP %d\r\na=rtpmap:%d %s\r\n", here, payloadType, payloadType, rtpmap))
	if err != nil {
		t.Fatal(err)
	}
	var there uint16
	if _, err := fmt.Sscanf(string(answer[strings.Index(string(answer), "m=audio"):]), "m=audio %d", &there); err != nil {
		t.Fatal(err)
	}
	remote := net.UDPAddrFromAddrPort(netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), there))
	phone.Close()
	if phone, err = net.DialUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: here}, remote); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { phone.Close() })
	return port, phone
}

func TestWhatTrunkAndBrowserBothHavePassesAsItIs(t *testing.T) {
	for _, tt := range []struct {
		codec  media.Codec
		number int // of the trunk's; the browser has its own for Opus
		rtpmap string
		step   uint32 // of its timestamps
	}{{media.Opus, 96, "opus/48000/2", 960}, {media.G722, 9, "G722/8000", 160}} {
		t.Run(tt.codec.String(), func(t *testing.T) {
			both := []media.Codec{tt.codec, media.PCMA}
			clock := media.NewClock()
			t.Cleanup(clock.Close)
			b := listenWith(t, clock, both)
			port, phone := trunk(t, both, tt.number, tt.rtpmap)
			p, c := open(t, b), newChrome(t)
			c.call(p, false)
			defer media.Cross(port, p)()
			c.talk = tt.codec
			for i := range uint32(3) {
				payload := fmt.Sprintf("\xfcno encoder said this %d", i)
				c.WriteRTP(&media.Packet{Buf: append(make([]byte, media.HeaderSize, 300), payload...), Start: media.HeaderSize, Seq: uint16(i), Time: tt.step * i})
				buf := make([]byte, 1500)
				_ = phone.SetReadDeadline(time.Now().Add(deadline))
				n, err := phone.Read(buf)
				var got pionrtp.Packet
				if err != nil || got.Unmarshal(buf[:n]) != nil || string(got.Payload) != payload || int(got.PayloadType) != tt.number {
					t.Fatalf("the trunk heard % x as %d, %v", got.Payload, got.PayloadType, err)
				}
				said, err := (&pionrtp.Packet{Header: pionrtp.Header{Version: 2, PayloadType: uint8(tt.number), SequenceNumber: uint16(i),
					Timestamp: tt.step * i, SSRC: 7}, Payload: []byte(payload)}).Marshal()
				if err != nil {
					t.Fatal(err)
				}
				if _, err := phone.Write(said); err != nil {
					t.Fatal(err)
				}
				eventually(t, "packet in the browser", func() bool { return c.count() == int(i)+1 })
				c.mu.Lock()
				if heard := c.events[i]; string(heard) != payload || i > 0 && c.stamps[i]-c.stamps[i-1] != tt.step {
					t.Errorf("the browser heard % x at %d", heard, c.stamps[i])
				}
				c.mu.Unlock()
			}
		})
	}
}

func TestAPacketBetweenTrunkAndBrowserCostsNoAllocation(t *testing.T) {
	lacking.Unraced(t)
	const runs = 500
	b := listen(t, noAddr)
	port, phone := trunk(t, nil, 8, "PCMA/8000")
	p, w := open(t, b), newWire(t)
	mux := ice.NewUDPMuxDefault(ice.UDPMuxParams{UDPConn: w})
	t.Cleanup(func() { _ = mux.Close() })
	c := newChromeOver(t, func(s *pion.SettingEngine) { s.SetICEUDPMux(mux) })
	c.call(p, false)
	defer media.Cross(port, p)()
	said := w.record(func() {
		for seq := range uint16(runs + 1) {
			packet := frame()
			packet.Seq, packet.Time = seq+1, 160*uint32(seq+1)
			c.WriteRTP(packet)
		}
	})
	w.deaf.Store(true)
	buf := make([]byte, 1500)
	hears := func(conn *net.UDPConn, within time.Duration) bool {
		for {
			_ = conn.SetReadDeadline(time.Now().Add(within))
			n, _, err := conn.ReadFromUDPAddrPort(buf)
			if err != nil || n > media.FrameSize && buf[0]>>6 == 2 && buf[1]&0x7f == 8 { // else a check of ICE, or a report
				return err == nil
			}
		}
	}
	heard := func(conn *net.UDPConn) {
		if !hears(conn, deadline) {
			t.Fatal("nothing is heard")
		}
	}
	to, i := b.Addr(), 0
	if n := testing.AllocsPerRun(runs, func() {
		if _, err := w.WriteToUDPAddrPort(said[i], to); err != nil {
			t.Fatal(err)
		}
		i++
		heard(phone)
	}); n > 0 {
		t.Errorf("from the browser to the trunk: %v allocations a packet", n)
	}
	h := pionrtp.Header{Version: 2, PayloadType: 8, SSRC: 7}
	packet, err := (&pionrtp.Packet{Header: h, Payload: make([]byte, media.FrameSize)}).Marshal()
	if err != nil {
		t.Fatal(err)
	}
	say := func() {
		packet[3]++
		if packet[7] += 160; packet[3] == 0 {
			packet[2]++
		}
		if _, err := phone.Write(packet); err != nil {
			t.Fatal(err)
		}
	}
	for say(); !hears(w.UDPConn, time.Second); say() { // the browser itself took the last one it hears
	}
	if n := testing.AllocsPerRun(runs, func() {
		say()
		heard(w.UDPConn)
	}); n > 0 {
		t.Errorf("from the trunk to the browser: %v allocations a packet", n)
	}
}
