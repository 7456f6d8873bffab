package telephone

import (
	"encoding/binary"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/zaf/g711"

	"cabline/media"
	"cabline/prompts"
)

func silence(d time.Duration) []byte {
	return slices.Repeat([]byte{quiet}, samples(d))
}

// word is something like speech: noise whose loudness changes.
func word(name string, seed uint64, length time.Duration) media.Clip {
	r := rand.New(rand.NewPCG(seed, 1))
	alaw := make([]byte, samples(length))
	v := 0.0
	for i := range alaw {
		v = 0.7*v + r.NormFloat64()*1500*float64(1+i/400%3)
		alaw[i] = g711.EncodeAlawFrame(int16(max(min(v, 30000), -30000)))
	}
	return media.Clip{Name: name, ALaw: alaw}
}

func TestTonesAreToldApart(t *testing.T) {
	ringback := slices.Concat(Sine(425, time.Second), silence(4*time.Second))
	both := Sine(440, time.Second)
	for i, b := range Sine(1000, time.Second) {
		both[i] = g711.EncodeAlawFrame(g711.DecodeAlawFrame(both[i]) + g711.DecodeAlawFrame(b))
	}
	for _, c := range []struct {
		name     string
		alaw     []byte
		hz       int
		low, top float64
	}{
		{"the tone itself", Sine(440, time.Second), 440, 1, 1},
		{"the tone through µ-law", g711.Ulaw2Alaw(g711.Alaw2Ulaw(Sine(440, time.Second))), 440, 1, 1},
		{"another tone, 15 Hz away", Sine(425, time.Second), 440, 0, 0},
		{"a far tone", Sine(1000, time.Second), 440, 0, 0},
		{"a second of five", ringback, 425, 0.15, 0.25},
		{"silence", silence(time.Second), 440, 0, 0},
		{"two tones at once are neither alone", both, 440, 0, 0},
		{"words", word("w", 1, time.Second).ALaw, 440, 0, 0},
		{"nothing", nil, 440, 0, 0},
	} {
		if got := (Recording{ALaw: c.alaw}).Tone(c.hz); got < c.low || got > c.top {
			t.Errorf("%s: %.2f, want %.2f to %.2f", c.name, got, c.low, c.top)
		}
	}
	if got := (Recording{ALaw: ringback}).Silence(); got < 0.79 || got > 0.81 {
		t.Errorf("%.2f of a ringback is silence", got)
	}
}

func TestSpeechIsProvenByItsWords(t *testing.T) {
	one, two, three := word("one", 1, 400*time.Millisecond), word("two", 2, 300*time.Millisecond), word("three", 3, 700*time.Millisecond)
	pause := media.Clip{Name: "pause", ALaw: silence(200 * time.Millisecond)}
	say := func(clips ...media.Clip) Recording {
		alaw := silence(300 * time.Millisecond)
		for _, c := range clips {
			alaw = append(alaw, c.ALaw...)
		}
		return Recording{ALaw: append(alaw, silence(time.Second)...)}
	}
	holed := say(one, two, three)
	for i := 2400 + 5*frameSize; i < 2400+6*frameSize; i++ { // one lost packet of twenty
		holed.ALaw[i] = quiet
	}
	cut := media.Clip{ALaw: three.ALaw[:len(three.ALaw)/2]}
	for _, c := range []struct {
		name    string
		heard   Recording
		missing string // the clip that is not there; empty: all are
	}{
		{"as it should be", say(one, two, three), ""},
		{"with a pause of silence", say(one, pause, two, three), ""},
		{"something before and after", say(three, one, two, three, one), ""},
		{"through µ-law", Recording{ALaw: g711.Ulaw2Alaw(g711.Alaw2Ulaw(say(one, two, three).ALaw))}, ""},
		{"with a lost packet", holed, ""},
		{"a word left out", say(one, three), "two"},
		{"another word instead", say(one, word("other", 9, 300*time.Millisecond), three), "two"},
		{"in another order", say(two, one, three), "two"},
		{"a word between", say(one, word("other", 9, 500*time.Millisecond), two, three), "two"},
		{"cut short", say(one, two, cut), "three"},
		{"silence", say(), "one"},
		{"a tone", Recording{ALaw: Sine(440, 3*time.Second)}, "one"},
	} {
		said, err := c.heard.Speech(one, pause, two, three)
		switch {
		case c.missing == "" && (err != nil || len(said) != 3):
			t.Errorf("%s: %v", c.name, err)
		case c.missing != "" && (err == nil || !strings.Contains(err.Error(), `clip "`+c.missing+`" was not said`)):
			t.Errorf("%s: %v", c.name, err)
		}
	}
	if !say(one, two).Contains(two) || say(one, two).Contains(three) {
		t.Error("Contains is wrong")
	}
}

