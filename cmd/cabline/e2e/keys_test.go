//go:build e2e

package e2e

import (
	"context"
	"regexp"
	"strings"
	"testing"
	"time"

	"cabline/cmd/internal/siptext"
)

// way is how keys travel between a phone and the exchange: to press them so, and
// to read those that came so.
type way struct {
	trunk string // dtmf of the config
	press func(ctx context.Context, t *testing.T, c *Call, key string)
	came  func(p *Phone, c *Call) string
}

var signal = regexp.MustCompile(`(?m)^Signal=(.)`)

var ways = map[string]way{
	"events": {"auto", func(_ context.Context, _ *testing.T, c *Call, key string) { c.Press(key) },
		func(_ *Phone, c *Call) string { return c.Keys() }},
	"INFO": {"info", func(ctx context.Context, t *testing.T, c *Call, key string) {
		status, err := c.Ask(ctx, "INFO", "application/dtmf-relay", "Signal="+key+"\r\nDuration=160\r\n")
		if err != nil || status != 200 {
			t.Errorf("INFO: %d %v", status, err)
		}
	}, informed},
	"in band": {"inband", func(_ context.Context, _ *testing.T, c *Call, key string) { c.Sound(key) },
		func(_ *Phone, c *Call) string { return c.Heard().Keys() }},
}

// informed is the keys that came to a phone in INFOs, repeated ones once.
func informed(p *Phone, _ *Call) (keys string) {
	last := 0
	for _, w := range p.Tape() {
		m, err := siptext.Parse(w.Bytes)
		if err != nil || w.Kind != "SIP" || w.Out || !m.IsRequest() || m.Method() != "INFO" || m.CSeq() <= last {
			continue
		}
		last = m.CSeq()
		if found := signal.FindSubmatch(m.Body); found != nil {
			keys += string(found[1])
		}
	}
	return keys
}

// keysFirm has a trunk of its own for calls that come, with keys as the one wants,
// and one for calls that go, with keys as the other wants.
func keysFirm(in, out, more string) string {
	const both = "from: [{client}, {carrier}], caller_id: \"+74950000000\", channels: 100}\n"
	return strings.Replace(Firm, both, "from: [{carrier}], caller_id: \"+74950000000\", dtmf: "+out+"}\n"+
		"  - {name: near, host: {client}:5070, from: [{client}], caller_id: \"+74950000003\", order: 0, dtmf: "+in+"}\n", 1) + more
}

// A key goes from a leg whose carrier has it one way to one that has it another,
// once and in no other way besides.
func TestKeysGoFromOneWayToAnother(t *testing.T) {
	t.Parallel()
	const recorded = "recording: {on: true}\n"
	for name, c := range map[string]struct{ in, out, more string }{
		"events and INFO":                      {"events", "INFO", ""},
		"events and in band":                   {"events", "in band", ""},
		"events and INFO of a recorded talk":   {"events", "INFO", recorded},
		"in band and events of a recorded one": {"in band", "events", recorded},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			in, out := ways[c.in], ways[c.out]
			w, ctx := newWorldOf(t, keysFirm(in.trunk, out.trunk, c.more)), within(t)
			client, target := w.forwarded(t)
			converted(ctx, t, in, client, out, w.people, target)
			converted(ctx, t, out, target, in, w.client, client)
			check(t, client.HangUp())
			leaves(t, target)
		})
	}
}

// converted presses keys one way and reads them another.
func converted(ctx context.Context, t *testing.T, by way, from *Call, as way, phone *Phone, to *Call) {
	t.Helper()
	const keys = "15#5"
	for n, key := range strings.Split(keys, "") {
		by.press(ctx, t, from, key)
		until(t, "key "+keys[:n+1]+" arrives", func() bool { return strings.HasPrefix(as.came(phone, to), keys[:n+1]) })
	}
	from.Tone(700) // by then whatever else there is has come
	check(t, to.Hears(ctx, 700))
	from.Tone(0)
	pressed := time.Now()
	until(t, "the tone is over", func() bool { return to.Heard().Since(pressed).Silence() > 0.5 })
	for name, other := range ways {
		want := ""
		if other.trunk == as.trunk {
			want = keys
		}
		if got := other.came(phone, to); got != want {
			t.Errorf("keys %s, pressed as %s, came by %s as %q, want %q", keys, by.trunk, name, got, want)
		}
	}
}

func TestBrowserPressesKeysForCarriersOfINFOAndOfTones(t *testing.T) {
	b := OpenBrowser(t, microphone)
	for _, name := range []string{"INFO", "in band"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorldOf(t, strings.Replace(SecureFirm, "host:", "dtmf: "+ways[name].trunk+", host:", 1))
			anna := logIn(t, b, w.Exchange, "anna")
			call, err := w.client.Call(menuLine)
			check(t, err)
			anna.rings(clientPhone)
			anna.answers("Enter")
			anna.talks(call)
			anna.Click("keypad")
			for n, key := range []string{"5", "1"} {
				anna.Click("key-" + key)
				until(t, "the key arrives", func() bool { return ways[name].came(w.client, call) == "51"[:n+1] })
			}
			anna.talks(call)
			for other, way := range ways {
				if got := way.came(w.client, call); (other == name) != (got == "51") || other != name && got != "" {
					t.Errorf("by %s came %q", other, got)
				}
			}
			anna.Click("hangup")
			leaves(t, call)
		})
	}
}
