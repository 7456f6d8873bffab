package config

import (
	"strings"
	"testing"
	"time"
)

func TestMaskingIsRead(t *testing.T) {
	cfg, _, err := Parse("x.yaml", []byte(firmFile+`
masking:
  operators_see_numbers: false
  windows: [{status: completed, open: 48h}, {status: taximaster 7, open: 0s}]
  lost_item: 72h
`), environment())
	if err != nil {
		t.Fatal(err)
	}
	m := cfg.Masking
	if m.OperatorsSeeNumbers || len(m.Windows) != 2 || m.Windows[0] != (Window{"completed", 48 * time.Hour}) || m.Windows[1].Open != 0 ||
		m.LostItem != 72*time.Hour || m.OtherWindows != 3*time.Hour {
		t.Errorf("%+v", m)
	}
}

func TestMistakesInMasking(t *testing.T) {
	for text, want := range map[string]string{
		"masking: {lost_item: 800h}":                                               "masking.lost_item: 800h0m0s is outside 0s to 720h0m0s",
		"masking: {other_windows: -1h}":                                            "masking.other_windows",
		"masking: {windows: [{open: 1h}]}":                                         "status is missing",
		"masking: {windows: [{status: completed}]}":                                "open is missing",
		"masking: {windows: [{status: late, open: 1h}, {status: late, open: 2h}]}": "a second time",
		"masking: {operators_see_numbers: perhaps}":                                "neither true nor false",
	} {
		_, _, err := Parse("x.yaml", []byte(firmFile+"\n"+text+"\n"), environment())
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", text, err)
		}
	}
}
