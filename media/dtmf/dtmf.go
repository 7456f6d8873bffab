// Package dtmf is the keys of the telephone on the wire: RFC 4733 events and
// the tones in the voice band (ITU-T Q.23). It is a leaf: it knows nothing of
// packets' headers or calls and does not log.
package dtmf

import (
	"encoding/binary"
	"math"
	"strings"
)

// keys are the keys by their event code (RFC 4733 §3.2, table 3).
const keys = "0123456789*#ABCD"

// Valid says whether a byte is a key: '0' to '9', '*', '#', 'A' to 'D'.
func Valid(key byte) bool { return strings.IndexByte(keys, key) >= 0 }

// PayloadSize is the size of an event's payload.
const PayloadSize = 4

// Event is the payload of one telephone-event packet (RFC 4733 §2.3).
type Event struct {
	Key      byte
	End      bool
	Volume   uint8  // -dBm0, 0 to 63
	Duration uint16 // so far, in samples
}

// Parse reads an event; false: too short, or no key (a hook flash, a modem).
func Parse(b []byte) (Event, bool) {
	if len(b) < PayloadSize || int(b[0]) >= len(keys) {
		return Event{}, false
	}
	return Event{
		Key:      keys[b[0]],
		End:      b[1]&0x80 != 0,
		Volume:   b[1] & 0x3f,
		Duration: binary.BigEndian.Uint16(b[2:]),
	}, true
}

// Put writes the event into the first PayloadSize bytes of b. The key must be
// valid.
func (e Event) Put(b []byte) {
	b[0] = byte(strings.IndexByte(keys, e.Key))
	b[1] = e.Volume & 0x3f
	if e.End {
		b[1] |= 0x80
	}
	binary.BigEndian.PutUint16(b[2:], e.Duration)
}

// Rescale writes an event's duration anew, for timestamps that count so many a
// second instead of so many: beside Opus they count 48000 (RFC 4733 §2.1).
func Rescale(b []byte, from, to int) {
	if len(b) >= PayloadSize {
		duration := int(binary.BigEndian.Uint16(b[2:])) * to / from
		binary.BigEndian.PutUint16(b[2:], uint16(min(duration, math.MaxUint16)))
	}
}

// The two frequencies of a key, by its column and row (Q.23).
var (
	low  = [4]float64{697, 770, 852, 941}
	high = [4]float64{1209, 1336, 1477, 1633}
)

// pad is the keys as they lie.
const pad = "123A456B789C*0#D"

// Levels of the two tones, of full scale: -8 and -6 dBm0 (Q.24 allows the high
// one to be the stronger by up to 4 dB).
const (
	lowLevel  = 0.277 * math.MaxInt16
	highLevel = 0.349 * math.MaxInt16
)

// Tones is sample number n of a valid key's tones, 8000 samples a second.
func Tones(key byte, n int) int16 {
	at := strings.IndexByte(pad, key)
	w := 2 * math.Pi * float64(n) / 8000
	return int16(lowLevel*math.Sin(w*low[at/4]) + highLevel*math.Sin(w*high[at%4]))
}
