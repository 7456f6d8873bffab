package rtp

import (
	"context"
	"fmt"
	"testing"
	"time"

	"cabline/media"
	"cabline/media/g711"
	"cabline/media/wire"
)

func TestTwoPartiesHearEachOther(t *testing.T) {
	for _, tt := range []struct{ name, a, b string }{
		{"both speak A-law", "8 101", "8 101"},
		{"both speak µ-law", "0", "0"},
		{"one speaks A-law, one µ-law", "8", "0 101"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			onBothWires(t, Config{}, func(t *testing.T, r *Relay) {
				a, b := newPhone(t), newPhone(t)
				pa, pb := openPort(t, r, LatchFirst), openPort(t, r, LatchFirst)
				a.call(pa, tt.a)
				b.call(pb, tt.b)
				media.Cross(pa, pb)
				a.hum(440, 50)
				b.hum(1000, 50)
				until(t, "both heard all", func() bool { return len(a.all()) == 50 && len(b.all()) == 50 })
				if p := power(b.sound(), 440); p < 0.95 {
					t.Errorf("of what b heard %.2f is a's 440 Hz", p)
				}
				if p := power(a.sound(), 1000); p < 0.95 {
					t.Errorf("of what a heard %.2f is b's 1000 Hz", p)
				}
				if p := a.all()[0]; p.SSRC == b.packet.SSRC || p.PayloadType != a.packet.PayloadType {
					t.Errorf("a heard a packet of b's own: %v", p.Header)
				}
				for _, p := range []*Port{pa, pb} {
					if s := p.Stats(); s.Received != 50 || s.Sent != 50 || s.Lost != 0 || s.Dropped != 0 || s.LastHeard.IsZero() {
						t.Errorf("statistics: %+v", s)
					}
				}
			})
		})
	}
}

func TestNothingOfTheOtherPartysHeaderPasses(t *testing.T) {
	onBothWires(t, Config{}, func(t *testing.T, r *Relay) {
		a, b := newPhone(t), newPhone(t)
		pa, pb := openPort(t, r, LatchFirst), openPort(t, r, LatchFirst)
		a.call(pa, "8")
		b.call(pb, "8")
		media.Cross(pa, pb)
		a.packet.CSRC = []uint32{0xCAFE, 0xBEEF}
		if err := a.packet.SetExtension(1, []byte("secret")); err != nil {
			t.Fatal(err)
		}
		a.packet.PaddingSize = 8
		a.packet.Header.Padding = true
		a.say([]byte("sound"), 160)
		until(t, "b heard it", func() bool { return len(b.all()) == 1 })
		got := b.all()[0]
		if string(got.Payload) != "sound" || len(got.CSRC) > 0 || got.Extension || got.Padding || got.SSRC == a.packet.SSRC {
			t.Errorf("b heard %+v", got)
		}
	})
}

func TestPacketsOfAnyLengthPassAndComfortNoiseDoesNot(t *testing.T) {
	onBothWires(t, Config{}, func(t *testing.T, r *Relay) {
		a, b := newPhone(t), newPhone(t)
		pa, pb := openPort(t, r, LatchFirst), openPort(t, r, LatchFirst)
		a.call(pa, "8 13")
		b.call(pb, "8")
		media.Cross(pa, pb)
		for ms := 10; ms <= 60; ms += 10 {
			a.say(make([]byte, 8*ms), uint32(8*ms))
		}
		a.packet.PayloadType = 13
		a.say([]byte{60}, 160)
		a.packet.PayloadType = 8
		a.say(make([]byte, 160), 160)
		until(t, "b heard all", func() bool { return len(b.all()) == 7 })
		heard := b.all()
		for i, ms := range []int{10, 20, 30, 40, 50, 60, 20} {
			if len(heard[i].Payload) != 8*ms {
				t.Errorf("packet %d has %d bytes", i, len(heard[i].Payload))
			}
		}
		if s := pa.Stats(); s.Received != 8 || s.Lost != 0 || s.Dropped != 0 {
			t.Errorf("statistics: %+v", s)
		}
	})
}

