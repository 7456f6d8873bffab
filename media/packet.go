package media

import (
	"encoding/binary"
	"math/bits"
	"time"

	"cabline/media/dtmf"
	"cabline/media/opus"
)

// HeaderSize is the RTP header without extensions (RFC 3550 §5.1).
const HeaderSize = 12

// Packet is one RTP packet in a buffer which its owner lends for the length of
// one WriteRTP.
//
// Buf holds the header as it came and then the payload, which starts at Start
// (>= HeaderSize): a writer puts its own 12-byte header right before the
// payload, so that extensions and CSRCs of one party never reach the other.
// Buf has room for at least 32 more bytes behind it (cap), for an SRTP tag.
// Padding has been taken off.
type Packet struct {
	Buf    []byte
	Start  int
	Codec  Codec  // of the payload, when it is audio
	Event  bool   // the payload is a telephone-event (RFC 4733), not audio
	Marker bool   // first packet of a talkspurt or an event
	Key    bool   // a key's tones may be in the audio: found by who heard it first
	Time   uint32 // when the source says it, 8000 a second whatever its RTP clock: see Divider
	Seq    uint16 // sequence number of the source
	Source uint32 // SSRC of the source: who speaks; a player has one of its own

	At time.Time // when it arrived; zero: it is said now. To ask costs as much as all else
}

// Moment is when the packet is said, as exactly as it is known without asking.
func (p *Packet) Moment() time.Time {
	if p.At.IsZero() {
		return time.Now()
	}
	return p.At
}

// Payload is the audio or the event.
func (p *Packet) Payload() []byte { return p.Buf[p.Start:] }

// Samples is how long the audio is, 8000 a second; 0: it is none.
func (p *Packet) Samples() int {
	if p.Codec == Opus {
		return opus.Samples(p.Payload())
	}
	return len(p.Payload())
}

// Stream is the outgoing side of one party: one SSRC, sequence numbers and
// timestamps without a jump, whoever speaks: a prompt, the queue's music, the
// other party. It has one user at a time.
type Stream struct {
	SSRC uint32

	seq, seqOffset uint16
	last           uint16 // of the source, its highest number …
	unsaid         uint64 // … and which of those before it, from the lowest bit on, have no place here
	time, offset   uint32 // 8000 a second, like those of packets
	ticks, base    uint32 // what its timestamps count for each of these, and from where
	source         uint32
	started        bool
	rejoined       bool // the source is heard from now on, again or at last
	lastSent       time.Time
}

// NewStream begins a stream; ssrc, seq and stamp should be random (RFC 3550 §5.1).
func NewStream(ssrc uint32, seq uint16, stamp uint32) Stream {
	return Stream{SSRC: ssrc, seq: seq, time: stamp, ticks: 1}
}

// Count has the timestamps count as a codec's do from now on, from where they
// are: a stream has one clock at a time (RFC 7160).
func (s *Stream) Count(as Codec) {
	ticks := uint32(as.Clock() / Rate)
	s.base += s.time * (s.ticks - ticks)
	s.ticks = ticks
}

// stamp is a time as an RTP timestamp of the stream.
func (s *Stream) stamp(time uint32) uint32 { return time*s.ticks + s.base }

// How far a source's numbers may move from one packet to the next before it
// counts as a new source (RFC 3550 §A.1; a timestamp may stand still for the
// 8 s of the longest event, and skip a silence).
const (
	maxDropout  = 3000      // packets lost
	maxMisorder = 3000      // packets late
	maxSkip     = 10 * Rate // samples
)

