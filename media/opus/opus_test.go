package opus_test

import (
	"testing"

	"cabline/media/opus"
)

func TestAPacketTellsHowLongItIs(t *testing.T) {
	for _, tt := range []struct {
		name   string
		packet []byte
		want   int
	}{
		{"nothing", nil, 0},
		{"20 ms of SILK alone, a silence of one byte", []byte{1 << 3}, 160},
		{"60 ms of SILK", []byte{3 << 3, 1, 2}, 480},
		{"both, 10 ms", []byte{12 << 3, 1}, 80},
		{"both, 20 ms, stereo", []byte{15<<3 | 4, 1}, 160},
		{"CELT, 2.5 ms", []byte{16 << 3, 1}, 20},
		{"CELT, 20 ms, as a muted Chrome says it", []byte{0xf8, 0xff, 0xfe}, 160},
		{"two frames of 60 ms", []byte{3<<3 | 1, 1, 2}, 960},
		{"48 frames of 2.5 ms", []byte{28<<3 | 3, 48, 1}, 960},
		{"a count that is missing", []byte{3}, 0},
		{"no frame", []byte{3, 0}, 0},
		{"49 frames of 2.5 ms are more than 120 ms", []byte{28<<3 | 3, 49, 1}, 0},
		{"63 frames of 60 ms", []byte{3<<3 | 3, 63}, 0},
	} {
		if got := opus.Samples(tt.packet); got != tt.want {
			t.Errorf("%s: %d samples, want %d", tt.name, got, tt.want)
		}
	}
}
