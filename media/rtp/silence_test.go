package rtp

import (
	"errors"
	"testing"
	"time"

	"cabline/media"
)

func TestAPartyIsSilentWhenItSendsNothingThoughItShould(t *testing.T) {
	onBothWires(t, Config{}, func(t *testing.T, r *Relay) {
		p, a := openPort(t, r, LatchFirst), newPhone(t)
		if s := p.Stats().Silence; s != 0 {
			t.Errorf("silent for %v before it is called", s)
		}
		const limit = 50 * time.Millisecond
		a.call(p, "8")
		until(t, "it is silent", func() bool { return p.Stats().Silence > limit })
		a.hum(440, 1)
		until(t, "it is heard", func() bool { s := p.Stats(); return s.Received == 1 && s.Silence <= time.Since(s.LastHeard) })
		begin := time.Now()
		if err := (media.Watch{Silent: limit}).Keep(t.Context(), p); !errors.Is(err, media.ErrSilent) || time.Since(begin) < limit {
			t.Errorf("%v after %v", err, time.Since(begin))
		}
		for _, hold := range []string{"a=sendonly", "a=inactive", "c=IN IP4 0.0.0.0"} {
			a.call(p, "8", hold)
			if s := p.Stats().Silence; s != 0 {
				t.Errorf("silent for %v on hold by %s", s, hold)
			}
		}
		before := time.Now()
		a.call(p, "8")
		if s := p.Stats().Silence; s == 0 || s > time.Since(before) {
			t.Errorf("silent for %v after the hold", s)
		}
	})
}
