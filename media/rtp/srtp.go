package rtp

import (
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/pion/srtp/v3"

	own "cabline/media/srtp"
)

// Security is whether a party's audio is encrypted: SRTP (RFC 3711) with the
// keys in the SDP (RFC 4568), which is as secret as the SIP that carries it.
type Security uint8

const (
	// SRTPOff is plain RTP; who insists on SRTP is refused.
	SRTPOff Security = iota
	// SRTPOffered encrypts where the party can. What we offer is RTP/AVP with
	// a=crypto, which a party who knows nothing of SRTP reads as plain RTP.
	SRTPOffered
	// SRTPRequired encrypts or does not talk: we offer RTP/SAVP.
	SRTPRequired
)

// ErrNotSecure says that one side insists on SRTP and the other does not do it.
var ErrNotSecure = errors.New("no SRTP in common")

// suite is a crypto suite by its name in SDP.
type suite struct {
	name      string
	profile   srtp.ProtectionProfile
	key, salt int // bytes of the master key and salt
}

// suites are those we take, of RFC 4568 §6.2, RFC 6188 §4.2 and RFC 7714 §14.2.
// The first ones we offer too.
var suites = [...]suite{
	{"AES_CM_128_HMAC_SHA1_80", srtp.ProtectionProfileAes128CmHmacSha1_80, 16, 14},
	{"AES_256_CM_HMAC_SHA1_80", srtp.ProtectionProfileAes256CmHmacSha1_80, 32, 14},
	{"AES_CM_128_HMAC_SHA1_32", srtp.ProtectionProfileAes128CmHmacSha1_32, 16, 14},
	{"AES_256_CM_HMAC_SHA1_32", srtp.ProtectionProfileAes256CmHmacSha1_32, 32, 14},
	{"AES_CM_256_HMAC_SHA1_80", srtp.ProtectionProfileAes256CmHmacSha1_80, 32, 14}, // the draft's name, still seen
	{"AEAD_AES_128_GCM", srtp.ProtectionProfileAeadAes128Gcm, 16, 12},
	{"AEAD_AES_256_GCM", srtp.ProtectionProfileAeadAes256Gcm, 32, 12},
}

const (
	offeredSuites = 3
	maxCrypto     = 16 // a=crypto lines we read of one m= line
	maxMKI        = 128
)

// crypto is one a=crypto line: how the packets of who wrote it are encrypted.
type crypto struct {
	tag int
	suite
	secret string // master key and salt
	mki    string // identifier of the key in each packet; empty: none
}

// newCrypto is a line of our own with a fresh key.
func newCrypto(tag int, s suite) crypto {
	b := make([]byte, s.key+s.salt)
	_, _ = rand.Read(b) // never fails
	return crypto{tag: tag, suite: s, secret: string(b)}
}

// String is the line as in SDP, without the identifier of the key: we use none.
func (c crypto) String() string {
	return fmt.Sprintf("a=crypto:%d %s inline:%s\r\n", c.tag, c.name, base64.StdEncoding.EncodeToString([]byte(c.secret)))
}

// readCrypto reads the value of an a=crypto line. One we can not follow is
// false, and as good as not there (RFC 4568 §5.1.2).
func readCrypto(value string) (c crypto, ok bool) {
	fields := strings.Fields(value)
	if len(fields) < 3 {
		return c, false
	}
	tag, err := strconv.ParseUint(fields[0], 10, 30)
	known := slices.IndexFunc(suites[:], func(s suite) bool { return s.name == fields[1] })
	if err != nil || known < 0 {
		return c, false
	}
	for _, param := range fields[3:] {
		// A hint may be passed over, and what its writer marked as such (§6.3.7).
		if !strings.HasPrefix(param, "WSH=") && !strings.HasPrefix(param, "-") {
			return c, false
		}
	}
	c = crypto{tag: int(tag), suite: suites[known]}
	return c, c.readKey(fields[2])
}

