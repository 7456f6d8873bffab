package config

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"cabline/pbx"
)

func environment(vars ...string) Env {
	return func(name string) (string, bool) {
		for i := 0; i < len(vars); i += 2 {
			if vars[i] == name {
				return vars[i+1], true
			}
		}
		return "", false
	}
}

// sameZone compares zones by name: each look-up makes its own.
var sameZone = cmp.Comparer(func(a, b *time.Location) bool { return a.String() == b.String() })

// valuesInside lets cmp look into the addresses.
var valuesInside = cmp.Comparer(func(a, b netip.Addr) bool { return a == b })

var samePrefix = cmp.Comparer(func(a, b netip.Prefix) bool { return a == b })

var samePort = cmp.Comparer(func(a, b netip.AddrPort) bool { return a == b })

var sameServer = cmp.Comparer(func(a, b DNSServer) bool { return a == b })

func diff(want, got any) string {
	return cmp.Diff(want, got, sameZone, valuesInside, samePrefix, samePort, sameServer)
}

// firmFile is a whole file in the shape most people write it.
const firmFile = `data: ./data
firm:   {name: Такси Ромашка, country: RU, language: ru, timezone: Europe/Moscow}
sip:    {listen: [udp://127.0.0.11:5060, tcp://127.0.0.11:5060], public: ""}   # behind NAT
rtp:    {ports: 20000-29999}
web:    {listen: https://127.0.0.11:8443, domain: ""}
trunks:
  - {name: carrier, host: 127.0.0.3:5070, from: [127.0.0.2, 10.1.0.7/16], caller_id: 8 (495) 000-00-00, channels: 4000}
lines:
  - {number: "+74950000000", trunk: carrier, branch: Центр, tariff: Стандарт}
  - {number: 84950000001, trunk: carrier, forward: "+79990000001"}
operators:
  - {login: anna, name: Анна, password: secret word, branches: [Центр]}
dispatch: {kind: orderbook, token: dispatch-token}
`

func TestAWholeFileIsRead(t *testing.T) {
	got, warnings, err := Parse("/etc/cabline/cabline.yaml", []byte(firmFile), environment())
	if err != nil || len(warnings) > 0 {
		t.Fatalf("error %v, warnings %v", err, warnings)
	}
	want := Default()
	want.Data = "/etc/cabline/data"
	want.Firm.Name = "Такси Ромашка"
	at := netip.MustParseAddrPort
	want.SIP.Listen = []SIPListen{{"udp", at("127.0.0.11:5060")}, {"tcp", at("127.0.0.11:5060")}}
	want.Web.Listen = WebListen{true, at("127.0.0.11:8443")}
	want.Trunks = []Trunk{{Name: "carrier", Host: "127.0.0.3:5070", CallerID: "+74950000000", Channels: 4000,
		Identity: "from", NumberFormat: "e164", DTMF: "auto", SRTP: "off", Symmetric: "first", Codecs: []string{"pcma", "pcmu"}, EarlyMedia: "pass", Order: 1, Weight: 1,
		From: []netip.Prefix{netip.MustParsePrefix("127.0.0.2/32"), netip.MustParsePrefix("10.1.0.0/16")}}}
	want.Lines = []Line{
		{Number: "+74950000000", Trunk: "carrier", Branch: "Центр", Tariff: "Стандарт", Language: "ru"},
		{Number: "+74950000001", Trunk: "carrier", Forward: "+79990000001", Language: "ru"},
	}
	want.Operators = []Operator{{Login: "anna", Name: "Анна", Branches: []string{"Центр"}}}
	want.Operators[0].HA1 = Secret(md5hex("anna:cabline:secret word"))
	want.Dispatch.Token = "dispatch-token"
	if d := diff(want, got); d != "" {
		t.Error(d)
	}
}

