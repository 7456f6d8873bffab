package sip

import (
	"net/netip"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	wire "github.com/emiago/sipgo/sip"
)

// The same as TestTheNextTrunkHasTheCallWithinFiveSecondsHoweverTheFirstIsDead, to
// the moment: no machine is busy in a bubble. T1 is half of RFC 3261's here, and so
// is all that follows from it, five seconds too.
func TestToTheMomentTheNextTrunkHasTheCallWhateverTheFirstIsDeadBy(t *testing.T) {
	share := patience() / 2 // there is one trunk behind it
	refuse := func(status string, late time.Duration) func(*farNet) {
		return func(n *farNet) {
			carrier := n.carrier(farFirst)
			invite := carrier.want("INVITE")
			carrier.silent(late)
			carrier.send(invite.reply(status, "a", ""))
			carrier.want("ACK")
		}
	}
	for name, c := range map[string]struct {
		before, first func(*farNet)
		at            time.Duration
		slack         time.Duration // what an answer that is on its way may take
	}{
		"it is silent":                    {nil, func(n *farNet) { n.carrier(farFirst).want("INVITE") }, share, onItsWay},
		"it is full":                      {nil, refuse("503 Full", 0), 0, 0},
		"it is full, and says so late":    {nil, refuse("503 Full", share*9/10), share * 9 / 10, 0},
		"it has timed out":                {nil, refuse("408 Timeout", 0), 0, 0},
		"it has timed out, after a while": {nil, refuse("408 Timeout", share*9/10), share * 9 / 10, 0},
		"it refuses connections":          {func(n *farNet) { n.end(farFirst).shut = syscall.ECONNREFUSED }, func(*farNet) {}, 0, 0},
		"it closes connections":           {nil, func(n *farNet) { n.carrier(farFirst).hangUp() }, 0, share + onItsWay}, // it may be tried once more, and says nothing
		"it closes them on an INVITE": {nil, func(n *farNet) {
			carrier := n.carrier(farFirst)
			carrier.want("INVITE")
			carrier.hangUp()
		}, 0, 0},
		"it reads nothing":    {func(n *farNet) { n.end(farFirst).stone = true }, func(*farNet) {}, share, onItsWay},
		"it swallows the SYN": {func(n *farNet) { n.leave(farFirst) }, func(*farNet) {}, share, 0},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b, n := startFar(t, Trunk{Name: "first", Target: farFirst}, Trunk{Name: "second", Target: farSecond})
				if c.before != nil {
					c.before(n)
				}
				began := time.Now()
				done := b.dial(t.Context(), overFirst)
				c.first(n)
				second := n.carrier(farSecond)
				invite := second.want("INVITE")
				if took := time.Since(began); took < c.at || took > c.at+c.slack || took > 10*wire.T1 {
					t.Errorf("the next trunk has the call after %v, not %v", took, c.at)
				}
				second.send(invite.reply("486 Busy", "b", ""))
				second.want("ACK")
				wait(t, "end of Dial", done)
			})
		})
	}
}

// All the time there is for the search goes by while the audio is opened, which is
// the machine's fault and not the next trunk's.
func TestToTheMomentTheNextTrunkHasTheCallThoughTheMachineStoodStill(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, n := startFar(t, Trunk{Name: "first", Target: farFirst}, Trunk{Name: "second", Target: farSecond})
		open, stands := b.cfg.RTP, sync.OnceFunc(func() { time.Sleep(2 * search()) })
		b.cfg.RTP = func(o RTPOptions) (Audio, error) { stands(); return open(o) }
		done := b.dial(t.Context(), overFirst)
		n.carrier(farFirst).want("INVITE")
		second := n.carrier(farSecond)
		invite := second.want("INVITE")
		second.send(invite.reply("486 Busy", "b", ""))
		second.want("ACK")
		wait(t, "end of Dial", done)
	})
}

// RFC 3261 §14.1, on the wire: who chose the Call-ID waits 2.1 to 4 s, the other one
// no more than 2 s, in steps of 10 ms; and not always the same, or both would go
// on meeting.
func TestToTheMomentAReINVITEThatMet491ComesAgain(t *testing.T) {
	for name, c := range map[string]struct {
		ours        bool
		least, most time.Duration
	}{
		"the Call-ID is ours":   {true, 2100 * time.Millisecond, 4 * time.Second},
		"the Call-ID is theirs": {false, 0, 2 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b, n := startFar(t, Trunk{Name: "carrier", Target: farFirst, From: []netip.Prefix{netip.MustParsePrefix("192.0.2.1/32")}})
				done := b.dial(t.Context(), driver)
				carrier := n.carrier(farFirst)
				k, leg := carrier.answers(done)
				if !c.ours { // they call over the connection that is there
					k.bye()
					k = carrier.newTalk("79161234567", "74950000000")
					k.call()
					leg = wait(t, "leg", b.legs)
				}
				least, most := time.Hour, time.Duration(0)
				for range 100 {
					synctest.Wait()
					leg.(*Leg).Renew()
					first := k.want("INVITE")
					k.send(first.reply("491 Request Pending", "", ""))
					began := time.Now()
					k.want("ACK")
					again := k.want("INVITE")
					took := time.Since(began)
					if took < c.least || took > c.most || took%(10*time.Millisecond) != 0 || again.body() != first.body() {
						t.Fatalf("after %v came\n%s", took, again)
					}
					least, most = min(least, took), max(most, took)
					k.send(again.reply("200 OK", "", "Contact: <sip:x@"+k.self+">\n"))
					k.want("ACK")
				}
				if most-least < time.Second {
					t.Errorf("always between %v and %v", least, most)
				}
				k.bye()
			})
		})
	}
}
