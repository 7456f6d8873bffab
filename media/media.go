// Package media moves the audio of calls: packets between parties, clips to a
// party, tones.
//
// Audio moves as encoded RTP packets of some 20 ms; between two parties of the
// same codec nothing is decoded. The package knows nothing of calls, trunks or
// menus. It does not log: it returns errors and counts.
package media

import (
	"context"
	"time"
)

// Rate is the sampling rate of all audio here, in samples a second (G.711).
const Rate = 8000

// FrameTime is the length of the packets we make ourselves; FrameSize is the
// same in samples, and in bytes of G.711.
const (
	FrameTime = 20 * time.Millisecond
	FrameSize = Rate / 50
)

// Codec is an encoding of audio in RTP.
type Codec uint8

// The codecs, of RFC 3551 and RFC 7587. The zero value is A-law, the one Russian
// carriers offer first. All but Opus have a byte for each tick of a clock of 8000
// a second, G.722 too, which stands for two samples (RFC 3551 §4.5.2). Opus has
// as many bytes as it needs; see Packet.Samples.
const (
	PCMA Codec = iota // G.711 A-law, static payload type 8
	PCMU              // G.711 µ-law, static payload type 0
	G722              // G.722 at 64 kbit/s, static payload type 9: 7 kHz of sound
	Opus              // RFC 6716, of any rate; turned only where opus.Built
)

// PayloadType is the static payload type of RFC 3551, table 4. Opus has none:
// it is offered by the number that browsers give it.
func (c Codec) PayloadType() uint8 {
	return [...]uint8{PCMA: 8, PCMU: 0, G722: 9, Opus: 111}[c]
}

// String is the encoding name as in SDP's rtpmap.
func (c Codec) String() string {
	return [...]string{PCMA: "PCMA", PCMU: "PCMU", G722: "G722", Opus: "opus"}[c]
}

// Encoding is the name with what SDP's rtpmap has behind it: Opus says two
// channels, however many there are (RFC 7587 §7).
func (c Codec) Encoding() string {
	if c == Opus {
		return "opus/48000/2"
	}
	return c.String() + "/8000"
}

// Clock is how many a second the codec's RTP timestamps count; Opus' count 48000
// whatever it samples at (RFC 7587 §4.1).
func (c Codec) Clock() int {
	if c == Opus {
		return 48000
	}
	return Rate
}

// Digit is one key of the telephone: '0' to '9', '*', '#', 'A' to 'D'.
type Digit byte

// Clip is a sound held whole in memory: A-law, 8000 samples a second, one byte
// a sample. Clips are shared between calls and never changed.
type Clip struct {
	Name string
	ALaw []byte
}

// Duration is how long the clip sounds.
func (c Clip) Duration() time.Duration {
	return time.Duration(len(c.ALaw)) * time.Second / Rate
}

// Speech is clips said one after another without a gap.
type Speech []Clip

// Duration is how long the speech takes.
func (s Speech) Duration() time.Duration {
	var sum time.Duration
	for _, c := range s {
		sum += c.Duration()
	}
	return sum
}

// Sink takes packets: a party who hears them, a recorder, a test.
type Sink interface {
	// WriteRTP says one packet. It never blocks and keeps nothing of p after
	// it returns; it may overwrite p's bytes (header rewritten, payload
	// transcoded or encrypted in place).
	WriteRTP(p *Packet)
}

// Port is the audio of one party. Its methods are safe for concurrent use.
type Port interface {
	// A packet written to a port is said to the party.
	Sink

	// Plug sends what the party says to a sink from now on; nil sends it
	// nowhere. When Plug returns, the former sink gets no more packets.
	Plug(to Sink)

	// Play says a speech to the party in real time. It returns nil when all
	// has been said, and the cause of ctx when it was cut short (within one
	// frame). It does not stop other writers: that is the caller's care.
	Play(ctx context.Context, what Speech) error

	// Digits are the keys the party presses, by whatever way they arrive, each
	// once. The channel is bounded and drops when nobody reads it; it is never
	// closed.
	Digits() <-chan Digit

	// SendDigit presses a key towards the party (RFC 4733 event of 100 ms
	// where telephone-event was negotiated, in-band tones where not). It
	// returns at once; keys sent quickly queue up.
	SendDigit(d Digit)

	// Stats counts what has passed so far.
	Stats() Stats
}

// Stats is what a port has seen. Counters only grow, but that a late packet
// takes back its loss.
type Stats struct {
	Codec     string        // agreed on with the party, as in SDP; empty: nothing is
	Received  uint64        // RTP packets accepted from the party
	Sent      uint64        // RTP packets said to the party
	Lost      uint64        // gaps in the party's sequence numbers (RFC 3550 §A.3)
	Dropped   uint64        // packets from strangers, malformed, or of unknown payload type
	Late      uint64        // packets that came after one said later (reordering)
	TooLate   uint64        // audio that came later than a usual jitter buffer waits: received, and not heard
	Jitter    time.Duration // interarrival jitter (RFC 3550 §6.4.1), on average
	LastHeard time.Time     // arrival of the last packet; zero: never

	// Silence is for how long the party has sent nothing though it should; 0
	// before anything is agreed with it, and on hold. See Watch. LongestSilence
	// is the longest after its first packet.
	Silence, LongestSilence time.Duration

	// One audio packet in sixteen is looked into, beginning with the first.
	Sampled   uint64 // looked into
	Soundless uint64 // of these, the ones quieter than any live line

	// What the party reports of the packets said to it (RTCP); zero where it
	// sends no reports.
	PeerExpected uint64        // said to it up to its last report
	PeerLost     uint64        // of these
	PeerJitter   time.Duration // on average of the reports
	RoundTrip    time.Duration
}

// Mute says that packets have come, for five seconds at least, and none of
// those looked into had a sound in it: a microphone that is off, or a path that
// is broken behind the party's end.
func (s Stats) Mute() bool {
	const enough = 5 * Rate / FrameSize / sampleEvery
	return s.Sampled >= enough && s.Soundless == s.Sampled
}

// Cross lets two parties hear each other until unplug is called. Nothing of
// one reaches the other after unplug has returned.
func Cross(a, b Port) (unplug func()) {
	a.Plug(b)
	b.Plug(a)
	return func() {
		a.Plug(nil)
		b.Plug(nil)
	}
}
