package media_test

import (
	"encoding/binary"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"cabline/media"
)

// sent is what a stream made of a packet.
type sent struct {
	Seq    uint16
	Time   uint32
	Marker bool
}

// in is a packet given to a stream, after so much time.
type in struct {
	after  time.Duration
	source uint32
	seq    uint16
	time   uint32
	marker bool
}

const frame = 20 * time.Millisecond

func TestAStreamGoesOnWhoeverSpeaks(t *testing.T) {
	for _, tt := range []struct {
		name       string
		seq, stamp uint32 // where the stream begins
		in         []in
		want       []sent
	}{
		{
			"a source's numbers are only shifted", 1000, 50000,
			[]in{{0, 1, 7, 100, true}, {frame, 1, 8, 260, false}, {frame, 1, 9, 420, false}},
			[]sent{{1001, 50160, true}, {1002, 50320, false}, {1003, 50480, false}},
		},
		{
			"another source goes on after the time that passed, marked", 1000, 50000,
			[]in{{0, 1, 7, 100, false}, {time.Second, 2, 60000, 9, false}, {frame, 2, 60001, 169, false}},
			[]sent{{1001, 50160, true}, {1002, 58160, true}, {1003, 58320, false}},
		},
		{
			"another source right behind goes on one frame later", 1000, 50000,
			[]in{{0, 1, 7, 100, false}, {time.Millisecond, 2, 60000, 9, false}},
			[]sent{{1001, 50160, true}, {1002, 50320, true}},
		},
		{
			"another source's packet that arrived before the last one was said goes on one frame later", 1000, 50000,
			[]in{{0, 1, 7, 100, false}, {-5 * time.Millisecond, 2, 60000, 9, false}, {frame, 2, 60001, 169, false}},
			[]sent{{1001, 50160, true}, {1002, 50320, true}, {1003, 50480, false}},
		},
		{
			"losses and reorderings of the source are kept", 1000, 50000,
			[]in{{0, 1, 7, 100, false}, {3 * frame, 1, 10, 580, false}, {0, 1, 9, 420, false}, {frame, 1, 11, 740, false}},
			[]sent{{1001, 50160, true}, {1004, 50640, false}, {1003, 50480, false}, {1005, 50800, false}},
		},
		{
			"a change of source after a late packet does not turn back", 1000, 50000,
			[]in{{0, 1, 7, 100, false}, {0, 1, 6, 4294967236, false}, {frame, 2, 0, 0, false}},
			[]sent{{1001, 50160, true}, {1000, 50000, false}, {1002, 50320, true}},
		},
		{
			"sequence numbers and timestamps wrap, the stream's and the source's", 65535, 4294967295,
			[]in{{0, 1, 65535, 4294967200, false}, {frame, 1, 0, 64, false}, {frame, 1, 1, 224, false}},
			[]sent{{0, 159, true}, {1, 319, false}, {2, 479, false}},
		},
		{
			"a source which counted on through a hold of 20 minutes goes on after it", 1000, 50000,
			[]in{{0, 1, 7, 100, false}, {20 * time.Minute, 1, 60007, 9600100, false}, {frame, 1, 60008, 9600260, false}},
			[]sent{{1001, 50160, true}, {1002, 9650160, true}, {1003, 9650320, false}},
		},
		{
			"a source which stood still through a hold goes on as it was", 1000, 50000,
			[]in{{0, 1, 7, 100, false}, {20 * time.Minute, 1, 8, 260, false}},
			[]sent{{1001, 50160, true}, {1002, 50320, false}},
		},
		{
			"a silence of the source's own making is kept", 1000, 50000,
			[]in{{0, 1, 7, 100, false}, {time.Minute, 1, 8, 480100, true}},
			[]sent{{1001, 50160, true}, {1002, 530160, true}},
		},
		{
			"a source that begins anew under its old name goes on", 1000, 50000,
			[]in{{0, 1, 30007, 3000000, false}, {frame, 1, 5, 160, false}, {frame, 1, 6, 320, false}},
			[]sent{{1001, 50160, true}, {1002, 50320, true}, {1003, 50480, false}},
		},
		{
			"a timestamp that jumps alone does not pass", 1000, 50000,
			[]in{{0, 1, 7, 100, false}, {frame, 1, 8, 2000000100, false}, {frame, 1, 9, 2000000260, false}},
			[]sent{{1001, 50160, true}, {1002, 50320, true}, {1003, 50480, false}},
		},
		{
			"the packets of an event keep its timestamp", 1000, 50000,
			[]in{{0, 1, 7, 100, true}, {frame, 1, 8, 100, false}, {frame, 1, 9, 100, false}, {frame, 1, 10, 1060, true}},
			[]sent{{1001, 50160, true}, {1002, 50160, false}, {1003, 50160, false}, {1004, 51120, true}},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := media.NewStream(42, uint16(tt.seq), tt.stamp)
			now := time.Now()
			var got []sent
			for _, in := range tt.in {
				now = now.Add(in.after)
				out := s.Head(&media.Packet{
					Buf: []byte("headheadheadsound"), Start: media.HeaderSize,
					Source: in.source, Seq: in.seq, Time: in.time, Marker: in.marker,
				}, 8, now)
				if string(out[12:]) != "sound" || out[0] != 0x80 || out[1]&0x7f != 8 || binary.BigEndian.Uint32(out[8:]) != 42 {
					t.Errorf("packet is % x", out)
				}
				got = append(got, sent{binary.BigEndian.Uint16(out[2:]), binary.BigEndian.Uint32(out[4:]), out[1]&0x80 != 0})
			}
			if d := cmp.Diff(tt.want, got); d != "" {
				t.Error(d)
			}
		})
	}
}

func TestTheHeaderGoesRightBeforeThePayload(t *testing.T) {
	p := media.Packet{Buf: []byte("headheadheadCSRCextensionsound"), Start: 25}
	s := media.NewStream(1, 1, 1)
	out := s.Head(&p, 0, time.Now())
	if len(out) != 17 || string(out[12:]) != "sound" {
		t.Errorf("% x", out)
	}
}

func TestAStreamDoesNotAllocate(t *testing.T) {
	s := media.NewStream(1, 1, 1)
	p := media.Packet{Buf: make([]byte, 172, 204), Start: 12}
	if n := testing.AllocsPerRun(100, func() { s.Head(&p, 8, time.Now()) }); n > 0 {
		t.Error(n)
	}
}
