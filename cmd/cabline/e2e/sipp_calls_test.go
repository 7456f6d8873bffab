//go:build e2e

package e2e

import (
	"slices"
	"strings"
	"testing"
	"time"

	"cabline/prompts"
)

func TestSippTalksToSipp(t *testing.T) {
	t.Parallel()
	for name, transport := range map[string]string{"over UDP": "u1", "over TCP": "t1"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w, ctx := newWorld(t), within(t)
			client, driver := listenIn(t, w.Client), listenIn(t, w.Carrier)
			target := w.sippDriver(t, "driver_answers", sippOptions{Wait: 500 * time.Millisecond})
			caller := w.sippClient(t, "client_talks", sippOptions{Wait: 3 * time.Second, Number: forwardLine, Transport: transport})
			caller.ends(t)
			target.ends(t)
			for hz, heard := range map[int]Recording{440: driver.heard(), 1000: client.heard()} {
				if length := heard.Length(); length < 2*time.Second || heard.Tone(hz) < 0.8 {
					t.Errorf("%d Hz is %.0f%% of %s", hz, 100*heard.Tone(hz), length)
				}
			}
			cdr, err := w.WaitCDR(ctx, clientPhone)
			check(t, err)
			if cdr.Result != "completed" || cdr.Kind != "forward" || cdr.Talked < 2 {
				t.Errorf("CDR: %+v", cdr)
			}
		})
	}
}

func TestSippHearsTheOrderAndPresses1(t *testing.T) {
	t.Parallel()
	w, ctx := newWorldOf(t, strings.Replace(Firm, "timeouts: {", "timeouts: {key_wait: 15s, ", 1)), within(t)
	_, err := w.Order(ctx, order())
	check(t, err)
	client, driver := listenIn(t, w.Client), listenIn(t, w.Carrier)
	said := append(w.status(), w.menu()...)
	called := w.sippDriver(t, "driver_hangs_up", sippOptions{Wait: 7 * time.Second})
	caller := w.sippClient(t, "client_presses_1", sippOptions{Wait: said.Duration() - 4*time.Second, Number: menuLine}) // and 10 s before that
	called.ends(t)
	caller.ends(t)
	heard := client.heard()
	if _, err := heard.Speech(said...); err != nil {
		t.Error(err)
	}
	if heard.Last(2*time.Second).Tone(1000) < 0.8 {
		t.Error("the client did not hear the driver")
	}
	if tone := driver.heard().Tone(440); tone < 0.4 { // five seconds of seven or more
		t.Errorf("the driver heard 440 Hz %.0f%% of the time", 100*tone)
	}
	cdr, err := w.WaitCDR(ctx, clientPhone)
	check(t, err)
	if cdr.Result != "completed" || !slices.Contains(cdr.Words(), "talk to driver") {
		t.Errorf("CDR: %+v", cdr)
	}
}

func TestSippDriversWhoCannotBeReached(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, driver, step string
		said               prompts.ID
	}{
		{"a busy driver", "driver_busy", "driver: busy", prompts.DriverBusy},
		{"a driver who declines", "driver_rejects", "driver: rejected", prompts.DriverUnreachable},
		{"a driver who does not answer", "driver_no_answer", "driver: no answer", prompts.DriverNoAnswer},
		{"a driver who answers as we give up", "driver_answers_too_late", "driver: no answer", prompts.DriverNoAnswer},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w, ctx := newWorld(t), within(t)
			_, err := w.Order(ctx, order())
			check(t, err)
			driver := w.sippDriver(t, c.driver, sippOptions{Wait: 200 * time.Millisecond})
			call, err := w.client.Call(menuLine)
			check(t, err)
			check(t, call.WaitTalk(ctx))
			call.Press("1")
			driver.ends(t) // which may take 25 s of ringing
			hears(t, call, w.voice.Say(c.said))
			check(t, call.HangUp())
			cdr, err := w.WaitCDR(ctx, clientPhone)
			check(t, err)
			if !slices.Contains(cdr.Words(), c.step) {
				t.Errorf("no %q in %q", c.step, cdr.Words())
			}
		})
	}
}

func TestSippClientsWithHabits(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, client string
		options      sippOptions
		driver       string
		result       string
	}{
		{"one who gives up while it rings", "client_cancels", sippOptions{Wait: 500 * time.Millisecond, Number: forwardLine}, "driver_no_answer", "hung up"},
		{"one who gives up, over TCP", "client_cancels", sippOptions{Wait: 500 * time.Millisecond, Number: forwardLine, Transport: "t1"}, "driver_no_answer", "hung up"},
		{"one who offers nothing", "client_late_offer", sippOptions{Wait: 2 * time.Second, Number: forwardLine}, "driver_answers", "completed"},
		{"one whose ACK is lost", "client_loses_ack", sippOptions{Wait: 2 * time.Second, Number: forwardLine}, "driver_answers", "completed"},
		{"one who is hung up on", "client_is_left", sippOptions{Number: forwardLine}, "driver_hangs_up", "completed"},
		{"one whose party is busy", "client_refused", sippOptions{Number: forwardLine}, "driver_busy", "busy"},
		{"one who listens to the greeting and leaves", "client_listens", sippOptions{Wait: time.Second, Number: menuLine}, "", "hung up"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w, ctx := newWorld(t), within(t)
			var driver *sipp
			if c.driver != "" {
				driver = w.sippDriver(t, c.driver, sippOptions{Wait: time.Second})
			}
			w.sippClient(t, c.client, c.options).ends(t)
			if driver != nil {
				driver.ends(t)
			}
			cdr, err := w.WaitCDR(ctx, clientPhone)
			check(t, err)
			if cdr.Result != c.result {
				t.Errorf("result %q, want %q; steps %q", cdr.Result, c.result, cdr.Words())
			}
		})
	}
}

// Keys from a pcap lead where they should: with nobody on duty and a short
// queue, to the line for an operator and its end.
func TestSippClientsWhoPressKeys(t *testing.T) {
	t.Parallel()
	for scenario, steps := range map[string][]string{
		"client_presses_2":     {"chose operator", "wait for operator", "no operator came free"},
		"client_repeats":       {"chose operator", "wait for operator", "no operator came free"},
		"client_presses_wrong": {"no choice made", "wait for operator", "no operator came free"},
	} {
		t.Run(scenario, func(t *testing.T) {
			t.Parallel()
			w, ctx := newWorldOf(t, strings.Replace(Firm, "shutdown: 0s", "shutdown: 0s, queue_max: 10s", 1)), within(t)
			_, err := w.Order(ctx, order())
			check(t, err)
			w.sippClient(t, scenario, sippOptions{Wait: 2 * time.Second, Number: menuLine}).ends(t)
			cdr, err := w.WaitCDR(ctx, clientPhone)
			check(t, err)
			words := cdr.Words()
			if len(words) < 6 || !slices.Equal(words[3:6], steps) || cdr.Result != "no answer" {
				t.Errorf("result %q, steps %q, want %q among them", cdr.Result, words, steps)
			}
		})
	}
}
