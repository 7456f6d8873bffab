//go:build e2e

package e2e

import (
	"regexp"
	"slices"
	"strconv"
	"testing"
	"time"

	"cabline/cmd/internal/siptext"
)

// forwarded is a caller who talks to whoever their line is forwarded to.
func (w *world) forwarded(t *testing.T) (caller, target *Call) {
	t.Helper()
	ctx := within(t)
	caller, err := w.client.Call(forwardLine)
	check(t, err)
	target, err = w.people.Coming(ctx)
	check(t, err)
	check(t, target.Answer())
	check(t, caller.WaitTalk(ctx))
	hearsEachOther(t, caller, target)
	return caller, target
}

// offers is how often the exchange has sent a phone an INVITE.
func offers(p *Phone) (n int) {
	for _, w := range p.Tape() {
		if m, err := siptext.Parse(w.Bytes); err == nil && w.Kind == "SIP" && !w.Out && m.Method() == "INVITE" && m.IsRequest() {
			n++
		}
	}
	return n
}

// A phone that changes from Wi-Fi to the mobile network goes on at another port.
func TestAPhoneThatMovesMidTalkHearsAndIsHeardAtItsNewPort(t *testing.T) {
	t.Parallel()
	w, ctx := newWorld(t), within(t)
	call, driver := w.forwarded(t)
	for n, mover := range []*Call{call, driver, call} {
		other := map[bool]*Call{true: driver, false: call}[mover == call]
		mover.Fade(true) // or it would be found by its packets, whatever its SDP says
		before := len(mover.Statuses())
		check(t, mover.Move())
		check(t, mover.WaitAnswered(ctx, before))
		moved := time.Now()
		other.Tone(1000 + 100*n)
		until(t, "what the other says arrives at the new port", func() bool {
			heard := mover.Heard().Since(moved).Last(time.Second)
			return heard.Length() > 900*time.Millisecond && heard.Tone(1000+100*n) == 1
		})
		mover.Fade(false)
		mover.Tone(440 + 100*n)
		check(t, other.Hears(ctx, 440+100*n))
	}
	check(t, call.HangUp())
	cdr, err := w.WaitCDR(ctx, clientPhone)
	check(t, err)
	if cdr.Result != "completed" {
		t.Errorf("CDR %+v", cdr)
	}
}

func TestAPartyThatIsNotHeardIsAskedAndTheTalkGoesOnWhenItIs(t *testing.T) {
	t.Parallel()
	w, ctx := newWorld(t), within(t)
	call, driver := w.forwarded(t)
	driver.Tone(1000)
	call.Fade(true)
	until(t, "the client is asked for its audio anew", func() bool { return offers(w.client) == 1 })
	check(t, call.Hears(ctx, 1000)) // nobody lost the other way
	call.Fade(false)
	hearsEachOther(t, call, driver)
	if n := offers(w.people); n != 1 {
		t.Errorf("the driver, who was heard, was asked %d times", n-1)
	}
	check(t, driver.HangUp())
	leaves(t, call)
	cdr, err := w.WaitCDR(ctx, clientPhone)
	check(t, err)
	tells(t, cdr, "completed", []string{"dial target", "target answered", "talk to target", "client is not heard", "ended: completed"},
		[]string{"client " + clientPhone + ": completed", "target +79990000001: hung up"})
}

