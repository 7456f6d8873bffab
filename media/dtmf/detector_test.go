package dtmf_test

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"cabline/internal/lacking"
	"cabline/media/dtmf"
	"cabline/media/g711"
	"cabline/media/wav"
)

var (
	rows    = []float64{697, 770, 852, 941}
	columns = []float64{1209, 1336, 1477, 1633}
)

// line is a sound in the making.
type line struct {
	samples []float64
	dice    *rand.Rand
}

func newLine() *line { return &line{dice: rand.New(rand.NewPCG(1, 2))} }

// wave is a sine at a level in dBm0.
type wave struct{ hz, level float64 }

// amplitude of a level in dBm0: a full-scale sine is +3.14 (G.711, A-law).
func amplitude(level float64) float64 { return math.MaxInt16 * math.Pow(10, (level-3.14)/20) }

// say appends so many samples of waves, each from a phase of its own.
func (l *line) say(n int, waves ...wave) {
	begin := len(l.samples)
	l.samples = append(l.samples, make([]float64, n)...)
	for _, w := range waves {
		phase := l.dice.Float64() * 2 * math.Pi
		for i := range n {
			l.samples[begin+i] += amplitude(w.level) * math.Sin(phase+2*math.Pi*w.hz*float64(i)/8000)
		}
	}
}

// noise adds white noise of a level to all that was said.
func (l *line) noise(level float64) {
	for i := range l.samples {
		l.samples[i] += amplitude(level) / math.Sqrt2 * l.dice.NormFloat64()
	}
}

// heard is the keys which a detector finds in a line, coded as on the wire.
func (l *line) heard(d *dtmf.Detector) (keys string) {
	samples := make([]int16, len(l.samples))
	for i, s := range l.samples {
		samples[i] = g711.DecodeALaw(g711.EncodeALaw(int16(max(-math.MaxInt16, min(math.MaxInt16, s)))))
	}
	return hear(d, samples)
}

func hear(d *dtmf.Detector, samples []int16) (keys string) {
	for len(samples) > 0 {
		var key byte
		if key, samples = d.Hear(samples); key != 0 {
			keys += string(rune(key))
		}
	}
	return keys
}

// Samples of the shortest press and the shortest pause of Q.24.
const (
	shortPress = 320 // 40 ms
	shortPause = 400 // 50 ms
)

// press is the shortest press of the key in a row and column, and the shortest
// pause; the frequencies are off by these shares.
func (l *line) press(row, column int, low, high, rowOff, columnOff float64) {
	l.say(shortPress, wave{rows[row] * (1 + rowOff), low}, wave{columns[column] * (1 + columnOff), high})
	l.say(shortPause)
}

func TestTheShortestPressesAreHeard(t *testing.T) {
	for _, tt := range []struct {
		name              string
		low, high         float64 // dBm0
		rowOff, columnOff float64
		noise             float64 // dBm0
	}{
		{"as we press them", -8, -6, 0, 0, -60},
		{"as loud as can be", 0, 0, 0, 0, -60},
		{"faint", -25, -25, 0, 0, -60},
		{"faint, the low tone 8 dB stronger", -17, -25, 0, 0, -60},
		{"the low tone 8 dB stronger", -2, -10, 0, 0, -60},
		{"the high tone 4 dB stronger", -10, -6, 0, 0, -60},
		{"both frequencies 1.5 % high", -8, -8, 0.015, 0.015, -60},
		{"both frequencies 1.5 % low", -8, -8, -0.015, -0.015, -60},
		{"frequencies 1.5 % apart", -8, -8, -0.015, 0.015, -60},
		{"frequencies 1.5 % together", -8, -8, 0.015, -0.015, -60},
		{"in noise 15 dB below", -8, -8, 0, 0, -20},
		{"faint, in noise 15 dB below", -25, -25, 0, 0, -37},
		{"off, in noise, the low tone 8 dB stronger", -6, -14, 0.015, -0.015, -20.4},
		{"off the other way, in noise, the low tone 8 dB stronger", -6, -14, -0.015, 0.015, -20.4},
		{"off, in noise, the high tone 4 dB stronger", -12, -8, 0.015, 0.015, -21.5},
		{"off the other way, in noise, the high tone 4 dB stronger", -12, -8, -0.015, -0.015, -21.5},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for offset := 0; offset < 102; offset += 6 { // of the first press in the detector's block
				l, want := newLine(), ""
				l.say(offset)
				for at, key := range "123A456B789C*0#D" {
					l.press(at/4, at%4, tt.low, tt.high, tt.rowOff, tt.columnOff)
					l.press(at/4, at%4, tt.low, tt.high, tt.rowOff, tt.columnOff)
					want += string(key) + string(key)
				}
				l.noise(tt.noise)
				if got := l.heard(new(dtmf.Detector)); got != want {
					t.Errorf("offset %d: %q", offset, got)
				}
			}
		})
	}
}

