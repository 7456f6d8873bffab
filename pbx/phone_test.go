package pbx

import (
	"errors"
	"fmt"
	"strings"
	"testing"
)

func TestParsePhone(t *testing.T) {
	for text, want := range map[string]Phone{
		"+7 916 123-45-67":      "+79161234567",
		"89161234567":           "+79161234567",
		"79161234567":           "+79161234567",
		"9161234567":            "+79161234567",
		"8 (495) 123-45-67":     "+74951234567",
		"+33 1 23 45 67 89":     "+33123456789",
		"1234":                  "1234",
		"56789":                 "56789",
		"101":                   "101",
		"":                      "",
		"12":                    "",
		"anonymous":             "",
		"8-916-CALL-NOW":        "",
		"+7916\r\n1234567":      "",
		"0000000000000000000":   "",
		strings.Repeat("7", 65): "",
	} {
		got, err := ParsePhone(text, "RU")
		if got != want || (want == "") != errors.Is(err, ErrNotAPhone) {
			t.Errorf("ParsePhone(%q) = %q, %v; want %q", text, got.Dialable(), err, want.Dialable())
		}
	}
}

func TestAPhonePrintsMasked(t *testing.T) {
	for phone, want := range map[Phone]string{
		"+79161234567": "+7***4567",
		"56789":        "5***",
		"":             "withheld",
	} {
		if got := fmt.Sprintf("%v %s", phone, phone); got != want+" "+want {
			t.Errorf("%q prints as %q, want %q", phone.Dialable(), got, want)
		}
	}
}
