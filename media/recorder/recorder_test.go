package recorder

import (
	"bytes"
	"context"
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"cabline/internal/lacking"
	"cabline/media"
	"cabline/media/g711"
	"cabline/media/g722"
	"cabline/media/wav"
)

// party is a port that says what a test wants and counts what it is told.
type party struct {
	rx     sync.Mutex // as ports do: who is heard and who hears have each a lock
	tx     sync.Mutex
	to     media.Sink
	heard  int
	last   []byte
	digits []media.Digit
	left   int // packets that are not for the party
	joined int // times it was told that it hears another

	source uint32
	stamp  uint32
	seq    uint16
}

func (p *party) Plug(to media.Sink)                       { p.rx.Lock(); defer p.rx.Unlock(); p.to = to }
func (p *party) Play(context.Context, media.Speech) error { return nil }
func (p *party) Digits() <-chan media.Digit               { return nil }
func (p *party) SendDigit(d media.Digit)                  { p.digits = append(p.digits, d) }
func (p *party) Stats() media.Stats                       { return media.Stats{} }
func (p *party) KeysInSound() bool                        { return false }
func (p *party) LeaveOut(*media.Packet)                   { p.left++ }
func (p *party) Rejoin()                                  { p.joined++ }
func (p *party) WriteRTP(pk *media.Packet) {
	p.tx.Lock()
	defer p.tx.Unlock()
	p.heard++
	p.last = slices.Clone(pk.Payload())
	clear(pk.Buf)
}
func (p *party) say(payload []byte) {
	p.sayAt(p.stamp, time.Now(), media.PCMA, payload)
	p.stamp += uint32(len(payload))
}
func (p *party) sayAt(stamp uint32, at time.Time, codec media.Codec, payload []byte) {
	p.seq++
	pk := &media.Packet{Buf: append(make([]byte, media.HeaderSize, media.HeaderSize+len(payload)+64), payload...), Start: media.HeaderSize,
		Codec: codec, Time: stamp, Seq: p.seq, Source: p.source, At: at}
	p.rx.Lock()
	defer p.rx.Unlock()
	if p.to != nil {
		p.to.WriteRTP(pk)
	}
}

// level is a frame of one value, which stands for a moment of a sound.
func level(b byte) []byte { return bytes.Repeat([]byte{b}, media.FrameSize) }

// read is the two channels of a file.
func read(t *testing.T, path string) (left, right []byte) {
	t.Helper()
	file, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	audio, err := wav.Parse(file)
	if err != nil {
		t.Fatal(err)
	}
	if audio.Format != wav.ALaw || audio.Channels != 2 || audio.Rate != media.Rate || len(audio.Data) != len(file)-wav.HeaderSize {
		t.Errorf("a file of format %d, %d channels, %d Hz, %d of %d bytes", audio.Format, audio.Channels, audio.Rate, len(audio.Data), len(file))
	}
	for i := 0; i < len(audio.Data); i += 2 {
		left, right = append(left, audio.Data[i]), append(right, audio.Data[i+1])
	}
	return left, right
}

// talk records a talk in fake time.
func talk(t *testing.T, tell func(tape *Tape, client, driver *party)) (left, right []byte, result Result) {
	t.Helper()
	folder := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		r := New(folder)
		defer r.Close()
		tape := r.Begin("day/talk.wav")
		client, driver := &party{source: 1, stamp: rand.Uint32()}, &party{source: 2, stamp: 1<<32 - 800}
		unplug := tape.Cross(client, driver)
		tell(tape, client, driver)
		unplug()
		tape.End()
		result = <-tape.Done()
	})
	if result.Err != nil {
		t.Fatal(result.Err)
	}
	left, right = read(t, filepath.Join(folder, "day/talk.wav"))
	if info, err := os.Stat(filepath.Join(folder, "day/talk.wav")); err != nil || info.Mode().Perm() != 0o600 || info.Size() != result.Size {
		t.Errorf("%v %v of %d bytes, %v", info.Mode(), info.Size(), result.Size, err)
	}
	if result.Length != duration(int64(len(left))) {
		t.Errorf("%v for %d samples", result.Length, len(left))
	}
	return left, right, result
}

// span is where a value is heard, in samples: from the first until after the last.
func span(side []byte, b byte) (from, to int) {
	from, to = bytes.IndexByte(side, b), bytes.LastIndexByte(side, b)+1
	return from, to
}

