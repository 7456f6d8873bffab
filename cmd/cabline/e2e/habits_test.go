//go:build e2e

package e2e

import (
	"slices"
	"testing"
	"time"

	"cabline/prompts"
)

func TestClientsWhoPressNothingUsefulReachTheQueue(t *testing.T) {
	t.Parallel()
	for name, keys := range map[string][2]string{"wrong keys": {"5", "7"}, "silence": {}, "the key for operators": {"0"}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w, ctx := newWorld(t), within(t)
			_, err := w.Order(ctx, order())
			check(t, err)
			call, err := w.client.Call(menuLine)
			check(t, err)
			check(t, call.WaitTalk(ctx))
			for _, key := range keys {
				if key == "5" || key == "7" {
					call.Press(key)
					hears(t, call, w.voice.Say(prompts.Invalid))
					pressed := time.Now()
					until(t, "the voice goes on", func() bool { return time.Since(pressed) > 2*time.Second })
				} else if key != "" {
					call.Press(key)
				}
			}
			wait := 20*time.Second + patience // the whole menu twice, and silence after each
			for end := time.Now().Add(wait + 2*(w.status().Duration()+w.menu().Duration())); ; time.Sleep(200 * time.Millisecond) {
				live, err := w.Live(ctx)
				check(t, err)
				if len(live) == 1 && slices.Contains(live[0].Words(), "wait for operator") {
					break
				}
				if time.Now().After(end) {
					t.Fatalf("not waiting for an operator: %+v", live)
				}
			}
			check(t, call.HangUp())
			cdr, err := w.WaitCDR(ctx, clientPhone)
			check(t, err)
			if cdr.Result != "hung up" {
				t.Errorf("result %q", cdr.Result)
			}
		})
	}
}

func TestAKeyCutsTheSpeechShort(t *testing.T) {
	t.Parallel()
	w, ctx := newWorld(t), within(t)
	_, err := w.Order(ctx, order())
	check(t, err)
	call, err := w.client.Call(menuLine)
	check(t, err)
	check(t, call.WaitTalk(ctx))
	hears(t, call, w.status()[:1])
	again := time.Now()
	call.Press("9")
	hearsSince(t, call, again, append(w.status(), w.menu()...))
	first := call.Heard().Until(again.Add(time.Second))
	if _, err := first.Speech(w.status()...); err == nil {
		t.Error("the speech was said to its end although a key was pressed")
	}
	check(t, call.HangUp())
}

func TestAClientWhoChangesTheirMindWhileTheDriverRings(t *testing.T) {
	t.Parallel()
	w, ctx := newWorld(t), within(t)
	_, err := w.Order(ctx, order())
	check(t, err)
	call, err := w.client.Call(menuLine)
	check(t, err)
	check(t, call.WaitTalk(ctx))
	call.Press("1")
	driver, err := w.people.Coming(ctx)
	check(t, err)
	check(t, driver.Ring())
	check(t, call.HangUp())
	_, byThem, err := driver.WaitOver(ctx)
	check(t, err)
	if !byThem {
		t.Error("the driver was not cancelled")
	}
	cdr, err := w.WaitCDR(ctx, clientPhone)
	check(t, err)
	if cdr.Result != "hung up" || len(cdr.Legs) != 2 {
		t.Errorf("CDR %+v", cdr)
	}
}
