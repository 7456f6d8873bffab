package dtmf_test

import (
	"math"
	"testing"

	"cabline/media/dtmf"
)

const all = "0123456789*#ABCD"

func TestEventsAreReadAsTheyWereWritten(t *testing.T) {
	for i := range all {
		for _, end := range []bool{false, true} {
			want := dtmf.Event{Key: all[i], End: end, Volume: 10, Duration: 800}
			var b [dtmf.PayloadSize]byte
			want.Put(b[:])
			if b[0] != byte(i) {
				t.Errorf("%c has code %d", all[i], b[0])
			}
			if got, ok := dtmf.Parse(b[:]); !ok || got != want {
				t.Errorf("%+v is read as %+v", want, got)
			}
		}
	}
}

func TestWhatIsNoKeyIsRefused(t *testing.T) {
	for name, b := range map[string][]byte{
		"nothing":      nil,
		"too short":    {1, 0, 0},
		"a hook flash": {16, 0, 0, 160},
		"a modem":      {32, 0, 0, 160},
		"code 255":     {255, 0x8a, 0, 160},
	} {
		if e, ok := dtmf.Parse(b); ok {
			t.Errorf("%s is read as %+v", name, e)
		}
	}
	for _, key := range []byte{0, ' ', 'E', 'a', 255} {
		if dtmf.Valid(key) {
			t.Errorf("%q is a key", key)
		}
	}
}

func TestTonesAreTheTwoOfTheKeyAndNoOther(t *testing.T) {
	rows := map[float64]string{697: "123A", 770: "456B", 852: "789C", 941: "*0#D"}
	columns := map[float64]string{1209: "147*", 1336: "2580", 1477: "369#", 1633: "ABCD"}
	for i := range all {
		for _, table := range []map[float64]string{rows, columns} {
			for hz, keys := range table {
				has := false
				for k := range keys {
					has = has || keys[k] == all[i]
				}
				var re, im float64
				for n := range 800 {
					s := float64(dtmf.Tones(all[i], n)) / math.MaxInt16
					re += s * math.Cos(2*math.Pi*hz*float64(n)/8000)
					im += s * math.Sin(2*math.Pi*hz*float64(n)/8000)
				}
				if level := 2 * math.Hypot(re, im) / 800; (level > 0.2) != has {
					t.Errorf("%c has %.2f of %v Hz", all[i], level, hz)
				}
			}
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte{1, 0x8a, 3, 32})
	f.Fuzz(func(t *testing.T, b []byte) {
		e, ok := dtmf.Parse(b)
		if !ok {
			return
		}
		var back [dtmf.PayloadSize]byte
		e.Put(back[:])
		if again, _ := dtmf.Parse(back[:]); again != e || !dtmf.Valid(e.Key) {
			t.Errorf("%+v becomes %+v", e, again)
		}
	})
}
