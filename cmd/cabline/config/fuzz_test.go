package config

import (
	"errors"
	"strings"
	"testing"
)

// Whatever the file is, the answer is a config that holds or problems that say
// where, each in one line.
func FuzzParse(f *testing.F) {
	for _, seed := range []string{firmFile, Example, "", "a: [", "{a: [b:c, ::1]}", "- - -", "? a", "\ufeff---\r\n", "a: |\n  b", "a: 'b\n\n c'",
		"trunks: [{host: [", "lines:\n-\n- {}", "firm: null", "firm: ~\nsip: {listen: ~}", "web: {listen: https://[::1%lo]:1}"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		cfg, _, err := Parse("f", []byte(text), environment())
		if err == nil {
			if cfg.Firm.Name == "" || cfg.Firm.Timezone == nil || cfg.Dispatch.Token == "" || len(cfg.SIP.Listen) == 0 {
				t.Errorf("a config with holes: %+v", cfg)
			}
			return
		}
		var problems Problems
		if !errors.As(err, &problems) || len(problems) == 0 {
			t.Fatalf("an error without a place: %v", err)
		}
		for _, p := range problems {
			if p.Line < 1 || p.Col < 1 || p.Text == "" || strings.ContainsAny(p.String(), "\n\r\x1b") {
				t.Errorf("a bad line: %q at %d:%d", p.String(), p.Line, p.Col)
			}
		}
	})
}
