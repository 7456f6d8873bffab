package webrtc

import (
	"context"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/pion/dtls/v3"
	"github.com/pion/dtls/v3/pkg/crypto/fingerprint"
	"github.com/pion/transport/v4/packetio"
)

const (
	maxAttempts  = 8                // handshakes begun by ClientHellos of one browser's address
	maxLoose     = 16               // pieces of ClientHellos whose beginning has not come yet
	maxWaiting   = 64               // datagrams that wait for a handshake
	handshakeFor = 30 * time.Second // from the moment there is a way to the browser
)

// handshakes make the keys of a browser's audio (RFC 5764); DTLS itself is pion's.
//
// Whoever can write the browser's address on a packet can begin a handshake. So each
// ClientHello gets one of its own, until one of them brings the cookie back that went
// to that address (RFC 6347 §4.2.1): that is the browser, and all others end.
type handshakes struct {
	port   *Port
	ctx    context.Context
	cancel context.CancelFunc
	work   sync.WaitGroup
	late   *time.Timer // tells of a browser that is there but agrees on no keys

	mu       sync.Mutex
	begun    bool
	client   bool       // it is we who say ClientHello
	peer     string     // fingerprint of the browser's certificate
	attempts []*attempt // in the order of their last ClientHello
	chosen   *attempt   // the browser; nil: not known yet
	loose    [][]byte
}

// attempt is one handshake, and the network of its DTLS.
type attempt struct {
	of     *handshakes
	ctx    context.Context
	cancel context.CancelFunc
	conn   *dtls.Conn
	in     *packetio.Buffer
	hello  hello // of the last piece that had a beginning
}

func (h *handshakes) prepare(p *Port) {
	h.port = p
	h.ctx, h.cancel = context.WithCancel(context.Background())
}

// begin lets handshakes with a browser begin, whose certificate has this fingerprint.
func (h *handshakes) begin(client bool, peer string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.begun, h.client, h.peer = true, client, peer
}

// reach is told that there is a way to the browser: as the client it is on us to
// begin.
func (h *handshakes) reach() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.begun && h.client && h.chosen == nil {
		h.chosen = h.try(hello{})
	}
}

// hurry gives the browser some time from now on.
func (h *handshakes) hurry() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.late == nil && h.ctx.Err() == nil {
		h.late = time.AfterFunc(handshakeFor, func() {
			select {
			case <-h.port.up:
			default:
				h.port.lose()
			}
		})
	}
}

// take takes a datagram of DTLS that came from where the browser may be.
func (h *handshakes) take(b []byte, from netip.AddrPort) {
	h.mu.Lock()
	defer h.mu.Unlock()
	said, is := readHello(b)
	switch {
	case is && (!h.begun || h.client): // it is nobody's to say
	case is && said.begins:
		h.port.way.CompareAndSwap(nil, &from) // there is no better one yet
		h.greet(b, said)
	case is: // a piece that goes on
		if h.loose = append(h.loose, slices.Clone(b)); len(h.loose) > maxLoose {
			h.loose = h.loose[1:]
		}
		for _, a := range h.attempts {
			a.hearMore(b, said)
		}
	case h.chosen != nil && message(b) != clientHello:
		h.chosen.hear(b)
	}
}

// greet takes a ClientHello, or the first piece of one. h.mu is held.
func (h *handshakes) greet(b []byte, said hello) {
	a := h.attemptOf(said)
	if a == nil {
		return
	}
	h.attempts = append(slices.DeleteFunc(h.attempts, a.is), a)
	a.hello = said
	a.hear(b)
	for _, piece := range h.loose {
		more, _ := readHello(piece)
		a.hearMore(piece, more)
	}
}

// attemptOf is the handshake of a ClientHello, a new one if need be; nil: there can be
// none. h.mu is held.
func (h *handshakes) attemptOf(said hello) *attempt {
	for _, a := range h.attempts {
		if a.hello.random == said.random {
			return a
		}
	}
	if h.chosen != nil || said.seq > 0 { // a handshake begins with number 0 (RFC 6347 §4.2.2)
		return nil
	}
	if len(h.attempts) == maxAttempts {
		h.attempts[0].cancel()
		h.attempts = slices.Delete(h.attempts, 0, 1)
	}
	return h.try(said)
}

// try begins a handshake. h.mu is held.
func (h *handshakes) try(said hello) *attempt {
	if h.ctx.Err() != nil {
		return nil
	}
	a := &attempt{of: h, in: packetio.NewBuffer(), hello: said}
	a.in.SetLimitCount(maxWaiting)
	var err error
	if h.client {
		a.conn, err = dtls.ClientWithOptions(a, nowhere{}, asClient(h.options())...)
	} else {
		a.conn, err = dtls.ServerWithOptions(a, nowhere{}, asServer(h.options())...)
	}
	if err != nil {
		return nil
	}
	a.ctx, a.cancel = context.WithCancel(h.ctx)
	h.attempts = append(h.attempts, a)
	h.work.Go(func() { h.port.alone(a.run) })
	return a
}

