//go:build e2e

package e2e

import (
	"math"
	"testing"
	"time"
)

func anOperatorTalks(t *testing.T, b *Browser) {
	start := time.Now()
	lap := func(s string) { t.Log(time.Since(start).Round(10*time.Millisecond), s) }
	w, ctx := newWorldOf(t, SecureFirm), within(t)
	lap("world")
	anna := logIn(t, b, w.Exchange, "anna")
	lap("login")
	call, err := w.client.Call(menuLine)
	check(t, err)
	check(t, call.WaitTalk(ctx))
	lap("talk")
	anna.rings(clientPhone)
	lap("rings")
	anna.Shows("order-phone", "value", clientPhone)
	anna.Shows("order-branch", "value", "Центр")
	anna.Shows("order-tariff", "value", "Стандарт")
	anna.answers("Enter")
	lap("answered")
	anna.talks(call)
	lap("talked")
	for i := 0; i < 20; i++ {
		time.Sleep(500 * time.Millisecond)
		h := call.Heard().Last(500 * time.Millisecond)
		t.Log(h.Length(), h.Tone(440), math.Sqrt(power(h.ALaw)))
	}

}
