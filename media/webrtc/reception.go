package webrtc

import (
	"time"

	"cabline/media"
)

// reception counts what the browser says (RFC 3550 §A.1, A.3, A.8).
type reception struct {
	received    uint64
	first, last time.Time
	lost        int64   // of former sources
	jitter      float64 // samples

	source    uint32
	base, top uint32 // extended sequence numbers of the source's first packet and its highest
	got       uint32 // packets of the source
	transit   uint32 // samples; of the packet before
	measured  bool
}

// maxJump is how far sequence numbers may move before the source counts as
// begun anew (MAX_DROPOUT of RFC 3550 §A.1, taken for both ways).
const maxJump = 3000

func (r *reception) take(p *media.Packet, now time.Time) {
	step := int16(p.Seq - uint16(r.top))
	switch {
	case r.received == 0 || p.Source != r.source || step > maxJump || step < -maxJump:
		if r.received == 0 {
			r.first = now
		}
		r.lost, r.source, r.measured = r.missing(), p.Source, false
		r.base, r.top, r.got = uint32(p.Seq), uint32(p.Seq), 0
	case step > 0:
		r.top += uint32(step)
	}
	r.received++
	r.got++
	r.last = now
	if !p.Event { // an event's timestamp stands still
		r.delay(p.Time, now)
	}
}

// delay updates the jitter. A second and more is none: the source stood still,
// or counts from elsewhere.
func (r *reception) delay(stamp uint32, now time.Time) {
	transit := uint32(now.Sub(r.first)/(time.Second/media.Rate)) - stamp
	d := int32(transit - r.transit)
	if d = max(d, -d); r.measured && d >= 0 && d < media.Rate {
		r.jitter += (float64(d) - r.jitter) / 16
	}
	r.transit, r.measured = transit, true
}

// missing is the packets that have not come. Doubled packets do not make up for
// the lost ones of another source.
func (r *reception) missing() int64 {
	if r.received == 0 {
		return 0
	}
	return r.lost + max(0, int64(r.top-r.base)+1-int64(r.got))
}

// samples is a time in samples as a duration.
func samples(n float64) time.Duration {
	return time.Duration(n * float64(time.Second) / media.Rate)
}
