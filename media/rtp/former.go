package rtp

import (
	"encoding/binary"
	"net/netip"
	"slices"
	"time"

	"cabline/media"
)

// A party who did not notice that its call is over must not be heard in the next
// one on the same port. What tells its stream is not the SSRC alone: there are
// phones whose SSRC never changes, and who is refused for a whole call is silence
// to a caller. So a stream from where the former was heard, of its SSRC, is refused
// only while it is the former's, going on:
//
//   - For `late` after the former was heard last, whatever counts on from there: it
//     was under way, or was said before our BYE came.
//   - Then what goes on in time, as of a clock that never stopped: for `pausing`
//     whatever its sequence numbers, as one who leaves out silence does not count
//     it, and later if exactly as many packets went by as fill that time. So a phone
//     that never had our BYE stays refused for as long as it speaks, whether we
//     listened or not.
//
// Who begins anew, with other numbers or where they stood, has a break in time or
// in count and is heard from its first packet, or from `late` after the former's
// last. Where the SDP of the new call names the address itself, its owner has left
// the former call, and only `late` counts.
const (
	late    = 3 * time.Second
	pausing = time.Minute
	// What goes on in time may come so much sooner or later …
	jitter = 400 * time.Millisecond
	// … and as its clock is not ours, by this part of the time since.
	drift = 1000
	// Nobody is remembered for longer: half of the time in which Opus' timestamps
	// turn over.
	forgotten = 12 * time.Hour
	// A port remembers so many, the latest: those who go on speaking while others
	// call.
	mostFormer = 4
)

// mark is the last packet of audio of a source, by its own clock. An event's
// timestamp stands still, so it marks nothing.
type mark struct {
	at    time.Time // zero: there was none
	stamp uint32
	step  uint32 // from one packet to the next; 0: not known
	seq   uint16
}

// note takes a packet as parsed, whose time still is the RTP timestamp.
func (m *mark) note(p *media.Packet, now time.Time) {
	if p.Seq == m.seq+1 {
		m.step = p.Time - m.stamp
	}
	m.at, m.stamp, m.seq = now, p.Time, p.Seq
}

// speaker is who was heard in a call that is over: from where, as which source,
// and how far it had come.
type speaker struct {
	from   netip.AddrPort
	heard  bool // it was, else it should have been: then last.at is the end of its call
	source uint32
	clock  uint64 // it counts so many a second
	last   mark
}

// isFormer says that a packet is a former call's. A source that has begun anew is
// of this call from then on. Where this call is encrypted its key tells better.
// r.mu is held.
func (r *rx) isFormer(b []byte, from netip.AddrPort, now time.Time) bool {
	if r.secret != nil || len(b) < media.HeaderSize {
		return false
	}
	for i := range r.former {
		f := &r.former[i]
		if f.heard && f.source != sourceOf(b) || f.from != from {
			continue
		}
		k := r.kinds[b[1]&0x7f]
		if f.goesOn(b, now, from == r.agreed, k == event || k == fullEvent) {
			return true
		}
		r.former = slices.Delete(r.former, i, i+1)
		return false
	}
	return false
}

// goesOn says that a packet of the speaker's address and source is of its former
// call. named: the SDP of the new call says that address; key: it is an event, whose
// timestamp is that of its beginning, up to 8 s ago.
func (s *speaker) goesOn(b []byte, now time.Time, named, key bool) bool {
	since := now.Sub(s.last.at)
	if !s.heard {
		return !named && since < pausing
	}
	if since >= forgotten || named && since >= late {
		return false
	}
	seq, stamp := binary.BigEndian.Uint16(b[2:]), binary.BigEndian.Uint32(b[4:])
	inTime := s.inTime(stamp, now)
	if since < late || key && since < pausing {
		if said := s.lasts(int64(int32(stamp - s.last.stamp))); said < -jitter || said > since+late {
			return false
		}
	} else if !inTime || since >= pausing && !s.counted(seq, stamp) {
		return false
	}
	if inTime && !key { // what counts on from where it stood must not become one whose clock never did
		s.last.at, s.last.stamp, s.last.seq = now, stamp, seq
	}
	return true
}

// lasts is how long the speaker takes to count so far.
func (s *speaker) lasts(units int64) time.Duration {
	return time.Duration(units * int64(time.Second) / int64(s.clock))
}

// inTime says that a timestamp is what a clock shows that has not stopped.
func (s *speaker) inTime(stamp uint32, now time.Time) bool {
	since := now.Sub(s.last.at)
	due := s.last.stamp + uint32(uint64(max(since, 0))*s.clock/uint64(time.Second))
	off := s.lasts(int64(int32(stamp - due)))
	return max(off, -off) <= jitter+since/drift
}

// counted says that as many packets were counted as fill the time by the timestamp.
func (s *speaker) counted(seq uint16, stamp uint32) bool {
	step := int64(s.last.step)
	return step > 0 && (int64(stamp-s.last.stamp)-int64(seq-s.last.seq)*step)%(step<<16) == 0
}

// remember is who must not be heard in the next call: who was heard in this one, or
// should have been, and the former ones before.
func (r *rx) remember(now time.Time) []speaker {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.agreed.IsValid() {
		return r.former
	}
	s := speaker{r.from, r.latched && !r.mark.at.IsZero(), r.packet.Source, uint64(r.clock.Clock()), r.mark}
	if !s.heard {
		s.last.at = now
	}
	all := slices.DeleteFunc(r.former, func(f speaker) bool {
		return now.Sub(f.last.at) >= forgotten || f.from == s.from && (f.source == s.source || !f.heard)
	})
	all = append(all, s)
	slices.SortFunc(all, func(a, b speaker) int { return a.last.at.Compare(b.last.at) })
	return all[max(0, len(all)-mostFormer):]
}
