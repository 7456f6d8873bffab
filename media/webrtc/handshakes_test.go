package webrtc

import (
	"context"
	"crypto"
	"crypto/x509"
	"net/netip"
	"strings"
	"testing"

	"github.com/pion/dtls/v3/pkg/crypto/fingerprint"
	"github.com/pion/transport/v4/packetio"
)

// pieceOf is a piece of a client's ClientHello, from an offset on.
func pieceOf(client, seq, length, offset byte, body ...byte) []byte {
	if offset == 0 {
		random := [32]byte{client}
		body = append(append([]byte{254, 253}, random[:]...), body...)
	}
	size := byte(len(body))
	return append([]byte{handshake, 254, 253, 0, 0, 0, 0, 0, 0, 0, 0, 0, messageHeader + size,
		clientHello, 0, 0, length, 0, seq, 0, 0, offset, 0, 0, size}, body...)
}

// began is a port's handshakes with those clients' begun, in their order, which nobody
// deals with.
func began(t *testing.T, clients ...byte) *handshakes {
	t.Helper()
	h := &newPort(&Browsers{sieve: &sieve{closed: true}}).handshakes
	h.begin(false, "")
	for _, client := range clients {
		a := &attempt{of: h, in: packetio.NewBuffer(), hello: hello{random: [32]byte{client}}}
		a.ctx, a.cancel = context.WithCancel(t.Context())
		h.attempts = append(h.attempts, a)
	}
	return h
}

// heard is what waits for each of the handshakes, by client.
func heard(h *handshakes) map[byte]int {
	all := make(map[byte]int)
	for _, a := range h.attempts {
		all[a.hello.random[0]] = a.in.Count()
	}
	return all
}

var anywhere = netip.MustParseAddrPort("192.0.2.1:5000")

func TestPiecesOfAClientHelloReachTheHandshakeOfTheirClient(t *testing.T) {
	h := began(t, 1, 2)
	for _, b := range [][]byte{
		pieceOf(0, 0, 60, 34, 1, 2),            // comes before its beginning
		pieceOf(1, 0, 60, 0),                   // … which takes it along
		pieceOf(0, 0, 60, 36, 3, 4),            // goes on
		pieceOf(2, 0, 70, 0),                   // another client's
		pieceOf(0, 0, 70, 34, 5),               // …
		pieceOf(0, 1, 60, 34, 6),               // of another message, nobody's
		pieceOf(1, 0, 60, 0)[:recordHeader+20], // breaks off
		{handshake, 254, 253, 0, 0, 0, 0, 0, 0, 0, 0, 0, 12, 16, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0}, // no ClientHello
	} {
		h.take(b, anywhere)
	}
	if got := heard(h); got[1] != 3 || got[2] != 2 {
		t.Errorf("datagrams heard, by client: %v", got)
	}
	for range 2 * maxLoose {
		h.take(pieceOf(0, 7, 60, 34, 1), anywhere)
	}
	if len(h.loose) != maxLoose {
		t.Errorf("%d pieces of nobody are kept", len(h.loose))
	}
}

func TestWhoShowsTheCookieIsTheBrowser(t *testing.T) {
	h := began(t, 1, 2, 3)
	first, last := h.attempts[0], h.attempts[2]
	asks, answers, refuses := make([]byte, recordHeader+messageHeader), make([]byte, recordHeader+messageHeader), []byte{alert, 254, 253, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 2, 40}
	asks[0], asks[recordHeader] = handshake, helloVerifyRequest
	answers[0], answers[recordHeader] = handshake, serverHello
	if h.lets(first, asks) || !h.lets(last, asks) {
		t.Error("not the last who asked gets a cookie")
	}
	h.take(pieceOf(1, 0, 60, 0), anywhere) // asks again
	if !h.lets(first, asks) || h.lets(last, asks) {
		t.Error("who asks again gets none")
	}
	if h.lets(first, refuses) {
		t.Error("the browser hears what we think of another's ClientHello")
	}
	if !h.lets(first, answers) || h.lets(last, answers) || h.lets(last, asks) || !h.lets(first, refuses) {
		t.Error("not only who showed the cookie is answered")
	}
	for _, a := range h.attempts {
		if over := a.ctx.Err() != nil; over != (a != first) {
			t.Errorf("the handshake of client %d is over: %v", a.hello.random[0], over)
		}
	}
	h.take(pieceOf(9, 0, 60, 0), anywhere) // comes too late
	if len(h.attempts) != 3 {
		t.Error("another handshake began")
	}
	h.take([]byte{handshake, 254, 253, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1, 0}, anywhere)
	if got := heard(h); got[1] != 2 || got[2]+got[3] != 0 {
		t.Errorf("datagrams heard, by client: %v", got)
	}
}

func TestAHandshakeThatHadToMakeRoomSaysNothing(t *testing.T) {
	h := began(t, 1)
	gone := h.attempts[0]
	h.attempts = nil // and those it made room for have ended, too
	asks := make([]byte, recordHeader+messageHeader)
	asks[0], asks[recordHeader] = handshake, helloVerifyRequest
	if h.lets(gone, asks) {
		t.Error("it asks for a cookie")
	}
	if h.take(pieceOf(2, 1, 60, 0), anywhere); len(h.attempts) != 0 {
		t.Error("a handshake begins in its middle")
	}
}

func TestHandshakesOfOneBrowserAreFew(t *testing.T) {
	b := &Browsers{sieve: &sieve{closed: true}}
	if err := b.identify(); err != nil {
		t.Fatal(err)
	}
	h := &newPort(b).handshakes
	h.begin(false, b.fingerprint)
	for client := range byte(100) {
		h.take(pieceOf(client, 0, 60, 0), anywhere)
		h.mu.Lock()
		if len(h.attempts) > maxAttempts {
			t.Errorf("%d handshakes", len(h.attempts))
		}
		if last := h.attempts[len(h.attempts)-1]; last.hello.random[0] != client {
			t.Errorf("client %d was not heard", client)
		}
		h.mu.Unlock()
	}
	h.close()
	if h.take(pieceOf(200, 0, 60, 0), anywhere); len(h.attempts) != 0 {
		t.Errorf("%d handshakes when all is closed", len(h.attempts))
	}
}

func TestACertificateIsTheOneOfTheSDPOrIsRefused(t *testing.T) {
	var b, other Browsers
	if err := b.identify(); err != nil {
		t.Fatal(err)
	}
	if err := other.identify(); err != nil {
		t.Fatal(err)
	}
	long, err := fingerprint.Fingerprint(&x509.Certificate{Raw: b.certificate.Certificate[0]}, crypto.SHA512)
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		chain [][]byte
		print string
		ok    bool
	}{
		"its own":             {b.certificate.Certificate, b.fingerprint, true},
		"in capitals":         {b.certificate.Certificate, strings.ToUpper(b.fingerprint), true},
		"by another hash":     {b.certificate.Certificate, "sha-512 " + long, true},
		"by a wrong hash":     {b.certificate.Certificate, "sha-384 " + long, false},
		"by no hash":          {b.certificate.Certificate, "sha-0 " + long, false},
		"of another":          {b.certificate.Certificate, other.fingerprint, false},
		"another certificate": {other.certificate.Certificate, b.fingerprint, false},
		"no certificate":      {nil, b.fingerprint, false},
		"nonsense":            {[][]byte{{1, 2}}, b.fingerprint, false},
		"an empty print":      {b.certificate.Certificate, "", false},
	} {
		if err := identified(c.chain, c.print); (err == nil) != c.ok {
			t.Errorf("%s: %v", name, err)
		}
	}
}
