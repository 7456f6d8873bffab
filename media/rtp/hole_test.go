package rtp

import (
	"testing"

	"github.com/pion/rtp"

	"cabline/media"
)

// heardWhole checks that audio of 20 ms each arrived without a hole but for so
// many, and that its timestamps are those it was said at.
func heardWhole(t *testing.T, heard []rtp.Packet, stamps []uint32, holes int) {
	t.Helper()
	if len(heard) != len(stamps) {
		t.Fatalf("heard %d packets, not %d", len(heard), len(stamps))
	}
	for i := 1; i < len(heard); i++ {
		if got := heard[i].Timestamp - heard[0].Timestamp; got != stamps[i]-stamps[0] {
			t.Errorf("packet %d was said at %d, not %d", i, got, stamps[i]-stamps[0])
		}
		holes -= int(heard[i].SequenceNumber-heard[i-1].SequenceNumber) - 1
	}
	if holes != 0 {
		t.Errorf("%d holes too few: %v", holes, heard)
	}
}

func TestWhatIsNotPassedOnLeavesNoHole(t *testing.T) {
	for name, between := range map[string]func(t *testing.T, a, b *phone, pa, pb *Port){
		"comfort noise": func(_ *testing.T, a, _ *phone, _, _ *Port) {
			a.packet.PayloadType = 13
			a.say([]byte{60}, 1600)
			a.say([]byte{60}, 1600)
			a.packet.PayloadType = 8
		},
		"an event to a party of INFO": func(_ *testing.T, a, _ *phone, _, pb *Port) {
			pb.TellKeys(new(told).press)
			a.press('1')
		},
		"an event that was pressed for who listened before": func(t *testing.T, a, _ *phone, pa, pb *Port) {
			pa.Plug(new(catcher))
			received, now := pa.Stats().Received, a.packet
			a.press('1', 0)
			until(t, "its first packet was heard", func() bool { return pa.Stats().Received == received+1 })
			a.packet = now
			pa.Plug(pb) // as if nobody had heard that one
			a.press('1')
		},
		"what was said to nobody while the other holds": func(t *testing.T, a, b *phone, pa, pb *Port) {
			pa.Plug(nil)
			received := pa.Stats().Received
			a.hum(440, 50)
			until(t, "a was heard", func() bool { return pa.Stats().Received == received+50 })
			pa.Plug(pb)
		},
		"a hold": func(t *testing.T, a, b *phone, pa, pb *Port) {
			b.call(pb, "8 101", "a=sendonly")
			received := pa.Stats().Received
			a.hum(440, 50)
			until(t, "a was heard", func() bool { return pa.Stats().Received == received+50 })
			b.call(pb, "8 101")
		},
	} {
		t.Run(name, func(t *testing.T) {
			onBothWires(t, Config{}, func(t *testing.T, r *Relay) {
				a, b := newPhone(t), newPhone(t)
				pa, pb := openPort(t, r, LatchFirst), openPort(t, r, LatchFirst)
				a.call(pa, "8 13 101")
				b.call(pb, "8 101")
				media.Cross(pa, pb)
				var stamps []uint32
				hum := func() {
					stamps = append(stamps, a.packet.Timestamp)
					a.hum(440, 1)
				}
				for range 3 {
					hum()
				}
				until(t, "b heard it", func() bool { return len(b.all()) == 3 })
				between(t, a, b, pa, pb)
				hum()
				hum()
				a.packet.SequenceNumber++ // one is lost
				a.packet.Timestamp += 160
				hum()
				until(t, "b heard the rest", func() bool { return len(b.all()) >= 6 })
				heardWhole(t, b.all(), stamps, 1)
			})
		})
	}
}
