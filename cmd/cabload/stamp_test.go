package main

import (
	"testing"

	"github.com/zaf/g711"
	"pgregory.net/rapid"
)

func TestAStampSurvivesTranscoding(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := stamp{
			sent:   rapid.Int64().Draw(t, "sent"),
			stream: rapid.Uint32().Draw(t, "stream"),
			number: rapid.Uint32().Draw(t, "number"),
			run:    rapid.Uint16().Draw(t, "run"),
		}
		var alaw, ulaw [frame]byte
		want.write(alaw[:], aMedium)
		want.write(ulaw[:], uMedium)
		for name, payload := range map[string][]byte{
			"A-law as sent":  alaw[:],
			"µ-law as sent":  ulaw[:],
			"A-law → µ-law":  g711.Alaw2Ulaw(alaw[:]),
			"µ-law → A-law":  g711.Ulaw2Alaw(ulaw[:]),
			"there and back": g711.Ulaw2Alaw(g711.Alaw2Ulaw(alaw[:])),
			"through linear": g711.EncodeUlaw(g711.DecodeAlaw(alaw[:])),
		} {
			if got, ok := readStamp(payload); !ok || got != want {
				t.Errorf("%s: got %+v, %v; want %+v", name, got, ok, want)
			}
		}
	})
}

func TestOtherAudioIsNoStamp(t *testing.T) {
	var good [frame]byte
	stamp{sent: 1, stream: 2, number: 3, run: 4}.write(good[:], aMedium)
	broken := good
	broken[70] ^= 0x80
	silence := [frame]byte{}
	for i := range silence {
		silence[i] = 0xd5
	}
	for name, payload := range map[string][]byte{
		"zeroes": make([]byte, frame), "silence": silence[:], "one sign turned": broken[:], "a shorter packet": good[:frame-1], "nothing": nil,
	} {
		if _, ok := readStamp(payload); ok {
			t.Errorf("%s was read as a stamp", name)
		}
	}
}

func BenchmarkStamp(b *testing.B) {
	var payload [frame]byte
	for i := range b.N {
		stamp{number: uint32(i)}.write(payload[:], aMedium)
		if s, ok := readStamp(payload[:]); !ok || s.number != uint32(i) {
			b.Fatal("lost")
		}
	}
}
