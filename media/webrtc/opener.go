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
)

// opener decrypts what a browser says right where the socket is read. Pion does it
// three goroutines later, and to wake those costs several times what all else does.
// The keys are those of pion's DTLS, of which it is told both halves: the randoms
// with the ServerHello, the master secret as for a log of keys. As the client of
// DTLS we see no ServerHello; then it opens nothing, and pion does.
type opener struct {
	mu     sync.Mutex
	hello  messages.MessageServerHello
	client []byte // its random
	master []byte // secret
	opener *own.Opener
}

// greet is told of our ServerHello, which goes as it is.
func (o *opener) greet(hello messages.MessageServerHello) messages.Message {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.hello = hello
	return &hello
}

// Write takes a line of a log of keys: its kind, the client's random and the master
// secret, in hex.
func (o *opener) Write(line []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if f := strings.Fields(string(line)); len(f) == 3 && f[0] == "CLIENT_RANDOM" {
		o.client, _ = hex.DecodeString(f[1])
		o.master, _ = hex.DecodeString(f[2])
	}
	return len(line), nil
}

// begin is called when the handshake is over, and makes the keys of what it agreed
// on (RFC 5764 §4.2).
func (o *opener) begin() {
	o.mu.Lock()
	defer o.mu.Unlock()
	c := srtp.Config{}
	for _, e := range o.hello.Extensions {
		if use, ok := e.(*extension.UseSRTP); ok && len(use.ProtectionProfiles) == 1 {
			c.Profile = srtp.ProtectionProfile(use.ProtectionProfiles[0])
		}
	}
	if o.master == nil || c.Profile == 0 || o.opener != nil {
		return
	}
	if err := c.ExtractSessionKeysFromDTLS(o, false); err != nil {
		return
	}
	o.opener, _ = own.NewOpener(c.Profile, c.Keys.RemoteMasterKey, c.Keys.RemoteMasterSalt, nil)
	o.master, o.client, o.hello = nil, nil, messages.MessageServerHello{}
}

// ExportKeyingMaterial is that of RFC 5705 §4, without a context; o.mu is held.
func (o *opener) ExportKeyingMaterial(label string, _ []byte, length int) ([]byte, error) {
	server := o.hello.Random.MarshalFixed()
	seed := append(append([]byte(label), o.client...), server[:]...)
	hash := sha256.New
	if id := o.hello.CipherSuiteID; id != nil && dtls.CipherSuiteID(*id) == dtls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384 {
		hash = sha512.New384
	}
	return prf.PHash(o.master, seed, length, hash)
}

// hears has the port hear a packet of its browser, and is false where pion has to
// see to it: a report, or anything before the keys are known.
func (p *Port) hears(b []byte, now time.Time) bool {
	if len(b) < 2 || b[1]&0x7f >= 64 && b[1]&0x7f < 96 { // RFC 5761 §4
		return false
	}
	o := &p.opener
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.opener == nil {
		return false
	}
	if plain, ok := o.opener.RTP(b); ok {
		p.ear.hear(plain, now)
	} else {
		p.ear.drop()
	}
	return true
}
