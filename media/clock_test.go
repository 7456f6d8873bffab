package media_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"cabline/media"
	"cabline/media/g711"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// said is one packet as a listener took it.
type said struct {
	media.Packet
	payload string
	at      time.Time
}

// listener keeps what is said to it.
type listener struct {
	mu    sync.Mutex
	heard []said
}

func (l *listener) WriteRTP(p *media.Packet) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.heard = append(l.heard, said{*p, string(p.Payload()), time.Now()})
	clear(p.Buf) // as a writer may
}

func (l *listener) all() []said {
	l.mu.Lock()
	defer l.mu.Unlock()
	return append([]said(nil), l.heard...)
}

func clip(size int, fill byte) media.Clip {
	b := make([]byte, size)
	for i := range b {
		b[i] = fill
	}
	return media.Clip{ALaw: b}
}

func inBubble(t *testing.T, f func(t *testing.T, c *media.Clock)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		c := media.NewClock()
		defer c.Close()
		f(t, c)
	})
}

func TestClipsFollowEachOtherWithoutAGap(t *testing.T) {
	inBubble(t, func(t *testing.T, c *media.Clock) {
		var l listener
		begin := time.Now()
		err := c.Play(t.Context(), &l, media.Speech{clip(100, 1), clip(0, 9), clip(300, 2), clip(90, 3)})
		if err != nil {
			t.Fatal(err)
		}
		took := time.Since(begin)
		if took < 80*time.Millisecond || took > 100*time.Millisecond {
			t.Errorf("80 ms of speech took %v", took)
		}
		heard := l.all()
		if len(heard) != 4 {
			t.Fatalf("%d packets", len(heard))
		}
		var sound string
		for i, h := range heard {
			sound += h.payload
			if h.Time != uint32(i)*160 || h.Seq != uint16(i) || h.Marker != (i == 0) || h.Source != heard[0].Source || h.Codec != media.PCMA {
				t.Errorf("packet %d: %+v", i, h.Packet)
			}
			if cap(h.Buf) < len(h.Buf)+32 {
				t.Error("no room for an SRTP tag")
			}
			if at := heard[0].at.Add(time.Duration(i) * 20 * time.Millisecond); !h.at.Equal(at) {
				t.Errorf("packet %d was said %v off", i, h.at.Sub(at))
			}
		}
		want := string(clip(100, 1).ALaw) + string(clip(300, 2).ALaw) + string(clip(90, 3).ALaw)
		want += string(clip(640-490, g711.SilenceALaw).ALaw)
		if sound != want {
			t.Error("the sound is not the clips one after another, then silence to the end of the frame")
		}
	})
}

func TestTwoSpeechesHaveTwoSources(t *testing.T) {
	inBubble(t, func(t *testing.T, c *media.Clock) {
		var l listener
		for range 2 {
			if err := c.Play(t.Context(), &l, media.Speech{clip(160, 1)}); err != nil {
				t.Fatal(err)
			}
		}
		if heard := l.all(); heard[0].Source == heard[1].Source {
			t.Error("same source")
		}
	})
}

func TestAnEmptySpeechIsOverAtOnce(t *testing.T) {
	inBubble(t, func(t *testing.T, c *media.Clock) {
		var l listener
		if err := c.Play(t.Context(), &l, nil); err != nil || len(l.all()) > 0 {
			t.Error(err, l.all())
		}
	})
}

func TestACutSpeechReturnsTheCauseAndSaysNothingMore(t *testing.T) {
	inBubble(t, func(t *testing.T, c *media.Clock) {
		var l listener
		key := errors.New("a key was pressed")
		ctx, cut := context.WithCancelCause(t.Context())
		go func() {
			time.Sleep(time.Second)
			cut(key)
		}()
		begin := time.Now()
		if err := c.Play(ctx, &l, media.Speech{clip(80000, 1)}); err != key {
			t.Error(err)
		}
		if took := time.Since(begin); took != time.Second {
			t.Errorf("cut after %v", took)
		}
		before := len(l.all())
		time.Sleep(time.Second)
		if after := len(l.all()); after != before || before < 49 {
			t.Errorf("%d packets before the cut, %d after", before, after-before)
		}
		if err := c.Play(ctx, &l, media.Speech{clip(80000, 1)}); err != key || len(l.all()) != before {
			t.Error("a speech began under a context that was over")
		}
	})
}

func TestCloseEndsASpeech(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := media.NewClock()
		go func() {
			time.Sleep(time.Second)
			c.Close()
		}()
		var l listener
		for range 2 {
			if err := c.Play(t.Context(), &l, media.Speech{clip(80000, 1)}); !errors.Is(err, media.ErrClockClosed) {
				t.Error(err)
			}
		}
		c.Close()
	})
}

