// Package opus turns samples into Opus (RFC 6716) and back by libopus, where the
// program is built with it: with the tag opus, cgo and libopus' headers. Without,
// nothing can be heard or said in Opus; what its packets tell of themselves can
// be read all the same. It is a leaf: it knows nothing of RTP or calls and does
// not log.
package opus

// Rate is the sampling rate of all sound here, 8000 a second, whatever the other
// side samples at: a decoder takes any Opus at any rate (RFC 6716 §2.1.3), and
// nobody we are between hears more.
const Rate = 8000

// MaxPacket is the longest packet there is, 120 ms, in samples (RFC 6716 §3.2.5).
const MaxPacket = Rate * 120 / 1000

// MaxOctets is the longest packet we make: more than 60 ms take at our bit rate,
// and less than a datagram.
const MaxOctets = 600

// Samples is how long a packet sounds, as its first byte or two say (RFC 6716
// §3.1, §3.2); 0: it is none.
func Samples(packet []byte) int {
	if len(packet) == 0 {
		return 0
	}
	frames := 1
	switch packet[0] & 3 {
	case 1, 2:
		frames = 2
	case 3:
		if len(packet) < 2 {
			return 0
		}
		frames = int(packet[1] & 0x3f)
	}
	if n := frames * frame(packet[0]>>3); n <= MaxPacket {
		return n
	}
	return 0
}

// frame is the samples of one frame in each configuration of RFC 6716, table 2.
func frame(config byte) int {
	switch {
	case config < 12: // SILK
		return [...]int{80, 160, 320, 480}[config&3]
	case config < 16: // both
		return [...]int{80, 160}[config&1]
	}
	return [...]int{20, 40, 80, 160}[config&3] // CELT
}