// A phone that changed its network and says so only when it is asked: until then
// what the other says goes to a port where nobody is.
func TestAPhoneThatMovedUntoldIsFoundByItsAnswerWhenItIsAsked(t *testing.T) {
	t.Parallel()
	for name, caller := range map[string]bool{"the caller": true, "who was called": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w, ctx := newWorld(t), within(t)
			call, driver := w.forwarded(t)
			mover, other, phone := driver, call, w.people
			if caller {
				mover, other, phone = call, driver, w.client
			}
			mover.Fade(true) // or it would be found by its packets
			before := offers(phone)
			check(t, mover.Stray())
			moved := time.Now()
			other.Tone(1000)
			until(t, "the phone is asked for its audio anew", func() bool { return offers(phone) == before+1 })
			until(t, "what the other says arrives at the new port", func() bool {
				heard := mover.Heard().Since(moved).Last(time.Second)
				return heard.Length() > 900*time.Millisecond && heard.Tone(1000) == 1
			})
			mover.Fade(false)
			mover.Tone(440)
			check(t, other.Hears(ctx, 440))
			check(t, mover.Hears(ctx, 1000))
			check(t, call.HangUp())
			cdr, err := w.WaitCDR(ctx, clientPhone)
			check(t, err)
			missed := map[bool]string{true: "client is not heard", false: "target is not heard"}
			if words := cdr.Words(); cdr.Result != "completed" || !slices.Contains(words, missed[caller]) || slices.Contains(words, missed[!caller]) {
				t.Errorf("%s: %q", cdr.Result, words)
			}
		})
	}
}

// The client's microphone reaches nobody from the first second.
func TestAPartyThatIsNeverHeardIsRecordedAndCounted(t *testing.T) {
	t.Parallel()
	w, ctx := newWorld(t), within(t)
	call, err := w.client.Call(forwardLine)
	check(t, err)
	call.Fade(true)
	driver, err := w.people.Coming(ctx)
	check(t, err)
	check(t, driver.Answer())
	check(t, call.WaitTalk(ctx))
	driver.Tone(1000)
	until(t, "the client is asked for its audio anew", func() bool { return offers(w.client) == 1 })
	check(t, call.Hears(ctx, 1000))
	check(t, driver.HangUp())
	leaves(t, call)
	cdr, err := w.WaitCDR(ctx, clientPhone)
	check(t, err)
	client, target := cdr.Legs[0].Audio, cdr.Legs[1].Audio
	if !client.Unheard || client.Received > 0 || client.MOS != nil {
		t.Errorf("the client, who was not heard: %+v", client)
	}
	if target.Unheard || target.Received == 0 || target.MOS == nil {
		t.Errorf("the driver, who was: %+v", target)
	}
	if n := counted(t, w, `cabline_audio_unheard_total{trunk="carrier"}`); n != 1 {
		t.Errorf("%v parties count as not heard", n)
	}
}

func TestATalkEndsWhenBothPartiesHaveVanishedWithoutABYE(t *testing.T) {
	t.Parallel()
	w, ctx := newWorld(t), within(t)
	call, driver := w.forwarded(t)
	call.Fade(true)
	driver.Fade(true)
	leaves(t, call) // a minute later
	leaves(t, driver)
	cdr, err := w.WaitCDR(ctx, clientPhone)
	check(t, err)
	if !slices.Contains(cdr.Words(), "client is not heard") || !slices.Contains(cdr.Words(), "target is not heard") || cdr.Result != "media lost" || cdr.Talked < 60 {
		t.Errorf("CDR %+v", cdr)
	}
}

// A caller who vanished in line is hung up on before an operator answers nobody.
func TestACallerWhoVanishedInLineIsNotWaitedFor(t *testing.T) {
	t.Parallel()
	w, ctx := newWorld(t), within(t)
	call, err := w.client.Call(menuLine)
	check(t, err)
	check(t, call.WaitTalk(ctx))
	check(t, w.client.Close())
	cdr, err := w.WaitCDR(ctx, clientPhone)
	check(t, err)
	if cdr.Result != "unreachable" || !slices.Contains(cdr.Words(), "wait for operator") {
		t.Errorf("CDR %+v", cdr)
	}
}

// counted is the value of a series of our metrics.
func counted(t *testing.T, w *world, series string) float64 {
	t.Helper()
	metrics := w.fetch(t, w.Web+"/metrics")
	found := regexp.MustCompile(`(?m)^` + regexp.QuoteMeta(series) + ` (\S+)$`).FindSubmatch(metrics)
	if found == nil {
		t.Fatalf("no %s in\n%s", series, metrics)
	}
	n, err := strconv.ParseFloat(string(found[1]), 64)
	check(t, err)
	return n
}

