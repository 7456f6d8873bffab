package main

import "encoding/binary"

// A stamp is hidden in the signs of a packet's 160 samples, one bit each. The
// sign of a sample is the highest bit of an octet in A-law and in µ-law, set
// for positive in both (ITU-T G.711), and translating between the two laws
// keeps it: so a stamp can be read behind a PBX which transcodes, without
// knowing that it did. All samples have the same moderate magnitude.
//
// Its 20 octets: time of sending (8), stream (4), number in the stream (4),
// run (2), check sum (2). All big endian.
type stamp struct {
	sent   int64 // nanoseconds since 1970
	stream uint32
	number uint32
	run    uint16 // tells this run's packets from leftovers of the last
}

const (
	frame     = 160 // octets of audio in a packet of 20 ms
	stampSize = frame / 8
	aMedium   = 0x05 // an A-law octet without its sign: segment 5, some 1000 of 32767
	uMedium   = 0x4f // about the same in µ-law
)

// write fills a payload of frame octets; magnitude is aMedium or uMedium.
func (s stamp) write(payload []byte, magnitude uint8) {
	var bits [stampSize]byte
	binary.BigEndian.PutUint64(bits[0:], uint64(s.sent))
	binary.BigEndian.PutUint32(bits[8:], s.stream)
	binary.BigEndian.PutUint32(bits[12:], s.number)
	binary.BigEndian.PutUint16(bits[16:], s.run)
	binary.BigEndian.PutUint16(bits[18:], checkSum(bits[:18]))
	level := uint64(magnitude) * 0x0101010101010101
	for i, b := range bits {
		binary.LittleEndian.PutUint64(payload[8*i:], spread(b)|level)
	}
}

// readStamp finds the stamp in a payload; ok is false when there is none.
func readStamp(payload []byte) (s stamp, ok bool) {
	if len(payload) != frame {
		return s, false
	}
	var bits [stampSize]byte
	for i := range bits {
		bits[i] = gather(binary.LittleEndian.Uint64(payload[8*i:]))
	}
	if checkSum(bits[:18]) != binary.BigEndian.Uint16(bits[18:]) {
		return s, false
	}
	return stamp{
		sent:   int64(binary.BigEndian.Uint64(bits[0:])),
		stream: binary.BigEndian.Uint32(bits[8:]),
		number: binary.BigEndian.Uint32(bits[12:]),
		run:    binary.BigEndian.Uint16(bits[16:]),
	}, true
}

// spread puts bit i of b into the highest bit of octet i.
func spread(b byte) (octets uint64) {
	for i := range 8 {
		octets |= uint64(b>>i&1) << (8*i + 7)
	}
	return octets
}

// gather is spread backwards. The multiplication adds the eight bits up, each
// in its place in the highest octet, without a carry.
func gather(octets uint64) byte {
	return byte(octets >> 7 & 0x0101010101010101 * 0x0102040810204080 >> 56)
}

// checkSum is Fletcher's, begun from one so that silence is no stamp.
func checkSum(octets []byte) uint16 {
	a, b := uint32(1), uint32(1)
	for _, o := range octets {
		a += uint32(o)
		b += a
	}
	return uint16(a%255<<8 | b%255)
}
