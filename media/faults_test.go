package media_test

import (
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"cabline/media"
	"cabline/media/faults"
)

// mine is a sink that panics at the third packet.
type mine struct{ heard int }

func (m *mine) WriteRTP(*media.Packet) {
	if m.heard++; m.heard == 3 {
		panic("a bug")
	}
}

func TestASpeechThatPanicsEndsAndTheOthersAreSaidWhole(t *testing.T) {
	inBubble(t, func(t *testing.T, c *media.Clock) {
		desk := faults.NewDesk(func(any, []byte) {})
		c.Report(desk)
		const many = 20 // several fall together
		var bad [many]mine
		var good [many]listener
		said := make(chan error, 2*many)
		for i := range many {
			go func() { said <- c.Play(t.Context(), &bad[i], media.Speech{clip(1600, 1)}) }()
			go func() { said <- c.Play(t.Context(), &good[i], media.Speech{clip(1600, 1)}) }()
		}
		failed := 0
		for range 2 * many {
			if err := <-said; errors.Is(err, media.ErrFault) {
				failed++
			} else if err != nil {
				t.Error(err)
			}
		}
		for i := range many {
			if bad[i].heard != 3 || len(good[i].all()) != 10 {
				t.Errorf("%d and %d packets were said", bad[i].heard, len(good[i].all()))
			}
		}
		if failed != many || desk.Count() != many {
			t.Errorf("%d speeches failed, %d faults counted", failed, desk.Count())
		}
	})
}

func TestAKeyThatPanicsDoesNotLeaveThePartyDeaf(t *testing.T) {
	inBubble(t, func(t *testing.T, c *media.Clock) {
		c.Report(faults.NewDesk(func(any, []byte) {}))
		var panics atomic.Bool
		panics.Store(true)
		said := 0
		s := media.DigitSender{Clock: c, Say: func(*media.Packet) {
			if panics.Load() {
				panic("a bug")
			}
			said++
		}}
		s.Send('1')
		time.Sleep(time.Second)
		if synctest.Wait(); s.Busy() {
			t.Error("it takes the key for one that goes on")
		}
		panics.Store(false)
		s.Send('2')
		time.Sleep(time.Second)
		if synctest.Wait(); said == 0 || s.Busy() {
			t.Errorf("%d packets of the next key", said)
		}
		s.Close()
	})
}