// Every 20th packet of the client's is lost, nobody else's; and the driver reports
// that it loses every 10th of ours.
func TestLossesAreToldOfTheSideThatHasThem(t *testing.T) {
	t.Parallel()
	w, ctx := newWorld(t), within(t)
	call, err := w.client.Call(forwardLine)
	check(t, err)
	call.Lose(20)
	driver, err := w.people.Coming(ctx)
	check(t, err)
	driver.Miss(10)
	check(t, driver.Answer())
	check(t, call.WaitTalk(ctx))
	call.Tone(440)
	driver.Tone(1000)
	until(t, "they have talked for 20 s, one in holes", func() bool {
		client, driver := call.Heard().Last(20*time.Second), driver.Heard().Last(20*time.Second)
		return min(client.Length(), driver.Length()) == 20*time.Second && client.Tone(1000) > 0.99 && driver.Tone(440) > 0.5
	})
	check(t, driver.HangUp())
	leaves(t, call)
	cdr, err := w.WaitCDR(ctx, clientPhone)
	check(t, err)
	share := func(l Leg) float64 { return float64(l.Audio.Lost) / float64(l.Audio.Lost+l.Audio.Received) }
	client, target := cdr.Legs[0], cdr.Legs[1]
	if s := share(client); s < .03 || s > .06 || client.Audio.MOS == nil || *client.Audio.MOS > 4.2 || *client.Audio.MOS < 2 {
		t.Errorf("of the client %.3f were lost: %+v", s, client.Audio)
	}
	if target.Audio.Lost > 0 || target.Audio.MOS == nil || *target.Audio.MOS < 4.3 {
		t.Errorf("the driver's audio: %+v", target.Audio)
	}
	// The last second may have come after the last report.
	if s := float64(target.Audio.PeerLost) / float64(target.Audio.Sent); s < .07 || s > .1 || target.Audio.PeerMOS == nil || *target.Audio.PeerMOS > 3.9 || *target.Audio.PeerMOS < 2 {
		t.Errorf("the driver reports that %.3f were lost: %+v", s, target.Audio)
	}
	if client.Audio.PeerLost > 0 || client.Audio.PeerMOS != nil {
		t.Errorf("the client, who reports nothing: %+v", client.Audio)
	}
	const trunk = `trunk="carrier"`
	for series, want := range map[string]float64{
		`cabline_audio_loss_ratio_bucket{direction="in",` + trunk + `,le="0.02"}`:  1, // the driver
		`cabline_audio_loss_ratio_bucket{direction="in",` + trunk + `,le="0.1"}`:   2, // and the client
		`cabline_audio_mos_bucket{direction="in",` + trunk + `,le="4.3"}`:          1,
		`cabline_audio_mos_bucket{direction="in",` + trunk + `,le="4.5"}`:          2,
		`cabline_audio_loss_ratio_count{direction="out",` + trunk + `}`:            1, // by the driver's reports
		`cabline_audio_loss_ratio_bucket{direction="out",` + trunk + `,le="0.05"}`: 0,
		`cabline_audio_loss_ratio_bucket{direction="out",` + trunk + `,le="0.1"}`:  1,
		`cabline_audio_mos_bucket{direction="out",` + trunk + `,le="2"}`:           0,
		`cabline_audio_mos_bucket{direction="out",` + trunk + `,le="4"}`:           1,
	} {
		if got := counted(t, w, series); got != want {
			t.Errorf("%s is %v, want %v", series, got, want)
		}
	}
	// What came too late counts, too: a few packets of either, where the machine stood still.
	if more := counted(t, w, `cabline_audio_loss_ratio_sum{direction="in",`+trunk+`}`) - share(client); more < -0.0001 || more > 0.02 {
		t.Errorf("the losses of both sides are %v more than the client's", more)
	}
}
