package config

import (
	"slices"
	"strings"
	"testing"
)

const gootaxFile = `firm: {name: Ромашка}
operators: [{login: anna, password: long enough}]
dispatch:
  token: abc
  kind: gootax
  gootax:
    domain: romashka
    voice_token: 0123456789abcdef
    call_token: fedcba9876543210
    employees: [{operator: anna, number: 101, access_token: of anna}]
    statuses: [{theirs: 37, status: late}]
`

func TestTheSectionOfGootaxIsRead(t *testing.T) {
	got, _, err := Parse("f", []byte(gootaxFile), environment("CABLINE_GOOTAX_INTEGRATION_TOKEN", "from outside, long"))
	if err != nil {
		t.Fatal(err)
	}
	g := got.Dispatch.Gootax
	if g.Domain != "romashka.gootax.pro" || g.IntegrationToken.Reveal() != "from outside, long" || g.Numbers != "plain" ||
		g.Employees[0].Number != "101" || g.Statuses[0] != (TheirStatus{"37", "late"}) {
		t.Errorf("%+v", g)
	}
	for _, secret := range []string{"0123456789abcdef", "from outside, long", "fedcba9876543210", "of anna"} {
		if !slices.Contains(got.Secrets(), secret) {
			t.Errorf("%q would get into the log", secret)
		}
	}
}

func TestMistakesInTheSectionOfGootax(t *testing.T) {
	for change, want := range map[[2]string]string{
		{"voice_token: 0123456789abcdef", "remember: 12h"}:                "tokens missing",
		{"0123456789abcdef", "12345"}:                                     "voice_token: shorter than 16 characters",
		{"fedcba9876543210", "12345"}:                                     "call_token: shorter than 16 characters",
		{"operator: anna,", "operator: ana,"}:                             `unknown operator "ana"; did you mean "anna"?`,
		{"status: late", "status: laet"}:                                  `unknown "laet"; did you mean "late"?`,
		{"theirs: 37, ", ""}:                                              "theirs is missing",
		{"domain: romashka", "domain: https://romashka.gootax.pro/"}:      "is no name of a panel",
		{"domain: romashka", "notify_paths: [/api/v1/orders]"}:            "/api/v1/orders",
		{"domain: romashka", "client_api: {url: https://ca2.gootax.pro}"}: "tenant or key missing",
		{"domain: romashka", "unknown_status: neutral"}:                   "known: silence, notice",
		{"domain: romashka", "remember: 1m"}:                              "outside 1h to 168h",
	} {
		_, _, err := Parse("f", []byte(strings.Replace(gootaxFile, change[0], change[1], 1)), environment())
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", change[1], err, want)
		}
	}
	_, _, err := Parse("f", []byte(strings.Replace(gootaxFile, "domain: romashka", "notify_paths: [/x/y]\n    connect_paths: [/x/y]", 1)), environment())
	if err == nil || !strings.Contains(err.Error(), "/x/y is among the notify_paths too") {
		t.Error(err)
	}
}