func TestAPromptMusicAndAPartyAreOneStream(t *testing.T) {
	onBothWires(t, Config{}, func(t *testing.T, r *Relay) {
		a, b := newPhone(t), newPhone(t)
		pa, pb := openPort(t, r, LatchFirst), openPort(t, r, LatchFirst)
		a.call(pa, "8")
		b.call(pb, "0")
		prompt := media.Tone("prompt", []float64{700}, 200*time.Millisecond)
		if err := pb.Play(t.Context(), media.Speech{prompt}); err != nil {
			t.Fatal(err)
		}
		ctx, cut := context.WithCancelCause(t.Context())
		played := make(chan error)
		go func() { played <- pb.Play(ctx, media.Speech{media.Tone("music", []float64{900}, time.Minute)}) }()
		until(t, "the music began", func() bool { return len(b.all()) >= 15 })
		cut(fmt.Errorf("enough"))
		if err := <-played; err == nil || err.Error() != "enough" {
			t.Error(err)
		}
		before := len(b.all())
		media.Cross(pa, pb)
		a.hum(440, 20)
		until(t, "b heard all", func() bool { return len(b.all()) >= before+20 })

		heard := b.all()
		marks := 0
		for i, p := range heard[1:] {
			last := heard[i]
			if p.SSRC != last.SSRC || p.SequenceNumber != last.SequenceNumber+1 || p.Timestamp-last.Timestamp < 160 || p.Timestamp-last.Timestamp > 80000 {
				t.Errorf("%v after %v", p.Header, last.Header)
			}
			if p.Marker {
				marks++
			}
		}
		if marks != 2 || !heard[0].Marker {
			t.Errorf("%d marks after the first", marks)
		}
		sound := b.sound()
		if p := power(sound[:1600], 700); p < 0.9 {
			t.Errorf("the prompt is %.2f of what b heard first", p)
		}
		if p := power(sound[len(sound)-20*160:], 440); p < 0.9 {
			t.Errorf("the party is %.2f of what b heard last", p)
		}
	})
}

func TestTheFormerSinkGetsNothingOncePlugReturned(t *testing.T) {
	onBothWires(t, Config{}, func(t *testing.T, r *Relay) {
		a := newPhone(t)
		p := openPort(t, r, LatchFirst)
		a.call(p, "8")
		former := &catcher{gate: make(chan struct{}), in: make(chan struct{})}
		next := new(catcher)
		p.Plug(former)
		a.say([]byte("one"), 160)
		<-former.in // in the middle of a packet
		plugged := make(chan struct{})
		go func() {
			p.Plug(next)
			close(plugged)
		}()
		a.say([]byte("two"), 160)
		select {
		case <-plugged:
			t.Error("Plug returned while the former sink had a packet")
		case <-time.After(20 * time.Millisecond):
		}
		close(former.gate)
		go func() {
			for range former.in {
			}
		}()
		<-plugged
		before := len(former.all())
		a.say([]byte("three"), 160)
		until(t, "the next one heard", func() bool { return len(next.all()) > 0 && next.all()[len(next.all())-1] == "three" })
		if after := len(former.all()); after != before {
			t.Errorf("the former sink got %d more", after-before)
		}
		close(former.in)
		p.Plug(nil)
		a.say([]byte("four"), 160)
		until(t, "all were taken", func() bool { return p.Stats().Received == 4 })
	})
}

func TestAPacketIsRelayedWithoutAllocation(t *testing.T) {
	onBothWires(t, Config{}, func(t *testing.T, r *Relay) {
		for name, formats := range map[string]string{"forwarded": "8", "transcoded": "0"} {
			t.Run(name, func(t *testing.T) {
				a, b := newPhone(t), newPhone(t)
				pa, pb := openPort(t, r, LatchFirst), openPort(t, r, LatchFirst)
				a.call(pa, "8")
				b.call(pb, formats)
				media.Cross(pa, pb)
				perPacket(t, a, b, pa, pb)
			})
		}
	})
}

// perPacket fails unless a's packets go to b by pb without allocation.
func perPacket(t *testing.T, a, b *phone, pa, pb *Port) {
	t.Helper()
	b.deafen()
	a.packet.Payload = make([]byte, 160)
	packet, err := a.packet.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	datagram := append(packet, make([]byte, wire.TailRoom)...)[:len(packet)]
	from := a.addr()
	n := testing.AllocsPerRun(200, func() { pa.receive(datagram, from, time.Now()) })
	// net's WriteToUDPAddrPort does not allocate either.
	if n > 0 || pb.Stats().Sent < 200 {
		t.Errorf("%v allocations a packet, %d sent", n, pb.Stats().Sent)
	}
}

