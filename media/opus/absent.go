//go:build !opus || !cgo

package opus

// Built says that the program can hear and say Opus.
const Built = false

// Decoder hears nothing: this program is built without libopus.
type Decoder struct{}

// Decode hears nothing.
func (*Decoder) Decode([]byte) []int16 { return nil }

// Conceal makes up nothing.
func (*Decoder) Conceal(int, []byte) []int16 { return nil }

// Encoder says nothing: this program is built without libopus.
type Encoder struct{}

// Encode says nothing.
func (*Encoder) Encode([]int16) []byte { return nil }
