// Package g711 turns samples into G.711 A-law and µ-law and back, and one law
// into the other in place. It is a leaf: it knows nothing of packets or calls
// and does not log.
package g711

import "github.com/zaf/g711"

// A sample of silence in each law.
const (
	SilenceALaw  = 0xD5
	SilenceMuLaw = 0xFF
)

// EncodeALaw is a 16-bit linear sample as A-law.
func EncodeALaw(sample int16) byte { return g711.EncodeAlawFrame(sample) }

// DecodeALaw is an A-law sample as 16-bit linear.
func DecodeALaw(b byte) int16 { return g711.DecodeAlawFrame(b) }

// EncodeMuLaw is a 16-bit linear sample as µ-law.
func EncodeMuLaw(sample int16) byte { return g711.EncodeUlawFrame(sample) }

// DecodeMuLaw is a µ-law sample as 16-bit linear.
func DecodeMuLaw(b byte) int16 { return g711.DecodeUlawFrame(b) }

// ToMuLaw turns A-law into µ-law in place.
func ToMuLaw(b []byte) {
	for i, v := range b {
		b[i] = g711.Alaw2UlawFrame(v)
	}
}

// ToALaw turns µ-law into A-law in place.
func ToALaw(b []byte) {
	for i, v := range b {
		b[i] = g711.Ulaw2AlawFrame(v)
	}
}