func near(t *testing.T, what string, got, want int) {
	t.Helper()
	if off := got - want; off < -media.Rate*60/1000 || off > media.Rate*60/1000 {
		t.Errorf("%s at %d, want %d", what, got, want)
	}
}

func TestEachPartyIsOnASideOfItsOwnInItsTime(t *testing.T) {
	left, right, result := talk(t, func(_ *Tape, client, driver *party) {
		for range 50 {
			client.say(level(10))
			time.Sleep(media.FrameTime)
		}
		for range 50 {
			driver.say(level(20))
			time.Sleep(media.FrameTime)
		}
		if driver.heard != 50 || client.heard != 50 || !bytes.Equal(driver.last, level(10)) {
			t.Errorf("the driver heard %d packets, the client %d", driver.heard, client.heard)
		}
	})
	if result.Length != 2*time.Second || result.Dropped != 0 {
		t.Errorf("%+v", result)
	}
	for side, want := range map[string]struct {
		heard      []byte
		who, other byte
		from       int
	}{"left": {left, 10, 20, 0}, "right": {right, 20, 10, 8000}} {
		from, to := span(want.heard, want.who)
		if from != want.from || to != want.from+8000 || bytes.IndexByte(want.heard, want.other) >= 0 {
			t.Errorf("%s: from %d to %d", side, from, to)
		}
		if n := bytes.Count(want.heard, []byte{g711.SilenceALaw}); n != 8000 {
			t.Errorf("%s: %d samples of silence", side, n)
		}
	}
}

func TestJitterLossAndDisorderMoveNothing(t *testing.T) {
	const frames = 500
	var lost int
	left, _, _ := talk(t, func(_ *Tape, client, _ *party) {
		type packet struct {
			due time.Duration
			i   int
		}
		var queue []packet
		for i := range frames {
			if i%17 == 5 {
				lost++
				continue
			}
			queue = append(queue, packet{time.Duration(i)*media.FrameTime + rand.N(80*time.Millisecond), i})
		}
		queue[0].due = 0
		slices.SortFunc(queue, func(a, b packet) int { return int(a.due - b.due) })
		begun, stamp := time.Now(), client.stamp
		for _, p := range queue {
			time.Sleep(p.due - time.Since(begun))
			client.sayAt(stamp+uint32(p.i*media.FrameSize), time.Now(), media.PCMA, level(byte(p.i%200)))
		}
	})
	for i := range frames - 5 { // the last ones may have been under way
		want := byte(i % 200)
		if i%17 == 5 {
			want = g711.SilenceALaw
		}
		if frame := left[i*media.FrameSize : (i+1)*media.FrameSize]; !bytes.Equal(frame, level(want)) {
			t.Fatalf("frame %d is %d, want %d", i, frame[0], want)
		}
	}
}

func TestWhatAPartysNumbersDoKeepsItInItsTime(t *testing.T) {
	for name, pause := range map[string]func(client *party){
		"a new source":                          func(c *party) { c.source, c.stamp = 99, rand.Uint32() },
		"numbers that stood still":              func(*party) {},
		"numbers that went on":                  func(c *party) { c.stamp += 5 * media.Rate },
		"numbers that jumped ahead":             func(c *party) { c.stamp += 500 * media.Rate },
		"numbers that jumped back":              func(c *party) { c.stamp -= 500 * media.Rate },
		"numbers that stood still for a moment": func(c *party) { c.stamp += 4*media.Rate + 4000 },
	} {
		t.Run(name, func(t *testing.T) {
			left, right, _ := talk(t, func(_ *Tape, client, driver *party) {
				say := func(a, b byte) {
					for range 250 {
						client.say(level(a))
						driver.say(level(b))
						time.Sleep(media.FrameTime)
					}
				}
				say(1, 2)
				time.Sleep(5 * time.Second)
				driver.stamp += 5 * media.Rate
				pause(client)
				say(3, 4)
				say(5, 6)
			})
			for i, side := range [][]byte{left, right} {
				first, _ := span(side, byte(1+i))
				_, end := span(side, byte(1+i))
				last, over := span(side, byte(5+i))
				near(t, "the beginning", first, 0)
				near(t, "the pause", end, 5*media.Rate)
				near(t, "the last part", last, 15*media.Rate)
				near(t, "the end", over, 20*media.Rate)
			}
		})
	}
}

