//go:build linux

package webrtc_test

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/pion/dtls/v3/pkg/protocol"
	"github.com/pion/dtls/v3/pkg/protocol/handshake"
	"github.com/pion/dtls/v3/pkg/protocol/recordlayer"
	"github.com/pion/rtcp"
	"github.com/pion/rtp"
	"github.com/pion/stun/v4"
	pion "github.com/pion/webrtc/v4"

	"cabline/internal/lacking"
	"cabline/internal/otherhost"
	"cabline/media"
)

// attackVar says what the other host knows: its address, ours, the source of the
// browser's audio, and what ICE calls both sides; see TestAttacker.
const attackVar = "CABLINE_TEST_ATTACK"

// TestAttacker is the other host's program. It knows all but the secrets, sends
// all it can think of, and says how much comes back.
func TestAttacker(t *testing.T) {
	fields := strings.Fields(lacking.Errand(t, attackVar))
	conn, err := net.DialUDP("udp4", net.UDPAddrFromAddrPort(netip.AddrPortFrom(netip.MustParseAddr(fields[0]), 0)),
		net.UDPAddrFromAddrPort(netip.MustParseAddrPort(fields[1])))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	var source uint32
	if _, err := fmt.Sscan(fields[2], &source); err != nil {
		t.Fatal(err)
	}
	for seq := range uint16(300) {
		for _, b := range forgeries(t, source, seq, fields[3]) {
			if _, err := conn.Write(b); err != nil {
				t.Fatal(err)
			}
		}
	}
	heard := 0
	for buf := make([]byte, 2000); ; heard++ {
		_ = conn.SetReadDeadline(time.Now().Add(300 * time.Millisecond))
		if _, err := conn.Read(buf); err != nil {
			break
		}
	}
	fmt.Println("heard", heard)
}

// forgeries are a sound as if nothing were encrypted, a goodbye, a ClientHello,
// and checks of ICE that would move the call, without the password or with a
// wrong one.
func forgeries(t *testing.T, source uint32, seq uint16, names string) (all [][]byte) {
	t.Helper()
	header := rtp.Header{Version: 2, PayloadType: 8, SequenceNumber: seq, Timestamp: uint32(seq) * 160, SSRC: source}
	sound, _ := (&rtp.Packet{Header: header, Payload: media.Tone("", []float64{2000}, media.FrameTime).ALaw}).Marshal()
	goodbye, _ := rtcp.Marshal([]rtcp.Packet{&rtcp.ReceiverReport{SSRC: source}, &rtcp.Goodbye{Sources: []uint32{source}}})
	hello, err := (&recordlayer.RecordLayer{
		Header:  recordlayer.Header{Version: protocol.Version1_2, SequenceNumber: uint64(seq)},
		Content: &handshake.Handshake{Message: &handshake.MessageClientHello{Version: protocol.Version1_2, CipherSuiteIDs: []uint16{0xc02b}, CompressionMethods: []*protocol.CompressionMethod{{}}}},
	}).Marshal()
	if err != nil {
		t.Fatal(err)
	}
	close := []byte{typeAlert, 254, 253, 0, 0, 0, 0, 0, 0, byte(seq >> 8), byte(seq), 0, 2, 2, 0}
	username := stun.NewUsername(names)
	check := func(setters ...stun.Setter) []byte {
		m, err := stun.Build(append([]stun.Setter{stun.TransactionID, stun.BindingRequest, username,
			stun.RawAttribute{Type: stun.AttrUseCandidate}, stun.RawAttribute{Type: stun.AttrPriority, Value: []byte{0x7f, 0xff, 0xff, 0xff}},
			stun.RawAttribute{Type: stun.AttrICEControlling, Value: make([]byte, 8)}}, setters...)...)
		if err != nil {
			t.Fatal(err)
		}
		return m.Raw
	}
	answer, _ := stun.Build(stun.TransactionID, stun.BindingSuccess, &stun.XORMappedAddress{IP: net.IPv4(10, 0, 0, 1), Port: 9}, stun.Fingerprint)
	return append(all, sound, goodbye, hello, close, check(stun.Fingerprint),
		check(stun.NewShortTermIntegrity("guess"+fmt.Sprint(seq)), stun.Fingerprint), answer.Raw)
}

var ufrag = regexp.MustCompile(`a=ice-ufrag:(\S+)`)

func TestFromAnotherHostABrowsersCallHearsNothingAndSaysNothing(t *testing.T) {
	h := otherhost.New(t)
	b := listenAt(t, netip.AddrPortFrom(h.Here, 0), noAddr)
	p, c := open(t, b), newChromeAt(t, h.Here)
	attack := func() {
		t.Helper()
		names := "x:y"
		if ours := c.pc.RemoteDescription(); ours != nil {
			names = ufrag.FindStringSubmatch(ours.SDP)[1] + ":" + ufrag.FindStringSubmatch(c.pc.LocalDescription().SDP)[1]
		}
		if heard := h.Run(t, "TestAttacker", attackVar, fmt.Sprint(h.There, " ", b.Addr(), " ", c.ssrc, " ", names), "heard "); heard != "0" {
			t.Errorf("the other host heard %s packets", heard)
		}
	}
	answer, err := p.Answer(c.offer("sendrecv", false))
	c.must(err)
	attack() // before the browser knows where we are
	c.must(c.pc.SetRemoteDescription(pion.SessionDescription{Type: pion.SDPTypeAnswer, SDP: string(answer)}))
	c.connected(p)
	var heard record
	p.Plug(&heard)
	attack() // during the call, in which nobody speaks
	if n := heard.count(); n != 0 {
		t.Errorf("%d packets of the other host's were taken", n)
	}
	p.Plug(nil)
	bothWays(t, c, p)
	attack()
	bothWays(t, c, p)
	if s := p.Stats(); s.PeerLost != 0 {
		t.Errorf("its reports were believed: %+v", s)
	}
	c.close()
}

func TestACallDoesNotHearTheBrowserOfTheCallBefore(t *testing.T) {
	b := listen(t, noAddr)
	p, former := open(t, b), newChrome(t)
	former.call(p, false)
	clock := media.NewClock()
	defer clock.Close()
	defer saying(t, 1000, func(ctx context.Context, s media.Speech) error { return clock.Play(ctx, former, s) })()
	if err := p.Close(); err != nil { // and the former browser speaks on
		t.Fatal(err)
	}
	next, c := open(t, b), newChrome(t)
	c.call(next, false)
	var heard record
	next.Plug(&heard)
	defer saying(t, 440, func(ctx context.Context, s media.Speech) error { return clock.Play(ctx, c, s) })()
	heard.tone(t, "440 Hz from the browser of this call alone", 440)
	if sources := heard.sources(); len(sources) != 1 || sources[0] != c.ssrc {
		t.Errorf("heard sources %v, want %d alone", sources, c.ssrc)
	}
	next.Plug(nil)
	c.close()
	former.close()
}
