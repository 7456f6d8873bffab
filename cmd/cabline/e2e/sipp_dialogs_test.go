//go:build e2e

package e2e

import (
	"slices"
	"strings"
	"testing"
	"time"

	"cabline/media"
	"cabline/prompts"
)

func TestSippHoldsByEveryWayThereIs(t *testing.T) {
	t.Parallel()
	w, ctx := newWorld(t), within(t)
	driver := listenIn(t, w.Carrier)
	target := w.sippDriver(t, "driver_answers", sippOptions{Wait: 100 * time.Millisecond})
	w.sippClient(t, "client_holds", sippOptions{Wait: 3 * time.Second, Number: forwardLine}).ends(t)
	target.ends(t)
	said, holds := spans(driver.heard(), 440)
	ways := []string{"sendonly", "inactive", "0.0.0.0, then inactive"}
	if len(said) != len(ways)+1 || len(holds) != len(ways) {
		t.Fatalf("%d times the client is heard, %d times it is not; it holds by %q", len(said), len(holds), ways)
	}
	music := w.music()
	music.ALaw = music.ALaw[:2*media.Rate] // of 3 s
	for i, way := range ways {
		if i == len(ways)-1 {
			music.ALaw = w.voice.Music().ALaw[:5*media.Rate] // of 6 s: it goes on
		}
		if _, err := holds[i].Speech(music); err != nil {
			t.Errorf("music on hold by %s: %v", way, err)
		}
	}
	cdr, err := w.WaitCDR(ctx, clientPhone)
	check(t, err)
	steps := slices.DeleteFunc(cdr.Words(), func(s string) bool { return s != "client holds" && s != "client goes on" })
	if cdr.Result != "completed" || !slices.Equal(steps, slices.Repeat([]string{"client holds", "client goes on"}, len(ways))) {
		t.Errorf("%s: %q", cdr.Result, cdr.Words())
	}
}

// spans parts what was heard into that with a tone and that without, each in its
// order. What is shorter than a second, a hole or a note of music, parts nothing;
// what comes before the first tone is neither.
func spans(r Recording, hz int) (with, without []Recording) {
	const window, hop, second = media.Rate / 5, media.Rate / 10, 10 // hops
	part := func(from, to int) Recording { return Recording{ALaw: r.ALaw[from:to]} }
	begin, since, run, toned := 0, 0, 0, false // the span, and what may be the next one
	end := func(to int) {
		if toned {
			with = append(with, part(begin, to))
		} else if begin > 0 {
			without = append(without, part(begin, to))
		}
	}
	for at := 0; at+window <= len(r.ALaw); at += hop {
		if tone := part(at, at+window).Tone(hz) == 1; tone == toned {
			run = 0
			continue
		}
		if run++; run == 1 {
			since = at
		}
		if run == second {
			end(since)
			begin, toned, run = since, !toned, 0
		}
	}
	end(len(r.ALaw))
	return with, without
}

func TestSippRingsReliablyOrMakesTheOffer(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, config, client, driver string }{
		{"a caller who requires it", Firm, "client_requires_100rel", "driver_answers"},
		{"a carrier who does it, by the trunk's setting", strings.Replace(Firm, "channels: 100", "channels: 100, prack: true", 1), "client_talks", "driver_rings_reliably"},
		{"a carrier who does it unasked", Firm, "client_talks", "driver_rings_reliably"},
		{"nobody, but the carrier makes the offer", strings.Replace(Firm, "channels: 100", "channels: 100, late_offer: true", 1), "client_talks", "driver_offers_late"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w, ctx := newWorldOf(t, c.config), within(t)
			client, driver := listenIn(t, w.Client), listenIn(t, w.Carrier)
			target := w.sippDriver(t, c.driver, sippOptions{Wait: 500 * time.Millisecond})
			w.sippClient(t, c.client, sippOptions{Wait: 3 * time.Second, Number: forwardLine}).ends(t)
			target.ends(t)
			for hz, heard := range map[int]Recording{440: driver.heard(), 1000: client.heard()} {
				if length := heard.Length(); length < time.Second || heard.Tone(hz) < 0.3 {
					t.Errorf("%d Hz is %.0f%% of %s", hz, 100*heard.Tone(hz), length)
				}
			}
			cdr, err := w.WaitCDR(ctx, clientPhone)
			check(t, err)
			if cdr.Result != "completed" {
				t.Errorf("CDR: %+v", cdr)
			}
		})
	}
}

func TestSippSpeaksBeforeTheAnswer(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, config string
		passed       bool
	}{
		{"which is passed on", Firm, true},
		{"which our ringback replaces", strings.Replace(Firm, "channels: 100", "channels: 100, early_media: ringback", 1), false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w, ctx := newWorldOf(t, c.config), within(t)
			_, err := w.Order(ctx, order())
			check(t, err)
			driver := w.sippDriver(t, "driver_speaks_early", sippOptions{Wait: 8 * time.Second})
			call, err := w.client.Call(menuLine)
			check(t, err)
			check(t, call.WaitTalk(ctx))
			call.Press("1")
			pressed := time.Now()
			driver.ends(t)
			hears(t, call, w.voice.Say(prompts.DriverBusy))
			between := call.Heard().Since(pressed)
			if early := between.Tone(1000) > 0.3; early != c.passed {
				t.Errorf("1000 Hz is heard %.0f%% of the time", 100*between.Tone(1000))
			}
			if rang := between.Tone(425) > 0; rang == c.passed {
				t.Errorf("425 Hz is heard %.0f%% of the time", 100*between.Tone(425))
			}
			check(t, call.HangUp())
			cdr, err := w.WaitCDR(ctx, clientPhone)
			check(t, err)
			if !slices.Contains(cdr.Words(), "driver: busy") || slices.Contains(cdr.Words(), "driver answered") {
				t.Errorf("%q", cdr.Words())
			}
		})
	}
}

func TestSippHearsAnAnnouncementAndPaysNothing(t *testing.T) {
	t.Parallel()
	w, ctx := newWorld(t), within(t)
	client := listenIn(t, w.Client)
	target := w.sippDriver(t, "driver_speaks_early", sippOptions{Wait: 3 * time.Second})
	w.sippClient(t, "client_refused", sippOptions{Number: forwardLine}).ends(t)
	target.ends(t)
	if heard := client.heard(); heard.Length() < time.Second || heard.Tone(1000) < 0.3 {
		t.Errorf("1000 Hz is %.0f%% of %s", 100*heard.Tone(1000), heard.Length())
	}
	cdr, err := w.WaitCDR(ctx, clientPhone)
	check(t, err)
	if cdr.Result != "busy" || cdr.Answered != nil {
		t.Errorf("CDR: %+v", cdr)
	}
}

func TestSippMayNotTransferFromATrunk(t *testing.T) {
	t.Parallel()
	w, ctx := newWorld(t), within(t)
	driver := listenIn(t, w.Carrier)
	target := w.sippDriver(t, "driver_answers", sippOptions{Wait: 100 * time.Millisecond})
	w.sippClient(t, "client_refers", sippOptions{Wait: 2 * time.Second, Number: forwardLine}).ends(t)
	target.ends(t)
	if heard := driver.heard(); heard.Last(time.Second).Tone(440) < 0.3 {
		t.Error("the call did not go on")
	}
	cdr, err := w.WaitCDR(ctx, clientPhone)
	check(t, err)
	if len(cdr.Legs) != 2 || cdr.Result != "completed" {
		t.Errorf("CDR: %+v", cdr)
	}
}
