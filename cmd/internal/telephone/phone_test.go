package telephone

import (
	"context"
	"encoding/binary"
	"net/netip"
	"testing"
	"time"

	"cabline/cmd/internal/siptext"
)

// pair is two phones, the first calling the second without an exchange.
func pair(t *testing.T, caller Options) (*Phone, *Phone) {
	t.Helper()
	any := netip.MustParseAddrPort("127.0.0.1:0")
	open := func(o Options) *Phone {
		p, err := NewPhone(o)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := p.Close(); err != nil {
				t.Error(err)
			}
		})
		return p
	}
	callee := open(Options{Network: caller.Network, Listen: any, Number: "+79990000001"})
	caller.Listen, caller.Server, caller.Number = any, callee.Addr(), "+79161234567"
	return open(caller), callee
}

func talk(t *testing.T, a, b *Phone, how ...func(*Call)) (*Call, *Call) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	out, err := a.Call("+74950000000", how...)
	check(t, err)
	in, err := b.Coming(ctx)
	check(t, err)
	if in.Dialled != "+74950000000" || in.From != "+79161234567" {
		t.Errorf("dialled %s from %s", in.Dialled, in.From)
	}
	check(t, in.Ring())
	check(t, out.WaitStatus(ctx, 180))
	check(t, in.Answer())
	check(t, out.WaitTalk(ctx))
	check(t, in.WaitTalk(ctx))
	return out, in
}

func TestTwoPhonesTalk(t *testing.T) {
	for name, c := range map[string]struct {
		options Options
		how     []func(*Call)
	}{
		"over UDP":                 {Options{}, nil},
		"over TCP":                 {Options{Network: "tcp"}, nil},
		"in µ-law":                 {Options{Codecs: []uint8{0}, Event: 96}, nil},
		"with a late offer":        {Options{}, []func(*Call){LateOffer}},
		"although an ACK was lost": {Options{LoseACK: 1}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a, b := pair(t, c.options)
			out, in := talk(t, a, b, c.how...)
			out.Tone(440)
			in.Tone(1000)
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			check(t, in.Hears(ctx, 440))
			check(t, out.Hears(ctx, 1000))
			out.Press("12#")
			until(t, "the keys arrive", func() bool { return in.Keys() == "12#" })
			check(t, in.HangUp())
			at, byThem, err := out.WaitOver(ctx)
			if err != nil || !byThem || at.IsZero() {
				t.Errorf("ended %v, by them %v, %v", at, byThem, err)
			}
		})
	}
}

func TestCallsThatAreNotAnswered(t *testing.T) {
	a, b := pair(t, Options{})
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()

	out, err := a.Call("1")
	check(t, err)
	in, err := b.Coming(ctx)
	check(t, err)
	check(t, in.Reject(486, "Busy Here"))
	_, byThem, err := out.WaitOver(ctx)
	if s := out.Statuses(); err != nil || !byThem || s[len(s)-1] != 486 {
		t.Errorf("statuses %v, by them %v, %v", s, byThem, err)
	}

	out, err = a.Call("2")
	check(t, err)
	in, err = b.Coming(ctx)
	check(t, err)
	check(t, in.Ring())
	check(t, out.WaitStatus(ctx, 180))
	check(t, out.HangUp())
	if _, byThem, err = in.WaitOver(ctx); err != nil || !byThem {
		t.Errorf("the callee saw no CANCEL: %v", err)
	}
	until(t, "487 comes", func() bool { s := out.Statuses(); return s[len(s)-1] == 487 })
	if err := in.Answer(); err == nil {
		t.Error("a call that was cancelled could be answered")
	}
}

func TestAHoldIsAnsweredAsItShould(t *testing.T) {
	a, b := pair(t, Options{})
	out, _ := talk(t, a, b)
	check(t, out.Describe("sendonly"))
	until(t, "the answer says recvonly", func() bool {
		for _, w := range a.Tape() {
			if m, err := siptext.Parse(w.Bytes); err == nil && w.Kind == "SIP" && !w.Out && m.Status() == 200 && m.CSeq() == 2 {
				sdp, err := siptext.ParseSDP(m.Body)
				return err == nil && sdp.Direction == "recvonly"
			}
		}
		return false
	})
}

func TestTheTapeKeepsWhatPassed(t *testing.T) {
	a, b := pair(t, Options{})
	out, in := talk(t, a, b)
	until(t, "the caller hears something", func() bool { return in.Heard().Length() > 100*time.Millisecond })
	check(t, out.HangUp())
	count := map[string]int{}
	until(t, "the 200 to BYE is there", func() bool {
		clear(count)
		for _, w := range a.Tape() {
			if m, err := siptext.Parse(w.Bytes); err == nil && w.Kind == "SIP" {
				count[m.Method()]++
			}
			if w.Kind == "RTP" && w.Out {
				count["RTP"]++
			}
		}
		return count["BYE"] >= 2
	})
	if count["INVITE"] < 4 || count["ACK"] != 1 || count["RTP"] < 5 { // INVITE, 100, 180, 200
		t.Errorf("on the tape: %v", count)
	}
}

func TestWhatBefallsTheSound(t *testing.T) {
	t.Parallel()
	a, b := pair(t, Options{})
	out, in := talk(t, a, b)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	out.Tone(440)
	in.Tone(1000)
	check(t, in.Hears(ctx, 440))
	out.Sound("5#")
	until(t, "tones of keys arrive, and the tone goes on", func() bool { return in.Heard().Keys() == "5#" && in.Heard().Last(time.Second).Tone(440) == 1 })

	out.Fade(true)
	till := in.Heard().Length()
	check(t, out.Move())
	moved := time.Now().Add(time.Second)
	until(t, "the other is heard at the new port", func() bool { return out.Heard().Since(moved).Last(time.Second).Tone(1000) == 1 })
	if length := in.Heard().Length(); length > till+time.Second/2 {
		t.Errorf("one who sends nothing was heard for %v", length-till)
	}
	out.Fade(false)
	check(t, in.Hears(ctx, 440))

	out.Lose(4)
	from := len(b.Tape())
	until(t, "a hundred packets have come", func() bool { return len(b.Tape()) > from+200 })
	gaps, last := 0, uint16(0)
	for _, w := range b.Tape()[from:] {
		if w.Kind == "RTP" && !w.Out {
			seq := binary.BigEndian.Uint16(w.Bytes[2:])
			if last != 0 && seq == last+2 {
				gaps++
			}
			last = seq
		}
	}
	if gaps < 20 {
		t.Errorf("%d packets in so many are missing, want one in four", gaps)
	}
}