func TestTheLastPacketsOfACallAreNotHeardInTheNext(t *testing.T) {
	onBothWires(t, Config{Ports: freePair(t)}, func(t *testing.T, r *Relay) {
		zombie, b := newPhone(t), newPhone(t)
		p := openPort(t, r, LatchFirst)
		zombie.call(p, "8")
		zombie.say([]byte("old"), 160)
		until(t, "the old party was heard", func() bool { return p.Stats().Received == 1 })
		if err := p.Close(); err != nil {
			t.Fatal(err)
		}
		p = openPort(t, r, LatchFirst)
		var sink catcher
		p.Plug(&sink)
		zombie.say([]byte("before the SDP"), 160)
		b.call(p, "8")
		zombie.say([]byte("after the SDP"), 160)
		until(t, "the old party was refused", func() bool { return p.Stats().Dropped >= 1 })
		b.say([]byte("new"), 160)
		until(t, "the new party was heard", func() bool { return p.Stats().Received == 1 })
		if got := sink.all(); len(got) != 1 || got[0] != "new" {
			t.Errorf("heard %q", got)
		}
	})
}

func TestAPartyThatNeverSpokeIsNotHeardInTheNextCallEither(t *testing.T) {
	onBothWires(t, Config{Ports: freePair(t)}, func(t *testing.T, r *Relay) {
		zombie, b := newPhone(t), newPhone(t)
		p := openPort(t, r, LatchFirst)
		zombie.call(p, "8")
		if err := p.Close(); err != nil {
			t.Fatal(err)
		}
		p = openPort(t, r, LatchFirst)
		var sink catcher
		p.Plug(&sink)
		b.call(p, "8")
		zombie.say([]byte("old"), 160)
		until(t, "the old party was refused", func() bool { return p.Stats().Dropped == 1 })
		b.say([]byte("new"), 160)
		until(t, "the new party was heard", func() bool { return p.Stats().Received == 1 })
		if got := sink.all(); len(got) != 1 || got[0] != "new" {
			t.Errorf("heard %q", got)
		}
	})
}

func TestAPartyThatChangesItsSourceIsHeardOn(t *testing.T) {
	onBothWires(t, Config{}, func(t *testing.T, r *Relay) {
		a, b := newPhone(t), newPhone(t)
		pa, pb := openPort(t, r, LatchFirst), openPort(t, r, LatchFirst)
		a.call(pa, "8")
		b.call(pb, "8")
		media.Cross(pa, pb)
		for range 4 { // a switch behind the carrier's gateway, without a word in SIP
			a.hum(440, 20)
			a.packet.SSRC += 77
			a.packet.SequenceNumber += 12345
			a.packet.Timestamp -= 1_000_000
		}
		until(t, "b heard all", func() bool { return len(b.all()) == 80 })
		heard := b.all()
		for i, p := range heard[1:] {
			if last := heard[i]; p.SSRC != last.SSRC || p.SequenceNumber != last.SequenceNumber+1 || p.Timestamp-last.Timestamp < 160 || p.Timestamp-last.Timestamp > 80000 {
				t.Errorf("%v after %v", p.Header, last.Header)
			}
		}
		if s := pa.Stats(); s.Lost != 0 || s.Received != 80 {
			t.Errorf("%+v", s)
		}
		if share := power(b.sound()[:20*160], 440); share < 0.95 {
			t.Errorf("%.2f of it is the tone", share)
		}
	})
}

func TestTranscodingKeepsTheSound(t *testing.T) {
	alaw := media.Tone("x", []float64{440}, time.Second).ALaw
	b := append([]byte(nil), alaw...)
	g711.ToMuLaw(b)
	var samples []int16
	for _, v := range b {
		samples = append(samples, g711.DecodeMuLaw(v))
	}
	if p := power(samples, 440); p < 0.95 {
		t.Error(p)
	}
}
