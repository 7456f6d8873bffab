package webrtc

import (
	"slices"
	"testing"
	"time"

	"github.com/pion/rtp"
	"github.com/pion/srtp/v3"

	"cabline/media"
	own "cabline/media/srtp"
)

// sequence keeps the numbers of what it hears.
type sequence []uint16

func (s *sequence) WriteRTP(p *media.Packet) { *s = append(*s, p.Seq) }

// A browser speaks as soon as the handshake is over for it, and that may be before
// it is for us.
func TestWhatABrowserSaysBeforeTheHandshakeIsOverForUsIsHeardAfterIt(t *testing.T) {
	const profile = srtp.ProtectionProfileAeadAes128Gcm
	key, salt := make([]byte, 16), make([]byte, 12)
	sealer, err := own.NewSealer(profile, key, salt)
	if err != nil {
		t.Fatal(err)
	}
	opener, err := own.NewOpener(profile, key, salt, nil)
	if err != nil {
		t.Fatal(err)
	}
	p := newPort(&Browsers{})
	seq := uint16(0)
	say := func() {
		packet := rtp.Packet{Header: rtp.Header{Version: 2, PayloadType: 8, SequenceNumber: seq, Timestamp: 160 * uint32(seq), SSRC: 1}, Payload: make([]byte, 160)}
		seq++
		b, err := packet.Marshal()
		if err != nil {
			t.Fatal(err)
		}
		p.ear.take(sealer.RTP(append(b, make([]byte, 64)...)[:len(b)]), time.Now())
	}

	var heard sequence
	p.Plug(&heard)
	for range maxEarly + 1 {
		say()
	}
	if len(heard) > 0 || p.ear.begun.Load() {
		t.Error("something was heard before the handshake was over")
	}
	p.ear.open(opener)
	say()
	var want sequence
	for n := range uint16(maxEarly) {
		want = append(want, n)
	}
	if want = append(want, seq-1); !slices.Equal(heard, want) {
		t.Errorf("heard %v, want %v", heard, want)
	}
	if !p.ear.begun.Load() || p.ear.early != nil {
		t.Error("what only the beginning needed is kept")
	}
}
