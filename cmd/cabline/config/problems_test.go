package config

import (
	"errors"
	"strings"
	"testing"
)

// Each case is what a person does to a good file, and every line they are told.
func TestEveryMistakeIsOneLine(t *testing.T) {
	for _, c := range []struct {
		name     string
		old, new string // what is replaced in firmFile
		want     string // after the file's name; lines apart by newlines
	}{
		{"a key misspelt at the top", "operators:", "oprators:", `11:1: unknown key "oprators"; did you mean "operators"?`},
		{"a key misspelt inside", "branch: Центр", "brunch: Центр", `9:46: unknown key "brunch"; did you mean "branch"?`},
		{"a key nothing is like", "rtp:", "xyzzy:", `4:1: unknown key "xyzzy"; known: data, firm, sip, rtp, web, trunks, lines, operators, dispatch, outgoing, notices, masking, keep, recording, prompts, timeouts, log`},
		{"a key twice", "dispatch:", "data: x\ndispatch:", `13:1: the key "data" is here a second time`},
		{"a list for a value", "data: ./data", "data: [a]", `1:7: data: want one value, not a list`},
		{"keys for a value", "data: ./data", "data: {a: b}", `1:7: data: want one value, not keys with values`},
		{"a value for a list", "branches: [Центр]", "branches: Центр", `12:64: operators.branches: want a list, not "Центр"`},
		{"a value for keys", "rtp:    {ports: 20000-29999}", "rtp: 20000-29999", `4:6: rtp: want keys with values, not "20000-29999"`},
		{"a list for keys", "rtp:    {ports: 20000-29999}", "rtp: [a]", `4:6: rtp: want keys with values, not a list`},
		{"a word for a number", "channels: 4000", "channels: many", `7:115: trunks.channels: "many" is no whole number`},
		{"a fraction for a number", "channels: 4000", "channels: 1.5", `7:115: trunks.channels: "1.5" is no whole number`},
		{"a negative number", "channels: 4000", "channels: -1", `7:115: trunks.channels: -1 is less than nothing`},
		{"an enormous number", "channels: 4000", "channels: 99999999999999999999", `7:115: trunks.channels: 99999999999999999999 is too large`},

		{"no name", "name: Такси Ромашка, ", "", `2:9: firm.name is missing`},
		{"no country", "country: RU", "country: Россия", `2:40: firm.country: "РОССИЯ" is no country; write two letters, such as RU or KZ`},
		{"no language of ours", "language: ru", "language: rus", `2:54: firm.language: unknown "rus"; did you mean "ru"?`},
		{"no timezone", "Europe/Moscow", "Europe/Moskva", `2:68: firm.timezone: unknown timezone "Europe/Moskva"; write a name such as Europe/Moscow or Asia/Yekaterinburg`},

		{"a transport we lack", "udp://", "sctp://", `3:19: sip.listen: "sctp://127.0.0.11:5060" is no SIP address; write udp://, tcp:// or tls://ADDRESS:PORT`},
		{"an address without a port", "udp://127.0.0.11:5060", "udp://127.0.0.11", `3:19: sip.listen: "127.0.0.11" is no address with a port, such as 192.168.1.10:5060 or [::1]:5060`},
		{"the same socket twice", "tcp://127.0.0.11:5060", "udp://127.0.0.11:5060", `3:42: sip.listen: udp://127.0.0.11:5060 is here a second time, first in line 3`},
		{"no socket", "listen: [udp://127.0.0.11:5060, tcp://127.0.0.11:5060]", "listen: []", `3:18: sip.listen is empty; write at least [udp://0.0.0.0:5060]`},
		{"a name for the public address", `public: ""`, `public: pbx.example.org`, `3:74: sip.public: "pbx.example.org" is no IP address others can reach, such as 203.0.113.7`},
		{"everywhere as the public address", `public: ""`, `public: 0.0.0.0`, `3:74: sip.public: "0.0.0.0" is no IP address others can reach, such as 203.0.113.7`},

		{"a name for a name server", `public: ""`, `dns: [dns.example.org]`, `3:72: sip.dns: "dns.example.org" is no name server's address, such as 77.88.8.8`},

		{"ports the wrong way round", "20000-29999", "29998-20001", `4:17: rtp.ports: the range 29998-20001 is the wrong way round; write 20001-29998`},
		{"an odd first port", "20000-29999", "20001-29999", `4:17: rtp.ports: the range 20001-29999 begins with an odd port; RTP uses even ones (RFC 3550 §11), begin with 20002`},
		{"ports of the system", "20000-29999", "80-29999", `4:17: rtp.ports: the range 80-29999 begins below 1024, where ports belong to the system`},
		{"one port", "20000-29999", "20000-20000", `4:17: rtp.ports: the range 20000-20000 has no room for one call: a leg takes two ports`},
		{"ports there are not", "20000-29999", "20000-70000", `4:17: rtp.ports: "20000-70000" is no range of ports, such as 20000-29999`},
		{"fewer ports than channels", "20000-29999", "20000-20999", `4:17: rtp.ports: 20000-20999 has room for 500 legs, the trunks have 4000 channels; a leg takes two ports`},

		{"SIP on a port of RTP", "udp://127.0.0.11:5060", "udp://127.0.0.11:20000", `3:19: sip.listen: port 20000 is one of rtp.ports, 20000-29999`},
		{"browsers on a port of RTP", "https://127.0.0.11:8443", "https://127.0.0.11:29999",
			`5:18: web.listen: port 29999, which is the UDP port of browsers' audio too, is one of rtp.ports, 20000-29999`},

		{"plain http for others", "https://127.0.0.11", "http://192.168.1.5", `5:18: web.listen: http:// is for loopback only: browsers give no microphone to a plain page elsewhere; write https://192.168.1.5:8443`},
		{"no scheme", "https://127.0.0.11:8443", "127.0.0.11:8443", `5:18: web.listen: "127.0.0.11:8443" is no web address; write https://ADDRESS:PORT`},
		{"an address of a page for a host", `domain: ""`, `origins: [https://panel.example.org/]`,
			`5:53: web.origins: "https://panel.example.org/" is no host of pages, such as panel.example.org or *.example.org`},
		{"every site there is", `domain: ""`, `origins: ["*"]`, `5:53: web.origins: "*" is no host of pages, such as panel.example.org or *.example.org`},
		{"a certificate without its key", `domain: ""`, `cert: a.pem`, `5:9: web: cert and key go together; set both or none`},

		{"a certificate of SIP without its key", `public: ""`, `cert: a.pem`, `3:9: sip: cert and key go together; set both or none`},
		{"authorities of a carrier that shows no certificate", "channels: 4000", "ca: carrier.pem", `7:109: trunks.ca: udp shows no certificate; ca goes with transport: tls`},

		{"a trunk without a name", "name: carrier, host", "host", "7:5: trunks: name is missing\n" +
			"9:37: lines.trunk: unknown trunk \"carrier\"; there are none\n10:34: lines.trunk: unknown trunk \"carrier\"; there are none"},
		{"a trunk without a host", "host: 127.0.0.3:5070, ", "", `7:5: trunks: host is missing; write the carrier's address, such as sip.carrier.ru:5060`},
		{"a host that is none", "127.0.0.3:5070", "127.0.0.300:5070", `7:27: trunks.host: "127.0.0.300:5070" is no host with a port, such as sip.carrier.ru:5060`},
		{"a port that is none", "127.0.0.3:5070", "carrier.ru:sip", `7:27: trunks.host: "carrier.ru:sip" is no host with a port, such as sip.carrier.ru:5060`},
		{"a host by name that may call from anywhere", "host: 127.0.0.3:5070, from: [127.0.0.2, 10.1.0.7/16]", "host: sip.carrier.ru",
			`7:5: trunks: from is missing; list the addresses sip.carrier.ru calls from, such as [203.0.113.7]`},
		{"a network that is none", "10.1.0.7/16", "10.1.0.7/99", `7:61: trunks.from: "10.1.0.7/99" is no IP address or network, such as 203.0.113.7 or 203.0.113.0/24`},
		{"all the Internet", "10.1.0.7/16", "0.0.0.0/0", `7:61: trunks.from: 0.0.0.0/0 lets the whole Internet call as this carrier`},
		{"a transport of the trunk we lack", "channels: 4000", "transport: sctp", `7:116: trunks.transport: unknown "sctp"; known: udp, tcp, tls`},
		{"a way of keys we lack", "channels: 4000", "dtmf: inbnd", `7:111: trunks.dtmf: unknown "inbnd"; did you mean "inband"?`},
		{"a degree of encryption we lack", "channels: 4000", "srtp: maybe", `7:111: trunks.srtp: unknown "maybe"; known: off, offered, required`},
		{"a degree of symmetry we lack", "channels: 4000", "symmetric: true", `7:116: trunks.symmetric: unknown "true"; known: off, first, always`},
		{"a codec we lack", "channels: 4000", "codecs: [g729]", `7:114: trunks.codecs: unknown "g729"; did you mean "g722"?`},
		{"a codec twice", "channels: 4000", "codecs: [pcmu, pcmu]", `7:120: trunks.codecs: pcmu is here a second time`},
		{"no codec", "channels: 4000", "codecs: []", `7:113: trunks.codecs: no codec is left to speak`},
		{"a register that is neither", "channels: 4000", "register: maybe", `7:115: trunks.register: "maybe" is neither true nor false`},
		{"a registration without a login", "channels: 4000", "register: true", `7:5: trunks: auth_user is missing; to register, write the login the carrier gave you`},
		{"a login without a password", "channels: 4000", "auth_user: sip01", `7:5: trunk "carrier": password missing; set it in CABLINE_TRUNK_CARRIER_PASSWORD`},
		{"a login without a password in the variable named", "channels: 4000", "auth_user: sip01, password_env: SIP01", `7:5: trunk "carrier": password missing; set it in SIP01`},
		{"a password without a login", "channels: 4000", "password: secret", `7:5: trunks: auth_user is missing; a password is of no use without it`},
		{"a login that is none", "channels: 4000", `auth_user: "a b", password: c`, `7:116: trunks.auth_user: "a b" is no user, such as 883140001 or sip01@carrier.ru`},
		{"a user that is none", "channels: 4000", `from_user: "<a>"`, `7:116: trunks.from_user: "<a>" is no user, such as 883140001 or sip01@carrier.ru`},
		{"a domain that is none", "channels: 4000", `domain: a_b..c`, `7:113: trunks.domain: "a_b..c" is no domain, such as carrier.ru`},
		{"a proxy that is none", "channels: 4000", `outbound_proxy: ip.carrier.ru;xx`, `7:121: trunks.outbound_proxy: "ip.carrier.ru;xx" is no proxy, such as ip.carrier.ru;lr or ip.carrier.ru:5060`},
		{"a registration for a second", "channels: 4000", `expires: 1s`, `7:114: trunks.expires: 1s is outside 1m0s to 24h0m0s`},
		{"an order out of all reason", "channels: 4000", `order: 10`, `7:112: trunks.order: 10 is outside 0 to 9`},
		{"a weight of nothing", "channels: 4000", `weight: 0`, `7:113: trunks.weight: 0 is outside 1 to 100`},
		{"a pace out of all reason", "channels: 4000", `calls_per_second: 5000`, `7:123: trunks.calls_per_second: 5000 is more than 1000`},
		{"OPTIONS without end", "channels: 4000", `options: 1s`, `7:114: trunks.options: 1s is outside 5s to 10m0s; 0s asks nothing`},
		{"an identity we lack", "channels: 4000", `identity: paid`, `7:115: trunks.identity: unknown "paid"; did you mean "pai"?`},
		{"early media that is neither", "channels: 4000", `early_media: yes`, `7:118: trunks.early_media: unknown "yes"; known: pass, ringback`},
		{"a way to write numbers we lack", "channels: 4000", `number_format: "+7"`, `7:120: trunks.number_format: unknown "+7"; known: e164, plain, national`},
		{"a pattern that is none", "channels: 4000", `numbers_in: [{match: '8(\d{10}', to: +7$1}]`, `7:126: trunks.numbers_in.match: "8(\\d{10}" is no pattern: missing closing ) in "8(\\d{10}"`},
		{"a pattern nobody could have meant", "channels: 4000", `numbers_out: [{match: 'a{1000000}', to: 1}]`, `7:127: trunks.numbers_out.match: "a{1000000}" is no pattern: invalid repeat count in "{1000000}"`},
		{"brackets that are not there", "channels: 4000", `numbers_in: [{match: '8\d(\d+)', to: +7$2}]`, `7:142: trunks.numbers_in.to: $2 is nothing: match has brackets: 1`},
		{"a rule that makes no number", "channels: 4000", `numbers_in: [{match: 8, to: seven}]`, `7:133: trunks.numbers_in.to: "seven" is no number; write digits, + * #, and $1 for what the first brackets of match hold`},
		{"half a rule", "channels: 4000", `numbers_in: [{match: 8}]`, `7:118: trunks.numbers_in: to is missing`},
		{"the other half", "channels: 4000", `numbers_in: [{to: 8}]`, `7:118: trunks.numbers_in: match is missing`},
		{"a rule for a third party", "channels: 4000", `numbers_in: [{match: 8, to: 8, only: callee}]`, `7:142: trunks.numbers_in.only: unknown "callee"; did you mean "called"?`},
		{"a carrier without a preset", "host: 127.0.0.3:5070", `preset: beline`, `7:29: trunks.preset: unknown "beline"; did you mean "beeline"?`},
		{"a carrier that calls from anywhere", "host: 127.0.0.3:5070, from: [127.0.0.2, 10.1.0.7/16]", `preset: novofon, auth_user: a, password: b`,
			`7:5: trunks: from is missing; novofon calls from other addresses than it registers at, list them`},
		{"a carrier whose host is the firm's own", "host: 127.0.0.3:5070, ", `preset: rostelecom, auth_user: a, password: b, `,
			`7:5: trunks: host is missing; at rostelecom it is the firm's own domain, or the address of their gateway`},
		{"two trunks of one name", "lines:\n", "  - {name: carrier, host: 10.0.0.1}\nlines:\n", `8:12: trunks.name: carrier is here a second time, first in line 7`},

		{"a number that is no phone", `number: "+74950000000"`, `number: call me`, `9:14: lines.number: "call me" is no telephone number; write it as +74950000000`},
		{"a number of another length", `8 (495) 000-00-00`, `"+749500000000000000"`, `7:86: trunks.caller_id: "+749500000000000000" is no telephone number; write it as +74950000000`},
		{"the same number written differently", "84950000001", "8 495 000 00 00", `10:14: lines.number: +74950000000 is here a second time, first in line 9`},
		{"a line without a number", `{number: "+74950000000", `, `{`, `9:5: lines: number is missing`},
		{"a line over a trunk that is not there", `"+74950000000", trunk: carrier`, `"+74950000000", trunk: carier`, `9:37: lines.trunk: unknown trunk "carier"; did you mean "carrier"?`},
		{"a line over no trunk", `"+74950000000", trunk: carrier, `, `"+74950000000", `, `9:5: lines: trunk is missing; known: carrier`},
		{"a line forwarded to itself", `"+79990000001"`, `"+74950000000"`, `10:52: lines.forward: +74950000000 is a line of the firm itself, the call would go round in a circle`},
		{"a line in a language we lack", "tariff: Стандарт", "language: de", `9:71: lines.language: unknown "de"; known: ru, en`},
		{"an empty line", "operators:", "  -\noperators:", `11:4: lines: an empty entry`},

		{"a login of other letters", "login: anna", "login: Анна", `12:5: operators: "Анна" is no login; write up to 32 small Latin letters, digits, dots, dashes`},
		{"a login twice", "dispatch:", "  - {login: anna, password: another}\ndispatch:", `13:13: operators.login: anna is here a second time, first in line 12`},
		{"no password", "password: secret word, ", "", `12:5: operator "anna": password missing; set it in CABLINE_OPERATOR_ANNA_PASSWORD`},
		{"no password in the variable named", "password: secret word", "password_env: ANNA_SECRET", `12:5: operator "anna": password missing; set it in ANNA_SECRET`},

		{"a dispatch system we lack", "kind: orderbook", "kind: orderbok", `13:18: dispatch.kind: unknown "orderbok"; did you mean "orderbook"?`},
		{"no token", ", token: dispatch-token", "", `13:11: dispatch: token missing; set it in dispatch.token or CABLINE_DISPATCH_TOKEN`},
		{"a prefix that is none", "dispatch:", "outgoing: {allow: [7495]}\ndispatch:", `13:20: outgoing.allow: "7495" is no beginning of numbers, such as +7 or +7495`},
		{"a time without a unit", "dispatch:", "timeouts: {driver_ring: 25}\ndispatch:", `13:25: timeouts.driver_ring: "25" is no length of time, such as 25s, 500ms, 10m or 90d`},
		{"calls kept for a week", "dispatch:", "keep: {calls: 7d}\ndispatch:", `13:15: keep.calls: 168h0m0s is less than 30d; 0s is for ever`},
		{"a time out of all reason", "dispatch:", "timeouts: {order_lookup: 1h}\ndispatch:", `13:26: timeouts.order_lookup: 1h0m0s is outside 50ms to 3s`},
		{"recordings kept for no time", "dispatch:", "recording: {keep: 5m}\ndispatch:", `13:19: recording.keep: 5m0s is less than 1d; 0s is for ever`},
		{"nothing to record", "dispatch:", "recording: {on: true, with_drivers: false, with_operators: false}\ndispatch:",
			`13:12: recording: is on, but neither with_drivers nor with_operators is; set one, or on: false`},
		{"a level of the log there is not", "dispatch:", "log: {level: warning}\ndispatch:", `13:14: log.level: unknown "warning"; known: trace, debug, info, warn, error`},

		{"a bracket that is not closed", "timezone: Europe/Moscow}", "timezone: Europe/Moscow", `3:1: not YAML: ',' or '}' must be specified`},
		{"an alias", "data: ./data", "data: &d ./data", `1:7: YAML anchors, aliases, tags and ? are not used here; write the value out`},
		{"a second document", "dispatch:", "---\ndispatch:", `14:1: a second document; the file is one`},
		{"letters of another encoding", "Центр", "\xd6\xe5\xed\xf2\xf0", `1:1: not a text in UTF-8`},
		{"control characters do not reach the terminal", "./data", `["\e[31m"]`, `1:7: data: want one value, not a list`},
		{"several at once, in order", "language: ru, timezone: Europe/Moscow", "language: fr, timezone: Mars", "2:54: firm.language: unknown \"fr\"; known: ru, en\n" +
			"2:68: firm.timezone: unknown timezone \"Mars\"; write a name such as Europe/Moscow or Asia/Yekaterinburg"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if !strings.Contains(firmFile, c.old) {
				t.Fatalf("%q is not in the file", c.old)
			}
			_, _, err := Parse("f", []byte(strings.Replace(firmFile, c.old, c.new, 1)), environment())
			var problems Problems
			if !errors.As(err, &problems) {
				t.Fatalf("error %v, want problems", err)
			}
			want := "f:" + strings.ReplaceAll(c.want, "\n", "\nf:")
			if got := problems.Error(); got != want {
				t.Errorf("told\n%s\nwant\n%s", got, want)
			}
		})
	}
}

