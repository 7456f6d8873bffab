package config

import (
	"slices"
	"testing"
	"time"
)

func TestATrunkMayRegister(t *testing.T) {
	got, _, err := Parse("f", []byte(`
firm: {name: Ромашка}
dispatch: {token: t}
trunks:
  - {name: cloud-1, host: sip.carrier.ru, register: true, auth_user: sip01@carrier.ru, domain: carrier.ru, outbound_proxy: ip.carrier.ru;lr}
  - {name: other, host: 203.0.113.7, register: yes, auth_user: "883140001", password: inside, expires: 2m, outbound_proxy: "203.0.113.8:5068"}
lines:
  - {number: "+74950000000", trunk: cloud-1}
  - {number: "+74950000001", trunk: other}
`), environment("CABLINE_TRUNK_CLOUD_1_PASSWORD", "outside"))
	if err != nil {
		t.Fatal(err)
	}
	cloud, other := got.Trunks[0], got.Trunks[1]
	for _, c := range []struct {
		what      string
		got, want any
	}{
		{"the password of the environment", cloud.Password.Reveal(), "outside"},
		{"the password of the file", other.Password.Reveal(), "inside"},
		{"from may be left out", len(cloud.From) + len(other.From), 0},
		{"a proxy", cloud.OutboundProxy, OutboundProxy("ip.carrier.ru")},
		{"or one with a port", other.OutboundProxy, OutboundProxy("203.0.113.8:5068")},
		{"the expiry", []time.Duration{cloud.Expires, other.Expires}, []time.Duration{10 * time.Minute, 2 * time.Minute}},
		{"passwords are secrets", slices.Contains(got.Secrets(), "outside") && slices.Contains(got.Secrets(), "inside"), true},
	} {
		if d := diff(c.want, c.got); d != "" {
			t.Errorf("%s: %s", c.what, d)
		}
	}
}

func TestTrunksThatMatterAreAskedWhetherTheyAreUp(t *testing.T) {
	const (
		alone  = `{name: alone, host: 203.0.113.1, caller_id: "+74950000000"}`
		cloud  = `{name: cloud, host: 203.0.113.5, caller_id: "+74950000000", register: true, auth_user: a, password: b}`
		silent = `{name: silent, host: 203.0.113.4, caller_id: "+74950000000", options: 0s}`
		often  = `{name: often, host: 203.0.113.6, caller_id: "+74950000000", options: 10s}`
	)
	for name, c := range map[string]struct {
		trunks string
		want   []time.Duration
	}{
		"one alone is called anyway":       {alone, []time.Duration{0}},
		"one that registers is asked":      {cloud, []time.Duration{30 * time.Second}},
		"of several all but those told so": {alone + ", " + silent + ", " + often, []time.Duration{30 * time.Second, 0, 10 * time.Second}},
	} {
		t.Run(name, func(t *testing.T) {
			got, _, err := Parse("f", []byte("firm: {name: A}\ndispatch: {token: t}\ntrunks: ["+c.trunks+"]"), environment())
			if err != nil {
				t.Fatal(err)
			}
			for i, want := range c.want {
				if trunk := got.Trunks[i]; trunk.Options != want || trunk.Order != 1 || trunk.Weight != 1 {
					t.Errorf("%s: every %v, want %v; order %d, weight %d", trunk.Name, trunk.Options, want, trunk.Order, trunk.Weight)
				}
			}
		})
	}
}
