// Package webrtc is the audio of a browser: a media.Port over ICE and DTLS, which
// pion does, and SRTP. It reads and writes the SDP itself and lets pion see
// no more of it than the transport needs. It knows nothing of SIP or of who is
// calling whom, and it does not log.
package webrtc

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"maps"
	"math/big"
	"net"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/pion/dtls/v3"
	"github.com/pion/ice/v4"
	"github.com/pion/interceptor"
	"github.com/pion/transport/v4/stdnet"
	"github.com/pion/webrtc/v4"

	"cabline/media"
	"cabline/media/wire"
)

const (
	// The one socket of all browsers holds this much, some 100 ms of 500 calls.
	socketBuffer = 2 << 20

	// A browser that crashed is noticed by its silence: ICE is disconnected
	// after the first and has failed after the second on top. A laptop that
	// changes from cable to radio takes some seconds.
	iceDisconnected = 5 * time.Second
	iceFailed       = 15 * time.Second
	iceKeepalive    = 2 * time.Second

	certificateLife = 10 * 365 * 24 * time.Hour // pion's own ends after a month, our process need not
)

// Config is where browsers reach us.
type Config struct {
	Addr   netip.AddrPort // the UDP port of all browsers; port 0: any free one
	Public netip.Addr     // offered to browsers besides our own addresses; zero: none
	Clock  *media.Clock   // paces what is played and pressed
	Wire   wire.Wire      // carries the packets; nil: one of our own

	// InbandDigits has keys looked for in the sound too, for clients who send no
	// events; every browser does.
	InbandDigits bool

	Codecs []media.Codec // best first; none: PCMA and PCMU
}

// Browsers is the UDP port that all browsers share.
type Browsers struct {
	clock       *media.Clock
	inband      bool
	own         wire.Wire // nil: the wire is another's
	mux         *ice.UDPMuxDefault
	sieve       *sieve
	settings    webrtc.SettingEngine
	ours        []media.Codec
	codecs      *webrtc.MediaEngine
	certificate webrtc.Certificate
	fingerprint string // "sha-256 AB:CD:…"

	quit, done chan struct{} // of the goroutine that reports

	mu     sync.Mutex
	ports  map[*Port]struct{}
	closed bool
}

// Listen opens the port for browsers.
func Listen(c Config) (*Browsers, error) {
	b := &Browsers{clock: c.Clock, inband: c.InbandDigits, ports: make(map[*Port]struct{}), codecs: new(webrtc.MediaEngine)}
	if b.ours = c.Codecs; len(b.ours) == 0 {
		b.ours = []media.Codec{media.PCMA, media.PCMU}
	}
	if err := b.identify(); err != nil {
		return nil, fmt.Errorf("make a certificate for browsers: %w", err)
	}
	pcma := webrtc.RTPCodecCapability{MimeType: webrtc.MimeTypePCMA, ClockRate: media.Rate}
	if err := b.codecs.RegisterCodec(webrtc.RTPCodecParameters{RTPCodecCapability: pcma, PayloadType: 8}, webrtc.RTPCodecTypeAudio); err != nil {
		return nil, fmt.Errorf("register %s: %w", pcma.MimeType, err)
	}
	if err := b.tune(c); err != nil {
		return nil, err
	}
	w := c.Wire
	if w == nil {
		var err error
		if w, err = wire.New(1); err != nil {
			return nil, fmt.Errorf("listen for browsers: %w", err)
		}
		b.own = w
	}
	b.sieve = newSieve()
	var err error
	if b.sieve.socket, err = w.Open(c.Addr, b.sieve, socketBuffer); err != nil {
		if b.own != nil {
			b.own.Close()
		}
		return nil, fmt.Errorf("listen for browsers: %w", err)
	}
	b.mux = ice.NewUDPMuxDefault(ice.UDPMuxParams{UDPConn: b.sieve, Logger: quiet{}})
	b.settings.SetICEUDPMux(b.mux)
	b.quit, b.done = make(chan struct{}), make(chan struct{})
	go b.reportAll()
	return b, nil
}

// identify makes the certificate of all our legs.
func (b *Browsers) identify() error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return err
	}
	cert, err := webrtc.NewCertificate(key, x509.Certificate{
		SerialNumber: serial,
		Subject:      pkix.Name{CommonName: "WebRTC"},
		NotBefore:    time.Now().Add(-24 * time.Hour),
		NotAfter:     time.Now().Add(certificateLife),
	})
	if err != nil {
		return err
	}
	prints, err := cert.GetFingerprints()
	if err != nil {
		return err
	}
	b.certificate, b.fingerprint = *cert, prints[0].Algorithm+" "+prints[0].Value
	return nil
}

