package rtp

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"cabline/media"
)

// Who says a packet in the latching tests.
const (
	fromSDP  = 's' // the address of the SDP
	fromElse = 'e' // another one
	stranger = 'x' // a third
)

func TestWhoIsHeard(t *testing.T) {
	for _, tt := range []struct {
		name     string
		latching Latching
		said     string // who speaks, in order
		heard    string
		answered byte // where our packets go in the end
	}{
		{"the party of the SDP is heard, strangers are not", LatchFirst, "sxsexs", "sss", 's'},
		{"a party who sends from elsewhere is taken, and nobody else", LatchFirst, "exexe", "eee", 'e'},
		{"the party of the SDP takes its place back from whoever came first", LatchFirst, "xxsxxs", "xxss", 's'},
		{"before anybody speaks ours go to the SDP's address", LatchFirst, "", "", 's'},
		{"without latching the SDP's address alone is heard", LatchOff, "exsexs", "ss", 's'},
		{"with latching always everybody is, and answered", LatchAlways, "sexse", "sexse", 'e'},
	} {
		t.Run(tt.name, func(t *testing.T) {
			onBothWires(t, Config{}, func(t *testing.T, r *Relay) {
				p := openPort(t, r, tt.latching)
				phones := map[byte]*phone{fromSDP: newPhone(t), fromElse: newPhone(t), stranger: newPhone(t)}
				phones[fromSDP].call(p, "8")
				var sink catcher
				p.Plug(&sink)
				for i := range len(tt.said) {
					f := phones[tt.said[i]]
					f.to = phones[fromSDP].to
					f.say([]byte{tt.said[i]}, 160)
					until(t, "it was taken or dropped", func() bool { s := p.Stats(); return s.Received+s.Dropped == uint64(i+1) })
				}
				if got := strings.Join(sink.all(), ""); got != tt.heard {
					t.Errorf("heard %q", got)
				}
				p.WriteRTP(&media.Packet{Buf: make([]byte, 172, 236), Start: 12})
				until(t, "ours arrived", func() bool { return len(phones[tt.answered].all()) == 1 })
			})
		})
	}
}

func TestOnlyTheHostsOfTheSDPAndTheSignallingMaySpeakFirst(t *testing.T) {
	sdp, nat, elsewhere := netip.MustParseAddr("10.0.0.5"), netip.MustParseAddr("203.0.113.5"), netip.MustParseAddr("198.51.100.1")
	for _, tt := range []struct {
		name  string
		from  netip.Addr
		near  netip.Addr
		heard bool
	}{
		{"another port of the SDP's host", sdp, nat, true},
		{"the host of the signalling, behind which the party is", nat, nat, true},
		{"a third host", elsewhere, nat, false},
		{"any host where the signalling's is not known", elsewhere, netip.Addr{}, true},
	} {
		p := noCall(t, "127.0.0.1")
		p.rx.near = tt.near
		if _, err := p.Answer([]byte(strings.ReplaceAll(lines("m=audio 4000 RTP/AVP 8"), "127.0.0.9", sdp.String()))); err != nil {
			t.Fatal(err)
		}
		p.receive(append([]byte("\x80\x08"), make([]byte, 170)...), netip.AddrPortFrom(tt.from, 5000), time.Now())
		if s := p.Stats(); s.Received != 1 == tt.heard {
			t.Errorf("%s: %+v", tt.name, s)
		}
		if moved := p.tx.to.Addr() == tt.from && p.tx.to.Port() == 5000; moved != tt.heard {
			t.Errorf("%s: ours go to %v", tt.name, p.tx.to)
		}
	}
}

func TestANewAddressInTheSDPOpensTheLockAgain(t *testing.T) {
	onBothWires(t, Config{}, func(t *testing.T, r *Relay) {
		p := openPort(t, r, LatchFirst)
		before, after, behind := newPhone(t), newPhone(t), newPhone(t)
		before.call(p, "8")
		before.say([]byte("before"), 160)
		until(t, "it was heard", func() bool { return p.Stats().Received == 1 })
		after.call(p, "8") // a re-INVITE
		behind.to = after.to
		behind.say([]byte("behind"), 160) // its NAT shows another address
		until(t, "it was heard", func() bool { return p.Stats().Received == 2 })
		before.say([]byte("before"), 160)
		until(t, "the former was dropped", func() bool { return p.Stats().Dropped == 1 })
		p.WriteRTP(&media.Packet{Buf: make([]byte, 172, 236), Start: 12})
		until(t, "ours arrived", func() bool { return len(behind.all()) == 1 })
	})
}

