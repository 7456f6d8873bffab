package config

import (
	"slices"
	"strings"
	"testing"
	"time"

	"cabline/pbx"
)

const noticesFile = "firm: {name: A}\ndispatch: {token: t}\ntrunks: [{name: c, host: 192.0.2.1, caller_id: 84950000000, from: [192.0.2.1]}]\n"

func noticesOf(t *testing.T, section string) Notices {
	t.Helper()
	got, _, err := Parse("f", []byte(noticesFile+section), environment())
	if err != nil {
		t.Fatal(err)
	}
	return got.Notices
}

func (n Notices) of(status string) NoticeStatus {
	return n.Statuses[slices.IndexFunc(n.Statuses, func(s NoticeStatus) bool { return s.Status == status })]
}

func TestAStatusSaysOnlyWhatIsDifferentAboutIt(t *testing.T) {
	n := noticesOf(t, `notices:
  each: {tries: 2, hours: "08:00-22:30"}
  statuses:
    - {status: arrived, tries: 5, text: arrived_short}
    - {status: completed, call: true}
    - {status: late, call: false, busy_again: 0s}
    - {status: parked, call: true, menu: [operator]}
`)
	if len(n.Statuses) != len(pbx.Statuses)+1 {
		t.Errorf("%d statuses", len(n.Statuses))
	}
	arrived, completed, late, accepted, parked := n.of("arrived"), n.of("completed"), n.of("late"), n.of("accepted"), n.of("parked")
	if arrived.Tries != 5 || arrived.Text != "arrived_short" || !arrived.Call || !slices.Equal(arrived.Menu, []string{"driver", "operator", "coming_out", "five_minutes"}) ||
		arrived.Hours != (Hours{480, 1350}) || arrived.RingMobile != 30*time.Second {
		t.Errorf("arrived: %+v", arrived)
	}
	if !completed.Call || completed.Tries != 2 || completed.Menu != nil {
		t.Errorf("completed: %+v", completed)
	}
	if late.Call || late.BusyAgain != 0 || late.NoAnswerAgain != 3*time.Minute {
		t.Errorf("late: %+v", late)
	}
	if !accepted.Call || accepted.Tries != 2 || accepted.Text != "accepted" {
		t.Errorf("accepted: %+v", accepted)
	}
	if !parked.Call || parked.Text != "parked" || parked.Tries != 2 || !slices.Equal(parked.Menu, []string{"operator"}) {
		t.Errorf("a status of the firm's own: %+v", parked)
	}
}

func TestAMistakeInNoticesIsOneLine(t *testing.T) {
	for _, c := range []struct{ name, section, want string }{
		{"no such way", "{in_call: whisper}", `notices.in_call: unknown "whisper"`},
		{"too many tries", "{each: {tries: 21}}", `notices.each.tries: 21 is not from 1 to 20`},
		{"no try at all", "{statuses: [{status: late, tries: 0}]}", `notices.statuses.tries: 0 is not from 1 to 20`},
		{"a pause too short", "{each: {busy_again: 1s}}", `notices.each.busy_again: 1s is outside 10s to 24h0m0s`},
		{"a ring of no time", "{each: {ring_mobile: 0s}}", `notices.each.ring_mobile: 0s is outside 5s to 2m0s`},
		{"no part of a day", "{each: {hours: from eight}}", `notices.each.hours: "from eight" is no part of a day, such as 08:00-22:00`},
		{"a day of 25 hours", "{each: {hours: 08:00-25:00}}", `notices.each.hours: "08:00-25:00" is no part of a day`},
		{"no such key", "{statuses: [{status: late, menu: [drver]}]}", `notices.statuses.menu: unknown "drver"; did you mean "driver"?`},
		{"two meanings of a key", "{statuses: [{status: late, menu: [driver, keep_looking]}]}", `driver and keep_looking are both key 1`},
		{"a status twice", "{statuses: [{status: late}, {status: late}]}", `notices.statuses: late is here a second time`},
		{"no status", "{statuses: [{call: true}]}", `notices.statuses: status is missing`},
		{"no such proof", "{each: {delivered: seen}}", `notices.each.delivered: unknown "seen"`},
		{"an army", "{line_calls: 5000}", `notices: 5000 is more than 1000 calls`},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, _, err := Parse("f", []byte(noticesFile+"notices: "+c.section), environment())
			if err == nil || !strings.Contains(err.Error(), c.want) || strings.Count(err.Error(), "\n") > 0 || !strings.HasPrefix(err.Error(), "f:4:") {
				t.Errorf("told %v, want %s", err, c.want)
			}
		})
	}
}