func TestClocksThatRunApartStayTogether(t *testing.T) {
	const minutes = 30
	left, right, _ := talk(t, func(_ *Tape, client, driver *party) {
		for i := range minutes * 60 * 50 {
			mark := byte(0)
			if i >= (minutes*60-1)*50 {
				mark = 7
			}
			driver.say(level(mark))
			if client.say(level(mark)); i%50 == 0 {
				client.stamp += 2 // 250 millionths fast
			}
			time.Sleep(media.FrameTime)
		}
	})
	for _, side := range [][]byte{left, right} {
		from, _ := span(side, 7)
		near(t, "the last second", from, (minutes*60-1)*media.Rate)
	}
}

func TestOtherCodecsAreHeardInALaw(t *testing.T) {
	left, right, _ := talk(t, func(_ *Tape, client, driver *party) {
		var encoder g722.Encoder
		for range 50 {
			frame := level(g711.EncodeMuLaw(8000))
			client.sayAt(client.stamp, time.Now(), media.PCMU, frame)
			for i := range frame {
				frame[i] = encoder.Encode(int16(8000 * (1 - i%8/4*2))) // 1000 Hz, square
			}
			driver.sayAt(driver.stamp, time.Now(), media.G722, frame)
			client.stamp, driver.stamp = client.stamp+media.FrameSize, driver.stamp+media.FrameSize
			time.Sleep(media.FrameTime)
		}
	})
	if got := g711.DecodeALaw(left[4000]); got < 7500 || got > 8500 {
		t.Errorf("a sample of 8000 in µ-law became %d", got)
	}
	turns := 0
	for i := 4001; i < 6000; i++ {
		if (g711.DecodeALaw(right[i]) < 0) != (g711.DecodeALaw(right[i-1]) < 0) {
			turns++
		}
	}
	if turns < 480 || turns > 520 {
		t.Errorf("1000 Hz in G.722 became %d turns in a quarter of a second", turns)
	}
}

func TestKeysGoOnToTheOtherParty(t *testing.T) {
	talk(t, func(_ *Tape, client, driver *party) {
		client.say(level(1))
		media.Retell('5', client.to)
		client.to.(media.Port).SendDigit('6') // as a port does with a key by INFO
		if !slices.Equal(driver.digits, []media.Digit{'5', '6'}) {
			t.Errorf("the driver got %q", driver.digits)
		}
		time.Sleep(time.Second)
	})
}

func TestAPartyOfARecordedTalkKnowsWhatItDoesNotHear(t *testing.T) {
	talk(t, func(tape *Tape, client, driver *party) {
		client.say(level(1))
		media.LeaveOut(&media.Packet{}, client.to)
		media.Rejoin(driver.to)
		if client.joined != 1 || driver.joined != 0 || client.left != 0 || driver.left != 1 {
			t.Errorf("client %d times joined, %d packets left out; driver %d, %d", client.joined, client.left, driver.joined, driver.left)
		}
		time.Sleep(time.Second)
	})
}

func TestADiskThatIsSlowCostsPacketsAndNoTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSide(time.Now())
		client := &party{to: &tap{&party{}, s}}
		for i := range 500 { // ten seconds, and nobody writes
			client.say(level(byte(1 + i/100)))
			time.Sleep(media.FrameTime)
		}
		if lost := s.lost(); lost < 290 || lost > 300 {
			t.Errorf("%d packets of 500 are missing where 4.1 s have room", lost)
		}
		heard := make([]byte, 10*media.Rate)
		s.take(heard)
		client.say(level(9))
		last := make([]byte, media.Rate)
		s.take(last)
		if from, to := span(heard, 2); from != 2*media.Rate || to != 4*media.Rate {
			t.Errorf("the third second goes from %d to %d", from, to)
		}
		if from, _ := span(last, 9); from != 0 {
			t.Errorf("what is said after ten seconds is at %d", from)
		}
	})
}

