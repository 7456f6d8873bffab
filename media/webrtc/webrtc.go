// Package webrtc is the audio of a browser: a media.Port over ICE and DTLS, both of
// which pion does, and SRTP. It reads and writes the SDP itself and lets pion see
// no more of it than the transport needs. It knows nothing of SIP or of who is
// calling whom, and it does not log.
package webrtc

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"maps"
	"math/big"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/pion/dtls/v3/pkg/crypto/fingerprint"
	"github.com/pion/ice/v4"
	"github.com/pion/transport/v4/stdnet"
	"github.com/pion/webrtc/v4"

	"cabline/media"
	"cabline/media/faults"
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

	certificateLife = 10 * 365 * 24 * time.Hour // our process need not end before
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
	line        faults.Line
	clock       *media.Clock
	inband      bool
	own         wire.Wire // nil: the wire is another's
	mux         *ice.UDPMuxDefault
	sieve       *sieve
	settings    webrtc.SettingEngine
	ours        []media.Codec
	certificate tls.Certificate
	fingerprint string // "sha-256 AB:CD:…"

	quit, done chan struct{} // of the goroutine that reports

	mu     sync.Mutex
	ports  map[*Port]struct{}
	closed bool
}

// Listen opens the port for browsers.
func Listen(c Config) (*Browsers, error) {
	b := &Browsers{clock: c.Clock, inband: c.InbandDigits, ports: make(map[*Port]struct{})}
	if b.ours = c.Codecs; len(b.ours) == 0 {
		b.ours = []media.Codec{media.PCMA, media.PCMU}
	}
	if err := b.identify(); err != nil {
		return nil, fmt.Errorf("make a certificate for browsers: %w", err)
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
	template := &x509.Certificate{
		SerialNumber: serial,
		Subject:      pkix.Name{CommonName: "WebRTC"},
		NotBefore:    time.Now().Add(-24 * time.Hour),
		NotAfter:     time.Now().Add(certificateLife),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return err
	}
	digest, err := fingerprint.Fingerprint(&x509.Certificate{Raw: der}, crypto.SHA256)
	if err != nil {
		return err
	}
	b.certificate, b.fingerprint = tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, "sha-256 "+strings.ToUpper(digest) // RFC 8122 §5
	return nil
}

// tune sets pion's ICE up.
func (b *Browsers) tune(c Config) error {
	s := &b.settings
	s.LoggerFactory = quiet{}
	s.SetICEMulticastDNSMode(ice.MulticastDNSModeDisabled)
	s.SetICETimeouts(iceDisconnected, iceFailed, iceKeepalive)
	s.DisableActiveTCP(true)
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

// Report has panics in our part of a port reported to a desk, and of a wire of our
// own. The port that has panicked is lost.
func (b *Browsers) Report(to *faults.Desk) {
	b.line.Report(to)
	if b.own != nil {
		b.own.Report(to)
	}
}

// Addr is where the port listens.
func (b *Browsers) Addr() netip.AddrPort {
	return b.mux.LocalAddr().(*net.UDPAddr).AddrPort()
}

// Open makes a port for one browser's call. Close it when the call is over.
func (b *Browsers) Open() (*Port, error) {
	p := newPort(b)
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
			b.report(now)
		}
	}
}

// report sends those that are due.
func (b *Browsers) report(now time.Time) {
	b.mu.Lock()
	ports := slices.Collect(maps.Keys(b.ports))
	b.mu.Unlock()
	b.line.Each(len(ports), func(i int) { ports[i].reportWhenDue(now) }, func(i int) { ports[i].hurt() })
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
