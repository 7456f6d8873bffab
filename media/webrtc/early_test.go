package webrtc

import (
	"slices"
	"testing"
	"time"

	"github.com/pion/dtls/v3"
	"github.com/pion/dtls/v3/pkg/protocol/extension"
	messages "github.com/pion/dtls/v3/pkg/protocol/handshake"
	"github.com/pion/rtp"
	"github.com/pion/srtp/v3"

	"cabline/media"
	own "cabline/media/srtp"
)

// sequence keeps the numbers of what it hears.
type sequence []uint16

func (s *sequence) WriteRTP(p *media.Packet) { *s = append(*s, p.Seq) }

// A browser speaks as soon as the handshake is over for it, and that may be before
// pion has told us that it is for us.
func TestWhatABrowserSaysBeforeTheHandshakeIsOverForUsIsHeardAfterIt(t *testing.T) {
	suite := uint16(dtls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256)
	agreed := func(s *secrets) {
		s.greet(messages.MessageServerHello{CipherSuiteID: &suite, Extensions: []extension.Extension{
			&extension.UseSRTP{ProtectionProfiles: []extension.SRTPProtectionProfile{dtls.SRTP_AEAD_AES_128_GCM}}}})
		if _, err := s.Write([]byte("CLIENT_RANDOM 0102 030405\n")); err != nil {
			t.Fatal(err)
		}
	}
	browser := secrets{known: func() {}}
	agreed(&browser)
	keys := srtp.Config{Profile: srtp.ProtectionProfileAeadAes128Gcm}
	if err := keys.ExtractSessionKeysFromDTLS(&browser, true); err != nil {
		t.Fatal(err)
	}
	says, err := own.NewSealer(keys.Profile, keys.Keys.LocalMasterKey, keys.Keys.LocalMasterSalt)
	if err != nil {
		t.Fatal(err)
	}
	seq := uint16(0)
	say := func(p *Port) bool {
		packet := rtp.Packet{Header: rtp.Header{Version: 2, PayloadType: 8, SequenceNumber: seq, Timestamp: 160 * uint32(seq), SSRC: 1}, Payload: make([]byte, 160)}
		seq++
		b, err := packet.Marshal()
		if err != nil {
			t.Fatal(err)
		}
		return p.hears(says.RTP(append(b, make([]byte, 64)...)[:len(b)]), time.Now())
	}

	p := newPort(&Browsers{})
	var heard sequence
	p.Plug(&heard)
	if say(p) {
		t.Error("a packet was taken before there were keys")
	}
	p.secrets.known = func() {}
	agreed(&p.secrets)
	for range maxEarly + 1 {
		if !say(p) {
			t.Error("a packet was left to pion though the keys are known")
		}
	}
	if len(heard) > 0 {
		t.Error("something was heard before the handshake was over")
	}
	if p.begin() == nil {
		t.Fatal("no keys")
	}
	say(p)
	var want sequence
	for n := range uint16(maxEarly) {
		want = append(want, n+1)
	}
	if want = append(want, seq-1); !slices.Equal(heard, want) {
		t.Errorf("heard %v, want %v", heard, want)
	}
	if !p.shaken.Load() || p.secrets.master != nil || p.secrets.early != nil {
		t.Error("what only the beginning needed is kept")
	}
}
