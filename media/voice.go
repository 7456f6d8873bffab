package media

import (
	"math/rand/v2"

	"cabline/media/g711"
)

// voice says a speech frame by frame.
type voice struct {
	to     Sink
	left   Speech
	offset int // in the first clip of left
	packet Packet
	said   uint32 // frames
	source uint32
	buf    [HeaderSize + FrameSize + 64]byte // room for an SRTP tag
}

func newVoice(to Sink, what Speech) *voice {
	return &voice{to: to, left: what, source: rand.Uint32()}
}

// say says the next frame, and reports false when the last one's time has
// passed too.
func (v *voice) say() bool {
	frame := v.buf[HeaderSize : HeaderSize+FrameSize]
	n := 0
	for n < FrameSize && len(v.left) > 0 {
		clip := v.left[0].ALaw
		k := copy(frame[n:], clip[v.offset:])
		n, v.offset = n+k, v.offset+k
		if v.offset == len(clip) {
			v.left, v.offset = v.left[1:], 0
		}
	}
	if n == 0 {
		return false
	}
	for i := n; i < FrameSize; i++ {
		frame[i] = g711.SilenceALaw
	}
	v.packet = Packet{
		Buf:    v.buf[:HeaderSize+FrameSize],
		Start:  HeaderSize,
		Codec:  PCMA,
		Marker: v.said == 0,
		Time:   v.said * FrameSize,
		Seq:    uint16(v.said),
		Source: v.source,
	}
	v.said++
	v.to.WriteRTP(&v.packet)
	return true
}