func TestWhatIsOnePressAndWhatIsNone(t *testing.T) {
	low, high := wave{770, -8}, wave{1336, -8} // 5
	for _, tt := range []struct {
		name string
		say  func(l *line)
		want string
	}{
		{"a long press is one", func(l *line) { l.say(80000, low, high) }, "5"},
		{"a lost packet does not make two of one", func(l *line) {
			l.say(500, low, high)
			l.say(500, low, high) // from another phase
		}, "5"},
		{"a gap of 10 ms does not make two of one", func(l *line) { l.say(500, low, high); l.say(80); l.say(500, low, high) }, "5"},
		{"keys without a pause are two", func(l *line) { l.say(500, low, high); l.say(500, wave{697, -8}, wave{1209, -8}) }, "51"},
		{"one tone is none", func(l *line) { l.say(800, low) }, ""},
		{"two tones of one group are none", func(l *line) { l.say(800, low, wave{941, -8}) }, ""},
		{"three tones are none", func(l *line) { l.say(800, low, high, wave{1633, -8}) }, ""},
		{"tones too faint are none", func(l *line) { l.say(800, wave{770, -32}, wave{1336, -32}) }, ""},
		{"tones of 20 ms are none", func(l *line) { l.say(160, low, high) }, ""},
		{"a low tone 14 dB stronger is none", func(l *line) { l.say(800, wave{770, 0}, wave{1336, -14}) }, ""},
		{"a high tone 10 dB stronger is none", func(l *line) { l.say(800, wave{770, -10}, wave{1336, 0}) }, ""},
		{"tones with a third elsewhere are none", func(l *line) { l.say(800, low, high, wave{400, -7}) }, ""},
		{"a high tone with its harmonic is none", func(l *line) { l.say(800, low, high, wave{2672, -16}) }, ""},
		{"the ringback tone is none", func(l *line) { l.say(8000, wave{425, -8}) }, ""},
		{"the American dial tone is none", func(l *line) { l.say(8000, wave{350, -13}, wave{440, -13}) }, ""},
		{"a modem's answer is none", func(l *line) { l.say(8000, wave{2100, -8}) }, ""},
		{"a fax's call is none", func(l *line) { l.say(8000, wave{1100, -8}) }, ""},
		{"noise is none", func(l *line) { l.say(80000); l.noise(-5) }, ""},
		{"a sweep is none", func(l *line) {
			for hz := 300.0; hz < 3400; hz++ {
				l.say(80, wave{hz, -8})
			}
		}, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for offset := 0; offset < 102; offset += 6 {
				l := newLine()
				l.say(offset)
				tt.say(l)
				l.say(shortPause)
				if got := l.heard(new(dtmf.Detector)); got != tt.want {
					t.Errorf("offset %d: %q", offset, got)
				}
			}
		})
	}
}

func TestAPauseThatWasNotSentMakesTwoPresses(t *testing.T) {
	var d dtmf.Detector
	l := newLine()
	l.say(500, wave{770, -8}, wave{1336, -8})
	keys := l.heard(&d)
	d.Pause()
	if keys += l.heard(&d); keys != "55" {
		t.Errorf("%q", keys)
	}
}

