package webrtc_test

import (
	"context"
	"testing"

	"cabline/media"
	"cabline/media/faults"
)

// bug is a sink that panics.
type bug struct{}

func (bug) WriteRTP(*media.Packet) { panic("a bug") }

func TestABrowserWhosePacketPanicsIsLostAndTheOthersHearAndAreHeard(t *testing.T) {
	b := listen(t, noAddr)
	desk := faults.NewDesk(func(any, []byte) {})
	b.Report(desk)
	good, bad := newChrome(t), newChrome(t)
	pg, pb := open(t, b), open(t, b)
	good.call(pg, false)
	bad.call(pb, false)
	pb.Plug(bug{})
	clock := media.NewClock()
	defer clock.Close()
	defer saying(t, 440, func(ctx context.Context, s media.Speech) error { return clock.Play(ctx, bad, s) })()
	<-pb.Lost()
	bothWays(t, good, pg)
	select {
	case <-pg.Lost():
		t.Error("the other is lost, too")
	default:
	}
	if got := pb.Stats().Received; desk.Count() != 1 || got != 1 {
		t.Errorf("%d faults, %d packets taken", desk.Count(), got)
	}
}
