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
	got, _, err := Parse("f", []byte(`
firm: {name: Ромашка}
dispatch: {token: t}
trunks:
  - {name: alone, host: 203.0.113.1, caller_id: "+74950000000"}
  - {name: first, host: 203.0.113.2, caller_id: "+74950000000", failover: [second, silent]}
  - {name: second, host: 203.0.113.3, caller_id: "+74950000000"}
  - {name: silent, host: 203.0.113.4, caller_id: "+74950000000", options: 0s}
  - {name: cloud, host: 203.0.113.5, caller_id: "+74950000000", register: true, auth_user: a, password: b}
  - {name: often, host: 203.0.113.6, caller_id: "+74950000000", options: 10s}
`), environment())
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []time.Duration{0, 30 * time.Second, 30 * time.Second, 0, 30 * time.Second, 10 * time.Second} {
		if trunk := got.Trunks[i]; trunk.Options != want {
			t.Errorf("%s: every %v, want %v", trunk.Name, trunk.Options, want)
		}
	}
}
