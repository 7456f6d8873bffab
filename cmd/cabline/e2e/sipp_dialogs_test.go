//go:build e2e

package e2e

import (
	"slices"
	"strings"
	"testing"
	"time"

	"cabline/prompts"
)

func TestSippHoldsByEveryWayThereIs(t *testing.T) {
	t.Parallel()
	w, ctx := newWorld(t), within(t)
	driver := listenIn(t, w.Carrier)
	target := w.sippDriver(t, "driver_answers", sippOptions{Wait: 100 * time.Millisecond})
	w.sippClient(t, "client_holds", sippOptions{Wait: 4 * time.Second, Number: forwardLine}).ends(t)
	target.ends(t)
	heard := driver.heard()
	if _, err := heard.Speech(w.music()); err != nil {
		t.Error("music on hold:", err)
	}
	if last := heard.Last(2 * time.Second); last.Tone(440) < 0.3 {
		t.Errorf("the client is heard %.0f%% of the time after the hold", 100*last.Tone(440))
	}
	if tone := heard.Tone(440); tone > 0.6 { // 8 s of 20
		t.Errorf("440 Hz is heard %.0f%% of the time", 100*tone)
	}
	cdr, err := w.WaitCDR(ctx, clientPhone)
	check(t, err)
	if words := cdr.Words(); cdr.Result != "completed" || !slices.Contains(words, "client holds") || !slices.Contains(words, "client goes on") {
		t.Errorf("%s: %q", cdr.Result, words)
	}
}

func TestSippRingsReliably(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, config, client, driver string }{
		{"a caller who requires it", Firm, "client_requires_100rel", "driver_answers"},
		{"a carrier who does it, by the trunk's setting", strings.Replace(Firm, "channels: 100", "channels: 100, prack: true", 1), "client_talks", "driver_rings_reliably"},
		{"a carrier who does it unasked", Firm, "client_talks", "driver_rings_reliably"},
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
