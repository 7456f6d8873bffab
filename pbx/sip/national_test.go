package sip

import (
	"testing"

	"github.com/nyaruka/phonenumbers"

	"cabline/pbx"
)

// The library that reads numbers says what is national of each.
func TestANumberIsNationalWithoutTheCodeOfItsCountry(t *testing.T) {
	for region := range phonenumbers.GetSupportedRegions() {
		for _, kind := range []phonenumbers.PhoneNumberType{phonenumbers.FIXED_LINE, phonenumbers.MOBILE} {
			example := phonenumbers.GetExampleNumberForType(region, kind)
			if example == nil {
				continue
			}
			number := phonenumbers.Format(example, phonenumbers.E164)
			if got, want := national(pbx.Phone(number)), phonenumbers.GetNationalSignificantNumber(example); got != want {
				t.Errorf("%s of %s: %s, want %s", number, region, got, want)
			}
		}
	}
	for _, short := range []pbx.Phone{"", "112", "1234", "+", "+7"} {
		if got := national(short); "+"+got != string(short) && got != string(short) {
			t.Errorf("%q became %q", string(short), got)
		}
	}
}
