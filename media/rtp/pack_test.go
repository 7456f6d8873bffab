package rtp

import (
	"testing"
	"time"

	"cabline/media"
)

func TestPacketsAreOfTheLengthThePartyAsksFor(t *testing.T) {
	onBothWires(t, Config{}, func(t *testing.T, r *Relay) {
		for _, tt := range []struct {
			asks string
			ms   int // of what it hears
		}{
			{"a=ptime:10", 10}, {"a=ptime:20", 20}, {"a=ptime:30", 30}, {"a=ptime:40", 40}, {"a=ptime:50", 50}, {"a=ptime:60", 60},
			{"a=maxptime:10", 10}, {"a=maxptime:150", 20}, {"a=ptime:0", 20}, {"a=ptime:-1", 20}, {"a=ptime:1000", 20}, {"a=ptime:x", 20},
		} {
			t.Run(tt.asks, func(t *testing.T) {
				a, b := newPhone(t), newPhone(t)
				pa, pb := openPort(t, r, LatchFirst), openPort(t, r, LatchFirst)
				a.call(pa, "0")
				b.call(pb, "8", tt.asks)
				media.Cross(pa, pb)
				a.hum(440, 60)
				want := 1200 / tt.ms
				until(t, "b heard all", func() bool { return len(b.all()) == want })
				if err := pb.Play(t.Context(), media.Speech{media.Tone("prompt", []float64{440}, 600*time.Millisecond)}); err != nil {
					t.Fatal(err)
				}
				until(t, "b heard the prompt", func() bool { return len(b.all()) == want+600/tt.ms })
				heard := b.all()
				for i, p := range heard {
					if len(p.Payload) != 8*tt.ms {
						t.Errorf("packet %d has %d bytes", i, len(p.Payload))
					}
					if i > 0 && i != want && p.Timestamp != heard[i-1].Timestamp+uint32(8*tt.ms) || i > 0 && p.SequenceNumber != heard[i-1].SequenceNumber+1 {
						t.Errorf("packet %d: %v after %v", i, p.Header, heard[i-1].Header)
					}
				}
				if share := power(b.sound()[:9600], 440); share < 0.95 {
					t.Errorf("%.2f of it is the tone", share)
				}
			})
		}
	})
}

func TestAPackedStreamGoesOnOverLossesLatePacketsAndKeys(t *testing.T) {
	onBothWires(t, Config{}, func(t *testing.T, r *Relay) {
		a, b := newPhone(t), newPhone(t)
		pa, pb := openPort(t, r, LatchFirst), openPort(t, r, LatchFirst)
		a.call(pa, "8 101")
		b.call(pb, "8 101", "a=ptime:40")
		media.Cross(pa, pb)
		a.hum(440, 3)
		late := a.packet
		late.Payload = make([]byte, 160)
		a.packet.SequenceNumber++ // lost, or so it seems
		a.packet.Timestamp += 160
		a.hum(440, 2)
		a.write(late)
		a.press('5')
		a.hum(440, 4)
		until(t, "b heard all", func() bool { return len(b.all()) == 1+1+7+2 })
		if keys := keysOf(t, b.all(), 101); keys != "5" {
			t.Errorf("b heard the keys %q", keys)
		}
		for i, p := range b.all()[1:] {
			if last := b.all()[i]; p.SequenceNumber != last.SequenceNumber+1 {
				t.Errorf("%v after %v", p.Header, last.Header)
			}
		}
	})
}
