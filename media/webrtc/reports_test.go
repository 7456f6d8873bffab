package webrtc

import (
	"testing"
	"time"

	"github.com/pion/srtp/v3"

	"cabline/media/faults"
	own "cabline/media/srtp"
)

func TestAReportThatPanicsKeepsNobodyElsesBack(t *testing.T) {
	b := &Browsers{sieve: newSieve(), ports: map[*Port]struct{}{}}
	desk := faults.NewDesk(func(any, []byte) {})
	b.line.Report(desk)
	sent := map[*Port]int{}
	var broken []*Port
	for i := range 5 {
		p := newPort(b)
		sealer, err := own.NewSealer(srtp.ProtectionProfileAeadAes128Gcm, make([]byte, 16), make([]byte, 12))
		if err != nil {
			t.Fatal(err)
		}
		p.voice.start(sealer)
		p.voice.sent = 1
		p.voice.out = func([]byte) bool { sent[p]++; return true }
		if i < 2 {
			p.voice.out = func([]byte) bool { panic("a bug") }
			broken = append(broken, p)
		}
		b.ports[p] = struct{}{}
	}
	for hours := range 3 {
		b.report(time.Now().Add(time.Duration(hours+1) * time.Hour))
	}
	for _, p := range broken {
		<-p.Lost()
		delete(b.ports, p)
	}
	for p := range b.ports {
		if sent[p] != 3 {
			t.Errorf("%d reports were sent of three", sent[p])
		}
	}
	if desk.Count() != 2 {
		t.Errorf("%d faults", desk.Count())
	}
}
