package config

import "testing"

func TestAPresetFillsInWhatTheFileLeavesOut(t *testing.T) {
	for name, c := range map[string]struct {
		trunk string
		want  Trunk
	}{
		"МегаФон: the proxy is another host, numbers have no plus": {`preset: megafon, auth_user: "79260000000@multifon.ru"`,
			Trunk{Host: "multifon.ru", Domain: "multifon.ru", OutboundProxy: "sbc.megafon.ru:5060", NumberFormat: "plain", Register: true}},
		"Билайн: a proxy, the login with a domain": {`preset: beeline, auth_user: SIP01@ip.beeline.ru`,
			Trunk{Host: "ip.beeline.ru", Domain: "ip.beeline.ru", OutboundProxy: "ip.beeline.ru", NumberFormat: "e164", Register: true}},
		"Novofon: calls from addresses of their own": {`preset: novofon, auth_user: "12345", from: [203.0.113.0/24]`,
			Trunk{Host: "sip.novofon.ru", NumberFormat: "e164", Register: true}},
		"Novofon by address, without registration": {`preset: novofon, auth_user: "12345", from: [203.0.113.0/24], register: false`,
			Trunk{Host: "sip.novofon.ru", NumberFormat: "e164"}},
		"МТС Exolve": {`preset: exolve, auth_user: "883140776000000"`,
			Trunk{Host: "sip.exolve.ru", NumberFormat: "e164", Register: true}},
		"Телфин: a port and a domain of its own": {`preset: telphin, auth_user: 00000x101`,
			Trunk{Host: "voice.telphin.com:5068", Domain: "sip.telphin.com", NumberFormat: "e164", Register: true}},
		"UIS: a port of its own": {`preset: uis, auth_user: "0123456"`,
			Trunk{Host: "voip.uiscom.ru:9050", NumberFormat: "e164", Register: true}},
		"the file wins": {`preset: megafon, host: 203.0.113.7, outbound_proxy: 203.0.113.8, number_format: national, auth_user: a`,
			Trunk{Host: "203.0.113.7", Domain: "multifon.ru", OutboundProxy: "203.0.113.8", NumberFormat: "national", Register: true}},
	} {
		t.Run(name, func(t *testing.T) {
			got, _, err := Parse("f", []byte("firm: {name: A}\ndispatch: {token: t}\ntrunks: [{name: c, caller_id: 84950000000, password: p, "+c.trunk+"}]"), environment())
			if err != nil {
				t.Fatal(err)
			}
			g := got.Trunks[0]
			if d := diff(c.want, Trunk{Host: g.Host, Domain: g.Domain, OutboundProxy: g.OutboundProxy, NumberFormat: g.NumberFormat, Register: g.Register}); d != "" {
				t.Error(d)
			}
		})
	}
}
