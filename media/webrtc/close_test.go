package webrtc_test

import (
	"context"
	"errors"
	"net/netip"
	"sync"
	"testing"
	"time"

	pion "github.com/pion/webrtc/v4"

	"cabline/media/srtp"
	"cabline/media/webrtc"
)

func TestLossOfTheBrowserIsTold(t *testing.T) {
	p := open(t, listen(t, netip.Addr{}))
	c := newChrome(t)
	c.call(p, false)
	c.close()
	select {
	case <-p.Lost():
	case <-time.After(deadline):
		t.Fatal("the browser closed its audio and nobody noticed")
	}
	p.WriteRTP(frame()) // nobody hears it, nothing breaks
	if err := p.Play(context.Background(), nil); !errors.Is(err, webrtc.ErrClosed) && err != nil {
		t.Error(err)
	}
	if err := p.Close(); err != nil {
		t.Error(err)
	}
}

func TestOurOwnCloseIsNoLoss(t *testing.T) {
	p := open(t, listen(t, netip.Addr{}))
	c := newChrome(t)
	c.call(p, false)
	if err := p.Close(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "end in the browser", func() bool { return c.pc.ConnectionState() == pion.PeerConnectionStateClosed })
	select {
	case <-p.Lost():
		t.Error("Close closed Lost")
	default:
	}
}

func TestAPortClosesInEveryState(t *testing.T) {
	for name, bring := range map[string]func(*chrome, *webrtc.Port){
		"new":     func(*chrome, *webrtc.Port) {},
		"offered": func(_ *chrome, p *webrtc.Port) { _, _ = p.Offer() },
		"answered, the browser does not know": func(c *chrome, p *webrtc.Port) {
			_, _ = p.Answer(c.offer("sendrecv", false))
		},
		"accepted, not yet connected": func(c *chrome, p *webrtc.Port) {
			offer, _ := p.Offer()
			_ = p.Accept(c.answer(offer))
		},
		"connecting": func(c *chrome, p *webrtc.Port) { c.negotiate(p, "sendrecv", false) },
		"connected":  func(c *chrome, p *webrtc.Port) { c.call(p, false) },
		"playing": func(c *chrome, p *webrtc.Port) {
			c.call(p, false)
			saying(t, 440, p.Play)
			p.SendDigit('5')
		},
		"in an ICE restart": func(c *chrome, p *webrtc.Port) {
			c.call(p, false)
			_, _ = p.Answer(c.offer("sendrecv", true))
		},
		"lost": func(c *chrome, p *webrtc.Port) {
			c.call(p, false)
			c.close()
			<-p.Lost()
		},
	} {
		t.Run(name, func(t *testing.T) {
			p := open(t, listen(t, netip.Addr{}))
			c := newChrome(t)
			bring(c, p)
			var all sync.WaitGroup
			for range 3 {
				all.Go(func() {
					if err := p.Close(); err != nil {
						t.Error(err)
					}
				})
			}
			all.Wait()
			p.WriteRTP(frame())
			p.SendDigit('1')
			p.Stats()
			if _, err := p.Offer(); err == nil && name == "new" {
				t.Error("a closed port makes an offer")
			}
			if _, err := p.Answer(newChrome(t).offer("sendrecv", false)); err == nil {
				t.Error("a closed port answers")
			}
		})
	}
}

func TestClosingAllClosesEveryPort(t *testing.T) {
	b := listen(t, netip.Addr{})
	p := open(t, b)
	c := newChrome(t)
	c.call(p, true)
	open(t, b)
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "end in the browser", func() bool { return c.pc.ConnectionState() == pion.PeerConnectionStateClosed })
	if _, err := b.Open(); !errors.Is(err, webrtc.ErrClosed) {
		t.Errorf("opened a port after all was closed: %v", err)
	}
}

func TestABrowserOfManySourcesIsHeardOnSomeOfThem(t *testing.T) {
	p := open(t, listen(t, netip.Addr{}))
	c := newChrome(t)
	c.call(p, false)
	bothWays(t, c, p)
	own := c.ssrc
	before := p.Stats()
	const more = 3 * srtp.MaxSources
	for range more {
		c.ssrc++
		c.WriteRTP(frame())
		eventually(t, "it came", func() bool {
			s := p.Stats()
			return s.Received+s.Dropped == before.Received+before.Dropped+uint64(c.ssrc-own)
		})
	}
	// Pion's own count of sources goes on top.
	if s := p.Stats(); s.Received-before.Received > srtp.MaxSources || s.Received == before.Received {
		t.Errorf("%d of %d sources were heard", s.Received-before.Received, more)
	}
	c.ssrc = own
	bothWays(t, c, p)
}
