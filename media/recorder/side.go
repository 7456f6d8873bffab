package recorder

import (
	"sync"
	"time"

	"cabline/media"
	"cabline/media/g711"
)

const (
	// window is how much of a side waits in memory for the disk, in samples: 4 s. A
	// disk that is slower for longer costs packets, never a call.
	window = 1 << 15
	// grace is how long the writer lets packets come late, in samples.
	grace = media.Rate / 2
	// jump is how far a party's clock may be off its arrivals, in samples, before
	// its numbers count as begun anew: after a hold, with another phone.
	jump = media.Rate
	// slack is how far off it may stay; more is put right once in a stretch of so
	// many packets, by the one that came soonest: the rest is the network's jitter.
	slack   = 40 * media.Rate / 1000
	stretch = 100
	// longest is where a recording ends at the latest, in samples: a day, which is
	// far from the 4 GB that a WAV file can be.
	longest = 24 * 3600 * media.Rate
)

// side is one channel of a tape: what one party says, A-law, each sample where
// it belongs in time. Between packets is silence. Its party's thread puts
// packets in, the writer takes them out.
type side struct {
	begun time.Time

	mu      sync.Mutex
	ring    [window]byte
	taken   int64 // samples that the writer has; the ring holds those after
	dropped uint64

	began  bool
	source uint32
	stamp  uint32 // of the packet before …
	at     int64  // … and where it went
	least  int64  // how late the soonest packet of this stretch came
	looked int

	turner media.Transcoder
	turned func(*media.Packet) // keep
	packet media.Packet
	buf    [media.HeaderSize + 2048]byte
}

func newSide(begun time.Time) *side {
	s := &side{begun: begun}
	s.turned = s.keep
	silence(s.ring[:])
	return s
}

func silence(b []byte) {
	for i := range b {
		b[i] = g711.SilenceALaw
	}
}

// put keeps a packet. It waits for nobody but the writer's copying.
func (s *side) put(p *media.Packet) {
	if p.Event || len(p.Payload()) > len(s.buf)-media.HeaderSize {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if p.Codec == media.PCMA {
		s.keep(p)
		return
	}
	s.packet = *p // its bytes are the other party's to change
	s.packet.Buf = append(s.buf[:media.HeaderSize], p.Payload()...)
	s.packet.Start = media.HeaderSize
	s.turner.Turn(&s.packet, media.PCMA, s.turned)
}

// keep puts A-law where it belongs. s.mu is held.
func (s *side) keep(p *media.Packet) {
	at, sound := s.place(p), p.Payload()
	if at < s.taken {
		sound = sound[min(int64(len(sound)), s.taken-at):]
		at = s.taken
	}
	if len(sound) == 0 || at+int64(len(sound)) > min(s.taken+window, longest) {
		s.dropped++
		return
	}
	i := at % window
	n := copy(s.ring[i:], sound)
	copy(s.ring[:], sound[n:])
}

// place is where a packet belongs: where its timestamp says, as long as that
// agrees with when it came. s.mu is held.
func (s *side) place(p *media.Packet) int64 {
	now := samples(p.Moment().Sub(s.begun))
	at := s.at + int64(int32(p.Time-s.stamp))
	late := now - at
	if !s.began || p.Source != s.source || late > jump || late < -jump {
		at, late = now, 0
		s.began, s.source, s.least, s.looked = true, p.Source, jump, 0
	}
	s.least = min(s.least, late)
	if s.looked++; s.looked == stretch {
		if s.least > slack || s.least < -slack { // its clock runs otherwise, or its first packets were late
			at += s.least
		}
		s.least, s.looked = jump, 0
	}
	s.at, s.stamp = at, p.Time
	return max(at, 0)
}

// take moves the next samples to the writer.
func (s *side) take(into []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for len(into) > 0 {
		i := s.taken % window
		n := copy(into, s.ring[i:])
		silence(s.ring[i : i+int64(n)])
		into = into[n:]
		s.taken += int64(n)
	}
}

func (s *side) lost() uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.dropped
}

func samples(d time.Duration) int64 { return int64(d) / int64(time.Second/media.Rate) }

func duration(samples int64) time.Duration { return time.Duration(samples) * time.Second / media.Rate }
