//go:build opus

package webrtc_test

import (
	"context"
	"testing"

	"cabline/media"
)

// inOpus is a party who speaks and hears Opus: what is written to it in A-law it
// says in that.
type inOpus struct {
	to   media.Sink
	turn media.Transcoder
	into media.Codec
}

func (o *inOpus) WriteRTP(p *media.Packet) {
	o.turn.Turn(p, o.into, func(p *media.Packet) {
		if o.into == media.Opus {
			p.Time *= 6
		}
		o.to.WriteRTP(p)
	})
}

func TestABrowserOfOpusHearsAndIsHeard(t *testing.T) {
	for name, weOffer := range roles {
		t.Run(name, func(t *testing.T) {
			p := open(t, listenFull(t))
			c := newChrome(t)
			c.talk = media.Opus
			c.call(p, weOffer)
			clock := media.NewClock()
			defer clock.Close()
			var ours, theirs record
			p.Plug(&inOpus{to: &ours, into: media.PCMA})
			mouth := &inOpus{to: c, into: media.Opus}
			defer saying(t, 440, func(ctx context.Context, s media.Speech) error { return clock.Play(ctx, mouth, s) })()
			defer saying(t, 1000, p.Play)()
			ours.tone(t, "440 Hz from the browser", 440)
			ear := &inOpus{to: &theirs, into: media.PCMA}
			said := 0
			eventually(t, "1000 Hz in the browser", func() bool {
				c.mu.Lock()
				defer c.mu.Unlock()
				for ; said < len(c.events); said++ {
					b := append(make([]byte, media.HeaderSize, 600), c.events[said]...)
					ear.WriteRTP(&media.Packet{Buf: b, Start: media.HeaderSize, Codec: media.Opus, Seq: uint16(said), Time: c.stamps[said] / 6})
				}
				heard := theirs.sound()
				return len(heard) > 1600 && power(heard[len(heard)-1600:], 1000) > 0.95
			})
			if kinds := c.kinds(); len(kinds) != 1 || kinds[111] == 0 {
				t.Errorf("the browser heard payload types %v", kinds)
			}
		})
	}
}
