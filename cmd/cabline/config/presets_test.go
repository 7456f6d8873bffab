package config

import (
	"cmp"
	"os"
	"strings"
	"testing"
)

func TestAPresetFillsInWhatTheFileLeavesOut(t *testing.T) {
	for name, c := range map[string]struct {
		trunk string
		want  Trunk
	}{
		"МегаФон: the proxy is another host, numbers have no plus, keys are tones, the From is the own number": {`preset: megafon, auth_user: "79260000000"`,
			Trunk{Host: "multifon.ru", Domain: "multifon.ru", OutboundProxy: "sbc.megafon.ru:5060", NumberFormat: "plain", DTMF: "inband", FromUser: "79260000000", Register: true}},
		"Билайн: a proxy, the login with a domain": {`preset: beeline, auth_user: SIP01@ip.beeline.ru`,
			Trunk{Host: "ip.beeline.ru", Domain: "ip.beeline.ru", OutboundProxy: "ip.beeline.ru", NumberFormat: "e164", DTMF: "auto", FromUser: "SIP01", Register: true}},
		"Ростелеком: a domain of the firm's own": {`preset: rostelecom, host: firm.sip.example, auth_user: "78430000000"`,
			Trunk{Host: "firm.sip.example", NumberFormat: "e164", DTMF: "auto", FromUser: "78430000000", Register: true}},
		"Ростелеком by address, without a password": {`preset: rostelecom, host: 10.0.0.1, register: false`,
			Trunk{Host: "10.0.0.1", NumberFormat: "e164", DTMF: "auto"}},
		"Novofon: calls from addresses of their own": {`preset: novofon, auth_user: "12345", from: [203.0.113.0/24]`,
			Trunk{Host: "sip.novofon.ru", NumberFormat: "e164", DTMF: "rfc4733", Register: true}},
		"Novofon by address, without registration": {`preset: novofon, from: [203.0.113.0/24], register: false`,
			Trunk{Host: "sip.novofon.ru", NumberFormat: "e164", DTMF: "rfc4733"}},
		"Zadarma: by address": {`preset: zadarma, from: [203.0.113.0/24]`,
			Trunk{Host: "sip.zadarma.com", NumberFormat: "e164", DTMF: "auto"}},
		"Zadarma encrypted": {`preset: zadarma, from: [203.0.113.0/24], transport: tls, srtp: required`,
			Trunk{Host: "sip.zadarma.com", NumberFormat: "e164", DTMF: "auto", Transport: "tls", SRTP: "required"}},
		"Mango: the host is the login's domain": {`preset: mango, auth_user: user1@vpbx400000000.mangosip.ru`,
			Trunk{Host: "vpbx400000000.mangosip.ru", NumberFormat: "e164", DTMF: "auto", FromUser: "user1", Register: true}},
		"МТС Exolve": {`preset: exolve, auth_user: "883140776000000"`,
			Trunk{Host: "sip.exolve.ru", NumberFormat: "e164", DTMF: "auto", Register: true}},
		"МТТ by login": {`preset: mtt, auth_user: "883140000000000"`,
			Trunk{Host: "login.mtt.ru", NumberFormat: "e164", DTMF: "auto", Register: true}},
		"МТТ by address: another host": {`preset: mtt, register: false, from: [203.0.113.0/24]`,
			Trunk{Host: "sip.mtt.ru", NumberFormat: "e164", DTMF: "auto"}},
		"Телфин: a port and a domain of its own": {`preset: telphin, auth_user: 00000x101`,
			Trunk{Host: "voice.telphin.com:5068", Domain: "sip.telphin.com", NumberFormat: "e164", DTMF: "auto", Register: true}},
		"UIS: a port of its own": {`preset: uis, auth_user: "0123456"`,
			Trunk{Host: "voip.uiscom.ru:9050", NumberFormat: "e164", DTMF: "auto", Register: true}},
		"the file wins": {`preset: megafon, host: 203.0.113.7, outbound_proxy: 203.0.113.8, number_format: national, dtmf: rfc4733, from_user: boss, auth_user: a`,
			Trunk{Host: "203.0.113.7", Domain: "multifon.ru", OutboundProxy: "203.0.113.8", NumberFormat: "national", DTMF: "rfc4733", FromUser: "boss", Register: true}},
	} {
		t.Run(name, func(t *testing.T) {
			password := ", password: p"
			if !strings.Contains(c.trunk, "auth_user") {
				password = ""
			}
			got, _, err := Parse("f", []byte("firm: {name: A}\ndispatch: {token: t}\ntrunks: [{name: c, caller_id: 84950000000, "+c.trunk+password+"}]"), environment())
			if err != nil {
				t.Fatal(err)
			}
			c.want.SRTP = cmp.Or(c.want.SRTP, "off")
			g := got.Trunks[0]
			if d := diff(c.want, Trunk{Host: g.Host, Domain: g.Domain, OutboundProxy: g.OutboundProxy, NumberFormat: g.NumberFormat, DTMF: g.DTMF,
				FromUser: g.FromUser, Register: g.Register, Transport: g.Transport, SRTP: g.SRTP}); d != "" {
				t.Error(d)
			}
		})
	}
}

func TestEveryPresetIsInTheExampleAndThePageForOwners(t *testing.T) {
	page, err := os.ReadFile("../../../docs/carriers.md")
	if err != nil {
		t.Fatal(err)
	}
	for name := range presets {
		if !strings.Contains(Example, name) {
			t.Errorf("%s is not in the example", name)
		}
		if !strings.Contains(string(page), "`"+name+"`") {
			t.Errorf("%s is not in docs/carriers.md", name)
		}
	}
}
