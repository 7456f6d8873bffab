package rtp

import (
	"bytes"
	"testing"

	"cabline/media/g711"
)

func TestAPartyThatSendsOnlySilenceIsMute(t *testing.T) {
	onBothWires(t, Config{}, func(t *testing.T, r *Relay) {
		for law, silence := range map[string]byte{"8": g711.SilenceALaw, "0": g711.SilenceMuLaw} {
			p, a := openPort(t, r, LatchFirst), newPhone(t)
			a.call(p, law+" 13 101")
			for i := range 250 {
				a.say(bytes.Repeat([]byte{silence}, 160), 160)
				until(t, "it was heard", func() bool { return p.Stats().Received == uint64(i)+1 })
			}
			a.press('1') // no sound
			until(t, "all was heard", func() bool { return p.Stats().Received == 257 })
			if s := p.Stats(); !s.Mute() || s.Sampled != 16 {
				t.Errorf("%+v", s)
			}
			a.packet.PayloadType = 13 // comfort noise is none either
			a.say([]byte{0}, 160)
			a.packet.PayloadType = map[string]uint8{"8": 8, "0": 0}[law]
			a.hum(440, 16)
			until(t, "all was heard", func() bool { return p.Stats().Received == 257+17 })
			if s := p.Stats(); s.Mute() || s.Sampled != 17 {
				t.Errorf("%+v", s)
			}
		}
	})
}
