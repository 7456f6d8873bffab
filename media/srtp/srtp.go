// Package srtp encrypts what is said to a party and decrypts what it says (RFC
// 3711), in place and without allocation. It adds to pion's contexts the bound they
// lack: of how many sources they keep account.
package srtp

import (
	"encoding/binary"

	"github.com/pion/rtp"
	"github.com/pion/srtp/v3"
)

const (
	// replayWindow is how many packets one may come late (RFC 3711 §3.3.2: at least
	// 64).
	replayWindow = 128

	// MaxSources is how many there may be in one call, each of which is kept account
	// of. An honest party has one, and some more after a renegotiation.
	MaxSources = 64

	headerSize = 12 // RFC 3550 §5.1
	reportHead = 8  // RFC 3550 §6.4
)

// Opener decrypts the packets of one party. It has one user at a time.
type Opener struct {
	ctx     *srtp.Context
	header  rtp.Header
	sources int
}

// NewOpener begins to decrypt with a party's master key and salt; mki is the
// identifier of the key in each packet, empty where there is none.
func NewOpener(profile srtp.ProtectionProfile, key, salt, mki []byte) (*Opener, error) {
	ctx, err := srtp.CreateContext(key, salt, profile,
		srtp.MasterKeyIndicator(mki), srtp.SRTPReplayProtection(replayWindow), srtp.SRTCPReplayProtection(replayWindow))
	if err != nil {
		return nil, err
	}
	return &Opener{ctx: ctx}, nil
}

// RTP decrypts a packet in place. It is false for what is forged, doubled, or of
// one source too many.
func (o *Opener) RTP(b []byte) (plain []byte, ok bool) {
	if len(b) < headerSize || b[0]>>6 != 2 {
		return nil, false
	}
	_, known := o.ctx.ROC(binary.BigEndian.Uint32(b[8:]))
	if !known && o.sources >= MaxSources {
		return nil, false
	}
	plain, err := o.ctx.DecryptRTP(b, b, &o.header)
	return plain, o.count(known, err)
}

// RTCP is RTP for reports.
func (o *Opener) RTCP(b []byte) (plain []byte, ok bool) {
	if len(b) < reportHead {
		return nil, false
	}
	_, known := o.ctx.Index(binary.BigEndian.Uint32(b[4:]))
	if !known && o.sources >= MaxSources {
		return nil, false
	}
	plain, err := o.ctx.DecryptRTCP(b, b, nil)
	return plain, o.count(known, err)
}

// count counts a new source, which only signs itself in a packet that is true.
func (o *Opener) count(known bool, err error) bool {
	if err == nil && !known {
		o.sources++
	}
	return err == nil
}

// Sealer encrypts the packets for one party. It has one user at a time.
type Sealer struct {
	ctx    *srtp.Context
	header rtp.Header
}

// NewSealer begins to encrypt with a master key and salt of our own.
func NewSealer(profile srtp.ProtectionProfile, key, salt []byte) (*Sealer, error) {
	ctx, err := srtp.CreateContext(key, salt, profile)
	if err != nil {
		return nil, err
	}
	return &Sealer{ctx: ctx}, nil
}

// RTP encrypts a packet in place, which has room for the tag behind it; nil: this
// key has encrypted all it may.
func (s *Sealer) RTP(b []byte) []byte {
	b, err := s.ctx.EncryptRTP(b, b, &s.header)
	if err != nil {
		return nil
	}
	return b
}

// RTCP is RTP for reports, and not in place.
func (s *Sealer) RTCP(b []byte) []byte {
	b, err := s.ctx.EncryptRTCP(nil, b, nil)
	if err != nil {
		return nil
	}
	return b
}
