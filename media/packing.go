package media

import "time"

// packing makes packets of the length a party asked for (a=ptime, RFC 8866
// §6.4) out of those that others say.
type packing struct {
	size   int // samples in each, which are bytes: Opus is made of them afterwards
	next   uint32
	source uint32
	codec  Codec
	packet Packet
	filled int
	buf    [HeaderSize + maxPacking + tailRoom]byte
}

const (
	maxPacking = Rate * 60 / 1000
	latest     = 10 * Rate // a source that goes further back begins anew
	tailRoom   = 64        // for the SRTP tag
)

// newPacking is nil where packets can go as they come: what a party asks for is
// no more than a wish, and 20 ms is what everybody sends anyway. Opus has frames
// of 10, 20, 40 and 60 ms and no other, whatever comes.
func newPacking(length time.Duration, c Codec) *packing {
	size := samples(length)
	if size < FrameSize/2 || size > maxPacking || c == Opus && size%FrameSize != 0 && size != FrameSize/2 {
		size = FrameSize
	}
	if size == FrameSize && c != Opus {
		return nil
	}
	return &packing{size: size}
}

// take adds a packet of audio, and has say say each whole one there is. What a
// gap or another source leaves of one before is not said.
func (k *packing) take(p *Packet, say func(*Packet)) {
	gap := int32(p.Time - k.next)
	switch {
	case p.Source == k.source && gap < 0 && gap > -latest:
		return // its place is taken
	case p.Source != k.source || gap != 0 || p.Codec != k.codec:
		k.filled = 0
	}
	k.source, k.codec, k.packet.At = p.Source, p.Codec, p.At
	if k.filled == 0 && len(p.Payload()) == k.size {
		k.next = p.Time + uint32(k.size)
		say(p)
		return
	}
	for rest, stamp := p.Payload(), p.Time; len(rest) > 0; {
		if k.filled == 0 {
			k.packet.Time, k.packet.Marker = stamp, p.Marker && stamp == p.Time
		}
		n := copy(k.buf[HeaderSize+k.filled:HeaderSize+k.size], rest)
		k.filled, rest, stamp = k.filled+n, rest[n:], stamp+uint32(n)
		if k.next = stamp; k.filled == k.size {
			k.whole(say)
		}
	}
}

// whole says a packet that is filled.
func (k *packing) whole(say func(*Packet)) {
	p := &k.packet
	p.Buf, p.Start, p.Codec = k.buf[:HeaderSize+k.size], HeaderSize, k.codec
	p.Source = ^k.source // its numbers are not those of the events, which go as they are
	say(p)
	p.Seq++
	k.filled = 0
}
