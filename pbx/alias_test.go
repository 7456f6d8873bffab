package pbx_test

import (
	"strings"
	"testing"

	"cabline/pbx"
)

func TestAnAliasIsDialableAndTellsNothing(t *testing.T) {
	a := pbx.NewAliases("token")
	seen := map[string]bool{}
	for _, number := range []pbx.Phone{"+79161234567", "+79161234568", "+493012345678901", "1234", "0012", "+1234567"} {
		alias := a.Of(number)
		if len(number) > 8 && strings.Contains(alias, number.Dialable()[3:9]) || !strings.HasPrefix(alias, number.String()+"~") || seen[alias] {
			t.Errorf("%s is %s", number.Dialable(), alias)
		}
		seen[alias] = true
		_, code, _ := strings.Cut(alias, "~")
		for _, text := range []string{alias, "~" + code, "~" + strings.ToLower(code)} {
			if got, ok := a.Phone(text); !ok || got != number {
				t.Errorf("%s read as %v", text, got.Dialable())
			}
		}
		if pbx.NewAliases("token").Of(number) != alias {
			t.Error("another after a restart")
		}
		if got, ok := pbx.NewAliases("another").Phone(alias); ok {
			t.Errorf("another exchange reads %s", got.Dialable())
		}
		forged := []byte(alias)
		forged[len(forged)-5] ^= 1
		if got, ok := a.Phone(string(forged)); ok {
			t.Errorf("a forged one is read as %s", got.Dialable())
		}
	}
	for _, none := range []string{"", "~", "+79161234567", "+7***4567", "~AAAA", strings.Repeat("~A", 13)} {
		if _, ok := a.Phone(none); ok {
			t.Errorf("%q is taken for one", none)
		}
	}
	if a.Of("") != "" {
		t.Error("a withheld number has one")
	}
}
