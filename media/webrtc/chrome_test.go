package webrtc_test

import (
	"context"
	"maps"
	"math"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pion/ice/v4"
	"github.com/pion/interceptor"
	"github.com/pion/rtcp"
	"github.com/pion/rtp"
	pion "github.com/pion/webrtc/v4"

	"cabline/media"
	"cabline/media/g711"
	"cabline/media/webrtc"
)

const (
	loopback = "127.0.0.1:0"
	deadline = time.Minute // of every wait; none takes a second on an idle machine
)

// noAddr is no public address.
var noAddr netip.Addr

func listen(t testing.TB, public netip.Addr) *webrtc.Browsers {
	t.Helper()
	return listenAt(t, netip.MustParseAddrPort(loopback), public)
}

func listenAt(t testing.TB, at netip.AddrPort, public netip.Addr) *webrtc.Browsers {
	t.Helper()
	clock := media.NewClock()
	t.Cleanup(clock.Close)
	b, err := webrtc.Listen(webrtc.Config{Addr: at, Public: public, Clock: clock})
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

func open(t testing.TB, b *webrtc.Browsers) *webrtc.Port {
	t.Helper()
	p, err := b.Open()
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// chrome is a second pion with Chrome's codecs and manners. What is written to
// it, it says.
type chrome struct {
	t      testing.TB
	pc     *pion.PeerConnection
	record // what it hears

	gathered chan struct{}

	out  pion.TrackLocalWriter
	ssrc uint32
	talk media.Codec // it says everything in this
	pt   uint8       // and telephone-events with this payload type
}

func newChrome(t testing.TB) *chrome {
	t.Helper()
	return newChromeAt(t, netip.MustParseAddr("127.0.0.1"))
}

// newChromeAt runs on one address.
func newChromeAt(t testing.TB, host netip.Addr) *chrome {
	t.Helper()
	return newChromeOver(t, func(s *pion.SettingEngine) {
		s.SetIPFilter(func(ip net.IP) bool { return ip.Equal(host.AsSlice()) })
	})
}

// newChromeOver runs on a network that is set up for it.
func newChromeOver(t testing.TB, network func(*pion.SettingEngine)) *chrome {
	t.Helper()
	var codecs pion.MediaEngine
	if err := codecs.RegisterDefaultCodecs(); err != nil {
		t.Fatal(err)
	}
	for pt, rate := range map[pion.PayloadType]uint32{110: 48000, 126: 8000} {
		event := pion.RTPCodecCapability{MimeType: "audio/telephone-event", ClockRate: rate}
		if err := codecs.RegisterCodec(pion.RTPCodecParameters{RTPCodecCapability: event, PayloadType: pt}, pion.RTPCodecTypeAudio); err != nil {
			t.Fatal(err)
		}
	}
	var settings pion.SettingEngine
	settings.SetIncludeLoopbackCandidate(true)
	network(&settings)
	settings.SetICEMulticastDNSMode(ice.MulticastDNSModeDisabled)
	api := pion.NewAPI(pion.WithMediaEngine(&codecs), pion.WithSettingEngine(settings), pion.WithInterceptorRegistry(&interceptor.Registry{}))
	c := &chrome{t: t, pt: 126, gathered: make(chan struct{}, 1)}
	var err error
	if c.pc, err = api.NewPeerConnection(pion.Configuration{}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.close)
	c.pc.OnICECandidate(func(candidate *pion.ICECandidate) {
		if candidate != nil {
			return
		}
		select {
		case c.gathered <- struct{}{}:
		default:
		}
	})
	c.pc.OnTrack(func(track *pion.TrackRemote, receiver *pion.RTPReceiver) {
		go c.record.rtcp(receiver.ReadRTCP)
		for {
			packet, _, err := track.ReadRTP()
			if err != nil {
				return
			}
			c.record.rtp(packet)
		}
	})
	sender, err := c.pc.AddTrack(c)
	if err != nil {
		t.Fatal(err)
	}
	c.ssrc = uint32(sender.GetParameters().Encodings[0].SSRC)
	return c
}

func (c *chrome) close() { _ = c.pc.GracefulClose() }

func (c *chrome) must(err error) {
	c.t.Helper()
	if err != nil {
		c.t.Fatal(err)
	}
}

// offer is its SDP, with all candidates and in the given direction.
func (c *chrome) offer(direction string, restart bool) []byte {
	c.t.Helper()
	o, err := c.pc.CreateOffer(&pion.OfferOptions{ICERestart: restart})
	c.must(err)
	return c.gather(o, direction)
}

func (c *chrome) gather(own pion.SessionDescription, direction string) []byte {
	c.t.Helper()
	c.must(c.pc.SetLocalDescription(own))
	for c.pc.ICEGatheringState() != pion.ICEGatheringStateComplete {
		<-c.gathered
	}
	return []byte(strings.Replace(c.pc.LocalDescription().SDP, "a=sendrecv", "a="+direction, 1))
}

// negotiate sends an offer and takes the answer, which it returns.
func (c *chrome) negotiate(p *webrtc.Port, direction string, restart bool) string {
	c.t.Helper()
	answer, err := p.Answer(c.offer(direction, restart))
	c.must(err)
	c.must(c.pc.SetRemoteDescription(pion.SessionDescription{Type: pion.SDPTypeAnswer, SDP: string(answer)}))
	return string(answer)
}

// answer takes our offer and returns its own answer.
func (c *chrome) answer(offer []byte) []byte {
	c.t.Helper()
	c.must(c.pc.SetRemoteDescription(pion.SessionDescription{Type: pion.SDPTypeOffer, SDP: string(offer)}))
	a, err := c.pc.CreateAnswer(nil)
	c.must(err)
	return c.gather(a, "sendrecv")
}

// call is a call between the two, offered by either; it returns when the audio
// is up on both sides.
func (c *chrome) call(p *webrtc.Port, weOffer bool) {
	c.t.Helper()
	if weOffer {
		offer, err := p.Offer()
		c.must(err)
		c.pt = 101
		c.must(p.Accept(c.answer(offer)))
	} else {
		c.negotiate(p, "sendrecv", false)
	}
	c.connected(p)
}

func (c *chrome) connected(p *webrtc.Port) {
	c.t.Helper()
	defer func() {
		if c.t.Failed() {
			c.t.Logf("the browser is %v, ICE is %v, DTLS is %v", c.pc.ConnectionState(), c.pc.ICEConnectionState(), c.pc.SCTP().Transport().State())
		}
	}()
	eventually(c.t, "connection", func() bool { return c.pc.ConnectionState() == pion.PeerConnectionStateConnected })
	c.must(p.Play(context.Background(), nil)) // waits until our side is up too
}

// WriteRTP says a packet to the exchange.
func (c *chrome) WriteRTP(p *media.Packet) {
	pt := c.talk.PayloadType()
	if p.Event {
		pt = c.pt
	} else if c.talk == media.PCMU {
		g711.ToMuLaw(p.Payload())
	}
	h := rtp.Header{Version: 2, PayloadType: pt, SSRC: c.ssrc, Marker: p.Marker, SequenceNumber: p.Seq, Timestamp: p.Time}
	_, _ = c.out.WriteRTP(&h, p.Payload())
}

func (c *chrome) Bind(ctx pion.TrackLocalContext) (pion.RTPCodecParameters, error) {
	c.out = ctx.WriteStream()
	for _, codec := range ctx.CodecParameters() {
		if slices.Contains([]string{pion.MimeTypePCMA, pion.MimeTypePCMU, pion.MimeTypeOpus}, codec.MimeType) {
			return codec, nil
		}
	}
	return pion.RTPCodecParameters{}, pion.ErrUnsupportedCodec
}
func (c *chrome) Unbind(pion.TrackLocalContext) error { return nil }
func (c *chrome) ID() string                          { return "mic" }
func (c *chrome) RID() string                         { return "" }
func (c *chrome) StreamID() string                    { return "chrome" }
func (c *chrome) Kind() pion.RTPCodecType             { return pion.RTPCodecTypeAudio }

// record keeps what is said to it: the audio as A-law, whatever it came as, and
// the events.
type record struct {
	mu      sync.Mutex
	packets int
	alaw    []byte
	types   map[uint8]int // packets by payload type, 8, 0 or the events'
	events  [][]byte
	stamps  []uint32     // of the events
	headers []rtp.Header // of all, where it is the browser's
	ssrcs   map[uint32]bool
	reports []rtcp.Packet
}

// rtcp keeps the reports it reads until there are no more.
func (r *record) rtcp(read func() ([]rtcp.Packet, interceptor.Attributes, error)) {
	for {
		packets, _, err := read()
		if err != nil {
			return
		}
		r.mu.Lock()
		r.reports = append(r.reports, packets...)
		r.mu.Unlock()
	}
}

func (r *record) add(pt uint8, ssrc, stamp uint32, payload []byte) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.types == nil {
		r.types, r.ssrcs = make(map[uint8]int), make(map[uint32]bool)
	}
	r.packets++
	r.types[pt]++
	r.ssrcs[ssrc] = true
	payload = append([]byte(nil), payload...)
	switch pt {
	case 0:
		g711.ToALaw(payload)
		fallthrough
	case 8:
		r.alaw = append(r.alaw, payload...)
	default:
		r.events, r.stamps = append(r.events, payload), append(r.stamps, stamp)
	}
}

func (r *record) rtp(p *rtp.Packet) {
	r.add(p.PayloadType, p.SSRC, p.Timestamp, p.Payload)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.headers = append(r.headers, p.Header)
}

// WriteRTP makes the record a sink.
func (r *record) WriteRTP(p *media.Packet) {
	pt := p.Codec.PayloadType()
	if p.Event {
		pt = 101
	}
	r.add(pt, p.Source, p.Time, p.Payload())
}

func (r *record) count() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.packets
}