// Head writes the stream's own 12-byte header before p's payload and returns
// the whole packet, a part of p.Buf. A source's losses and reorderings are
// kept (its numbers are only shifted, and what was left out has none); when the
// source changes or begins anew, the numbers go on and the timestamp advances by
// the time that passed, with the marker set; so do the numbers after Rejoin. nil: the packet comes so late that
// it has no place any more. No number is that of two packets (RFC 3711 §9.1).
func (s *Stream) Head(p *Packet, payloadType uint8, now time.Time) []byte {
	marker := p.Marker
	passed := uint32(max(0, now.Sub(s.lastSent).Milliseconds()) * (Rate / 1000)) // it may have arrived before
	follows := s.follows(p, passed)
	if !follows {
		gap := uint32(FrameSize)
		if s.started {
			gap = max(gap, passed)
		}
		s.offset = s.time + gap - p.Time
		s.source, s.started = p.Source, true
	}
	if !follows || s.rejoined {
		s.seqOffset = s.seq + 1 - p.Seq
		s.last, s.unsaid = p.Seq, ^uint64(1) // the numbers before are another's, or were not for us
		s.rejoined, marker = false, true
	}
	seq, ok := s.place(p.Seq)
	if !ok {
		return nil
	}
	stamp := p.Time + s.offset
	if int16(seq-s.seq) > 0 { // a late packet must not turn the stream back
		s.seq, s.time = seq, stamp
		if e, ok := dtmf.Parse(p.Payload()); p.Event && ok {
			s.time += uint32(e.Duration) // whoever speaks next speaks after the key
		}
	}
	if now.After(s.lastSent) {
		s.lastSent = now
	}

	out := p.Buf[p.Start-HeaderSize:]
	out[0] = 2 << 6
	out[1] = payloadType
	if marker {
		out[1] |= 0x80
	}
	binary.BigEndian.PutUint16(out[2:], seq)
	binary.BigEndian.PutUint32(out[4:], s.stamp(stamp))
	binary.BigEndian.PutUint32(out[8:], s.SSRC)
	return out
}

// follows says whether p goes on where its source was; passed is the time since
// the packet before it, in samples.
func (s *Stream) follows(p *Packet, passed uint32) bool {
	if !s.started || p.Source != s.source {
		return false
	}
	stamp := int32(p.Time + s.offset - s.time)
	return s.near(p.Seq) && stamp > -maxSkip && int64(stamp) < int64(passed)+maxSkip
}

// near says whether a number of the source is not far from its last.
func (s *Stream) near(seq uint16) bool {
	step := int16(seq - s.last)
	return step > -maxMisorder && step < maxDropout
}

// place is the stream's number for one of the source; false: there is none.
func (s *Stream) place(seq uint16) (uint16, bool) {
	if step := int16(seq - s.last); step > 0 {
		s.last, s.unsaid = seq, s.unsaid<<step
	}
	late := s.last - seq
	if late >= 64 || s.unsaid>>late&1 != 0 {
		return 0, false
	}
	newer := s.unsaid & (1<<late - 1)
	return seq + s.seqOffset + uint16(bits.OnesCount64(newer)), true
}

// LeaveOut tells that a packet is not said: the source goes on without it, and
// leaves no hole which the party would take for a loss.
func (s *Stream) LeaveOut(p *Packet) {
	if step := int16(p.Seq - s.last); s.started && p.Source == s.source && step > 0 && s.near(p.Seq) {
		s.last, s.unsaid = p.Seq, s.unsaid<<step|1
		s.seqOffset--
	}
}

// Rejoin tells that a source is heard from its next packet on. What it said to
// others meanwhile, or to nobody while the party held, leaves no hole either.
func (s *Stream) Rejoin() { s.rejoined = true }

// Rejoin tells whoever is to hear a party that it does from now on. A sink that
// numbers what it says has a method of this name.
func Rejoin(to Sink) {
	if to, ok := to.(interface{ Rejoin() }); ok {
		to.Rejoin()
	}
}

// LeaveOut tells whoever hears a party that a packet of it is not for them. A
// sink that numbers what it says has a method of this name.
func LeaveOut(p *Packet, to Sink) {
	if to, ok := to.(interface{ LeaveOut(*Packet) }); ok {
		to.LeaveOut(p)
	}
}
