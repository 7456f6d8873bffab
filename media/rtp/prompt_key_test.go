package rtp

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"cabline/media"
	"cabline/media/dtmf"
	"cabline/media/g711"
	"cabline/media/wav"
)

// A phone gives the prompt back as an echo, and its key comes on top of it.
func TestAKeyIsKnownWithin150MillisecondsWhileAPromptPlays(t *testing.T) {
	files, err := filepath.Glob("../../prompts/ru/*.wav")
	if err != nil || len(files) == 0 {
		t.Fatalf("no prompts: %v", err)
	}
	var prompt []byte
	for _, name := range files {
		file, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		a, err := wav.Parse(file)
		if err != nil {
			t.Fatal(err)
		}
		if prompt = append(prompt, a.Data...); len(prompt) > 60*media.Rate {
			break
		}
	}
	const press, pause = 100, 900 // ms
	packets := map[string]func(a *phone, key byte, n int, echo []byte) []byte{
		"an event": func(a *phone, key byte, n int, echo []byte) []byte {
			if n >= press/20 {
				a.packet.PayloadType = 8
				return echo
			}
			a.packet.PayloadType = 101
			b := make([]byte, dtmf.PayloadSize)
			dtmf.Event{Key: key, Duration: uint16(160 * (n + 1))}.Put(b)
			return b
		},
		"tones": func(_ *phone, key byte, n int, echo []byte) []byte {
			if n >= press/20 {
				return echo
			}
			b := make([]byte, len(echo))
			for i := range b {
				b[i] = g711.EncodeALaw(dtmf.Tones(key, 160*n+i) + g711.DecodeALaw(echo[i]))
			}
			return b
		},
	}
	for how, packet := range packets {
		t.Run(how, func(t *testing.T) {
			keys := map[string]Keys{"an event": KeysAuto, "tones": KeysInBand}[how]
			p := noCall(t, "127.0.0.1")
			p.keys = keys
			a := newPhone(t)
			a.call(p, "8 101")
			at, worst := 0, 0
			for k := range 16 * 3 {
				key, heard := "0123456789*#ABCD"[k%16], false
				stamp := a.packet.Timestamp
				for n := range (press + pause) / 20 {
					echo := make([]byte, 160) // 12 dB below what we say
					for i := range echo {
						echo[i] = g711.EncodeALaw(g711.DecodeALaw(prompt[(at+i)%len(prompt)]) / 4)
					}
					at += 160
					a.packet.Payload = packet(a, key, n, echo)
					if a.packet.Timestamp = stamp + uint32(160*n); a.packet.PayloadType == 101 {
						a.packet.Timestamp = stamp
					}
					b, err := a.packet.Marshal()
					if err != nil {
						t.Fatal(err)
					}
					p.receive(b, a.addr(), time.Now())
					a.packet.SequenceNumber++
					if len(p.Digits()) > 0 {
						if d := <-p.Digits(); byte(d) != key || heard {
							t.Fatalf("%c was heard as %c, a second time: %v", key, d, heard)
						}
						worst, heard = max(worst, 20*(n+1)), true
					}
				}
				if !heard {
					t.Errorf("%c was not heard", key)
				}
				a.packet.Timestamp = stamp + 8*(press+pause)
			}
			if worst > 150 {
				t.Errorf("a key was known only after %d ms", worst)
			}
			t.Logf("known after %d ms at most", worst)
		})
	}
}