func TestWhatWasUnderWayFromTheFormerAddressDoesNotLockOutTheNewOne(t *testing.T) {
	onBothWires(t, Config{}, func(t *testing.T, r *Relay) {
		p := openPort(t, r, LatchFirst)
		before, after, behind, third := newPhone(t), newPhone(t), newPhone(t), newPhone(t)
		say := func(f *phone, packets uint64) {
			t.Helper()
			f.say([]byte("sound"), 160)
			until(t, "it was heard or dropped", func() bool { s := p.Stats(); return s.Received+s.Dropped == packets })
		}
		before.call(p, "8")
		say(before, 1)
		after.call(p, "8") // a re-INVITE
		behind.to, third.to = after.to, after.to
		say(before, 2) // was under way
		say(behind, 3) // its NAT shows another address
		say(before, 4)
		say(third, 5)
		if s := p.Stats(); s.Received != 3 || s.Dropped != 2 {
			t.Errorf("%+v", s)
		}
		p.WriteRTP(&media.Packet{Buf: make([]byte, 172, 236), Start: 12})
		until(t, "ours arrived", func() bool { return len(behind.all()) == 1 })
	})
}

// Its SDP has moved, and it has not: a gateway wrote that.
func TestWhoStaysAtTheFormerAddressIsAnsweredThereAndLocksInTheEnd(t *testing.T) {
	p := noCall(t, "127.0.0.1")
	at := func(addr string) netip.AddrPort { return netip.MustParseAddrPort(addr) }
	now := time.Now()
	hears := func(from netip.AddrPort) bool {
		before := p.Stats().Received
		p.receive(append([]byte("\x80\x08"), make([]byte, 170)...), from, now)
		return p.Stats().Received > before
	}
	for _, port := range []string{"4000", "4002"} {
		if _, err := p.Answer([]byte(lines("m=audio " + port + " RTP/AVP 8"))); err != nil {
			t.Fatal(err)
		}
		if !hears(at("127.0.0.9:5000")) || p.tx.to != at("127.0.0.9:5000") {
			t.Errorf("with port %s in the SDP ours go to %v", port, p.tx.to)
		}
	}
	now = now.Add(underWay + time.Minute)
	if hears(at("127.0.0.9:6000")) {
		t.Error("another one is heard long after the move")
	}
	if !hears(at("127.0.0.9:5000")) {
		t.Error("the party is not heard any more")
	}
}

func TestTheSameSDPAgainKeepsTheLock(t *testing.T) {
	onBothWires(t, Config{}, func(t *testing.T, r *Relay) {
		p := openPort(t, r, LatchFirst)
		told, real, third := newPhone(t), newPhone(t), newPhone(t)
		told.call(p, "8")
		real.to, third.to = told.to, told.to
		real.say([]byte("real"), 160)
		until(t, "it was heard", func() bool { return p.Stats().Received == 1 })
		told.call(p, "8") // a session refresh
		third.say([]byte("third"), 160)
		until(t, "the third was dropped", func() bool { return p.Stats().Dropped == 1 })
		p.WriteRTP(&media.Packet{Buf: make([]byte, 172, 236), Start: 12})
		until(t, "ours arrived", func() bool { return len(real.all()) == 1 })
	})
}

func TestGarbageIsDroppedAndCounted(t *testing.T) {
	onBothWires(t, Config{}, func(t *testing.T, r *Relay) {
		p := openPort(t, r, LatchFirst)
		a := newPhone(t)
		a.call(p, "8")
		var sink catcher
		p.Plug(&sink)
		for i, b := range []string{
			"", "x", strings.Repeat("\x80", 12), strings.Repeat("\x00", 172), // short, empty, version 0
			"\x8f\x08" + strings.Repeat("a", 20),          // CSRCs past the end
			"\x90\x08" + strings.Repeat("\xff", 30),       // an extension past the end
			"\xa0\x08" + strings.Repeat("\xff", 30),       // padding longer than all
			"\xa0\x08" + strings.Repeat("a", 30) + "\x00", // no padding in the padding
			"\x80\x60" + strings.Repeat("a", 170),         // a payload type nobody agreed on
			"\x80\x12" + strings.Repeat("a", 170),         // G.729
		} {
			if _, err := a.conn.WriteToUDPAddrPort([]byte(b), a.to); err != nil {
				t.Fatal(err)
			}
			until(t, "it was dropped", func() bool { return p.Stats().Dropped == uint64(i+1) })
		}
		if got := sink.all(); len(got) > 0 || p.Stats().Received > 0 {
			t.Errorf("heard %q", got)
		}
	})
}
