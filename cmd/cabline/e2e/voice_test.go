//go:build e2e

package e2e

import (
	"fmt"
	"net/netip"
	"testing"

	"cabline/pbx"
	"cabline/prompts"
)

// Every status a client may call about is said in words, in both languages,
// then the menu that fits it; and a client whose order is over is greeted.
func TestEveryStatusIsSaidInWords(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	minutes := 21
	facts := prompts.Facts{Color: "красный", Mark: "Kia", Model: "Rio", Plate: "М 045 ММ 55", Minutes: &minutes, Price: 342}
	for i, status := range pbx.Statuses {
		for line, language := range map[string]string{menuLine: "ru", englishLine: "en"} {
			t.Run(language+" "+string(status), func(t *testing.T) {
				t.Parallel()
				ctx := within(t)
				voice, err := prompts.Load(language, nil)
				check(t, err)
				number := fmt.Sprintf("+7916000%s%02d", map[string]string{"ru": "01", "en": "02"}[language], i)
				_, err = w.Order(ctx, Fields{"phone": number, "status": status, "eta_minutes": minutes, "price": facts.Price, "driver_phone": driverPhone,
					"car": Fields{"color": facts.Color, "mark": facts.Mark, "model": facts.Model, "plate": facts.Plate}})
				check(t, err)
				phone := w.phone(t, Options{Listen: netip.AddrPortFrom(w.Client, 0), Number: number})
				call, err := phone.Call(line)
				check(t, err)
				check(t, call.WaitTalk(ctx))
				want := voice.Say(prompts.Greeting)
				if status.Active() {
					facts := facts
					facts.Status = string(status)
					want = append(voice.OrderStatus(facts), voice.Menu(prompts.MenuDriver, prompts.MenuOperator, prompts.MenuRepeat)...)
				}
				hears(t, call, want)
				check(t, call.HangUp())
			})
		}
	}
}

const englishLine = "+74950000002"

// Whatever a carrier's audio looks like, the client hears the words and the key
// is heard.
func TestEveryCarriersAudioIsUnderstood(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for name, opt := range map[string]Options{
		"A-law over UDP":                       {Codecs: []uint8{8}},
		"µ-law alone":                          {Codecs: []uint8{0}},
		"µ-law before A-law":                   {Codecs: []uint8{0, 8}},
		"telephone-event is 96":                {Event: 96},
		"telephone-event is 97":                {Event: 97},
		"telephone-event is 100":               {Event: 100},
		"telephone-event is 126":               {Event: 126},
		"the call comes over TCP":              {Network: "tcp"},
		"the first ACKs are lost on their way": {LoseACK: 2},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx := within(t)
			opt.Listen, opt.Number = netip.AddrPortFrom(w.Client, 0), uniqueNumber(name)
			phone := w.phone(t, opt)
			fields := order()
			fields["phone"] = opt.Number
			_, err := w.Order(ctx, fields)
			check(t, err)
			call, err := phone.Call(menuLine)
			check(t, err)
			check(t, call.WaitTalk(ctx))
			hears(t, call, append(w.status(), w.menu()...))
			call.Press("0")
			hears(t, call, w.voice.Say(prompts.ConnectingOperator))
			check(t, call.HangUp())
			cdr, err := w.WaitCDR(ctx, opt.Number)
			check(t, err)
			if cdr.Result != "hung up" {
				t.Errorf("CDR: %+v", cdr)
			}
		})
	}
}

// uniqueNumber is a client's number made of a name.
func uniqueNumber(name string) string {
	sum := 0
	for _, c := range []byte(name) {
		sum = (sum*31 + int(c)) % 1_000_000
	}
	return fmt.Sprintf("+7903%07d", sum)
}