func TestRealWordsAreToldApart(t *testing.T) {
	voice, err := prompts.Load("ru", nil)
	if err != nil {
		t.Fatal(err)
	}
	five, six := 5, 6
	facts := prompts.Facts{Status: "accepted", Color: "белый", Mark: "Лада", Plate: "А123ВС", Minutes: &five}
	right := voice.OrderStatus(facts)
	facts.Minutes = &six
	wrong := voice.OrderStatus(facts)
	var alaw []byte
	for _, c := range right {
		alaw = append(alaw, c.ALaw...)
	}
	r := Recording{ALaw: append(silence(time.Second), alaw...)}
	if said, err := r.Speech(right...); err != nil {
		t.Error(err)
	} else if d := said[0].At - time.Second; d.Abs() > time.Millisecond {
		t.Errorf("the speech begins %s late", d)
	}
	if _, err := r.Speech(wrong...); err == nil {
		t.Error("six minutes were heard where five were said")
	}
	if _, err := r.Speech(voice.Say(prompts.Greeting)...); err == nil {
		t.Error("a greeting was heard where none was said")
	}
}

func TestARecordingIsCutByTheClock(t *testing.T) {
	start := time.Now()
	r := Recording{Start: start, ALaw: slices.Concat(silence(time.Second), Sine(440, time.Second))}
	if late := r.Since(start.Add(time.Second)); late.Length() != time.Second || late.Tone(440) != 1 {
		t.Errorf("%s, %.2f", late.Length(), late.Tone(440))
	}
	if r.Last(500*time.Millisecond).Length() != 500*time.Millisecond || r.Last(time.Hour).Length() != 2*time.Second {
		t.Error("Last is wrong")
	}
	if got := r.Since(start.Add(time.Hour)).Length(); got != 0 {
		t.Errorf("%s after the end", got)
	}
}

// A machine that stands still says the rest later, and without a hole.
func TestARecordingIsCutByWhenItsPacketsCame(t *testing.T) {
	var reel Reel
	start, packet := time.Now(), make([]byte, 12+frameSize)
	for n := range 100 { // a second of one tone, half a second of nothing, a second of another
		at, hz := start.Add(time.Duration(n)*20*time.Millisecond), 440
		if n >= 50 {
			at, hz = at.Add(500*time.Millisecond), 1000
		}
		packet[1] = 8
		binary.BigEndian.PutUint32(packet[4:], uint32(n*frameSize))
		copy(packet[12:], Sine(hz, time.Second)[n%50*frameSize:])
		reel.File(packet, 0, at)
	}
	r, between := reel.Recording(), start.Add(1300*time.Millisecond)
	for name, part := range map[string]struct {
		Recording
		hz int
	}{"before": {r.Until(between), 440}, "after": {r.Since(between), 1000}, "again": {r.Since(start).Since(between), 1000}, "last": {r.Last(time.Second), 1000}} {
		if part.Length() != time.Second || part.Tone(part.hz) != 1 {
			t.Errorf("%s: %s, %.2f", name, part.Length(), part.Tone(part.hz))
		}
	}
}
