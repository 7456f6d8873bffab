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

func TestNumbersAreWrittenAsOthersWantThem(t *testing.T) {
	for _, c := range []struct {
		format  Format
		number  Phone
		country string
		want    string
	}{
		{"", "+79161234567", "RU", "+79161234567"},
		{E164, "+79161234567", "RU", "+79161234567"},
		{Plain, "+79161234567", "RU", "79161234567"},
		{National, "+79161234567", "RU", "89161234567"},
		{National, "+74951234567", "RU", "84951234567"},
		{National, "+77011234567", "KZ", "87011234567"},
		{National, "+375291234567", "RU", "810375291234567"},
		{National, "+375291234567", "BY", "80291234567"},
		{E164, "0611", "RU", "0611"},
		{Plain, "0611", "RU", "0611"},
		{National, "0611", "RU", "0611"},
		{National, "112", "RU", "112"},
		{National, "", "RU", ""},
		{E164, "+7916\r\nX-Evil: 1\x00", "RU", "+79161"},
		{National, "+7916\r\nX-Evil: 1234567", "RU", "89161234567"},
	} {
		if got := c.number.Write(c.format, c.country); got != c.want {
			t.Errorf("%s as %q in %s: %s, want %s", c.number.Dialable(), c.format, c.country, got, c.want)
		}
	}
}
