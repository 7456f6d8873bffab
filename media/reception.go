package media

import (
	"time"

	"github.com/pion/rtcp"

	"cabline/media/opus"
)

// Reception is the statistics of what a party says (RFC 3550 §A.1, A.3, A.8).
// The zero value has heard nothing. It has one user at a time.
type Reception struct {
	received uint64 // packets of all sources
	lost     int64  // of former sources
	first    time.Time
	last     time.Time
	awaited  time.Time // since when the party should speak; zero: it need not
	longest  time.Duration
	late     uint64
	jitter   float64 // samples, as in §A.8
	shifts   uint64  // the sum of what the jitter is made of, samples …
	steps    uint64  // … of so many packets
	tooLate  uint64

	audio     uint64 // packets of audio, of which each 16th is looked into
	sampled   uint64
	soundless uint64
	listener  *opus.Decoder // looks into Opus; nil: it has not been needed

	codec    Codec // of the audio heard last
	source   uint32
	began    bool
	base     uint32 // extended sequence number of the source's first packet
	max      uint32 // … and the highest
	got      uint32 // packets of this source
	transit  uint32 // samples
	measured bool

	soonest uint32 // the shortest transit, by which a jitter buffer waits

	// Since the last report to the party.
	expectedThen, gotThen uint32
}

// Take counts a packet that was accepted.
func (r *Reception) Take(p *Packet, now time.Time) {
	if r.received == 0 {
		r.first = now
	}
	r.longest = r.pause(now)
	r.received++
	r.last = now
	step := int16(p.Seq - uint16(r.max))
	if !r.began || p.Source != r.source || step > maxDropout || step < -maxMisorder {
		r.lost = r.missing()
		r.source, r.began, r.measured = p.Source, true, false
		r.base, r.max, r.got = uint32(p.Seq), uint32(p.Seq), 0
		r.expectedThen, r.gotThen = 0, 0
	} else if step > 0 {
		r.max += uint32(step)
	} else if step < 0 {
		r.late++
	}
	r.got++
	if !p.Event { // an event's timestamp stands still
		r.codec = p.Codec
		r.delay(p, now)
	}
}

// Await tells whether the party should speak from now on: it is not on hold.
func (r *Reception) Await(yes bool) {
	switch {
	case !yes:
		r.longest = r.pause(time.Now())
		r.awaited = time.Time{}
	case r.awaited.IsZero():
		r.awaited = time.Now()
	}
}

// pause is the longest silence up to now of a party that has spoken.
func (r *Reception) pause(now time.Time) time.Duration {
	if r.received == 0 || r.awaited.IsZero() {
		return r.longest
	}
	return max(r.longest, min(now.Sub(r.last), now.Sub(r.awaited)))
}

// sampleEvery is how many packets of audio stand for one that is looked into.
const sampleEvery = 16

// Sound looks into some packets of audio, before anyone changes them.
func (r *Reception) Sound(p *Packet) {
	if r.audio++; r.audio%sampleEvery != 1 {
		return
	}
	r.sampled++
	silent := soundless
	if p.Codec == Opus {
		silent = r.soundlessOpus
	}
	if silent(p) {
		r.soundless++
	}
}

// soundlessOpus is soundless for Opus, which must be decoded to tell.
func (r *Reception) soundlessOpus(p *Packet) bool {
	if r.listener == nil {
		r.listener = new(opus.Decoder)
	}
	for _, s := range r.listener.Decode(p.Payload()) {
		if s < -loudest || s > loudest {
			return false
		}
	}
	return opus.Built
}

// loudest is the loudest sample of 32768 that no live line is below.
const loudest = 24

// soundless says that no sample is beyond loudest, some -60 dBm0: a codec's
// idle noise, which is less than any line's or room's. Speech has one that is
// among its first.
func soundless(p *Packet) bool {
	flip, most := byte(0x55), byte(1) // A-law: levels 8, 24, …
	switch p.Codec {
	case PCMU:
		flip, most = 0xff, 3 // µ-law: 0, 8, 16, 24, …
	case G722:
		return false // not known without decoding
	}
	for _, b := range p.Payload() {
		if (b^flip)&0x7f > most {
			return false
		}
	}
	return true
}

// delay updates the interarrival jitter. A second and more is no jitter: the
// source stood still, or counts from elsewhere.
func (r *Reception) delay(p *Packet, now time.Time) {
	arrival := uint32(now.Sub(r.first) / (time.Second / Rate))
	transit := arrival - p.Time
	d := int32(transit - r.transit)
	d = max(d, -d)
	goesOn := r.measured && d >= 0 && d < Rate
	if goesOn {
		r.jitter += (float64(d) - r.jitter) / 16
		r.shifts, r.steps = r.shifts+uint64(d), r.steps+1
	}
	r.transit, r.measured = transit, true
	if r.outwaits(transit, !goesOn || p.Marker) {
		r.tooLate++
	}
}

// outwaits says that no jitter buffer would have waited for a packet: it was longer
// under way than the soonest by more than a buffer holds. A buffer begins anew
// with each talkspurt, and where the way has become longer: from the one that came
// too late.
func (r *Reception) outwaits(transit uint32, anew bool) (tooLate bool) {
	late := int32(transit - r.soonest)
	tooLate = !anew && late > int32(maxBuffer/(time.Second/Rate))
	if anew || tooLate || late < 0 {
		r.soonest = transit
	}
	return tooLate
}

func (r *Reception) expected() uint32 {
	if !r.began {
		return 0
	}
	return r.max - r.base + 1
}

// missing is the packets that have not come, of all sources. Doubled packets
// do not make up for lost ones of another source.
func (r *Reception) missing() int64 {
	return r.lost + max(0, int64(r.expected())-int64(r.got))
}

// Fill puts what has been heard into the statistics of a port.
func (r *Reception) Fill(s *Stats) {
	s.Received, s.Lost, s.LastHeard = r.received, uint64(r.missing()), r.last
	if !r.awaited.IsZero() {
		s.Silence = min(time.Since(r.awaited), time.Since(r.last))
	}
	s.Late, s.LongestSilence = r.late, r.pause(time.Now())
	s.Sampled, s.Soundless = r.sampled, r.soundless
	s.TooLate = r.tooLate
	if r.steps > 0 {
		s.Jitter = time.Duration(r.shifts) * (time.Second / Rate) / time.Duration(r.steps)
	}
}

// Report is what to tell the party of what was heard since the last report
// (RFC 3550 §6.4.1); false: nothing yet.
func (r *Reception) Report() (block rtcp.ReceptionReport, ok bool) {
	if !r.began {
		return block, false
	}
	expected, got := r.expected()-r.expectedThen, r.got-r.gotThen
	r.expectedThen, r.gotThen = r.expected(), r.got
	if expected > got {
		block.FractionLost = uint8(min(255, uint64(expected-got)<<8/uint64(expected)))
	}
	block.SSRC = r.source
	block.TotalLost = uint32(min(max(0, int64(r.expected())-int64(r.got)), 1<<23-1))
	block.LastSequenceNumber = r.max
	block.Jitter = uint32(r.jitter * float64(r.codec.Clock()/Rate))
	return block, true
}
