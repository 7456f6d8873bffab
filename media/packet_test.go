package media_test

import (
	"encoding/binary"
	"fmt"
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
			[]in{{0, 1, 7, 100, false}, {frame, 1, 9, 420, false}, {0, 1, 8, 260, false}, {frame, 2, 0, 0, false}},
			[]sent{{1001, 50160, true}, {1003, 50480, false}, {1002, 50320, false}, {1004, 50640, true}},
		},
		{
			"a packet from before the change of source is not said: its number is the other's", 1000, 50000,
			[]in{{0, 1, 7, 100, false}, {frame, 2, 10, 0, false}, {0, 2, 9, 4294967136, false}, {frame, 2, 11, 160, false}},
			[]sent{{1001, 50160, true}, {1002, 50320, true}, {1003, 50480, false}},
		},
		{
			"a packet that comes over a second late is not said", 1000, 50000,
			[]in{{0, 1, 7, 100, false}, {70 * frame, 1, 77, 11300, false}, {0, 1, 13, 1060, false}, {0, 1, 14, 1220, false}},
			[]sent{{1001, 50160, true}, {1071, 61360, false}, {1008, 51280, false}},
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
				if out == nil {
					continue
				}
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

// Losses and reorderings are the source's; what we leave unsaid is neither.
func TestWhatIsLeftOutLeavesNoHole(t *testing.T) {
	for _, tt := range []struct {
		name, said, want string // letters in the alphabet's order are the source's, small ones are left out; |: Rejoin
	}{
		{"one", "AbC", "1 2"},
		{"some in a row", "AbcdeF", "1 2"},
		{"the first", "aB", "1"},
		{"beside a loss", "AbD", "1 3"},
		{"a loss before it", "AcD", "1 3"},
		{"one that comes late keeps its place", "AcBDeF", "1 2 3 4"},
		{"late before two others", "AcdBE", "1 2 3"},
		{"late and left out is a loss, for we did not know", "ACbD", "1 3 4"},
		{"twice", "AbbC", "1 2"},
		{"and said after all", "AbBC", "1 2"},
		{"heard again after a while", "ABC|deH|I", "1 2 3 4 5"},
		{"lost before it is heard again", "ABdE|G", "1 2 4 5"},
		{"one from before it was heard again", "ABCE|FDG", "1 2 3 5 6 7"},
		{"left out, heard again and left out", "Ab|cdE", "1 2"},
		{"between reordered ones", "ACBdFEG", "1 3 2 5 4 6"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s, now, got := media.NewStream(42, 0, 0), time.Now(), ""
			for _, c := range tt.said {
				if c == '|' {
					s.Rejoin()
					continue
				}
				n := uint16(c|0x20) - 'a'
				p := media.Packet{Buf: make([]byte, 40), Start: media.HeaderSize, Source: 1, Seq: n + 65530, Time: uint32(n) * media.FrameSize}
				if c&0x20 != 0 {
					s.LeaveOut(&p)
				} else if out := s.Head(&p, 8, now.Add(time.Duration(n)*frame)); out != nil {
					got += fmt.Sprint(binary.BigEndian.Uint16(out[2:]), " ")
				}
			}
			if got != tt.want+" " {
				t.Errorf("%q", got)
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