// tune sets pion up for one audio with few goroutines and little memory.
func (b *Browsers) tune(c Config) error {
	s := &b.settings
	s.LoggerFactory = quiet{}
	s.SetICEMulticastDNSMode(ice.MulticastDNSModeDisabled)
	s.SetICETimeouts(iceDisconnected, iceFailed, iceKeepalive)
	s.SetSRTPProtectionProfiles(dtls.SRTP_AEAD_AES_128_GCM, dtls.SRTP_AES128_CM_HMAC_SHA1_80)
	s.DisableActiveTCP(true)
	s.SetFireOnTrackBeforeFirstRTP(true) // or a goroutine would wait to look at the first packet
	s.SetIncludeLoopbackCandidate(c.Addr.Addr().IsLoopback())
	networks := []webrtc.NetworkType{webrtc.NetworkTypeUDP4}
	if !c.Addr.Addr().Is4() {
		networks = append(networks, webrtc.NetworkTypeUDP6)
	}
	s.SetNetworkTypes(networks)
	ours, err := stdnet.NewNet() // or each call would list the machine's interfaces and keep the list
	if err != nil {
		return fmt.Errorf("list our network interfaces: %w", err)
	}
	s.SetNet(ours)
	// As the client of DTLS we would change roles at the first re-INVITE, which
	// Chrome takes for a new connection.
	if err := s.SetAnsweringDTLSRole(webrtc.DTLSRoleServer); err != nil {
		return fmt.Errorf("set the DTLS role: %w", err)
	}
	if !c.Public.IsValid() {
		return nil
	}
	err = s.SetICEAddressRewriteRules(webrtc.ICEAddressRewriteRule{
		External:        []string{c.Public.String()},
		AsCandidateType: webrtc.ICECandidateTypeHost,
		Mode:            webrtc.ICEAddressRewriteAppend, // operators in the office come by the other
	})
	if err != nil {
		return fmt.Errorf("public address %s: %w", c.Public, err)
	}
	return nil
}

// Addr is where the port listens.
func (b *Browsers) Addr() netip.AddrPort {
	return b.mux.LocalAddr().(*net.UDPAddr).AddrPort()
}

// Open makes a port for one browser's call. Close it when the call is over.
func (b *Browsers) Open() (*Port, error) {
	p := newPort(b)
	settings := b.settings
	settings.BufferFactory = p.streams
	settings.SetDTLSServerHelloMessageHook(p.secrets.greet)
	settings.SetDTLSKeyLogWriter(&p.secrets)
	api := webrtc.NewAPI(
		webrtc.WithMediaEngine(b.codecs),
		webrtc.WithSettingEngine(settings),
		webrtc.WithInterceptorRegistry(&interceptor.Registry{}), // no NACK, no reports: 20 ms are not worth repeating
	)
	var err error
	p.pc, err = api.NewPeerConnection(webrtc.Configuration{
		Certificates: []webrtc.Certificate{b.certificate},
		BundlePolicy: webrtc.BundlePolicyMaxBundle,
	})
	if err != nil {
		return nil, fmt.Errorf("open a browser's port: %w", err)
	}
	p.pc.OnConnectionStateChange(p.changed)
	p.pc.OnICECandidate(p.found)
	transceiver, err := p.pc.AddTransceiverFromTrack(&p.voice)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open a browser's port: %w", err), p.Close())
	}
	ssrc := uint32(transceiver.Sender().GetParameters().Encodings[0].SSRC)
	p.voice.begin(ssrc)
	p.ear.ssrc = ssrc
	p.local = newLocal(ssrc, b.fingerprint, b.ours)

	b.mu.Lock()
	closed := b.closed
	if !closed {
		b.ports[p] = struct{}{}
	}
	b.mu.Unlock()
	if closed {
		return nil, errors.Join(ErrClosed, p.Close())
	}
	return p, nil
}

func (b *Browsers) forget(p *Port) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.ports, p)
	b.sieve.forget(p)
}

// reportAll sends the RTCP reports of all ports.
func (b *Browsers) reportAll() {
	defer close(b.done)
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case <-b.quit:
			return
		case now := <-tick.C:
			b.mu.Lock()
			ports := slices.Collect(maps.Keys(b.ports))
			b.mu.Unlock()
			for _, p := range ports {
				p.reportWhenDue(now)
			}
		}
	}
}

// Close closes the ports that are still open, and the socket.
func (b *Browsers) Close() error {
	b.mu.Lock()
	if !b.closed {
		close(b.quit)
	}
	b.closed = true
	ports := slices.Collect(maps.Keys(b.ports))
	b.mu.Unlock()
	<-b.done
	var errs []error
	for _, p := range ports {
		errs = append(errs, p.Close())
	}
	errs = append(errs, b.mux.Close())
	if b.own != nil {
		b.own.Close()
	}
	return errors.Join(errs...)
}
