package sip

import (
	"fmt"
	"testing"

	"cabline/pbx"
)

func TestNumbersReadLatelyAreRememberedAndNoMoreThanSome(t *testing.T) {
	var r readings
	for text, want := range map[string]pbx.Phone{"89161234567": "+79161234567", "+7 916 123-45-67": "+79161234567", "1234": "1234", "anna": "", "": ""} {
		for range 2 {
			if got := r.phone(text, "RU"); got != want {
				t.Errorf("%q reads %q, want %q", text, got.Dialable(), want.Dialable())
			}
		}
	}
	if len(r.phones) != 3 {
		t.Errorf("%d are remembered, want the three that are numbers", len(r.phones))
	}
	for n := range 2*maxReadings + 1 {
		r.phone(fmt.Sprintf("7916%07d", n), "RU")
	}
	if len(r.phones) > maxReadings || len(r.phones) == 0 {
		t.Errorf("%d are remembered, at most %d should be", len(r.phones), maxReadings)
	}
}