func TestADiskThatIsFullOrNotThereCostsTheRecordingAlone(t *testing.T) {
	for name, c := range map[string]struct {
		folder func(t *testing.T) string
		err    error
		kept   bool
	}{
		"a file in the folder's place": {func(t *testing.T) string {
			file := filepath.Join(t.TempDir(), "file")
			if err := os.WriteFile(file, nil, 0o600); err != nil {
				t.Fatal(err)
			}
			return file
		}, syscall.ENOTDIR, false},
		"a full disk": {tinyDisk, syscall.ENOSPC, true},
	} {
		t.Run(name, func(t *testing.T) {
			folder := c.folder(t)
			var result Result
			synctest.Test(t, func(t *testing.T) {
				r := New(folder)
				defer r.Close()
				tape := r.Begin("talk.wav")
				client, driver := &party{source: 1}, &party{source: 2}
				defer tape.Cross(client, driver)()
				for range 30 * 50 {
					client.say(level(1))
					time.Sleep(media.FrameTime)
				}
				if driver.heard != 30*50 {
					t.Errorf("the driver heard %d packets", driver.heard)
				}
				result = <-tape.Done() // while the talk goes on
				tape.End()
			})
			if !errors.Is(result.Err, c.err) || (result.Length > 0) != c.kept {
				t.Fatalf("%+v", result)
			}
			if c.kept {
				if left, _ := read(t, filepath.Join(folder, "talk.wav")); left[0] != 1 || duration(int64(len(left))) != result.Length {
					t.Errorf("%d samples from %d on", len(left), left[0])
				}
			}
		})
	}
}

// tinyDisk is a file system of 64 KB: four seconds.
func tinyDisk(t *testing.T) string {
	lacking.NeedRoot(t, "to mount a tiny file system")
	folder := t.TempDir()
	if err := syscall.Mount("tmpfs", folder, "tmpfs", 0, "size=64k"); err != nil {
		lacking.Skip(t, lacking.Mounts, "mount:", err)
	}
	t.Cleanup(func() { _ = syscall.Unmount(folder, 0) })
	return folder
}

func TestWhatADeadProgramRecordedIsRescued(t *testing.T) {
	folder, dead := t.TempDir(), t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		r := New(folder)
		defer r.Close()
		tape := r.Begin("talk.wav")
		client := &party{}
		defer tape.Cross(client, &party{})()
		for range 10 * 50 {
			client.say(level(1))
			time.Sleep(media.FrameTime)
		}
		synctest.Wait()
		half, err := os.ReadFile(filepath.Join(folder, "talk.wav.part")) // as kill -9 leaves it
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dead, "talk.wav.part"), append(half, 1), 0o600); err != nil { // in the middle of a sample
			t.Fatal(err)
		}
	})
	for _, when := range []string{"once", "and again"} {
		result, err := Rescue(dead, Name("talk.wav.part"))
		if err != nil || result.Length < 9*time.Second {
			t.Fatalf("%s: %+v, %v", when, result, err)
		}
		if left, _ := read(t, filepath.Join(dead, "talk.wav")); duration(int64(len(left))) != result.Length || left[len(left)-1] != 1 {
			t.Errorf("%s: %d samples", when, len(left))
		}
	}
	if err := os.WriteFile(filepath.Join(dead, "empty.wav.part"), []byte("RIFF"), 0o600); err != nil {
		t.Fatal(err)
	}
	if result, err := Rescue(dead, "empty.wav"); result != (Result{}) || err != nil {
		t.Errorf("nothing recorded: %+v, %v", result, err)
	}
	if left, err := os.ReadDir(dead); err != nil || len(left) != 1 {
		t.Errorf("%v, %v", left, err)
	}
}

func TestManyTalksEndAsTheRecorderCloses(t *testing.T) {
	r := New(t.TempDir())
	var talks sync.WaitGroup
	var tapes []*Tape
	for i := range 20 {
		tape := r.Begin(string(rune('a'+i)) + ".wav")
		tapes = append(tapes, tape)
		client, driver := &party{source: 1}, &party{source: 2}
		unplug := tape.Cross(client, driver)
		for _, p := range []*party{client, driver} {
			talks.Go(func() {
				for range 100 {
					p.say(level(1))
				}
			})
		}
		if i%2 == 0 {
			talks.Go(func() { tape.End(); unplug() })
		}
	}
	talks.Wait()
	r.Close()
	for _, tape := range tapes {
		if result := <-tape.Done(); result.Err != nil {
			t.Error(result.Err)
		}
	}
	if result := <-r.Begin("late.wav").Done(); result.Err == nil {
		t.Error("a recorder that is closed records")
	}
}

// What it costs a packet's thread that the packet is kept.
func BenchmarkPut(b *testing.B) {
	s := newSide(time.Now())
	p := &media.Packet{Buf: make([]byte, media.HeaderSize+media.FrameSize), Start: media.HeaderSize, Source: 1, At: s.begun}
	var out [media.FrameSize]byte
	b.ReportAllocs()
	for b.Loop() {
		p.Time += media.FrameSize
		p.At = p.At.Add(media.FrameTime)
		s.put(p)
		s.take(out[:])
	}
}