func TestAThousandSpeechesAreSpreadOverTheFrame(t *testing.T) {
	inBubble(t, func(t *testing.T, c *media.Clock) {
		var l listener
		var wg sync.WaitGroup
		for range 1000 {
			wg.Go(func() {
				if err := c.Play(t.Context(), &l, media.Speech{clip(8000, 1)}); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		together := map[time.Time]int{}
		for _, h := range l.all() {
			together[h.at]++
		}
		if len(l.all()) != 50_000 {
			t.Errorf("%d packets", len(l.all()))
		}
		for at, n := range together {
			if n > 200 {
				t.Errorf("%d packets together at %v", n, at)
			}
		}
	})
}

// sleeper blocks its clock once, as a stopped machine would.
type sleeper struct {
	listener
	stall time.Duration
}

func (s *sleeper) WriteRTP(p *media.Packet) {
	s.listener.WriteRTP(p)
	if p.Seq == 10 {
		time.Sleep(s.stall)
	}
}

func TestAStallIsMadeUpForButNotWithoutEnd(t *testing.T) {
	for _, tt := range []struct {
		name     string
		stall    time.Duration
		together int           // frames said at once after the stall
		late     time.Duration // of the end
	}{
		{"three frames late: all are said at once", 61 * time.Millisecond, 3, 0},
		{"a minute late: five are said at once and the rest later", time.Minute, 5, time.Minute - 100*time.Millisecond},
	} {
		t.Run(tt.name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, c *media.Clock) {
				l := sleeper{stall: tt.stall}
				if err := c.Play(t.Context(), &l, media.Speech{clip(100*160, 1)}); err != nil {
					t.Fatal(err)
				}
				heard := l.all()
				if len(heard) != 100 {
					t.Fatalf("%d packets", len(heard))
				}
				together := 0
				for _, h := range heard {
					if h.at.Equal(heard[11].at) {
						together++
					}
				}
				if together != tt.together {
					t.Errorf("%d frames at once", together)
				}
				late := heard[99].at.Sub(heard[0].at) - 99*20*time.Millisecond
				if late < tt.late || late > tt.late+20*time.Millisecond {
					t.Errorf("the end was %v late", late)
				}
			})
		})
	}
}

func TestAStepThatSaysItIsTheLastIsTheLast(t *testing.T) {
	inBubble(t, func(t *testing.T, c *media.Clock) {
		n := 0
		stop := c.Start(func() bool { n++; return n < 3 })
		time.Sleep(time.Second)
		stop()
		stop()
		if n != 3 {
			t.Errorf("%d steps", n)
		}
	})
}

func TestAFrameCostsNoAllocation(t *testing.T) {
	c := media.NewClock()
	defer c.Close()
	steps := make(chan struct{})
	stop := c.Start(func() bool {
		select {
		case steps <- struct{}{}:
		default:
		}
		return true
	})
	defer stop()
	if n := testing.AllocsPerRun(20, func() { <-steps }); n > 0 {
		t.Errorf("%v allocations a frame", n)
	}
}

func TestTonesHaveTheirCadence(t *testing.T) {
	for _, tt := range []struct {
		clip    media.Clip
		on, off time.Duration
	}{
		{media.Ringback(), time.Second, 4 * time.Second},
		{media.Busy(), 350 * time.Millisecond, 350 * time.Millisecond},
	} {
		t.Run(tt.clip.Name, func(t *testing.T) {
			if d := tt.clip.Duration(); d != tt.on+tt.off {
				t.Errorf("lasts %v", d)
			}
			on := tt.clip.ALaw[:tt.on*media.Rate/time.Second]
			if p := power(on, 425); p < 0.9 {
				t.Errorf("425 Hz is %.2f of the sound", p)
			}
			for _, b := range tt.clip.ALaw[len(on):] {
				if b != g711.SilenceALaw {
					t.Fatal("the pause is not silent")
				}
			}
		})
	}
}

func TestSilenceLastsAsLongAsAsked(t *testing.T) {
	if s := media.Silence(1500 * time.Millisecond); s.Duration() != 1500*time.Millisecond || s.ALaw[0] != g711.SilenceALaw {
		t.Error(s.Duration())
	}
}

// quiet takes packets and is not interested.
type quiet struct{}

func (quiet) WriteRTP(*media.Packet) {}

func BenchmarkSpeech(b *testing.B) {
	for _, n := range []int{1, 500} {
		b.Run(fmt.Sprint(n, " at once"), func(b *testing.B) {
			c := media.NewClock()
			defer c.Close()
			ctx, cancel := context.WithCancel(b.Context())
			var wg sync.WaitGroup
			for range n {
				wg.Go(func() { _ = c.Play(ctx, quiet{}, media.Speech{clip(800_000, 1)}) })
			}
			for b.Loop() {
				time.Sleep(media.FrameTime)
			}
			cancel()
			wg.Wait()
		})
	}
}
