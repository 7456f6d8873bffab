package webrtc_test

import (
	"bytes"
	"net/netip"
	"strings"
	"testing"

	"cabline/media"
	"cabline/media/dtmf"
	"cabline/media/webrtc"
)

// listenFull is a port for browsers that speaks Opus where they do.
func listenFull(t *testing.T) *webrtc.Browsers {
	t.Helper()
	clock := media.NewClock()
	t.Cleanup(clock.Close)
	return listenWith(t, clock, []media.Codec{media.Opus, media.PCMA})
}

func listenWith(t *testing.T, clock *media.Clock, codecs []media.Codec) *webrtc.Browsers {
	t.Helper()
	b, err := webrtc.Listen(webrtc.Config{Addr: netip.MustParseAddrPort(loopback), Clock: clock, Codecs: codecs})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	})
	return b
}

func TestABrowserSpeaksOpusWhereThatIsWanted(t *testing.T) {
	for name, weOffer := range roles {
		t.Run(name, func(t *testing.T) {
			p := open(t, listenFull(t))
			c := newChrome(t)
			c.call(p, weOffer)
			formats := "SAVPF 111 110 126\r\n"
			if weOffer {
				formats = "SAVPF 111 8 110 101\r\n"
			}
			if sdp := c.pc.RemoteDescription().SDP; !strings.Contains(sdp, formats) || !strings.Contains(sdp, "a=rtpmap:111 opus/48000/2\r\n") {
				t.Errorf("our SDP is\n%s", sdp)
			}
			payload := []byte("\xfcno encoder said this")
			for seq := range uint32(3) {
				p.WriteRTP(&media.Packet{Buf: append(make([]byte, media.HeaderSize, 300), payload...), Start: media.HeaderSize, Codec: media.Opus, Seq: uint16(seq), Time: 160 * seq})
			}
			eventually(t, "packets in the browser", func() bool { return c.count() == 3 })
			c.mu.Lock()
			for i, stamp := range c.stamps {
				if i > 0 && stamp-c.stamps[i-1] != 960 || !bytes.Equal(c.events[i], payload) {
					t.Errorf("packet %d: %d, % x", i, stamp, c.events[i])
				}
			}
			c.mu.Unlock()
			if kinds, s := c.kinds(), p.Stats(); kinds[111] != 3 || s.Codec != "opus" {
				t.Errorf("payload types %v, the codec is %q", kinds, s.Codec)
			}

			heard := catcher{make(chan media.Packet, 2)}
			p.Plug(heard)
			c.talk = media.Opus
			for seq := range uint32(2) {
				c.WriteRTP(&media.Packet{Buf: append(make([]byte, media.HeaderSize, 300), payload...), Start: media.HeaderSize, Seq: uint16(seq), Time: 960 * seq})
			}
			eventually(t, "packets of the browser's", func() bool { return len(heard.got) == 2 })
			first, second := <-heard.got, <-heard.got
			if first.Codec != media.Opus || !bytes.Equal(first.Payload(), payload) || second.Time-first.Time != 160 {
				t.Errorf("%v, % x, then %d after %d", first.Codec, first.Payload(), second.Time, first.Time)
			}
		})
	}
}

func TestKeysBesideOpusHaveItsClock(t *testing.T) {
	p := open(t, listenFull(t))
	c := newChrome(t)
	c.call(p, false)
	c.pt = 110
	var heard record
	p.Plug(&heard)
	for i := range uint16(7) {
		packet := &media.Packet{Buf: make([]byte, media.HeaderSize+dtmf.PayloadSize, 64), Start: media.HeaderSize, Event: true, Marker: i == 0, Seq: i, Time: 9600}
		dtmf.Event{Key: '8', End: i >= 4, Duration: 960 * min(i+1, 5)}.Put(packet.Payload())
		c.WriteRTP(packet)
	}
	if d := digit(t, p); d != '8' {
		t.Errorf("key %c", d)
	}
	eventually(t, "the key passed on", func() bool { return heard.count() == 7 })
	heard.mu.Lock()
	if e, _ := dtmf.Parse(heard.events[6]); e.Duration != 800 {
		t.Errorf("it lasts %d", e.Duration)
	}
	heard.mu.Unlock()
	p.SendDigit('5')
	eventually(t, "our key", func() bool { return c.count() == 7 })
	c.mu.Lock()
	defer c.mu.Unlock()
	if e, _ := dtmf.Parse(c.events[6]); c.types[110] != 7 || e.Key != '5' || e.Duration != 4800 {
		t.Errorf("payload types %v, key %+v", c.types, e)
	}
}

func TestABrowserWithoutOpusSpeaksWhatItHas(t *testing.T) {
	p := open(t, listenFull(t))
	c := newChrome(t)
	offer := strings.Replace(string(c.offer("sendrecv", false)), " 111 ", " ", 1)
	answer, err := p.Answer([]byte(offer))
	if err != nil || !strings.Contains(string(answer), "SAVPF 8 126\r\n") {
		t.Errorf("%v:\n%s", err, answer)
	}
}
