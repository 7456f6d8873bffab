package telephone

import (
	"encoding/binary"
	"fmt"
	"strings"
	"time"

	"github.com/zaf/g711"
)

// Recording is what a party heard: A-law, 8000 samples a second, without holes.
type Recording struct {
	Start time.Time // when the first sample came
	ALaw  []byte

	came []arrival // of its packets; nil: each sample came when it was due
}

// arrival is when a packet came, and where it lies. The two drift apart: who
// speaks may be held up, by a busy machine, and says the rest later, without a
// hole.
type arrival struct {
	at     time.Time
	sample int
}

// Reel keeps the packets that came, with their times.
type Reel struct {
	frames  []heard
	pressed []byte // keys
	lastKey uint32 // timestamp of the last event
}

// heard is one packet of audio.
type heard struct {
	at     time.Time
	source uint32
	stamp  uint32
	alaw   []byte
}

const maxFrames = 50 * 600 // ten minutes

// File puts an RTP packet where it belongs: with the audio or with the keys.
func (r *Reel) File(packet []byte, event uint8, now time.Time) {
	stamp, source := binary.BigEndian.Uint32(packet[4:]), binary.BigEndian.Uint32(packet[8:])
	payload := packet[12:]
	switch kind := packet[1] & 0x7f; {
	case kind == event && event != 0:
		if len(payload) >= 4 && (stamp != r.lastKey || len(r.pressed) == 0) && int(payload[0]) < len(keyNames) {
			r.pressed, r.lastKey = append(r.pressed, keyNames[payload[0]]), stamp
		}
	case len(r.frames) >= maxFrames:
	case kind == 8:
		r.frames = append(r.frames, heard{now, source, stamp, append([]byte(nil), payload...)})
	case kind == 0:
		r.frames = append(r.frames, heard{now, source, stamp, g711.Ulaw2Alaw(payload)})
	}
}

// Recording lays the packets out. One lies where its RTP timestamp says; where
// a new source begins, where it arrived. What never came is silence.
func (r *Reel) Recording() Recording {
	if len(r.frames) == 0 {
		return Recording{}
	}
	rec := Recording{Start: r.frames[0].at}
	source, origin := r.frames[0].source, r.frames[0].stamp // of sample 0, by the source's clock
	for _, f := range r.frames {
		if f.source != source {
			source, origin = f.source, f.stamp-uint32(f.at.Sub(rec.Start)*rate/time.Second)
		}
		at := int(int32(f.stamp - origin))
		if at < 0 || at > maxFrames*frameSize { // late for the first packet, or a leap of hours
			continue
		}
		for len(rec.ALaw) < at+len(f.alaw) {
			rec.ALaw = append(rec.ALaw, quiet)
		}
		copy(rec.ALaw[at:], f.alaw)
		rec.came = append(rec.came, arrival{f.at, at})
	}
	return rec
}

// Pressed are the keys that came, in order.
func (r *Reel) Pressed() string { return string(r.pressed) }

// Heard is everything heard in the call so far.
func (c *Call) Heard() Recording {
	c.sound.mu.Lock()
	defer c.sound.mu.Unlock()
	return c.sound.reel.Recording()
}

// Upsets tells what was wrong with how it came: packets missing, and such as
// came late for the one before.
func (r Recording) Upsets() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d packets, %v", len(r.came), r.Length())
	for i := 1; i < len(r.came); i++ {
		before, a := r.came[i-1], r.came[i]
		said, passed := moment(a.sample-before.sample), a.at.Sub(before.at)
		if said != moment(frameSize) || passed > said+50*time.Millisecond {
			fmt.Fprintf(&b, "; at %v %v of sound came %v after the one before", moment(before.sample), said, passed.Round(time.Millisecond))
		}
	}
	return b.String()
}