// options are what both sides of DTLS need. h.mu is held.
func (h *handshakes) options() []dtls.Option {
	peer := h.peer
	return []dtls.Option{
		dtls.WithCertificates(h.port.browsers.certificate),
		dtls.WithSRTPProtectionProfiles(dtls.SRTP_AEAD_AES_128_GCM, dtls.SRTP_AES128_CM_HMAC_SHA1_80),
		dtls.WithExtendedMasterSecret(dtls.RequestExtendedMasterSecret),
		dtls.WithInsecureSkipVerify(true), // nobody has signed them: the SDP says which one it is
		dtls.WithVerifyPeerCertificate(func(chain [][]byte, _ [][]*x509.Certificate) error { return identified(chain, peer) }),
		dtls.WithLoggerFactory(quiet{}),
	}
}

func asClient(options []dtls.Option) (all []dtls.ClientOption) {
	for _, o := range options {
		all = append(all, o)
	}
	return all
}

func asServer(options []dtls.Option) (all []dtls.ServerOption) {
	for _, o := range options {
		all = append(all, o)
	}
	return append(all, dtls.WithClientAuth(dtls.RequireAnyClientCert))
}

// identified compares a certificate with its fingerprint in the SDP (RFC 8122 §5).
func identified(chain [][]byte, peer string) error {
	name, digest, _ := strings.Cut(peer, " ")
	hash, err := fingerprint.HashFromString(strings.ToLower(name))
	if err != nil {
		return err
	}
	if len(chain) == 0 {
		return errors.New("no certificate")
	}
	certificate, err := x509.ParseCertificate(chain[0])
	if err != nil {
		return err
	}
	is, err := fingerprint.Fingerprint(certificate, hash)
	if err == nil && !strings.EqualFold(is, digest) {
		err = errors.New("the certificate is not the one of the SDP")
	}
	return err
}

// run is the goroutine of a handshake, and of what follows when it is the browser's.
func (a *attempt) run() {
	defer a.end()
	if a.conn.HandshakeContext(a.ctx) != nil || a.of.port.secure(a.conn, a.of.client) != nil {
		return
	}
	for none := make([]byte, 1); ; {
		if _, err := a.conn.Read(none); errors.Is(err, io.EOF) { // the browser said goodbye, or we did
			return
		}
	}
}

// end forgets a handshake that is over. With the browser's ends the call.
func (a *attempt) end() {
	a.cancel()
	_ = a.conn.Close()
	h := a.of
	h.mu.Lock()
	h.attempts = slices.DeleteFunc(h.attempts, a.is)
	chosen := h.chosen == a
	h.mu.Unlock()
	if chosen {
		h.port.lose()
	}
}

// close ends all handshakes, says goodbye to the browser, and waits.
func (h *handshakes) close() {
	h.cancel()
	h.mu.Lock()
	if h.late != nil {
		h.late.Stop()
	}
	all := slices.Clone(h.attempts)
	h.mu.Unlock()
	for _, a := range all {
		_ = a.conn.Close()
	}
	h.work.Wait()
}

// lets says whether an attempt may send something: the last who asked gets a cookie, and
// who has shown it, which DTLS answers with a ServerHello, gets all else. A browser takes
// the first cookie that comes, and an alert about another's ClientHello for its own.
func (h *handshakes) lets(a *attempt, b []byte) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	kind := message(b)
	if h.chosen == nil && kind == serverHello {
		h.chosen, h.loose = a, nil
		for _, other := range h.attempts {
			if other != a {
				other.cancel()
			}
		}
	}
	if last := len(h.attempts) - 1; h.chosen == nil && kind == helloVerifyRequest {
		return last >= 0 && a.is(h.attempts[last]) // one that had to make room may still write
	}
	return h.chosen == a
}

func (a *attempt) is(other *attempt) bool { return a == other }

// hear puts a datagram into the queue of an attempt; one too many is lost, as on the
// way.
func (a *attempt) hear(b []byte) { _, _ = a.in.Write(b) }

// hearMore hears a piece of a ClientHello if it belongs to what was heard.
func (a *attempt) hearMore(b []byte, said hello) {
	if said.seq == a.hello.seq && said.length == a.hello.length {
		a.hear(b)
	}
}

// ReadFrom and the rest make an attempt the net.PacketConn of its DTLS.
func (a *attempt) ReadFrom(b []byte) (int, net.Addr, error) {
	n, err := a.in.Read(b)
	return n, nowhere{}, err
}

func (a *attempt) WriteTo(b []byte, _ net.Addr) (int, error) {
	if a.of.lets(a, b) {
		a.of.port.write(b)
	}
	return len(b), nil
}

func (a *attempt) Close() error                      { return a.in.Close() }
func (a *attempt) LocalAddr() net.Addr               { return nowhere{} }
func (a *attempt) SetDeadline(t time.Time) error     { return a.in.SetReadDeadline(t) }
func (a *attempt) SetReadDeadline(t time.Time) error { return a.in.SetReadDeadline(t) }
func (*attempt) SetWriteDeadline(time.Time) error    { return nil } // nothing waits in a write

// nowhere is an address for DTLS, which need not know the browser's.
type nowhere struct{}

func (nowhere) Network() string { return "udp" }
func (nowhere) String() string  { return "browser" }
