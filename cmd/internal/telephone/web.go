package telephone

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"sync"

	"github.com/coder/websocket"
	"github.com/icholy/digest"
	"github.com/pion/ice/v4"
	"github.com/pion/interceptor"
	"github.com/pion/rtcp"
	"github.com/pion/rtp"
	"github.com/pion/webrtc/v4"

	"cabline/cmd/internal/siptext"
)

// A phone as a browser has it: SIP over WebSocket (RFC 7118), audio over ICE
// and DTLS-SRTP (RFC 8835), a login.

// dialWeb opens the WebSocket of a phone.
func (p *Phone) dialWeb(ctx context.Context) error {
	dialer := &net.Dialer{LocalAddr: net.TCPAddrFromAddrPort(p.opt.Listen)}
	transport := &http.Transport{DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
		conn, err := dialer.DialContext(ctx, network, addr)
		if err == nil {
			p.self = conn.LocalAddr().(*net.TCPAddr).AddrPort()
		}
		return conn, err
	}}
	//nolint:bodyclose // the library: "You never need to close resp.Body yourself"
	conn, _, err := websocket.Dial(ctx, fmt.Sprintf("ws://%s/ws", p.opt.Server), &websocket.DialOptions{
		HTTPClient: &http.Client{Transport: transport}, Subprotocols: []string{"sip"}})
	if err != nil {
		return fmt.Errorf("open phone: %w", err)
	}
	conn.SetReadLimit(siptext.MaxSize)
	p.web = conn
	p.workers.Go(func() {
		for {
			_, raw, err := conn.Read(context.Background())
			if err != nil {
				return
			}
			p.take(raw, nil, p.opt.Server)
		}
	})
	return nil
}

// Register logs the phone in, so that it is called.
func (p *Phone) Register(ctx context.Context) error {
	id, tag, challenge := token(), token(), (*siptext.Message)(nil)
	p.mu.Lock()
	answers := make(chan *siptext.Message, 8)
	p.replies[id] = answers
	p.mu.Unlock()
	uri := "sip:" + p.opt.Server.Addr().String()
	who := fmt.Sprintf("<sip:%s@%s>", p.opt.Number, p.opt.Server.Addr())
	for seq := 1; seq <= 2; seq++ {
		m := siptext.Request("REGISTER", uri).
			Add("Via", fmt.Sprintf("SIP/2.0/WS %s;branch=z9hG4bK%s", p.self, token())).Add("Max-Forwards", "70").
			Add("From", who+";tag="+tag).Add("To", who).Add("Call-ID", id).Add("CSeq", fmt.Sprint(seq, " REGISTER")).
			Add("Contact", fmt.Sprintf("<sip:%s@%s;transport=ws>", p.opt.Number, p.self)).Add("Expires", "600")
		if challenge != nil {
			if err := p.authorize(m, challenge); err != nil {
				return err
			}
		}
		p.mu.Lock()
		err := p.send(m, p.opt.Server)
		p.mu.Unlock()
		if err != nil {
			return fmt.Errorf("register: %w", err)
		}
		select {
		case challenge = <-answers:
		case <-ctx.Done():
			return fmt.Errorf("register: %w", context.Cause(ctx))
		}
		if challenge.Status() == 200 {
			return nil
		}
	}
	return fmt.Errorf("register: %s", challenge.Start)
}

// authorize answers a challenge (RFC 3261 §22).
func (p *Phone) authorize(m, challenge *siptext.Message) error {
	asked, answer := "WWW-Authenticate", "Authorization"
	if challenge.Status() == 407 {
		asked, answer = "Proxy-Authenticate", "Proxy-Authorization"
	}
	c, err := digest.ParseChallenge(challenge.Value(asked))
	if err != nil {
		return fmt.Errorf("challenge: %w", err)
	}
	credentials, err := digest.Digest(c, digest.Options{Method: m.Method(), URI: m.RequestURI(), Username: p.opt.Number, Password: p.opt.Password})
	if err != nil {
		return fmt.Errorf("challenge: %w", err)
	}
	m.Add(answer, credentials.String())
	return nil
}

// again sends the INVITE of a call as it was asked for: with a password. p.mu is
// held.
func (c *Call) again(challenge *siptext.Message) error {
	c.cseq++
	m := c.request("INVITE", c.cseq)
	m.Body = c.Invite.Body
	m.Add("Content-Type", "application/sdp")
	if err := c.phone.authorize(m, challenge); err != nil {
		return err
	}
	c.Invite, c.sent, c.settled, c.status = m, m, make(chan struct{}), nil
	return c.phone.repeat(m, c.peer, c.settled)
}