func TestMistakesThatMakeNoSenseOfTheFile(t *testing.T) {
	const nothing = "f:1:1: firm.name is missing\nf:1:1: dispatch: token missing; set it in dispatch.token or CABLINE_DISPATCH_TOKEN"
	for _, c := range []struct{ name, text, want string }{
		{"an empty file", "", nothing},
		{"comments alone", "# nothing\n", nothing},
		{"a word", "cabline", `f:1:1: the file: want keys with values, not "cabline"`},
		{"a list", "- a", `f:1:1: the file: want keys with values, not a list`},
		{"a tab", "firm:\n\tname: x", `f:2:1: not YAML: found character '` + " " + `' that cannot start any token`},
		{"a thousand brackets", strings.Repeat("[", 1000), `f:1:17: lists and keys nested too deeply`},
		{"a megabyte of dashes", strings.Repeat("- ", 500_000), `f:1:33: lists and keys nested too deeply`},
		{"keys nested without end", nested(200), `f:130:130: lists and keys nested too deeply`},
		{"a billion laughs", "a: &a [x,x]\nb: &b [*a,*a]\n", `f:1:4: YAML anchors, aliases, tags and ? are not used here; write the value out`},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, _, err := Parse("f", []byte(c.text), environment())
			if err == nil || err.Error() != c.want {
				t.Errorf("told\n%v\nwant\n%s", err, c.want)
			}
		})
	}
}

