package rtp

import (
	"time"

	"cabline/media"
)

// reception is the statistics of what a party says (RFC 3550 §A.1, A.3, A.8).
type reception struct {
	received uint64 // packets of all sources
	lost     int64  // of former sources
	first    time.Time
	last     time.Time
	jitter   float64 // samples, as in §A.8

	source   uint32
	began    bool
	base     uint32 // extended sequence number of the source's first packet
	max      uint32 // … and the highest
	got      uint32 // packets of this source
	transit  uint32 // samples
	measured bool

	// Since the last report to the party.
	expectedThen, gotThen uint32
}

// maxJump is how far sequence numbers may move before the source counts as
// begun anew (MAX_DROPOUT in RFC 3550 §A.1, taken for both ways).
const maxJump = 3000

// take counts a packet that was accepted.
func (r *reception) take(p *media.Packet, now time.Time) {
	if r.received == 0 {
		r.first = now
	}
	r.received++
	r.last = now
	step := int16(p.Seq - uint16(r.max))
	if !r.began || p.Source != r.source || step > maxJump || step < -maxJump {
		r.lost = r.missing()
		r.source, r.began, r.measured = p.Source, true, false
		r.base, r.max, r.got = uint32(p.Seq), uint32(p.Seq), 0
		r.expectedThen, r.gotThen = 0, 0
	} else if step > 0 {
		r.max += uint32(step)
	}
	r.got++
	if !p.Event { // an event's timestamp stands still
		r.delay(p.Time, now)
	}
}

// delay updates the interarrival jitter. A second and more is no jitter: the
// source stood still, or counts from elsewhere.
func (r *reception) delay(stamp uint32, now time.Time) {
	arrival := now.Sub(r.first) / (time.Second / media.Rate)
	transit := uint32(arrival) - stamp
	d := int32(transit - r.transit)
	if d = max(d, -d); r.measured && d >= 0 && d < media.Rate {
		r.jitter += (float64(d) - r.jitter) / 16
	}
	r.transit, r.measured = transit, true
}

func (r *reception) expected() uint32 {
	if !r.began {
		return 0
	}
	return r.max - r.base + 1
}

// missing is the packets that have not come, of all sources. Doubled packets
// do not make up for lost ones of another source.
func (r *reception) missing() int64 {
	return r.lost + max(0, int64(r.expected())-int64(r.got))
}

// jitterTime is the jitter as a duration.
func (r *reception) jitterTime() time.Duration {
	return time.Duration(r.jitter * float64(time.Second) / media.Rate)
}
