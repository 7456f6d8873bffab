package e2e

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"io"
	"net/netip"
	"strings"
	"testing"
	"testing/iotest"
)

var (
	pbxAt     = netip.MustParseAddrPort("127.9.9.1:5060")
	carrierAt = netip.MustParseAddrPort("127.9.9.3:5070")
)

// capture is a file with some frames.
func capture(frames ...Frame) *bytes.Buffer {
	file := binary.LittleEndian.AppendUint32(nil, 0xa1b2c3d4)
	file = append(file, make([]byte, 16)...)
	file = binary.LittleEndian.AppendUint32(file, 1)
	for _, f := range frames {
		udp := binary.BigEndian.AppendUint16(nil, f.From.Port())
		udp = binary.BigEndian.AppendUint16(udp, f.To.Port())
		udp = append(binary.BigEndian.AppendUint16(udp, uint16(8+len(f.Payload))), 0, 0)
		udp = append(udp, f.Payload...)
		ip := append([]byte{0x45, 0}, byte((20+len(udp))>>8), byte(20+len(udp)), 0, 0, 0, 0, 64, 17, 0, 0)
		from, to := f.From.Addr().As4(), f.To.Addr().As4()
		ip = append(append(append(ip, from[:]...), to[:]...), udp...)
		packet := append(append(make([]byte, 12), 0x08, 0x00), ip...)
		file = append(file, make([]byte, 8)...)
		file = binary.LittleEndian.AppendUint32(file, uint32(len(packet)))
		file = binary.LittleEndian.AppendUint32(file, uint32(len(packet)))
		file = append(file, packet...)
	}
	return bytes.NewBuffer(file)
}

func sipFrame(from, to netip.AddrPort, text string) Frame {
	return Frame{From: from, To: to, Payload: []byte(strings.ReplaceAll(text, "\n", "\r\n"))}
}

func TestTheOracleFindsAPlantedLeakAndNoOther(t *testing.T) {
	const client, driver = "+79161234567", "+79267654321"
	invite := "INVITE sip:" + driver + "@carrier SIP/2.0\nFrom: <sip:+74950000000@pbx>;tag=1\nTo: <sip:" + driver + "@carrier>\nCall-ID: a\nCSeq: 1 INVITE\n"
	clean := []Frame{
		sipFrame(pbxAt, carrierAt, invite+"\n"),
		sipFrame(carrierAt, pbxAt, "SIP/2.0 200 OK\nX-Secret: "+client+"\nCall-ID: a\nCSeq: 1 INVITE\nContent-Type: application/sdp\n\nv=0\no=- 1 1 IN IP4 127.9.9.3\ns=-\nc=IN IP4 127.9.9.3\nt=0 0\nm=audio 7000 RTP/AVP 8\n"),
		{From: pbxAt, To: netip.AddrPortFrom(carrierAt.Addr(), 7000), Payload: append([]byte{0x80, 8}, make([]byte, 170)...)},
	}
	planted := map[string]Frame{
		"in SIP":                  sipFrame(pbxAt, carrierAt, "BYE sip:x SIP/2.0\nCall-ID: a\nCSeq: 2 BYE\nReason: "+client+"\n\n"),
		"in SIP, base64":          sipFrame(pbxAt, carrierAt, "BYE sip:x SIP/2.0\nCall-ID: a\nCSeq: 2 BYE\nX: "+base64.StdEncoding.EncodeToString([]byte("x89161234567"))+"\n\n"),
		"in RTP":                  {From: pbxAt, To: netip.AddrPortFrom(carrierAt.Addr(), 7000), Payload: []byte("\x90\x08" + client)},
		"in RTCP":                 {From: pbxAt, To: netip.AddrPortFrom(carrierAt.Addr(), 7001), Payload: []byte("\x81\xca" + client)},
		"where nobody knows what": {From: pbxAt, To: netip.MustParseAddrPort("127.9.9.3:9999"), Payload: []byte(client)},
	}
	oracle := Oracle{Exchange: pbxAt.Addr(), Secrets: func(party string) []string {
		if party == driver || party == "" {
			return []string{client[2:]}
		}
		return []string{driver[2:]}
	}}
	frames, err := ReadCapture(capture(clean...))
	check(t, err)
	found, looked := oracle.Search(frames)
	if len(found) != 0 || looked[driver] != 2 || len(looked) != 1 {
		t.Errorf("in a clean capture: %v, looked at %v", found, looked)
	}
	for name, leak := range planted {
		frames, err := ReadCapture(capture(append(clean, leak)...))
		check(t, err)
		if found, _ := oracle.Search(frames); len(found) != 1 {
			t.Errorf("%s: found %v", name, found)
		}
	}
}

func TestWhatIsNoCaptureIsRefused(t *testing.T) {
	for _, text := range []string{"", "pcapng", strings.Repeat("x", 100)} {
		if _, err := ReadCapture(strings.NewReader(text)); err == nil {
			t.Errorf("%.10q was read", text)
		}
	}
}

func TestACaptureThatIsCutShortIsReadAndOneThatCannotBeReadIsRefused(t *testing.T) {
	bye := sipFrame(pbxAt, carrierAt, "BYE sip:x SIP/2.0\n\n")
	one, two := capture(bye).Bytes(), capture(bye, bye).Bytes()
	for size := len(one); size < len(two); size++ {
		frames, err := ReadCapture(bytes.NewReader(two[:size]))
		check(t, err)
		if len(frames) != 1 {
			t.Fatalf("%d frames in %d octets", len(frames), size)
		}
		broken := io.MultiReader(bytes.NewReader(two[:size]), iotest.ErrReader(errors.New("the disk")))
		if _, err := ReadCapture(broken); err == nil {
			t.Fatalf("an error after %d octets passes for the end", size)
		}
	}
}
