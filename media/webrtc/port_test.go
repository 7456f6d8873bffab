package webrtc_test

import (
	"bytes"
	"context"
	"errors"
	"net/netip"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pion/rtcp"
	pion "github.com/pion/webrtc/v4"
	"go.uber.org/goleak"

	"cabline/media"
	"cabline/media/webrtc"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var roles = map[string]bool{"the browser calls": false, "the browser is called": true}

func TestAudioPassesBothWays(t *testing.T) {
	for name, weOffer := range roles {
		t.Run(name, func(t *testing.T) {
			p := open(t, listen(t, netip.Addr{}))
			c := newChrome(t)
			c.call(p, weOffer)
			bothWays(t, c, p)
			if n := len(c.sources()); n != 1 {
				t.Errorf("the browser heard %d sources, not one", n)
			}
			if kinds := c.kinds(); kinds[8] == 0 || len(kinds) != 1 {
				t.Errorf("the browser heard payload types %v, not PCMA alone", kinds)
			}
		})
	}
}

func TestBrowsersOfDifferentCodecsHearEachOther(t *testing.T) {
	b := listen(t, netip.Addr{})
	alaw, mulaw := newChrome(t), newChrome(t)
	mulaw.talk = media.PCMU
	pa, pm := open(t, b), open(t, b)
	alaw.offerOnly(pa, "8")
	mulaw.offerOnly(pm, "0")
	alaw.connected(pa)
	mulaw.connected(pm)
	defer media.Cross(pa, pm)()

	clock := media.NewClock()
	defer clock.Close()
	defer saying(t, 440, func(ctx context.Context, s media.Speech) error { return clock.Play(ctx, alaw, s) })()
	defer saying(t, 1000, func(ctx context.Context, s media.Speech) error { return clock.Play(ctx, mulaw, s) })()
	mulaw.tone(t, "440 Hz in the µ-law browser", 440)
	alaw.tone(t, "1000 Hz in the A-law browser", 1000)
	if a, m := alaw.kinds(), mulaw.kinds(); a[0] != 0 || m[8] != 0 {
		t.Errorf("payload types heard: %v by A-law, %v by µ-law", a, m)
	}
}

// A call is shown to people while it is being connected.
func TestStatisticsMayBeReadWhileABrowserConnects(t *testing.T) {
	b := listen(t, netip.Addr{})
	for name, weOffer := range roles {
		t.Run(name, func(t *testing.T) {
			c, p := newChrome(t), open(t, b)
			ctx, stop := context.WithCancel(t.Context())
			read := make(chan struct{})
			go func() {
				defer close(read)
				for ctx.Err() == nil {
					p.Stats()
					runtime.Gosched()
				}
			}()
			c.call(p, weOffer)
			eventually(t, "round trip", func() bool { return p.Stats().RoundTrip > 0 })
			stop()
			<-read
		})
	}
}

// offerOnly negotiates with one of the two laws only.
func (c *chrome) offerOnly(p *webrtc.Port, law string) {
	c.t.Helper()
	offer := string(c.offer("sendrecv", false))
	other := map[string]string{"8": "0", "0": "8"}[law]
	line := offer[strings.Index(offer, "m=audio"):]
	line = line[:strings.Index(line, "\r\n")]
	answer, err := p.Answer([]byte(strings.Replace(offer, line, strings.Replace(line, " "+other+" ", " ", 1), 1)))
	c.must(err)
	c.must(c.pc.SetRemoteDescription(pion.SessionDescription{Type: pion.SDPTypeAnswer, SDP: string(answer)}))
}

func TestHoldStopsOurAudioAndGoesOn(t *testing.T) {
	p := open(t, listen(t, netip.Addr{}))
	c := newChrome(t)
	c.call(p, false)
	bothWays(t, c, p)
	for _, hold := range []struct{ theirs, ours string }{{"sendonly", "recvonly"}, {"inactive", "inactive"}} {
		answer := c.negotiate(p, hold.theirs, false)
		if !strings.Contains(answer, "a="+hold.ours+"\r\n") {
			t.Errorf("answer to %s is not %s:\n%s", hold.theirs, hold.ours, answer)
		}
		sent := p.Stats().Sent
		if err := p.Play(context.Background(), media.Speech{media.Tone("tone", []float64{440}, 100*time.Millisecond)}); err != nil {
			t.Error(err)
		}
		if now := p.Stats().Sent; now != sent {
			t.Errorf("%d packets sent to a browser on hold by %s", now-sent, hold.theirs)
		}
		if answer := c.negotiate(p, "sendrecv", false); !strings.Contains(answer, "a=sendrecv\r\n") {
			t.Errorf("answer to the end of hold:\n%s", answer)
		}
		bothWays(t, c, p)
	}
	if answer := c.negotiate(p, "recvonly", false); !strings.Contains(answer, "a=sendonly\r\n") {
		t.Errorf("answer to recvonly:\n%s", answer)
	}
	defer saying(t, 1000, p.Play)()
	c.forget()
	c.tone(t, "1000 Hz in a browser that only listens", 1000)
}

func TestACallMayBeginOnHold(t *testing.T) {
	for _, direction := range []string{"sendonly", "inactive"} {
		t.Run(direction, func(t *testing.T) {
			p := open(t, listen(t, netip.Addr{}))
			c := newChrome(t)
			c.negotiate(p, direction, false)
			c.connected(p)
			c.negotiate(p, "sendrecv", false)
			bothWays(t, c, p)
		})
	}
}

func TestEverySDPHasItsOwnVersion(t *testing.T) {
	p := open(t, listen(t, netip.Addr{}))
	c := newChrome(t)
	var origins []string
	for _, direction := range []string{"sendrecv", "sendonly", "sendrecv"} {
		origins = append(origins, line(t, c.negotiate(p, direction, false), "o="))
	}
	again, err := p.Offer()
	if err != nil {
		t.Fatal(err)
	}
	origins = append(origins, line(t, string(again), "o="))
	first := strings.Fields(origins[0])
	for i, o := range origins {
		f := strings.Fields(o)
		if f[1] != first[1] || f[2] != string(rune('1'+i)) {
			t.Errorf("origin %d is %q after %q", i, o, origins[0])
		}
	}
}

// line is the first line of an SDP that begins so.
func line(t testing.TB, sdp, begin string) string {
	t.Helper()
	for l := range strings.SplitSeq(sdp, "\r\n") {
		if strings.HasPrefix(l, begin) {
			return l
		}
	}
	t.Fatalf("no %s in\n%s", begin, sdp)
	return ""
}

func TestAnICERestartMovesTheCall(t *testing.T) {
	for name, weOffer := range roles {
		t.Run(name, func(t *testing.T) {
			p := open(t, listen(t, netip.Addr{}))
			c := newChrome(t)
			c.call(p, weOffer)
			before := c.pc.RemoteDescription().SDP
			for _, direction := range []string{"sendrecv", "inactive", "sendrecv"} { // also while holding
				after := c.negotiate(p, direction, true)
				if line(t, before, "a=ice-ufrag") == line(t, after, "a=ice-ufrag") {
					t.Error("our credentials are the old ones")
				}
				before = after
				c.connected(p)
			}
			bothWays(t, c, p)
			select {
			case <-p.Lost():
				t.Error("a restart counts as a loss")
			default:
			}
		})
	}
}

func TestAnotherOfferWithinTheCallChangesNothing(t *testing.T) {
	for name, weOffer := range roles {
		t.Run(name, func(t *testing.T) {
			p := open(t, listen(t, netip.Addr{}))
			c := newChrome(t)
			c.call(p, weOffer)
			offer, err := p.Offer()
			if err != nil {
				t.Fatal(err)
			}
			if err := p.Accept(c.answer(offer)); err != nil {
				t.Fatal(err)
			}
			bothWays(t, c, p)
		})
	}
}

func TestASpeechWaitsForTheBrowsersAudio(t *testing.T) {
	p := open(t, listen(t, netip.Addr{}))
	c := newChrome(t)
	answer, err := p.Answer(c.offer("sendrecv", false))
	if err != nil {
		t.Fatal(err)
	}
	speech := media.Speech{media.Tone("word", []float64{1000}, 300*time.Millisecond), media.Silence(100 * time.Millisecond)}
	said := make(chan error)
	go func() { said <- p.Play(context.Background(), speech) }()
	clock := media.NewClock()
	defer clock.Close()
	if err := clock.Play(context.Background(), new(record), media.Speech{media.Silence(200 * time.Millisecond)}); err != nil {
		t.Fatal(err) // as long as a slow network takes
	}
	if err := c.pc.SetRemoteDescription(pion.SessionDescription{Type: pion.SDPTypeAnswer, SDP: string(answer)}); err != nil {
		t.Fatal(err)
	}
	if err := <-said; err != nil {
		t.Fatal(err)
	}
	want := append(bytes.Clone(speech[0].ALaw), speech[1].ALaw...)
	eventually(t, "whole speech", func() bool { return len(c.sound()) >= len(want) })
	if heard := c.sound(); !bytes.Equal(want, heard) {
		t.Errorf("the speech is not whole: %d bytes heard of %d", len(heard), len(want))
	}
}

func TestASpeechIsCutShortWhileItWaits(t *testing.T) {
	p := open(t, listen(t, netip.Addr{}))
	ctx, cancel := context.WithCancelCause(context.Background())
	cause := errors.New("key pressed")
	cancel(cause)
	if err := p.Play(ctx, nil); !errors.Is(err, cause) {
		t.Errorf("cut short: %v", err)
	}
	if err := p.Close(); err != nil {
		t.Fatal(err)
	}
	if err := p.Play(context.Background(), nil); !errors.Is(err, webrtc.ErrClosed) {
		t.Errorf("after Close: %v", err)
	}
}

func TestPacketsBeforeTheAudioIsUpAreDropped(t *testing.T) {
	b := listen(t, netip.Addr{})
	p := open(t, b)
	p.WriteRTP(frame())
	p.SendDigit('1')
	if _, err := p.Offer(); err != nil {
		t.Fatal(err)
	}
	p.WriteRTP(frame())
	if n := p.Stats().Sent; n != 0 {
		t.Errorf("%d packets sent to nobody", n)
	}
}

func frame() *media.Packet {
	return &media.Packet{Buf: make([]byte, media.HeaderSize+media.FrameSize, 256), Start: media.HeaderSize}
}

func TestTheFormerSinkHearsNothingAfterPlug(t *testing.T) {
	p := open(t, listen(t, netip.Addr{}))
	c := newChrome(t)
	c.call(p, false)
	clock := media.NewClock()
	defer clock.Close()
	defer saying(t, 440, func(ctx context.Context, s media.Speech) error { return clock.Play(ctx, c, s) })()
	for range 20 {
		var sink record
		p.Plug(&sink)
		eventually(t, "packet", func() bool { return sink.count() > 0 })
		p.Plug(nil)
		heard := sink.count()
		received := p.Stats().Received
		eventually(t, "next packet", func() bool { return p.Stats().Received > received })
		if now := sink.count(); now != heard {
			t.Fatalf("%d packets after Plug(nil) had returned", now-heard)
		}
	}
}

func TestStatsTellWhatPassed(t *testing.T) {
	p := open(t, listen(t, netip.Addr{}))
	c := newChrome(t)
	c.call(p, false)
	say := func(seq uint16, talk media.Codec) {
		c.talk = talk
		packet := frame()
		packet.Seq, packet.Time = seq, uint32(seq)*media.FrameSize
		c.WriteRTP(packet)
	}
	for _, seq := range []uint16{1, 2, 5, 4, 6} { // 3 is lost
		say(seq, media.PCMA)
	}
	c.pt = 13 // comfort noise was not agreed on
	c.WriteRTP(&media.Packet{Buf: make([]byte, 13, 64), Start: media.HeaderSize, Seq: 7, Event: true})
	say(8, media.PCMA)
	eventually(t, "packets", func() bool { return p.Stats().Received == 6 })
	s := p.Stats()
	if s.Lost != 2 || s.Dropped != 1 || s.LastHeard.IsZero() || s.Sent != 0 {
		t.Errorf("%+v", s)
	}
	p.WriteRTP(frame())
	if s := p.Stats(); s.Sent != 1 {
		t.Errorf("one packet said, %d counted", s.Sent)
	}
}

func TestTheBrowsersReportsAreRead(t *testing.T) {
	p := open(t, listen(t, netip.Addr{}))
	c := newChrome(t)
	c.call(p, false)
	p.WriteRTP(frame())
	eventually(t, "packet in the browser", func() bool { return c.count() == 1 })
	ours := c.sources()[0]
	report := rtcp.ReceiverReport{SSRC: c.ssrc, Reports: []rtcp.ReceptionReport{
		{SSRC: ours + 1, TotalLost: 1},
		{SSRC: ours, TotalLost: 7, Jitter: 80},
	}}
	if err := c.pc.WriteRTCP([]rtcp.Packet{&report}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "report", func() bool {
		s := p.Stats()
		return s.PeerExpected == 1 && s.PeerLost == 7 && s.PeerJitter == 10*time.Millisecond
	})
	if m := p.Stats().PeerMOS(); m == 0 || m > 2 {
		t.Errorf("all lost is rated %.2f", m)
	}
}

func TestTheBrowserIsTold(t *testing.T) {
	p := open(t, listen(t, netip.Addr{}))
	c := newChrome(t)
	c.call(p, false)
	for seq := range uint16(3) {
		ours, theirs := frame(), frame()
		ours.Seq, theirs.Seq = seq, 2*seq // half of theirs are lost
		p.WriteRTP(ours)
		c.WriteRTP(theirs)
	}
	eventually(t, "packets", func() bool { return c.count() == 3 && p.Stats().Received == 3 })
	if err := c.pc.WriteRTCP([]rtcp.Packet{&rtcp.SenderReport{SSRC: c.ssrc, NTPTime: 0x0123456789abcdef}}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "what the browser said and heard", func() bool {
		p.Report()
		c.mu.Lock()
		defer c.mu.Unlock()
		for _, packet := range c.reports {
			sr, ok := packet.(*rtcp.SenderReport)
			if ok && len(sr.Reports) == 1 && sr.Reports[0].LastSenderReport == 0x456789ab {
				b := sr.Reports[0]
				return c.ssrcs[sr.SSRC] && sr.PacketCount == 3 && sr.OctetCount == 480 && b.SSRC == c.ssrc && b.TotalLost == 2
			}
		}
		return false
	})
}

// Nobody asks for it: some seconds pass.
func TestTheBrowserIsToldInTime(t *testing.T) {
	p := open(t, listen(t, netip.Addr{}))
	c := newChrome(t)
	c.call(p, false)
	p.WriteRTP(frame())
	c.WriteRTP(frame())
	eventually(t, "report of what was said and heard", func() bool {
		c.mu.Lock()
		defer c.mu.Unlock()
		return slices.ContainsFunc(c.reports, func(packet rtcp.Packet) bool {
			sr, ok := packet.(*rtcp.SenderReport)
			return ok && sr.PacketCount == 1 && len(sr.Reports) == 1 && sr.Reports[0].SSRC == c.ssrc
		})
	})
}

func TestAPublicAddressIsOfferedBesidesOurOwn(t *testing.T) {
	b := listen(t, netip.MustParseAddr("127.0.0.9"))
	for name, weOffer := range roles {
		t.Run(name, func(t *testing.T) {
			p := open(t, b)
			c := newChrome(t)
			c.call(p, weOffer)
			sdp := c.pc.RemoteDescription().SDP
			for _, addr := range []string{" 127.0.0.1 ", " 127.0.0.9 "} {
				if !strings.Contains(sdp, addr) {
					t.Errorf("no candidate%sin\n%s", addr, sdp)
				}
			}
			bothWays(t, c, p)
			c.negotiate(p, "sendrecv", true)
			c.connected(p)
			bothWays(t, c, p)
		})
	}
}

func TestABrowserIsSilentWhenItSendsNothingThoughItShould(t *testing.T) {
	p := open(t, listen(t, netip.Addr{}))
	if s := p.Stats().Silence; s != 0 {
		t.Errorf("silent for %v before it is called", s)
	}
	c := newChrome(t)
	c.call(p, false)
	begin := time.Now()
	if err := (media.Watch{Silent: 50 * time.Millisecond}).Keep(t.Context(), p); !errors.Is(err, media.ErrSilent) || time.Since(begin) < 50*time.Millisecond {
		t.Errorf("%v after %v", err, time.Since(begin))
	}
	c.WriteRTP(frame())
	eventually(t, "packet", func() bool { s := p.Stats(); return s.Received == 1 && s.Silence <= time.Since(s.LastHeard) })
	c.negotiate(p, "sendonly", false)
	if s := p.Stats().Silence; s != 0 {
		t.Errorf("silent for %v on hold", s)
	}
	c.negotiate(p, "sendrecv", false)
	eventually(t, "silence", func() bool { return p.Stats().Silence > 0 })
}
