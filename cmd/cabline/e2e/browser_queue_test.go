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

// music is the beginning of what clients hear who wait.
func (w *world) music() media.Clip {
	music := w.voice.Music()
	return media.Clip{Name: "music", ALaw: music.ALaw[:3*media.Rate]}
}

func clientsWait(t *testing.T, b *Browser) {
	w, ctx := newWorldOf(t, SecureFirm), within(t)
	first := w.callFrom(t, clientPhone)
	waits := slices.Concat(w.voice.Say(prompts.Greeting), w.voice.Say(prompts.ConnectingOperator), w.voice.Say(prompts.PleaseWait),
		media.Speech{w.music()})
	hears(t, first, w.voice.Say(prompts.Greeting))
	second := w.callFrom(t, secondPhone)
	hears(t, first, waits)
	hears(t, second, waits)

	loggedIn := time.Now()
	anna := logInBusy(t, b, w.Exchange, "anna")
	anna.rings(clientPhone)
	until(t, "the first client hears it ring", func() bool { return first.Heard().Since(loggedIn).Tone(425) > 0 })
	anna.Shows("queue", "data-waiting", "2")
	anna.answers("Enter")
	anna.talks(first)
	anna.Shows("queue", "data-waiting", "1")
	if second.Heard().Since(loggedIn).Tone(425) > 0 {
		t.Error("the second client heard it ring before their turn")
	}
	check(t, first.HangUp())
	anna.rings(secondPhone)
	anna.answers("Enter")
	anna.talks(second)
	anna.Shows("queue", "data-waiting", "0")
	check(t, second.HangUp())
	anna.free()
	for _, number := range []string{clientPhone, secondPhone} {
		cdr, err := w.WaitCDR(ctx, number)
		check(t, err)
		tells(t, cdr, "completed", []string{"look up order", "no order", "wait for operator", "ring operator anna",
			"talk to operator anna", "ended: completed"}, []string{"client " + number + ": hung up", "operator anna: completed"})
		if cdr.Waited < 3 {
			t.Errorf("%s waited %g s", number, cdr.Waited)
		}
	}
}

// logInBusy logs in where a call comes at once.
func logInBusy(t *testing.T, b *Browser, x *Exchange, login string) operator {
	t.Helper()
	o := operator{b.Open(t, login, x.Web, "401")}
	o.logIn(login)
	return o
}

func allOperatorsRing(t *testing.T, b *Browser) {
	w, ctx := newWorldOf(t, SecureFirm), within(t)
	anna, boris := logIn(t, b, w.Exchange, "anna"), logIn(t, b, w.Exchange, "boris")
	call := w.callFrom(t, clientPhone)
	anna.rings(clientPhone)
	boris.rings(clientPhone)
	anna.answers("Enter")
	boris.free()
	boris.Shows("last-call", "data-cause", "elsewhere")
	boris.Shows("team-anna", "data-state", "talking")
	boris.Wait(`!document.querySelector('[data-testid=phone] .warn, [data-testid=phone] .bad')`)
	anna.talks(call)
	anna.Click("hangup")
	leaves(t, call)
	cdr, err := w.WaitCDR(ctx, clientPhone)
	check(t, err)
	if cdr.Result != "completed" || !slices.Contains(cdr.Words(), "talk to operator anna") {
		t.Errorf("CDR: %+v", cdr)
	}
	anna.free()

	call = w.callFrom(t, secondPhone)
	anna.rings(secondPhone)
	boris.rings(secondPhone)
	boris.Key("Escape")
	boris.free()
	boris.Shows("last-call", "data-cause", "declined")
	anna.rings(secondPhone)
	anna.Click("reject")
	anna.free()
	hears(t, call, append(w.voice.Say(prompts.PleaseWait), w.music()))
	anna.rings(secondPhone)
	anna.answers("Enter")
	anna.talks(call)
	check(t, call.HangUp())
	cdr, err = w.WaitCDR(ctx, secondPhone)
	check(t, err)
	rejected, again := time.Time{}, time.Time{}
	for _, s := range cdr.Steps {
		switch {
		case s.What == "ring operator anna":
			again = s.At
		case strings.HasPrefix(s.What, "operator anna: "):
			rejected = s.At
		}
	}
	if rest := again.Sub(rejected); rejected.IsZero() || rest < 14*time.Second {
		t.Errorf("rung again after %s: %q", rest, cdr.Words())
	}
}
