package media

import (
	"math"
	"testing"
	"time"

	"cabline/media/g711"
)

func TestAGreetingIsToldFromAPerson(t *testing.T) {
	voice := func(x float64) float64 {
		return 2000 * (math.Sin(2*math.Pi*130*x) + math.Sin(2*math.Pi*390*x+1) + math.Sin(2*math.Pi*1170*x)) * (1.2 + math.Sin(2*math.Pi*3*x))
	}
	tone := func(hz float64) func(float64) float64 {
		return func(x float64) float64 { return 8000 * math.Sin(2*math.Pi*hz*x) }
	}
	quiet := func(float64) float64 { return 0 }
	street := func(x float64) float64 { return 300 * math.Sin(1e6*x*x) }
	type part struct {
		sound  func(float64) float64
		length time.Duration
	}
	for name, c := range map[string]struct {
		parts   []part
		machine bool
	}{
		"silence":                     {[]part{{quiet, 20 * time.Second}}, false},
		"a street":                    {[]part{{street, 20 * time.Second}}, false},
		"a word":                      {[]part{{voice, 800 * time.Millisecond}, {quiet, 5 * time.Second}}, false},
		"words with pauses":           {[]part{{voice, 3 * time.Second}, {quiet, time.Second}, {voice, 3 * time.Second}}, false},
		"a greeting with breaths":     {[]part{{voice, 2 * time.Second}, {quiet, 160 * time.Millisecond}, {voice, 3 * time.Second}, {quiet, time.Second}}, true},
		"a beep of 440 Hz":            {[]part{{quiet, time.Second}, {tone(440), 250 * time.Millisecond}}, true},
		"a beep of 1,400 Hz":          {[]part{{quiet, time.Second}, {tone(1400), 250 * time.Millisecond}}, true},
		"a click is no beep":          {[]part{{tone(1000), 60 * time.Millisecond}, {quiet, time.Second}}, false},
		"a tone that slides is none":  {[]part{{func(x float64) float64 { return 8000 * math.Sin(2*math.Pi*(500+2500*x)*x) }, 600 * time.Millisecond}}, false},
		"two tones of a key are none": {[]part{{func(x float64) float64 { return (tone(770)(x) + tone(1336)(x)) / 2 }, 400 * time.Millisecond}}, false},
	} {
		for _, codec := range []Codec{PCMA, PCMU} {
			t.Run(name+", "+codec.String(), func(t *testing.T) {
				g := NewGreeting()
				packet := Packet{Buf: make([]byte, HeaderSize+FrameSize, 256), Start: HeaderSize, Codec: codec}
				n := 0
				for _, p := range c.parts {
					for range int(p.length / FrameTime) {
						for i := range FrameSize {
							sample := int16(p.sound(float64(n) / Rate))
							packet.Buf[HeaderSize+i] = g711.EncodeALaw(sample)
							if codec == PCMU {
								packet.Buf[HeaderSize+i] = g711.EncodeMuLaw(sample)
							}
							n++
						}
						packet.Codec = codec // a sink may change it
						g.WriteRTP(&packet)
					}
				}
				if g.Machine() != c.machine {
					t.Errorf("taken for a machine: %v", g.Machine())
				}
			})
		}
	}
}
