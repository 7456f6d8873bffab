package srtp

import (
	"bytes"
	"testing"

	"github.com/pion/rtp"
)

// FuzzOpener sees what anybody sends to a party's port, of which nothing is
// opened, and what the party itself has sealed, which is opened to what it was.
func FuzzOpener(f *testing.F) {
	for i, s := range suites {
		packet, control := newSession(s, false).sound(sound(7, 100), 0), newSession(s, true).report(report(7), 1)
		f.Add(spoilt(packet), i)
		f.Add(spoilt(control), i)
		f.Add(sound(7, 100), i)
		f.Add(report(7), i)
	}
	f.Add([]byte{0x9f, 8, 0, 1, 0, 0, 0, 0, 0, 0, 0, 7, 0, 0, 0, 0, 0xbe, 0xde, 0, 1, 0x10, 1, 0, 0}, 0)
	f.Add([]byte{0x90, 8, 0, 1, 0, 0, 0, 0, 0, 0, 0, 7, 0xc0, 0xde, 0, 0}, 1) // RFC 9335, which we have not agreed on
	f.Add([]byte{0x90, 8, 0, 1, 0, 0, 0, 0, 0, 0, 0, 7, 0xc2, 0xde, 0, 0}, 1)
	f.Add([]byte(nil), 0)
	f.Fuzz(func(t *testing.T, b []byte, i int) {
		s := suites[uint(i)%uint(len(suites))]
		seals, opens := s.sealer(t), s.opener(t, "")
		opens.refuses(t, "what nobody has sealed", b, false)
		opens.refuses(t, "what nobody has sealed", b, true)
		if opens.sources != 0 {
			t.Errorf("it is taken for %d sources", opens.sources)
		}
		if sealed := seals.RTP(bytes.Clone(b)); sealed != nil && agreed(b) {
			opens.opensAgain(t, opens.RTP, sealed, b)
		}
		if sealed := seals.RTCP(bytes.Clone(b)); sealed != nil {
			opens.opensAgain(t, opens.RTCP, sealed, b)
		}
	})
}

// spoilt is a packet whose tag is wrong in every octet: chance must not mend it again.
func spoilt(b []byte) []byte {
	for i := len(b) - 24; i < len(b); i++ {
		b[i] ^= 0xa5
	}
	return b
}

// agreed is whether a packet is of RTP, and what stands before its sound is not
// said to be encrypted.
func agreed(b []byte) bool {
	var h rtp.Header
	if _, err := h.Unmarshal(b); err != nil || h.Version != 2 {
		return false
	}
	return !h.Extension || h.ExtensionProfile != rtp.CryptexProfileOneByte && h.ExtensionProfile != rtp.CryptexProfileTwoByte
}

// opensAgain checks that a packet is opened to what it was, and once.
func (o *Opener) opensAgain(t *testing.T, open func([]byte) ([]byte, bool), sealed, want []byte) {
	t.Helper()
	if got, ok := open(bytes.Clone(sealed)); !ok || !bytes.Equal(got, want) {
		t.Fatalf("%x is opened %v to %x", want, ok, got)
	}
	if _, ok := open(bytes.Clone(sealed)); ok {
		t.Fatalf("%x is opened twice", want)
	}
}
