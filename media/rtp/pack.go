package rtp

import (
	"time"

	"cabline/media"
)

// packing makes packets of the length a party asked for (a=ptime, RFC 8866
// §6.4) out of those that others say.
type packing struct {
	size   int // bytes of G.711 in each
	next   uint32
	source uint32
	codec  media.Codec
	packet media.Packet
	filled int
	buf    [media.HeaderSize + maxPacking + tailRoom]byte
}

const (
	maxPacking = media.Rate * 60 / 1000
	latest     = 10 * media.Rate // a source that goes further back begins anew
)

// newPacking is nil where packets can go as they come: what a party asks for is
// no more than a wish, and 20 ms is what everybody sends anyway.
func newPacking(length time.Duration) *packing {
	size := int(length * media.Rate / time.Second)
	if size == media.FrameSize || size < media.FrameSize/2 || size > maxPacking {
		return nil
	}
	return &packing{size: size}
}

// take adds a packet of audio, and has say say each whole one there is. What a
// gap or another source leaves of one before is not said.
func (k *packing) take(p *media.Packet, say func(*media.Packet)) {
	gap := int32(p.Time - k.next)
	switch {
	case p.Source == k.source && gap < 0 && gap > -latest:
		return // its place is taken
	case p.Source != k.source || gap != 0 || p.Codec != k.codec:
		k.filled = 0
	}
	k.source, k.codec, k.packet.At = p.Source, p.Codec, p.At
	for rest, stamp := p.Payload(), p.Time; len(rest) > 0; {
		if k.filled == 0 {
			k.packet.Time, k.packet.Marker = stamp, p.Marker && stamp == p.Time
		}
		n := copy(k.buf[media.HeaderSize+k.filled:media.HeaderSize+k.size], rest)
		k.filled, rest, stamp = k.filled+n, rest[n:], stamp+uint32(n)
		if k.next = stamp; k.filled == k.size {
			k.whole(say)
		}
	}
}

// whole says a packet that is filled.
func (k *packing) whole(say func(*media.Packet)) {
	p := &k.packet
	p.Buf, p.Start, p.Codec = k.buf[:media.HeaderSize+k.size], media.HeaderSize, k.codec
	p.Source = ^k.source // its numbers are not those of the events, which go as they are
	say(p)
	p.Seq++
	k.filled = 0
}