func nested(depth int) string {
	var b strings.Builder
	for i := range depth {
		b.WriteString(strings.Repeat(" ", i) + "a:\n")
	}
	return b.String()
}

func TestWhatWorksButSurprises(t *testing.T) {
	for _, c := range []struct{ name, old, new, want string }{
		{"a branch nobody serves", "branch: Центр", "branch: Юг", "f:9:5: branch \"Юг\": no operator serves it, its callers will wait in vain\n" +
			`f:12:65: branch "Центр": no line has it; known: Юг`},
		{"a branch misspelt by one letter", "branches: [Центр]", "branches: [Центр, Центрр]", `f:12:72: branch "Центрр": no line has it; did you mean "Центр"?`},
		{"a password that is guessed", "secret word", "secret", `f:12:5: operator "anna": the password is shorter than 8 characters`},
		{"lines that a carrier does not tell apart", "host: 127.0.0.3:5070", "preset: mtt, auth_user: a, password: b",
			`f:10:5: mtt does not say which number was called where we register: all calls are for +74950000000; let them know you by your address (register: false) instead`},
		{"an operator of every branch", ", branches: [Центр]", "", ``},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, warnings, err := Parse("f", []byte(strings.Replace(firmFile, c.old, c.new, 1)), environment())
			if err != nil {
				t.Fatal(err)
			}
			if got := warnings.Error(); got != c.want {
				t.Errorf("warned\n%s\nwant\n%s", got, c.want)
			}
		})
	}
}