// spoken is all that the exchange says and plays, one after another.
func spoken(t testing.TB) (all []int16) {
	t.Helper()
	err := filepath.WalkDir("../../prompts", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || filepath.Ext(name) != ".wav" {
			return err
		}
		file, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		a, err := wav.Parse(file)
		if err != nil || a.Format != wav.ALaw {
			return fmt.Errorf("%s: format %d, %w", name, a.Format, err)
		}
		for _, b := range a.Data {
			all = append(all, g711.DecodeALaw(b))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(all) < 5*60*8000 {
		t.Fatalf("only %d samples of speech", len(all))
	}
	return all
}

func TestNoKeyIsHeardInWhatWeSayAndPlay(t *testing.T) {
	speech := spoken(t)
	louder := make([]int16, len(speech))
	for _, gain := range []float64{0.2, 0.5, 1, 2, 4} {
		for i, s := range speech {
			louder[i] = g711.DecodeALaw(g711.EncodeALaw(int16(max(-math.MaxInt16, min(math.MaxInt16, gain*float64(s))))))
		}
		for offset := 0; offset < 102; offset += 17 {
			if keys := hear(new(dtmf.Detector), louder[offset:]); keys != "" {
				t.Errorf("%g times as loud, from sample %d on: %q", gain, offset, keys)
			}
		}
	}
}

// recordings is where Debian keeps the voices that people recorded for Asterisk.
const recordings = "/usr/share/asterisk/sounds"

// People speak here, which none of our own prompts are spoken by.
func TestNoKeyIsHeardInHalfAnHourOfRecordedSpeech(t *testing.T) {
	samples, said := 0, map[[sha256.Size]byte]bool{}
	err := filepath.WalkDir(recordings, func(name string, entry fs.DirEntry, err error) error {
		if err != nil || filepath.Ext(name) != ".wav" {
			return err
		}
		file, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		a, err := wav.Parse(file)
		sum := sha256.Sum256(a.Data)
		if errors.Is(err, wav.ErrNoAudio) || said[sum] {
			return nil
		}
		said[sum] = true
		if err != nil || a.Format != wav.PCM || a.Rate != 8000 || a.Channels != 1 {
			return fmt.Errorf("%s: format %d, %w", name, a.Format, err)
		}
		speech := make([]int16, len(a.Data)/2)
		for i := range speech {
			speech[i] = int16(binary.LittleEndian.Uint16(a.Data[2*i:]))
		}
		samples += len(speech)
		if keys := hear(new(dtmf.Detector), speech); keys != "" {
			t.Errorf("%s: %q", name, keys)
		}
		return nil
	})
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	minutes := samples / 8000 / 60
	t.Logf("%d minutes of speech", minutes)
	if minutes < 30 {
		lacking.Skip(t, lacking.Speech, "only", minutes, "minutes are here: testdata/install.sh test installs more; our own prompts alone were heard")
	}
}

func TestHearingCostsNoAllocation(t *testing.T) {
	frame := make([]int16, 160)
	for i := range frame {
		frame[i] = dtmf.Tones('5', i)
	}
	var d dtmf.Detector
	if n := testing.AllocsPerRun(100, func() { hearFrame(&d, frame) }); n > 0 {
		t.Errorf("%v allocations a frame", n)
	}
}

func hearFrame(d *dtmf.Detector, frame []int16) {
	for len(frame) > 0 {
		_, frame = d.Hear(frame)
	}
}

func BenchmarkFrame(b *testing.B) {
	speech := spoken(b)
	tones := make([]int16, 160)
	for i := range tones {
		tones[i] = dtmf.Tones('5', i)
	}
	for name, sound := range map[string][]int16{"silence": make([]int16, 160), "speech": speech, "tones": tones} {
		b.Run(name, func(b *testing.B) {
			var d dtmf.Detector
			b.ReportAllocs()
			at := 0
			for b.Loop() {
				if at += 160; at+160 > len(sound) {
					at = 0
				}
				hearFrame(&d, sound[at:at+160])
			}
		})
	}
}

func FuzzDetector(f *testing.F) {
	f.Add([]byte("any sound"))
	f.Fuzz(func(t *testing.T, b []byte) {
		var samples []int16
		for ; len(b) > 1; b = b[2:] {
			samples = append(samples, int16(binary.LittleEndian.Uint16(b)))
		}
		var d dtmf.Detector
		for _, key := range hear(&d, samples) {
			if !dtmf.Valid(byte(key)) {
				t.Errorf("key %q", key)
			}
		}
	})
}
