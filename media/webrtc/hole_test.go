package webrtc_test

import (
	"net/netip"
	"testing"

	"cabline/media"
	"cabline/media/dtmf"
	"cabline/media/webrtc"
)

func TestWhatIsNotPassedOnLeavesNoHole(t *testing.T) {
	event := func(seq uint16) *media.Packet {
		p := &media.Packet{Buf: make([]byte, media.HeaderSize+dtmf.PayloadSize, 64), Start: media.HeaderSize, Event: true, Seq: seq, Time: 4800}
		dtmf.Event{Key: '1', Volume: 10, Duration: 160}.Put(p.Payload())
		return p
	}
	for name, between := range map[string]func(ca, cb *chrome, pa, pb *webrtc.Port) (left uint16){
		"an event that was pressed for who listened before": func(ca, _ *chrome, pa, pb *webrtc.Port) uint16 {
			pa.Plug(nil)
			ca.WriteRTP(event(9)) // comes late
			digit(ca.t, pa)
			pa.Plug(pb) // as if nobody had heard that one
			for seq := range uint16(5) {
				ca.WriteRTP(event(13 + seq))
			}
			return 5
		},
		"what was said to nobody while the other holds": func(ca, _ *chrome, pa, pb *webrtc.Port) uint16 {
			pa.Plug(nil)
			received := pa.Stats().Received
			for seq := range uint16(50) {
				p := frame()
				p.Seq, p.Time = 13+seq, 160*uint32(13+seq)
				ca.WriteRTP(p)
			}
			eventually(ca.t, "packets to nobody", func() bool { return pa.Stats().Received == received+50 })
			pa.Plug(pb)
			return 50
		},
		"a hold": func(ca, cb *chrome, pa, pb *webrtc.Port) uint16 {
			cb.negotiate(pb, "sendonly", false)
			received := pa.Stats().Received
			for seq := range uint16(5) {
				p := frame()
				p.Seq, p.Time = 13+seq, 160*uint32(13+seq)
				ca.WriteRTP(p)
			}
			eventually(ca.t, "packets on hold", func() bool { return pa.Stats().Received == received+5 })
			cb.negotiate(pb, "sendrecv", false)
			return 5
		},
	} {
		t.Run(name, func(t *testing.T) {
			b := listen(t, netip.Addr{})
			pa, pb, ca, cb := open(t, b), open(t, b), newChrome(t), newChrome(t)
			ca.call(pa, false)
			cb.call(pb, false)
			defer media.Cross(pa, pb)()
			say := func(seq uint16) {
				p := frame()
				p.Seq, p.Time = seq, 160*uint32(seq)
				ca.WriteRTP(p)
			}
			for seq := range uint16(3) {
				say(10 + seq)
			}
			eventually(t, "three packets", func() bool { return cb.count() == 3 })
			after := 13 + between(ca, cb, pa, pb)
			say(after)
			say(after + 2) // one is lost
			eventually(t, "the rest", func() bool { return cb.count() == 5 })
			cb.mu.Lock()
			defer cb.mu.Unlock()
			first := cb.headers[0]
			for i, want := range []uint16{0, 1, 2, 3, 5} {
				if got := cb.headers[i].SequenceNumber - first.SequenceNumber; got != want {
					t.Errorf("packet %d has number %d, not %d", i, got, want)
				}
			}
			if got := cb.headers[4].Timestamp - first.Timestamp; got != 160*uint32(after+2-10) {
				t.Errorf("the last was said at %d", got)
			}
		})
	}
}

// A trunk's port tells of what it keeps to itself.
func TestWhatAnotherPortLeavesOutIsNoHole(t *testing.T) {
	p, c := open(t, listen(t, netip.Addr{})), newChrome(t)
	c.call(p, false)
	for seq := range uint16(4) {
		packet := frame()
		if packet.Seq, packet.Time = seq, 160*uint32(seq); seq == 2 {
			media.LeaveOut(packet, p)
		} else {
			p.WriteRTP(packet)
		}
	}
	eventually(t, "three packets", func() bool { return c.count() == 3 })
	c.mu.Lock()
	defer c.mu.Unlock()
	if h := c.headers; h[2].SequenceNumber-h[0].SequenceNumber != 2 || h[2].Timestamp-h[0].Timestamp != 480 {
		t.Errorf("%+v", h)
	}
}
