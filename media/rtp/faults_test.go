package rtp

import (
	"net/netip"
	"testing"
	"time"

	"cabline/media"
	"cabline/media/faults"
	"cabline/media/wire"
)

// bug is a sink that panics.
type bug struct{}

func (bug) WriteRTP(*media.Packet) { panic("a bug") }

func TestAPartyWhosePacketPanicsIsLostAndTheOthersHearEachOther(t *testing.T) {
	onBothWires(t, Config{}, func(t *testing.T, r *Relay) {
		desk := faults.NewDesk(func(any, []byte) {})
		r.wire.Report(desk)
		a, b, c := newPhone(t), newPhone(t), newPhone(t)
		pa, pb, pc := openPort(t, r, LatchFirst), openPort(t, r, LatchFirst), openPort(t, r, LatchFirst)
		a.call(pa, "8")
		b.call(pb, "8")
		c.call(pc, "8")
		lost := make(chan struct{}, 10)
		pa.WhenLost(func() { lost <- struct{}{} })
		pa.Plug(bug{})
		media.Cross(pb, pc)
		a.hum(440, 5)
		b.hum(440, 50)
		until(t, "c heard all", func() bool { return len(c.all()) == 50 })
		<-lost
		a.hum(440, 5)
		c.hum(440, 50)
		until(t, "b heard all", func() bool { return len(b.all()) == 50 })
		if desk.Count() != 1 || len(lost) > 0 || pa.Stats().Received != 1 {
			t.Errorf("%d faults, told %d times more, %+v", desk.Count(), len(lost), pa.Stats())
		}
		if err := pa.Close(); err != nil {
			t.Error(err)
		}
		if r.Taken() != 2 {
			t.Errorf("%d ports are taken", r.Taken())
		}
	})
}

// broken is a socket that cannot send.
type broken struct{ wire.Socket }

func (broken) Send([]byte, netip.AddrPort) bool { panic("a bug") }

func TestAReportThatPanicsKeepsNobodyElsesBack(t *testing.T) {
	w := wire.Goroutines()
	defer w.Close()
	clock := media.NewClock()
	defer clock.Close()
	r := &Relay{clock: clock, wire: w, ports: map[*Port]struct{}{}} // reports when it is told to
	desk := faults.NewDesk(func(any, []byte) {})
	r.Report(desk)
	lost := 0
	var ports []*Port
	for range 5 {
		p := openPort(t, r, LatchOff)
		phone := newPhone(t)
		phone.call(p, "8")
		if err := p.Play(t.Context(), media.Speech{media.Silence(20 * time.Millisecond)}); err != nil {
			t.Fatal(err)
		}
		ports = append(ports, p)
	}
	for _, p := range ports[:2] {
		p.WhenLost(func() { lost++ })
		p.tx.mu.Lock()
		p.tx.rtcp, p.tx.rtp = broken{p.tx.rtcp}, broken{p.tx.rtp}
		p.tx.mu.Unlock()
	}
	for round := range 3 {
		r.report(time.Now().Add(time.Duration(round+1) * time.Hour))
	}
	if lost != 2 || desk.Count() != 2 {
		t.Errorf("%d ports lost, %d faults", lost, desk.Count())
	}
	for i, p := range ports {
		if i >= 2 && p.nextReport.Before(time.Now().Add(3*time.Hour)) {
			t.Errorf("port %d has not had its turn", i)
		}
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	}
}
