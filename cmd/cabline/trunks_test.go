package main

import (
	"slices"
	"testing"

	"cabline/cmd/cabline/config"
	"cabline/pbx"
)

func TestCallsToATrunksLoginAreForALineOfIt(t *testing.T) {
	cfg := &config.Config{Firm: config.Firm{Country: "RU"}, Lines: []config.Line{
		{Number: "+74950000009", Trunk: "other"}, {Number: "+74950000000", Trunk: "cloud"}, {Number: "+74950000001", Trunk: "cloud"},
	}}
	for name, c := range map[string]struct {
		trunk config.Trunk
		want  pbx.Phone
	}{
		"the line the login is the number of":  {config.Trunk{Name: "cloud", AuthUser: "74950000001@multifon.ru"}, "+74950000001"},
		"the first for any other login":        {config.Trunk{Name: "cloud", AuthUser: "sip01"}, "+74950000000"},
		"never the line of another trunk":      {config.Trunk{Name: "cloud", AuthUser: "74950000009"}, "+74950000000"},
		"the user we call as, if there is one": {config.Trunk{Name: "cloud", AuthUser: "sip01", FromUser: "84950000001"}, "+74950000001"},
		"none where the trunk has none":        {config.Trunk{Name: "empty", AuthUser: "sip01"}, ""},
	} {
		lines := linesOf(cfg, c.trunk)
		if got := slices.Concat(lines, []pbx.Phone{""})[0]; got != c.want {
			t.Errorf("%s: %s, want %s", name, got.Dialable(), c.want.Dialable())
		}
		if n := len(lines); c.want != "" && n != 2 {
			t.Errorf("%s: %d lines", name, n)
		}
	}
}
