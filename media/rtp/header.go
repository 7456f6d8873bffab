package rtp

import (
	"encoding/binary"

	"cabline/media"
)

// parse reads an RTP header in place (RFC 3550 §5.1): p gets what it says, and
// the payload type is returned. It is false for what is no RTP packet with a
// payload. RTCP packets on the same port (RFC 5761 §4) are none.
func parse(b []byte, p *media.Packet) (payloadType uint8, ok bool) {
	if len(b) <= media.HeaderSize || b[0]>>6 != 2 || isRTCP(b) {
		return 0, false
	}
	start, end := media.HeaderSize+4*int(b[0]&0x0f), len(b)
	if b[0]&0x10 != 0 { // extension
		if start+4 > end {
			return 0, false
		}
		start += 4 + 4*int(binary.BigEndian.Uint16(b[start+2:]))
	}
	if b[0]&0x20 != 0 { // padding; its last byte is its length
		padding := int(b[end-1])
		if padding == 0 {
			return 0, false
		}
		end -= padding
	}
	if start >= end {
		return 0, false
	}
	*p = media.Packet{
		Buf:    b[:end],
		Start:  start,
		Marker: b[1]&0x80 != 0,
		Seq:    binary.BigEndian.Uint16(b[2:]),
		Time:   binary.BigEndian.Uint32(b[4:]),
		Source: binary.BigEndian.Uint32(b[8:]),
	}
	return b[1] & 0x7f, true
}

// sourceOf is the SSRC of what may be an RTP packet, encrypted or not.
func sourceOf(b []byte) uint32 {
	if len(b) < media.HeaderSize {
		return 0
	}
	return binary.BigEndian.Uint32(b[8:])
}

// isRTCP tells an RTCP packet by the type it would have as RTP (RFC 5761 §4).
func isRTCP(b []byte) bool { return len(b) > 1 && b[1] >= 192 && b[1] <= 223 }
