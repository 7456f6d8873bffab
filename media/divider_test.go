package media_test

import (
	"testing"
	"time"

	"cabline/media"
)

func TestAFasterClockIsDividedAlsoWhereItTurnsOver(t *testing.T) {
	for _, first := range []uint32{0, 5, 1 << 31, 1<<32 - 1, 1<<32 - 961} {
		var d media.Divider
		last := d.Divide(first, 48000)
		for n := range uint32(100_000) { // half an hour: twice round from anywhere
			stamp := first + 960*n*7
			now := d.Divide(stamp, 48000)
			if late := d.Divide(stamp-960, 48000); n > 0 && (now != last+7*160 || late != now-160) {
				t.Fatalf("from %d, packet %d: %d after %d, the one before it %d", first, n, now, last, late)
			}
			last = now
		}
	}
	var d media.Divider
	for _, stamp := range []uint32{7, 1<<32 - 1, 3} {
		if got := d.Divide(stamp, media.Rate); got != stamp {
			t.Errorf("%d by one is %d", stamp, got)
		}
	}
}

func TestAStreamCountsAsItsCodecDoes(t *testing.T) {
	s := media.NewStream(1, 1000, 50000)
	said := func(seq uint16, at uint32) uint32 {
		p := media.Packet{Buf: make([]byte, media.HeaderSize+1), Start: media.HeaderSize, Seq: seq, Time: at, Source: 7}
		out := s.Head(&p, 0, time.Time{}.Add(time.Hour))
		return uint32(out[4])<<24 | uint32(out[5])<<16 | uint32(out[6])<<8 | uint32(out[7])
	}
	first := said(1, 100)
	s.Count(media.Opus) // it goes on from where it is
	if a, b := said(2, 260), said(3, 420); a != first+960 || b != a+960 {
		t.Errorf("after %d Opus' timestamps are %d, %d", first, a, b)
	}
	s.Count(media.Opus)
	last := said(4, 580)
	s.Count(media.PCMU)
	if a, b := said(5, 740), said(6, 900); last != first+3*960 || a != last+160 || b != a+160 {
		t.Errorf("after %d those of G.711 are %d, %d", last, a, b)
	}
}