// readKey reads "inline:" key||salt ["|" lifetime] ["|" MKI ":" length]; false:
// it is none of the suite's. A lifetime is longer than any call. Several keys
// (";") nobody sends.
func (c *crypto) readKey(param string) bool {
	inline, ok := strings.CutPrefix(param, "inline:")
	parts := strings.Split(inline, "|")
	key, err := base64.StdEncoding.DecodeString(parts[0])
	if err != nil { // some leave out the padding
		key, err = base64.RawStdEncoding.DecodeString(parts[0])
	}
	if !ok || err != nil || len(key) != c.key+c.salt {
		return false
	}
	c.secret = string(key)
	for _, part := range parts[1:] {
		mki, length, is := strings.Cut(part, ":")
		if !is {
			continue
		}
		number, err := strconv.ParseUint(mki, 10, 64)
		size, wrong := strconv.ParseUint(length, 10, 8)
		if err != nil || wrong != nil || size == 0 || size > maxMKI {
			return false
		}
		b := make([]byte, size)
		for i := len(b) - 1; i >= 0; i-- {
			b[i], number = byte(number), number>>8
		}
		c.mki = string(b)
	}
	return true
}

// same says whether two lines mean the same key.
func (c crypto) same(other crypto) bool {
	c.tag = other.tag
	return c == other
}

// opener begins to decrypt with the line's key.
func (c crypto) opener() (*own.Opener, error) {
	return own.NewOpener(c.profile, []byte(c.secret[:c.key]), []byte(c.secret[c.key:]), []byte(c.mki))
}

// sealer begins to encrypt with it.
func (c crypto) sealer() (*own.Sealer, error) {
	return own.NewSealer(c.profile, []byte(c.secret[:c.key]), []byte(c.secret[c.key:]))
}

// sdes is what a port and its party have agreed on of SRTP.
type sdes struct {
	want   Security
	ours   []crypto // as offered, or the one agreed on
	theirs crypto   // no tag and no key: nothing is encrypted
}

// secured says that SRTP is agreed on.
func (s *sdes) secured() bool { return s.theirs.secret != "" }

// offer is our lines for an offer: new ones, or the one agreed on again.
func (s *sdes) offer() []crypto {
	if s.want != SRTPOff && len(s.ours) == 0 {
		for i, suite := range suites[:offeredSuites] {
			s.ours = append(s.ours, newCrypto(i+1, suite))
		}
	}
	return s.ours
}

// answered is the state after we answer an offer with these lines, none of
// them for plain RTP. A new key of theirs means a new receiver, whose count of
// our packets begins anew (RFC 4568 §7.1.4): it gets a new key of ours.
func (s *sdes) answered(offer []crypto) sdes {
	next := sdes{want: s.want}
	if len(offer) == 0 {
		return next
	}
	next.theirs = offer[0]
	ours := newCrypto(next.theirs.tag, next.theirs.suite)
	if s.secured() && s.theirs.same(next.theirs) {
		ours.secret = s.ours[0].secret
	}
	next.ours = []crypto{ours}
	return next
}

// accepted is the state after their answer to our offer.
func (s *sdes) accepted(answer []crypto) (sdes, error) {
	next := sdes{want: s.want}
	if len(answer) == 0 {
		return next, nil
	}
	next.theirs = answer[0]
	for _, c := range s.ours {
		if c.tag == next.theirs.tag && c.suite == next.theirs.suite {
			next.ours = []crypto{c}
			return next, nil
		}
	}
	return sdes{}, fmt.Errorf("answer takes an SRTP key we did not offer: %w", ErrNotSecure)
}

// sealed is the outgoing packets' encryption; nil: none.
type sealed struct {
	*own.Sealer
	by crypto
}

// opened is the incoming packets' encryption; nil: none.
type opened struct {
	*own.Opener
	by crypto
}

// encrypt puts into effect what has been agreed: a stream whose key stays goes
// on, any other begins. p.rx.mu and p.tx.mu are held.
func (p *Port) encrypt(s sdes) error {
	if !s.secured() {
		p.rx.secret, p.tx.secret = nil, nil
		return nil
	}
	ours := s.ours[0]
	in, out := p.rx.secret, p.tx.secret
	if in == nil || !in.by.same(s.theirs) {
		opener, err := s.theirs.opener()
		if err != nil {
			return fmt.Errorf("decrypt by their key: %w", err)
		}
		in = &opened{opener, s.theirs}
	}
	if out == nil || !out.by.same(ours) {
		sealer, err := ours.sealer()
		if err != nil {
			return fmt.Errorf("encrypt by our key: %w", err)
		}
		out = &sealed{sealer, ours}
	}
	p.rx.secret, p.tx.secret = in, out
	return nil
}