// Windows' editors and careful people write the same file differently.
func TestTheSameFileWrittenDifferently(t *testing.T) {
	want, _, err := Parse("f", []byte(firmFile), environment())
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ name, text string }{
		{"with a byte order mark", "\ufeff" + firmFile},
		{"with Windows' line ends", strings.ReplaceAll(firmFile, "\n", "\r\n")},
		{"with a document's marks", "---\n" + firmFile + "...\n"},
		{"with quotes", strings.ReplaceAll(firmFile, "udp://127.0.0.11:5060", `"udp://127.0.0.11:5060"`)},
		{"with lists in lines", strings.Replace(firmFile, "{listen: [udp://127.0.0.11:5060, tcp://127.0.0.11:5060], public: \"\"}",
			"\n  listen:\n    - udp://127.0.0.11:5060\n    - tcp://127.0.0.11:5060\n ", 1)},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, _, err := Parse("f", []byte(c.text), environment())
			if err != nil {
				t.Fatal(err)
			}
			if d := diff(want, got); d != "" {
				t.Error(d)
			}
		})
	}
}

// A list inside braces takes addresses without quotes, whatever colons they have.
func TestColonsInsideListsInsideBraces(t *testing.T) {
	for _, c := range []struct{ name, from, want string }{
		{"a long IPv6 address", `[2001:db8::7, 10.0.0.1]`, "[2001:db8::7/128 10.0.0.1/32]"},
		{"one that begins with colons", `[ ::1 ]`, "[::1/128]"},
		{"a network", `[2001:db8::/32]`, "[2001:db8::/32]"},
		{"in quotes", `["2001:db8::7"]`, "[2001:db8::7/128]"},
	} {
		t.Run(c.name, func(t *testing.T) {
			cfg, _, err := Parse("f", []byte(strings.Replace(firmFile, "[127.0.0.2, 10.1.0.7/16]", c.from, 1)), environment())
			if err != nil {
				t.Fatal(err)
			}
			if got := show(cfg.Trunks[0].From); got != c.want {
				t.Errorf("got %s, want %s", got, c.want)
			}
		})
	}
}
