package media

import (
	"bytes"
	"testing"
	"testing/synctest"
	"time"

	"cabline/media/g711"
)

func TestLossAndJitter(t *testing.T) {
	type packet struct {
		ms     int // when it arrives
		source uint32
		seq    uint16
		stamp  uint32
		event  bool
	}
	for _, tt := range []struct {
		name     string
		packets  []packet
		lost     int64
		received uint64
		jitter   float64 // samples
	}{
		{"none lost, evenly", []packet{{0, 1, 1, 0, false}, {20, 1, 2, 160, false}, {40, 1, 3, 320, false}}, 0, 3, 0},
		{"one of three lost", []packet{{0, 1, 1, 0, false}, {40, 1, 3, 320, false}}, 1, 2, 0},
		{"one late is not lost", []packet{{0, 1, 1, 0, false}, {40, 1, 3, 320, false}, {40, 1, 2, 320, false}}, 0, 3, 0},
		{"one before the first is not counted as many", []packet{{0, 1, 5, 0, false}, {0, 1, 4, 0, false}}, 0, 2, 0},
		{"doubled packets hide nothing of another source", []packet{{0, 1, 1, 0, false}, {0, 1, 1, 0, false}, {0, 1, 1, 0, false}, {0, 2, 9, 0, false}, {40, 2, 11, 320, false}}, 1, 5, 0},
		{"numbers wrap", []packet{{0, 1, 65535, 0xffffffff, false}, {20, 1, 0, 159, false}, {60, 1, 2, 479, false}}, 1, 3, 0},
		{"a new source begins its own count", []packet{{0, 1, 1, 0, false}, {40, 1, 3, 320, false}, {60, 2, 9000, 77, false}, {80, 2, 9001, 237, false}}, 1, 4, 0},
		{"a restart of the count is no loss", []packet{{0, 1, 1, 0, false}, {20, 1, 30000, 160, false}, {40, 1, 30001, 320, false}}, 0, 3, 0},
		{"one 20 ms late is jitter of a 16th", []packet{{0, 1, 1, 0, false}, {40, 1, 2, 160, false}}, 0, 2, 10},
		{"an event's standing timestamp is no jitter", []packet{{0, 1, 1, 0, false}, {20, 1, 2, 160, true}, {120, 1, 3, 160, true}, {140, 1, 4, 1120, false}}, 0, 4, 0},
		{"a source that stood still is no jitter", []packet{{0, 1, 1, 0, false}, {600_000, 1, 2, 160, false}, {600_020, 1, 3, 320, false}}, 0, 3, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var r Reception
			begin := time.Now()
			for _, p := range tt.packets {
				r.Take(&Packet{Source: p.source, Seq: p.seq, Time: p.stamp, Event: p.event}, begin.Add(time.Duration(p.ms)*time.Millisecond))
			}
			if r.missing() != tt.lost || r.received != tt.received || r.jitter != tt.jitter {
				t.Errorf("lost %d, received %d, jitter %v", r.missing(), r.received, r.jitter)
			}
		})
	}
}

func TestPacketsThatCameOutOfOrderAreCounted(t *testing.T) {
	var r Reception
	for _, seq := range []uint16{65534, 65535, 1, 0, 2, 4, 3, 3} {
		r.Take(&Packet{Source: 1, Seq: seq}, time.Now())
	}
	var s Stats
	if r.Fill(&s); s.Late != 3 || s.Lost != 0 || s.Received != 8 {
		t.Errorf("%+v", s)
	}
}

func TestTheLongestSilenceIsOfAPartyThatSpokeAndDoesNotHold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var r Reception
		longest := func() time.Duration {
			var s Stats
			r.Fill(&s)
			return s.LongestSilence
		}
		for _, step := range []struct {
			name string
			do   func()
			wait time.Duration
			want time.Duration
		}{
			{"rings", func() { r.Await(true) }, 25 * time.Second, 0},
			{"speaks", func() { r.Take(&Packet{}, time.Now()) }, 3 * time.Second, 3 * time.Second},
			{"speaks again", func() { r.Take(&Packet{}, time.Now()) }, time.Second, 3 * time.Second},
			{"holds", func() { r.Await(false) }, time.Hour, 3 * time.Second},
			{"is back", func() { r.Await(true) }, 2 * time.Second, 3 * time.Second},
			{"is still not heard", func() {}, 2 * time.Second, 4 * time.Second},
			{"speaks at last", func() { r.Take(&Packet{}, time.Now()) }, 0, 4 * time.Second},
		} {
			step.do()
			time.Sleep(step.wait)
			if got := longest(); got != step.want {
				t.Errorf("%s: %v", step.name, got)
			}
		}
	})
}

func TestWhichPacketsAreSoundless(t *testing.T) {
	for _, c := range []Codec{PCMA, PCMU} {
		encode := g711.EncodeALaw
		if c == PCMU {
			encode = g711.EncodeMuLaw
		}
		for sample, want := range map[int16]bool{0: true, 8: true, -8: true, 24: true, -24: true, 56: false, -56: false, 1000: false, -32000: false} {
			payload := bytes.Repeat([]byte{encode(0)}, FrameSize)
			payload[FrameSize-1] = encode(sample)
			if got := soundless(&Packet{Buf: payload, Codec: c}); got != want {
				t.Errorf("%v: with a sample of %d: %v", c, sample, got)
			}
		}
	}
}

func TestAPartyThatSendsNoSoundIsMute(t *testing.T) {
	silence, sound := Silence(FrameTime).ALaw, Ringback().ALaw[:FrameSize]
	for _, tt := range []struct {
		name              string
		soundless, sounds int // packets, in this order
		want              bool
	}{
		{"one that sends nothing is not: it is not there", 0, 0, false},
		{"one second of silence is too little", 50, 0, false},
		{"ten seconds are enough", 500, 0, true},
		{"one that speaks in the end is not", 500, 17, false},
		{"one that speaks is not", 0, 500, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var r Reception
			for i := range tt.soundless + tt.sounds {
				p := Packet{Buf: silence}
				if i >= tt.soundless {
					p.Buf = sound
				}
				r.Sound(&p)
			}
			var s Stats
			r.Fill(&s)
			if n := uint64(tt.soundless+tt.sounds+sampleEvery-1) / sampleEvery; s.Sampled != n || s.Mute() != tt.want {
				t.Errorf("%+v is mute: %v", s, s.Mute())
			}
		})
	}
}

func BenchmarkSound(b *testing.B) {
	for name, payload := range map[string][]byte{"sound": Ringback().ALaw[:FrameSize], "silence": Silence(FrameTime).ALaw} {
		b.Run(name, func(b *testing.B) {
			var r Reception
			p := Packet{Buf: payload}
			for b.Loop() {
				r.Sound(&p)
			}
		})
	}
}
