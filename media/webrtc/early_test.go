package webrtc_test

import (
	"strings"
	"sync"
	"testing"

	pion "github.com/pion/webrtc/v4"

	"cabline/media"
)

// numbers keeps the sequence numbers of what it hears.
type numbers struct {
	mu  sync.Mutex
	all []uint16
}

func (n *numbers) WriteRTP(p *media.Packet) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.all = append(n.all, p.Seq)
}

func TestEveryPacketOfABrowserIsHeardOnceAndInOrderFromTheFirstOn(t *testing.T) {
	for name, weOffer := range roles {
		t.Run(name, func(t *testing.T) {
			b := listen(t, noAddr)
			m := newMiddle(t, b, func(_ *middle, packet []byte) [][]byte {
				if packet[0]>>6 == 2 {
					return [][]byte{packet, packet}
				}
				return [][]byte{packet}
			}, nil)
			p, c := open(t, b), newChrome(t)
			var heard numbers
			p.Plug(&heard)
			m.call(c, p, weOffer)
			const said = 50
			for seq := range uint16(said) {
				packet := frame()
				packet.Seq, packet.Time = 65_500+seq, 160*uint32(seq) // past the end of the numbers
				c.WriteRTP(packet)
			}
			eventually(t, "all came, and all again", func() bool { s := p.Stats(); return s.Received+s.Dropped == 2*said })
			heard.mu.Lock()
			defer heard.mu.Unlock()
			for i, seq := range heard.all {
				if want := uint16(65_500 + i); seq != want {
					t.Fatalf("packet %d was heard for %d", seq, want)
				}
			}
			if s := p.Stats(); len(heard.all) != said || s.Dropped != said || s.Lost != 0 {
				t.Errorf("%d packets were heard, %+v", len(heard.all), s)
			}
			c.close()
		})
	}
}

// Then it is we who say ClientHello.
func TestABrowserThatAwaitsOurClientHelloHearsAndIsHeard(t *testing.T) {
	p := open(t, listen(t, noAddr))
	c := newChromeOver(t, func(s *pion.SettingEngine) {
		if err := s.SetAnsweringDTLSRole(pion.DTLSRoleServer); err != nil {
			t.Fatal(err)
		}
	})
	c.call(p, true)
	bothWays(t, c, p)
	if sdp := c.pc.LocalDescription().SDP; !strings.Contains(sdp, "a=setup:passive\r\n") {
		t.Errorf("it does not await us:\n%s", sdp)
	}
}
