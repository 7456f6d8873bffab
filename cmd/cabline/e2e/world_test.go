//go:build e2e

package e2e

import (
	"context"
	"net/netip"
	"testing"
	"time"

	"cabline/media"
	"cabline/prompts"
)

func TestMain(m *testing.M) { Main(m) }

// world is an exchange and the two sides of its carrier: the telephone of a
// client, and everybody who can be called.
type world struct {
	*Exchange
	client *Phone
	people *Phone
	voice  *prompts.Voice
}

const (
	menuLine    = "+74950000000"
	forwardLine = "+74950000001"
	clientPhone = "+79161234567"
	driverPhone = "+79267654321"
)

func newWorld(t *testing.T) *world {
	t.Helper()
	return newWorldOf(t, Firm)
}

func newWorldOf(t *testing.T, config string) *world {
	t.Helper()
	w := &world{Exchange: Start(t, config)}
	var err error
	if w.voice, err = prompts.Load("ru", nil); err != nil {
		t.Fatal(err)
	}
	w.client = w.phone(t, Options{Listen: netip.AddrPortFrom(w.Client, 0), Number: clientPhone})
	w.people = w.phone(t, Options{Listen: netip.AddrPortFrom(w.Carrier, 5070)})
	return w
}

func (w *world) phone(t *testing.T, opt Options) *Phone {
	t.Helper()
	opt.Server = netip.AddrPortFrom(w.Network.Exchange, 5060)
	p, err := NewPhone(opt)
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

// patience is for what takes a moment, however busy the machine is.
const patience = time.Minute

// until polls, for what has no event to wait for.
func until(t *testing.T, what string, f func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !f(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%s: not within %s", what, patience)
		}
	}
}

// within is more than anything here needs.
func within(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	t.Cleanup(cancel)
	return ctx
}

// order is an active one with a car and a driver.
func order() Fields {
	return Fields{"phone": clientPhone, "status": "accepted", "eta_minutes": 5, "driver_phone": driverPhone,
		"car": Fields{"color": "белый", "mark": "Лада", "model": "Веста", "plate": "А123ВС"}}
}

// status is what ought to be said about it.
func (w *world) status() media.Speech {
	five := 5
	return w.voice.OrderStatus(prompts.Facts{Status: "accepted", Color: "белый", Mark: "Лада", Model: "Веста", Plate: "А123ВС", Minutes: &five})
}

func (w *world) menu() media.Speech {
	return w.voice.Menu(prompts.MenuDriver, prompts.MenuOperator, prompts.MenuRepeat)
}

// hears waits until the clips have been heard, whole and in order.
func hears(t *testing.T, c *Call, what media.Speech) {
	t.Helper()
	hearsSince(t, c, time.Time{}, what)
}

// hearsSince does not count what was heard before.
func hearsSince(t *testing.T, c *Call, since time.Time, what media.Speech) {
	t.Helper()
	var err error
	for end := time.Now().Add(what.Duration() + patience); ; time.Sleep(300 * time.Millisecond) {
		if _, err = c.Heard().Since(since).Speech(what...); err == nil {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("%v\n%s", err, c.Heard().Upsets())
		}
	}
}

// hearsEachOther proves by tones that audio flows both ways.
func hearsEachOther(t *testing.T, a, b *Call) {
	t.Helper()
	a.Tone(440)
	b.Tone(1000)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	check(t, b.Hears(ctx, 440))
	check(t, a.Hears(ctx, 1000))
	a.Tone(0)
	b.Tone(0)
}
