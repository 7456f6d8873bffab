//go:build linux

package rtp

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/pion/rtcp"
	"github.com/pion/rtp"

	"cabline/internal/lacking"
	"cabline/internal/otherhost"
	"cabline/media"
	"cabline/media/dtmf"
)

// attackVar names the ports to be attacked; see TestAttacker.
const attackVar = "CABLINE_TEST_ATTACK"

// attack runs TestAttacker on another host and returns how much it heard.
func attack(t *testing.T, h otherhost.Host, source uint32, ports ...netip.AddrPort) string {
	t.Helper()
	target := fmt.Sprint(h.There, " ", source)
	for _, p := range ports {
		target += " " + p.String()
	}
	return h.Run(t, "TestAttacker", attackVar, target, "heard ")
}

// TestAttacker is the other host's program: it knows where the calls are and the
// source of a party, sends all it can think of, and says how much comes back.
func TestAttacker(t *testing.T) {
	fields := strings.Fields(lacking.Errand(t, attackVar))
	conn, err := net.ListenUDP("udp4", net.UDPAddrFromAddrPort(netip.AddrPortFrom(netip.MustParseAddr(fields[0]), 0)))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	var source uint32
	if _, err := fmt.Sscan(fields[1], &source); err != nil {
		t.Fatal(err)
	}
	for seq := range uint16(300) {
		for _, field := range fields[2:] {
			at := netip.MustParseAddrPort(field)
			for _, b := range forgeries(source, seq) {
				for _, port := range []uint16{at.Port(), at.Port() + 1} {
					if _, err := conn.WriteToUDPAddrPort(b, netip.AddrPortFrom(at.Addr(), port)); err != nil {
						t.Fatal(err)
					}
				}
			}
		}
	}
	heard := 0
	buf := make([]byte, 2000)
	for {
		_ = conn.SetReadDeadline(time.Now().Add(300 * time.Millisecond))
		if _, _, err := conn.ReadFromUDPAddrPort(buf); err != nil {
			break
		}
		heard++
	}
	fmt.Println("heard", heard)
}

// forgeries are a sound, a key, and reports that say goodbye and lie.
func forgeries(source uint32, seq uint16) (all [][]byte) {
	sound := media.Tone("", []float64{2000}, media.FrameTime).ALaw
	key := make([]byte, dtmf.PayloadSize)
	dtmf.Event{Key: '9', End: true, Duration: 800}.Put(key)
	for payloadType, payload := range map[uint8][]byte{8: sound, 101: key} {
		header := rtp.Header{Version: 2, PayloadType: payloadType, SequenceNumber: seq, Timestamp: uint32(seq) * 160, SSRC: source}
		b, _ := (&rtp.Packet{Header: header, Payload: payload}).Marshal()
		all = append(all, b)
	}
	reports, _ := rtcp.Marshal([]rtcp.Packet{
		&rtcp.ReceiverReport{SSRC: source, Reports: []rtcp.ReceptionReport{{SSRC: source, TotalLost: 4000, Jitter: 4000}}},
		&rtcp.Goodbye{Sources: []uint32{source}},
	})
	junk := make([]byte, 200)
	for i := 0; i+8 <= len(junk); i += 8 {
		binary.BigEndian.PutUint64(junk[i:], rand.Uint64())
	}
	return append(all, reports, junk)
}

// phoneAt is a phone on a host.
func phoneAt(t *testing.T, host netip.Addr) *phone {
	t.Helper()
	f := newPhone(t)
	conn, err := net.ListenUDP("udp4", net.UDPAddrFromAddrPort(netip.AddrPortFrom(host, 0)))
	if err != nil {
		t.Fatal(err)
	}
	f.close()
	f.conn, f.done = conn, make(chan struct{})
	go f.listen()
	return f
}

func TestFromAnotherHostNothingIsHeardAndNothingIsSaid(t *testing.T) {
	h := otherhost.New(t)
	clock := media.NewClock()
	defer clock.Close()
	r, err := Listen(Config{Clock: clock})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	for name, o := range map[string]Options{
		"plain, symmetric":              {},
		"plain, only the SDP's address": {Latching: LatchOff},
		"encrypted":                     {SRTP: SRTPRequired},
	} {
		t.Run(name, func(t *testing.T) {
			o.Bind, o.Signalling = h.Here, h.Here
			a, b := phoneAt(t, h.Here), phoneAt(t, h.Here)
			var ports []*Port
			for _, f := range []*phone{a, b} {
				p, err := r.Open(o)
				if err != nil {
					t.Fatal(err)
				}
				ports = append(ports, p)
				if f.srtp = o.SRTP; f.srtp == SRTPRequired {
					f.secured(p, newCrypto(1, suites[0]), "8 101")
				} else {
					f.call(p, "8 101")
				}
			}
			media.Cross(ports[0], ports[1])
			attacked := func() {
				if heard := attack(t, h, a.packet.SSRC, ports[0].LocalAddr(), ports[1].LocalAddr()); heard != "0" {
					t.Errorf("the other host heard %s packets", heard)
				}
			}
			attacked() // nobody has spoken: no address is locked yet
			a.hum(440, 50)
			b.hum(1000, 50)
			attacked()
			a.hum(440, 50)
			b.hum(1000, 50)
			until(t, "both heard all", func() bool { return len(a.all()) == 100 && len(b.all()) == 100 })
			if p := power(b.sound(), 440); p < 0.95 {
				t.Errorf("of what b heard %.2f is a's 440 Hz", p)
			}
			if p := power(a.sound(), 1000); p < 0.95 {
				t.Errorf("of what a heard %.2f is b's 1000 Hz", p)
			}
			for _, p := range ports {
				if s := p.Stats(); s.Received != 100 || s.PeerLost != 0 || s.PeerJitter != 0 || len(p.Digits()) > 0 || s.Dropped == 0 {
					t.Errorf("%d keys, %+v", len(p.Digits()), s)
				}
			}
		})
	}
}
