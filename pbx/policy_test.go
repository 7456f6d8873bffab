package pbx

import (
	"testing"
	"time"
)

func TestHoursAreOfTheClientsDay(t *testing.T) {
	moscow, err := time.LoadLocation("Europe/Moscow")
	if err != nil {
		t.Fatal(err)
	}
	p := NoticePolicy{Zone: moscow}
	at := func(clock string) time.Time {
		t.Helper()
		got, err := time.ParseInLocation("2006-01-02 15:04", "2026-11-"+clock, moscow)
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	const mobile, ekaterinburg, almaty Phone = "+79161234567", "+73432000000", "+77272500000"
	for _, c := range []struct {
		name      string
		hours     Hours
		phone     Phone
		now, next string
	}{
		{"within them: at once", Hours{8 * 60, 22 * 60}, mobile, "22 12:00", "22 12:00"},
		{"the first minute is within", Hours{8 * 60, 22 * 60}, mobile, "22 08:00", "22 08:00"},
		{"the last is not", Hours{8 * 60, 22 * 60}, mobile, "22 22:00", "23 08:00"},
		{"before them: this morning", Hours{8*60 + 30, 22 * 60}, mobile, "22 03:00", "22 08:30"},
		{"over midnight: at night", Hours{20 * 60, 2 * 60}, mobile, "22 23:00", "22 23:00"},
		{"over midnight: after it", Hours{20 * 60, 2 * 60}, mobile, "22 01:59", "22 01:59"},
		{"over midnight: by day", Hours{20 * 60, 2 * 60}, mobile, "22 02:00", "22 20:00"},
		{"the whole day", Hours{0, 24 * 60}, mobile, "22 23:59", "22 23:59"},
		{"none given is the whole day", Hours{}, mobile, "22 03:00", "22 03:00"},
		{"a landline two hours to the east wakes earlier", Hours{8 * 60, 22 * 60}, ekaterinburg, "22 05:00", "22 06:00"},
		{"and sleeps earlier", Hours{8 * 60, 22 * 60}, ekaterinburg, "22 20:30", "23 06:00"},
		{"a landline abroad", Hours{8 * 60, 22 * 60}, almaty, "22 05:30", "22 06:00"},
		{"a short number is here", Hours{8 * 60, 22 * 60}, "1234", "22 07:00", "22 08:00"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := c.hours.next(at(c.now), p.zoneOf(c.phone)); !got.Equal(at(c.next)) {
				t.Errorf("at %s: %v, want %s", c.now, got.In(moscow), c.next)
			}
		})
	}
}

func TestAMobileAndALandlineRingAsLongAsEachNeeds(t *testing.T) {
	rule := NoticeRule{RingMobile: 25 * time.Second, RingLandline: 50 * time.Second}
	for phone, want := range map[Phone]time.Duration{"+79161234567": rule.RingMobile, "+74951234567": rule.RingLandline,
		"+73432000000": rule.RingLandline, "1234": rule.RingMobile, "": rule.RingMobile} {
		if got := rule.ringTime(phone); got != want {
			t.Errorf("%v rings %v, want %v", phone, got, want)
		}
	}
}
