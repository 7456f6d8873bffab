package webrtc_test

import (
	"bytes"
	"errors"
	"net/netip"
	"strings"
	"testing"

	"cabline/media"
	"cabline/media/webrtc"
)

// catcher keeps the first packet it is given.
type catcher struct{ got chan media.Packet }

func (c catcher) WriteRTP(p *media.Packet) {
	first := *p
	first.Buf = bytes.Clone(p.Buf)
	select {
	case c.got <- first:
	default:
	}
}

func TestABrowserSpeaksG722WhereThatIsWanted(t *testing.T) {
	clock := media.NewClock()
	defer clock.Close()
	b, err := webrtc.Listen(webrtc.Config{Addr: netip.MustParseAddrPort(loopback), Clock: clock, Codecs: []media.Codec{media.G722, media.PCMA}})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	for name, weOffer := range roles {
		t.Run(name, func(t *testing.T) {
			p := open(t, b)
			c := newChrome(t)
			c.call(p, weOffer)
			sdp := c.pc.RemoteDescription().SDP
			if !strings.Contains(sdp, "SAVPF 9 8 ") || !strings.Contains(sdp, "a=rtpmap:9 G722/8000") {
				t.Errorf("our SDP is\n%s", sdp)
			}
			payload := bytes.Repeat([]byte{0xd1}, media.FrameSize)
			for seq, codec := range []media.Codec{media.G722, media.PCMA, media.PCMU} {
				packet := media.Packet{Buf: append(make([]byte, media.HeaderSize, 300), payload...), Start: media.HeaderSize, Codec: codec, Seq: uint16(seq), Time: uint32(160 * seq)}
				p.WriteRTP(&packet)
			}
			eventually(t, "packets in the browser", func() bool { return c.count() == 3 })
			if kinds := c.kinds(); kinds[9] != 2 || kinds[8] != 1 {
				t.Errorf("of what it has not it heard payload types %v; want the first of its own", kinds)
			}
			heard := catcher{make(chan media.Packet, 1)}
			p.Plug(heard)
			c.talk = media.G722
			c.WriteRTP(&media.Packet{Buf: append(make([]byte, media.HeaderSize, 300), payload...), Start: media.HeaderSize})
			eventually(t, "packet of the browser's", func() bool { return len(heard.got) == 1 })
			if got := <-heard.got; got.Codec != media.G722 || !bytes.Equal(got.Payload(), payload) {
				t.Errorf("%v, % x", got.Codec, got.Payload())
			}
		})
	}
}

func TestABrowserOfG722AloneIsRefusedWhereWeDoNotSpeakIt(t *testing.T) {
	p := open(t, listen(t, netip.Addr{}))
	c := newChrome(t)
	offer := strings.Replace(string(c.offer("sendrecv", false)), " 0 8 ", " ", 1)
	if _, err := p.Answer([]byte(offer)); !errors.Is(err, webrtc.ErrNoCodec) {
		t.Errorf("%v for\n%s", err, offer)
	}
}
