package main

import (
	"encoding/binary"
	"slices"
)

// ear is one caller who is spoken to. The exchange is judged by when its
// packets come, and by the beginning of a speech, which RFC 3551 §4.1 marks;
// what is said does not matter.
type ear struct {
	first    int64 // when the first packet came, nanoseconds since 1970
	pressed  int64 // when a key went down
	reaction int64 // nanoseconds until another speech began

	source  uint32
	began   uint32   // RTP time of this speech's first packet
	arrived []int64  // its packets' arrival in the window, less their time in the speech
	late    []uint32 // nanoseconds, of the speeches before
}

const sampleTime = 125_000 // nanoseconds

// heed files a packet that was spoken to a caller.
func (e *engine) heed(on leg, packet []byte, arrived int64) {
	if kind := packet[1] & 0x7f; kind != 0 && kind != 8 {
		return
	}
	a := e.ears[on]
	if a == nil {
		if len(e.ears) >= maxCalls {
			return
		}
		a = &ear{first: arrived}
		e.ears[on] = a
	}
	source, sampled := binary.BigEndian.Uint32(packet[8:]), binary.BigEndian.Uint32(packet[4:])
	if packet[1]&0x80 != 0 || source != a.source {
		a.settle()
		a.source, a.began = source, sampled
		if a.pressed != 0 && a.reaction == 0 && arrived > a.pressed {
			a.reaction = arrived - a.pressed
		}
	}
	if arrived >= e.window.from && arrived < e.window.until {
		e.window.received++
		a.arrived = append(a.arrived, arrived-int64(int32(sampled-a.began))*sampleTime)
	}
}

// settle ends a speech: its earliest packet was on time, and every other is as
// late as it came behind that one's grid of 20 ms.
func (a *ear) settle() {
	if len(a.arrived) == 0 {
		return
	}
	onTime := slices.Min(a.arrived)
	for _, at := range a.arrived {
		a.late = append(a.late, uint32(min(at-onTime, 4e9)))
	}
	a.arrived = a.arrived[:0]
}
