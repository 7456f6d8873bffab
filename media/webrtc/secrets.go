package webrtc

import (
	"crypto/sha256"
	"crypto/sha512"
	"encoding/hex"
	"strings"
	"sync"
	"time"

	"github.com/pion/dtls/v3"
	"github.com/pion/dtls/v3/pkg/crypto/prf"
	"github.com/pion/dtls/v3/pkg/protocol/extension"
	messages "github.com/pion/dtls/v3/pkg/protocol/handshake"
	"github.com/pion/srtp/v3"

	own "cabline/media/srtp"
	"cabline/media/wire"
)

// secrets are the keys of a browser's SRTP, from pion's DTLS. We encrypt and decrypt
// by ourselves, right where packets are read and written: pion does so three
// goroutines later, and to wake those costs several times what all else does.
//
// Pion tells of the keys in two parts: the randoms with the ServerHello, the master
// secret as for a log of keys. As the client of DTLS we see no ServerHello; then
// there are none, and all audio goes through pion.
type secrets struct {
	known func() // told when the master secret is known

	mu     sync.Mutex
	hello  messages.MessageServerHello
	client []byte      // its random
	master []byte      // secret
	early  [][]byte    // packets that came before the handshake was over for us
	opener *own.Opener // nil: not yet, or pion decrypts
}

// maxEarly is how many packets wait for the end of a handshake: they follow right
// behind it, and it takes us milliseconds.
const maxEarly = 64

// greet is told of our ServerHello, which goes as it is.
func (s *secrets) greet(hello messages.MessageServerHello) messages.Message {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.hello = hello
	return &hello
}

// Write takes a line of a log of keys: its kind, the client's random and the master
// secret, in hex. The browser can say nothing before it returns.
func (s *secrets) Write(line []byte) (int, error) {
	if f := strings.Fields(string(line)); len(f) == 3 && f[0] == "CLIENT_RANDOM" {
		s.mu.Lock()
		s.client, _ = hex.DecodeString(f[1])
		s.master, _ = hex.DecodeString(f[2])
		s.mu.Unlock()
		s.known()
	}
	return len(line), nil
}

// begin is called when the handshake is over, and makes the keys of what it agreed
// on (RFC 5764 §4.2). nil: pion encrypts.
func (p *Port) begin() *own.Sealer {
	s := &p.secrets
	s.mu.Lock()
	defer s.mu.Unlock()
	opener, sealer := s.derive()
	s.opener = opener
	for _, b := range s.early {
		p.open(b, time.Now())
	}
	s.hello, s.client, s.master, s.early = messages.MessageServerHello{}, nil, nil, nil
	return sealer
}

// derive makes both keys, or none; secrets.mu is held.
func (s *secrets) derive() (*own.Opener, *own.Sealer) {
	c := srtp.Config{}
	for _, e := range s.hello.Extensions {
		if use, ok := e.(*extension.UseSRTP); ok && len(use.ProtectionProfiles) == 1 {
			c.Profile = srtp.ProtectionProfile(use.ProtectionProfiles[0])
		}
	}
	if s.master == nil || c.ExtractSessionKeysFromDTLS(s, false) != nil {
		return nil, nil
	}
	opener, err := own.NewOpener(c.Profile, c.Keys.RemoteMasterKey, c.Keys.RemoteMasterSalt, nil)
	if err != nil {
		return nil, nil
	}
	sealer, err := own.NewSealer(c.Profile, c.Keys.LocalMasterKey, c.Keys.LocalMasterSalt)
	if err != nil {
		return nil, nil
	}
	return opener, sealer
}

// ExportKeyingMaterial is that of RFC 5705 §4, without a context; secrets.mu is held.
func (s *secrets) ExportKeyingMaterial(label string, _ []byte, length int) ([]byte, error) {
	server := s.hello.Random.MarshalFixed()
	seed := append(append([]byte(label), s.client...), server[:]...)
	hash := sha256.New
	if id := s.hello.CipherSuiteID; id != nil && dtls.CipherSuiteID(*id) == dtls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384 {
		hash = sha512.New384
	}
	return prf.PHash(s.master, seed, length, hash)
}

// hears has the port hear a packet of its browser, and is false where pion has to
// see to it: a report, or where there are no keys.
func (p *Port) hears(b []byte, now time.Time) bool {
	if len(b) < 2 || b[1]&0x7f >= 64 && b[1]&0x7f < 96 { // RFC 5761 §4
		return false
	}
	s := &p.secrets
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.opener != nil:
		p.open(b, now)
	case s.master == nil || s.hello.CipherSuiteID == nil:
		return false
	case len(s.early) < maxEarly:
		s.early = append(s.early, append(make([]byte, 0, len(b)+wire.TailRoom), b...))
	}
	return true
}

// open decrypts a packet in place and has it heard; secrets.mu is held.
func (p *Port) open(b []byte, now time.Time) {
	if p.secrets.opener == nil {
		return
	}
	plain, ok := p.secrets.opener.RTP(b)
	if !ok {
		p.ear.drop()
		return
	}
	p.shaken.Store(true)
	p.ear.hear(plain, now)
}