func TestWhatIsLeftOutIsFilledIn(t *testing.T) {
	got, _, err := Parse("f", []byte(`
firm: {name: Ромашка}
sip: {dns: [77.88.8.8, "[2a02:6b8::feed:ff]:5353"]}
trunks:
  - name: carrier
    host: 203.0.113.7
  - name: other
    host: sip.example.org
    from: [203.0.113.0/24]
    caller_id: +74950000009
lines:
  - {number: "+74950000000", trunk: carrier}
operators:
  - {login: anna, password: "12345678"}
`), environment("CABLINE_DISPATCH_TOKEN", "from outside"))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		what      string
		got, want any
	}{
		{"a host without a port, which the DNS may know", []string{got.Trunks[1].Host, got.Trunks[1].Transport}, []string{"sip.example.org", ""}},
		{"name servers", got.SIP.DNS, []DNSServer{DNSServer(netip.MustParseAddrPort("77.88.8.8:53")), DNSServer(netip.MustParseAddrPort("[2a02:6b8::feed:ff]:5353"))}},
		{"where a trunk calls from", got.Trunks[0].From, []netip.Prefix{netip.MustParsePrefix("203.0.113.7/32")}},
		{"a trunk's caller ID is its first line", got.Trunks[0].CallerID, pbx.Phone("+74950000000")},
		{"a number without quotes keeps its plus", got.Trunks[1].CallerID, pbx.Phone("+74950000009")},
		{"a line speaks the firm's language", got.Lines[0].Language, "ru"},
		{"an operator without a name has the login", got.Operators[0].Name, "anna"},
		{"the token of the environment", got.Dispatch.Token.Reveal(), "from outside"},
	} {
		if d := diff(c.want, c.got); d != "" {
			t.Errorf("%s: %s", c.what, d)
		}
	}
}

func TestPasswordsComeFromTheFileOrTheEnvironment(t *testing.T) {
	for _, c := range []struct {
		name, operator string
		env            Env
		password       string
	}{
		{"the file", `{login: anna, password: from the file}`, environment(), "from the file"},
		{"a number in the file", `{login: anna, password: 0012345678}`, environment(), "0012345678"},
		{"the operator's own variable", `{login: anna-1.b}`, environment("CABLINE_OPERATOR_ANNA_1_B_PASSWORD", "outside"), "outside"},
		{"the variable named", `{login: anna, password_env: ANNA}`, environment("ANNA", "outside"), "outside"},
		{"a variable wins over the file", `{login: anna, password: inside}`, environment("CABLINE_OPERATOR_ANNA_PASSWORD", "outside"), "outside"},
		{"an empty variable does not", `{login: anna, password: inside}`, environment("CABLINE_OPERATOR_ANNA_PASSWORD", ""), "inside"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, _, err := Parse("f", []byte("firm: {name: A}\ndispatch: {token: abc}\noperators: ["+c.operator+"]"), c.env)
			if err != nil {
				t.Fatal(err)
			}
			o := got.Operators[0]
			if want := md5hex(o.Login + ":cabline:" + c.password); o.HA1.Reveal() != want || o.Password != "" {
				t.Errorf("HA1 %s, want %s; password kept: %q", o.HA1.Reveal(), want, o.Password.Reveal())
			}
		})
	}
}

func TestSecretsAreNeverPrinted(t *testing.T) {
	cfg, _, err := Parse("f", []byte(firmFile), environment())
	if err != nil {
		t.Fatal(err)
	}
	asJSON, err := json.Marshal(cfg)
	if err != nil {
		t.Fatal(err)
	}
	printed := fmt.Sprintf("%v %+v %#v %s %q %x %s", cfg.Dispatch, cfg.Operators, *cfg, cfg.Operators[0].HA1, cfg.Dispatch.Token, cfg.Dispatch.Token, asJSON)
	for _, secret := range append(cfg.Secrets(), "secret word", fmt.Sprintf("%x", "dispatch-token")) {
		if strings.Contains(printed, secret) {
			t.Errorf("%q is printed in %s", secret, printed)
		}
	}
	if len(cfg.Secrets()) != 2 {
		t.Errorf("%d secrets, want the token and Anna's HA1", len(cfg.Secrets()))
	}
}

func TestLoadReadsAFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "cabline.yaml")
	if err := os.WriteFile(path, []byte(firmFile), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, _, err := Load(path, environment()); err != nil {
		t.Error(err)
	}
	if _, _, err := Load(path+".gone", environment()); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a file that is not there: %v", err)
	}
	if err := os.Truncate(path, maxSize+1); err != nil {
		t.Fatal(err)
	}
	if _, _, err := Load(path, environment()); err == nil || err.Error() != path+":1:1: the file is larger than 1 MB" {
		t.Errorf("a file of more than 1 MB: %v", err)
	}
}
