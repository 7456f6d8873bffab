package media

import (
	"math"
	"testing"

	"cabline/media/g711"
)

// said is a tone in packets of 20 ms, first in A-law and then turned.
func said(t *testing.T, turn func(p *Packet)) []byte {
	t.Helper()
	var all []byte
	for n := range 50 {
		b := make([]byte, HeaderSize+FrameSize)
		for i := range FrameSize {
			b[HeaderSize+i] = g711.EncodeALaw(int16(8000 * math.Sin(2*math.Pi*440*float64(n*FrameSize+i)/Rate)))
		}
		p := &Packet{Buf: b, Start: HeaderSize, Source: 7}
		turn(p)
		if len(p.Payload()) != FrameSize {
			t.Fatalf("%d bytes", len(p.Payload()))
		}
		all = append(all, p.Payload()...)
	}
	return all
}

func TestASoundIsTheSameInEveryCodec(t *testing.T) {
	for _, way := range [][]Codec{{PCMU, PCMA}, {G722, PCMA}, {G722, PCMU, PCMA}, {PCMU, G722, PCMA}, {G722, PCMU, G722, PCMA}} {
		turners := make([]Transcoder, len(way))
		heard := said(t, func(p *Packet) {
			for i, c := range way {
				turners[i].Turn(p, c, func(turned *Packet) {
					if turned != p || p.Codec != c {
						t.Errorf("%v, not %v", p.Codec, c)
					}
				})
			}
		})
		if share := powerOf(heard[800:], 440); share < 0.97 {
			t.Errorf("by %v: %.3f of it is the tone", way, share)
		}
	}
}

// powerOf is the share of one frequency in A-law (Goertzel).
func powerOf(alaw []byte, hz float64) float64 {
	var re, im, all float64
	for i, b := range alaw {
		s, w := float64(g711.DecodeALaw(b)), 2*math.Pi*hz*float64(i)/Rate
		re, im, all = re+s*math.Cos(w), im+s*math.Sin(w), all+s*s
	}
	return 2 * (re*re + im*im) / (float64(len(alaw)) * all)
}

func TestTurningDoesNotAllocate(t *testing.T) {
	var in, out Transcoder
	p := &Packet{Buf: make([]byte, HeaderSize+FrameSize), Start: HeaderSize}
	none := func(*Packet) {}
	if n := testing.AllocsPerRun(100, func() { in.Turn(p, G722, none); out.Turn(p, PCMA, none) }); n > 0 {
		t.Errorf("%v allocations", n)
	}
}