// kinds are the packets heard, by payload type.
func (r *record) kinds() map[uint8]int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return maps.Clone(r.types)
}

// sources are those heard.
func (r *record) sources() []uint32 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Collect(maps.Keys(r.ssrcs))
}

// sound is the audio heard.
func (r *record) sound() []byte {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.alaw)
}

func (r *record) forget() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.packets, r.alaw, r.events, r.stamps, r.types = 0, nil, nil, nil, nil
}

// tone waits until the last 200 ms are nothing but this frequency.
func (r *record) tone(t testing.TB, who string, hz float64) {
	t.Helper()
	const window = media.Rate / 5
	eventually(t, who, func() bool {
		heard := r.sound()
		return len(heard) >= window && power(heard[len(heard)-window:], hz) > 0.95
	})
}

// power is the share of one frequency in a piece of A-law, 0 to 1 (Goertzel).
func power(alaw []byte, hz float64) float64 {
	var re, im, all float64
	for i, b := range alaw {
		s := float64(g711.DecodeALaw(b))
		w := 2 * math.Pi * hz * float64(i) / media.Rate
		re, im, all = re+s*math.Cos(w), im+s*math.Sin(w), all+s*s
	}
	if all == 0 {
		return 0
	}
	return 2 * (re*re + im*im) / (float64(len(alaw)) * all)
}

func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(deadline); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("no %s within %v", what, deadline)
		}
	}
}

// saying plays a tone until the test ends or stop is called.
func saying(t testing.TB, hz float64, play func(context.Context, media.Speech) error) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	tone := media.Tone("tone", []float64{hz}, 10*time.Second)
	go func() {
		defer close(done)
		for play(ctx, media.Speech{tone}) == nil {
		}
	}()
	stop = sync.OnceFunc(func() {
		cancel()
		<-done
	})
	t.Cleanup(stop)
	return stop
}

// bothWays proves the audio by its content.
func bothWays(t testing.TB, c *chrome, p *webrtc.Port) {
	t.Helper()
	clock := media.NewClock()
	defer clock.Close()
	var ours record
	p.Plug(&ours)
	defer p.Plug(nil)
	c.forget()
	quiet := saying(t, 440, func(ctx context.Context, s media.Speech) error { return clock.Play(ctx, c, s) })
	defer quiet()
	silent := saying(t, 1000, p.Play)
	defer silent()
	ours.tone(t, "440 Hz from the browser", 440)
	c.tone(t, "1000 Hz in the browser", 1000)
}
