package rtp

import (
	"bytes"
	"testing"

	"github.com/pion/rtp"

	"cabline/media"
)

// FuzzParse compares our reader with pion's: ours takes nothing that pion
// refuses, and reads it as pion does.
func FuzzParse(f *testing.F) {
	for _, h := range []rtp.Header{
		{Version: 2, PayloadType: 8, SequenceNumber: 1, Timestamp: 2, SSRC: 3},
		{Version: 2, Marker: true, CSRC: []uint32{4, 5}, Extension: true, ExtensionProfile: 7, Extensions: []rtp.Extension{}},
	} {
		b, _ := rtp.Packet{Header: h, Payload: []byte("sound")}.Marshal()
		f.Add(b)
	}
	padded, _ := rtp.Packet{Header: rtp.Header{Version: 2, Padding: true}, Payload: []byte("sound"), PaddingSize: 4}.Marshal()
	f.Add(padded)
	f.Fuzz(func(t *testing.T, b []byte) {
		var p media.Packet
		payloadType, ok := parse(b, &p)
		if !ok {
			return
		}
		var want rtp.Packet
		if err := want.Unmarshal(b); err != nil {
			if b[0]&0x10 == 0 { // pion looks into extensions, which we pass over
				t.Errorf("taken though %v", err)
			}
			return
		}
		if !bytes.Equal(p.Payload(), want.Payload) || p.Start < media.HeaderSize || payloadType != want.PayloadType ||
			p.Marker != want.Marker || p.Seq != want.SequenceNumber || p.Time != want.Timestamp || p.Source != want.SSRC {
			t.Errorf("%+v, not %+v", p, want)
		}
	})
}
