package media

import (
	"testing"
	"time"
)

// A call is rated for all of it, not for how it ends.
func TestARatingIsOfTheWholeCall(t *testing.T) {
	for _, tt := range []struct {
		name     string
		late     func(packet int) time.Duration // how long it is under way
		tooLate  float64                        // share of the packets
		min, max float64                        // of the rating
	}{
		{"all in time", func(int) time.Duration { return 0 }, 0, 4.4, 4.42},
		{"ten bad minutes and two clean seconds", func(n int) time.Duration {
			if n >= 30_000 {
				return 0
			}
			return time.Duration(n%5) * 80 * time.Millisecond // two of five come more than 120 ms after the soonest
		}, 0.4, 1, 2},
		{"jitter that a buffer smooths is delay", func(n int) time.Duration { return time.Duration(n%5) * 25 * time.Millisecond }, 0, 4.3, 4.42},
		{"two bad seconds in ten clean minutes are two seconds", func(n int) time.Duration {
			if n >= 30_000 {
				return time.Duration(n%2) * 300 * time.Millisecond
			}
			return 0
		}, 50. / 30_100, 4.3, 4.41},
		{"a clock that is slow by 200 ppm loses nothing", func(n int) time.Duration { return time.Duration(n) * 4 * time.Microsecond }, 0, 4.4, 4.42},
		{"a way that is longer from now on is followed", func(n int) time.Duration {
			if n < 15_000 {
				return 0
			}
			return 200 * time.Millisecond
		}, 1. / 30_100, 4.35, 4.42},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var r Reception
			begin := time.Now()
			for n := range 30_100 {
				p := Packet{Source: 1, Seq: uint16(n), Time: uint32(n) * FrameSize}
				r.Take(&p, begin.Add(time.Duration(n)*FrameTime+tt.late(n)))
			}
			var s Stats
			r.Fill(&s)
			if got := float64(s.TooLate) / 30_100; got > tt.tooLate+0.001 || got < tt.tooLate/2-0.001 {
				t.Errorf("%.4f came too late", got)
			}
			if m := s.MOS(); m < tt.min || m > tt.max {
				t.Errorf("rated %.2f: %+v", m, s)
			}
		})
	}
}

func TestATalkspurtHasABufferOfItsOwn(t *testing.T) {
	var r Reception
	begin := time.Now()
	for n := range 300 {
		late := time.Duration(0)
		if n >= 150 { // its clock stood still while it was silent
			late = 400 * time.Millisecond
		}
		p := Packet{Source: 1, Seq: uint16(n), Time: uint32(n) * FrameSize, Marker: n == 150}
		r.Take(&p, begin.Add(time.Duration(n)*FrameTime+late))
	}
	var s Stats
	if r.Fill(&s); s.TooLate > 0 {
		t.Errorf("%d of 300 came too late", s.TooLate)
	}
}