// secure is audio over ICE and DTLS-SRTP.
type secure struct {
	pc      *webrtc.PeerConnection
	voice   *webrtc.TrackLocalStaticRTP
	mux     io.Closer
	readers sync.WaitGroup
}

func openWeb(s *sound, host netip.Addr) (*secure, error) {
	var codecs webrtc.MediaEngine
	alaw := webrtc.RTPCodecCapability{MimeType: webrtc.MimeTypePCMA, ClockRate: rate}
	err := codecs.RegisterCodec(webrtc.RTPCodecParameters{RTPCodecCapability: alaw, PayloadType: 8}, webrtc.RTPCodecTypeAudio)
	if err != nil {
		return nil, fmt.Errorf("open audio: %w", err)
	}
	var settings webrtc.SettingEngine
	settings.SetIncludeLoopbackCandidate(true)
	settings.SetICEMulticastDNSMode(ice.MulticastDNSModeDisabled)
	settings.SetNetworkTypes([]webrtc.NetworkType{webrtc.NetworkTypeUDP4})
	socket, err := net.ListenUDP("udp4", net.UDPAddrFromAddrPort(netip.AddrPortFrom(host, 0)))
	if err != nil {
		return nil, fmt.Errorf("open audio: %w", err)
	}
	mux := webrtc.NewICEUDPMux(nil, socket) // any address of loopback will do, which no interface names
	settings.SetICEUDPMux(mux)
	api := webrtc.NewAPI(webrtc.WithMediaEngine(&codecs), webrtc.WithSettingEngine(settings), webrtc.WithInterceptorRegistry(&interceptor.Registry{}))
	w := &secure{mux: mux}
	if w.pc, err = api.NewPeerConnection(webrtc.Configuration{}); err != nil {
		return nil, fmt.Errorf("open audio: %w", err)
	}
	if w.voice, err = webrtc.NewTrackLocalStaticRTP(alaw, "voice", "phone"); err != nil {
		return nil, fmt.Errorf("open audio: %w", err)
	}
	sender, err := w.pc.AddTrack(w.voice)
	if err != nil {
		return nil, fmt.Errorf("open audio: %w", err)
	}
	control := func(b []byte) { s.record(false, "RTCP", b) }
	w.readers.Go(func() { read(sender.Read, control) })
	w.pc.OnTrack(func(track *webrtc.TrackRemote, receiver *webrtc.RTPReceiver) {
		w.readers.Go(func() { read(track.Read, s.hear) })
		w.readers.Go(func() { read(receiver.Read, control) })
	})
	return w, nil
}

func read[A any](from func([]byte) (int, A, error), take func([]byte)) {
	buf := make([]byte, 2048)
	for {
		n, _, err := from(buf)
		if err != nil {
			return
		}
		take(buf[:n])
	}
}

// describe is nil where there is nothing to be answered.
func (w *secure) describe(a siptext.Audio, _ int, answers bool) []byte {
	var own webrtc.SessionDescription
	var err error
	if answers {
		own, err = w.pc.CreateAnswer(nil)
	} else {
		own, err = w.pc.CreateOffer(nil)
	}
	gathered := webrtc.GatheringCompletePromise(w.pc)
	if err != nil || w.pc.SetLocalDescription(own) != nil {
		return nil
	}
	<-gathered
	text := w.pc.LocalDescription().SDP
	if a.Direction != "" {
		text = strings.Replace(text, "a=sendrecv", "a="+a.Direction, 1)
	}
	return []byte(text)
}

func (w *secure) agree(body []byte, answers bool) {
	kind := webrtc.SDPTypeOffer
	if answers {
		kind = webrtc.SDPTypeAnswer
	}
	_ = w.pc.SetRemoteDescription(webrtc.SessionDescription{Type: kind, SDP: string(body)}) // what goes wrong is heard
}

func (w *secure) write(packet []byte, _ netip.AddrPort, canary string) []byte {
	packet = extend(slices.Clone(packet), canary)
	var p rtp.Packet
	if p.Unmarshal(packet) != nil || w.voice.WriteRTP(&p) != nil {
		return packet
	}
	if canary != "" && p.SequenceNumber%50 == 0 {
		if reports, err := rtcp.Unmarshal(report(binary.BigEndian.Uint32(packet[8:]), canary)); err == nil {
			_ = w.pc.WriteRTCP(reports)
		}
	}
	return packet
}

func (w *secure) close() {
	_ = w.pc.GracefulClose()
	_ = w.mux.Close()
	w.readers.Wait()
}
