package config

import (
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"cabline/pbx"
)

// Notices is the calls that tell clients news of their orders.
type Notices struct {
	Enabled        bool           `yaml:"enabled"`
	OrderBook      bool           `yaml:"order_book"`
	InCall         string         `yaml:"in_call"` // tell or drop
	LineCalls      int            `yaml:"line_calls"`
	LinePerSecond  int            `yaml:"line_per_second"`
	TrunkCalls     int            `yaml:"trunk_calls"`
	TrunkPerSecond int            `yaml:"trunk_per_second"`
	Each           NoticeEach     `yaml:"each"`
	Statuses       []NoticeStatus `yaml:"statuses"` // after Load every status there is, whole
}

// NoticeEach is what holds for a status.
type NoticeEach struct {
	Tries            int           `yaml:"tries"`
	BusyAgain        time.Duration `yaml:"busy_again"` // 0: not again, as those that follow
	NoAnswerAgain    time.Duration `yaml:"no_answer_again"`
	UnreachableAgain time.Duration `yaml:"unreachable_again"`
	RejectedAgain    time.Duration `yaml:"rejected_again"`
	HungUpAgain      time.Duration `yaml:"hung_up_again"`
	KeepFor          time.Duration `yaml:"keep_for"`
	Hours            Hours         `yaml:"hours"`
	RingMobile       time.Duration `yaml:"ring_mobile"`
	RingLandline     time.Duration `yaml:"ring_landline"`
	Delivered        string        `yaml:"delivered"` // heard or key
	Next             string        `yaml:"next"`
}

// NoticeStatus is how clients are told of one status.
type NoticeStatus struct {
	Status string   `yaml:"status"`
	Call   bool     `yaml:"call"`
	Text   string   `yaml:"text"` // the status's own where the file has none
	Menu   []string `yaml:"menu"`
	NoticeEach
}

// Hours are a part of the day, in minutes from midnight.
type Hours struct{ From, Till int }

func (h Hours) String() string {
	return fmt.Sprintf("%02d:%02d-%02d:%02d", h.From/60, h.From%60, h.Till/60, h.Till%60)
}

func parseHours(text string) (Hours, error) {
	from, till, _ := strings.Cut(text, "-")
	a, ok1 := parseClock(from)
	b, ok2 := parseClock(till)
	if !ok1 || !ok2 || a == 24*60 {
		return Hours{}, fmt.Errorf("%q is no part of a day, such as 08:00-22:00", text)
	}
	return Hours{a, b}, nil
}

func parseClock(text string) (minutes int, ok bool) {
	hour, minute, _ := strings.Cut(strings.TrimSpace(text), ":")
	h, err1 := strconv.ParseUint(hour, 10, 8)
	m, err2 := strconv.ParseUint(minute, 10, 8)
	minutes = int(h)*60 + int(m)
	return minutes, err1 == nil && err2 == nil && m < 60 && minutes <= 24*60
}

func defaultNotices() Notices {
	n := Notices{
		OrderBook: true, InCall: "tell",
		LineCalls: 5, LinePerSecond: 2, TrunkCalls: 10, TrunkPerSecond: 5,
		Each: NoticeEach{
			Tries: 3, BusyAgain: time.Minute, NoAnswerAgain: 3 * time.Minute, UnreachableAgain: 10 * time.Minute,
			KeepFor: 30 * time.Minute, Hours: Hours{0, 24 * 60}, RingMobile: 30 * time.Second, RingLandline: 45 * time.Second,
			Delivered: "heard", Next: "sms",
		},
	}
	for _, s := range pbx.Statuses {
		n.Statuses = append(n.Statuses, n.defaultFor(string(s)))
	}
	return n
}

// defaultFor is what a status means that the file says nothing of.
func (n *Notices) defaultFor(status string) NoticeStatus {
	s := NoticeStatus{Status: status, Text: status, NoticeEach: n.Each}
	if menu, call := told[pbx.Status(status)]; call {
		s.Call, s.Menu = true, menu
	}
	return s
}

// told is the statuses that clients are called about unless the file says
// otherwise: those that somebody who waits for a car must know.
var told = map[pbx.Status][]string{
	pbx.StatusAccepted:          {"driver", "operator", "cancel"},
	pbx.StatusAcceptedNext:      {"driver", "operator", "cancel"},
	pbx.StatusArrived:           {"driver", "operator", "coming_out", "five_minutes"},
	pbx.StatusPaidWaiting:       {"driver", "operator", "coming_out"},
	pbx.StatusLate:              {"driver", "operator", "cancel"},
	pbx.StatusOverdue:           {"operator"},
	pbx.StatusDriverRefused:     {"operator", "cancel"},
	pbx.StatusNoDriver:          {"keep_looking", "operator", "cancel"},
	pbx.StatusCancelledByDriver: {"operator"},
}

// notices checks the section and makes every status whole.
func (r *reader) notices(n *Notices) {
	r.oneOf("notices.in_call", &n.InCall, []string{"tell", "drop"})
	for _, limit := range []*int{&n.LineCalls, &n.LinePerSecond, &n.TrunkCalls, &n.TrunkPerSecond} {
		if *limit > 1000 {
			r.problem(r.at[limit], "notices: %d is more than 1000 calls; 0 is no limit", *limit)
		}
	}
	r.noticeEach("notices.each", &n.Each)
	var listed []NoticeStatus
	if _, written := r.at[&n.Statuses]; written {
		listed = n.Statuses
		unique(r, "notices.statuses", listed, func(s *NoticeStatus) *string { return &s.Status })
	}
	n.Statuses = nil
	for i := range listed {
		r.noticeStatus(&listed[i])
	}
	for _, status := range pbx.Statuses {
		n.Statuses = append(n.Statuses, r.whole(n, string(status), listed))
	}
	for _, s := range listed { // the firm's dispatch system may have its own
		if !slices.Contains(pbx.Statuses, pbx.Status(s.Status)) {
			n.Statuses = append(n.Statuses, r.whole(n, s.Status, listed))
		}
	}
}

// whole is a status with what the file says of it over what holds for each.
func (r *reader) whole(n *Notices, status string, listed []NoticeStatus) NoticeStatus {
	s := n.defaultFor(status)
	for i := range listed {
		if listed[i].Status == status {
			r.overlay(reflect.ValueOf(&listed[i]).Elem(), reflect.ValueOf(&s).Elem())
		}
	}
	return s
}

// overlay copies the fields that the file has.
func (r *reader) overlay(from, to reflect.Value) {
	for i := range from.NumField() {
		if from.Type().Field(i).Anonymous {
			r.overlay(from.Field(i), to.Field(i))
			continue
		}
		if _, written := r.at[from.Field(i).Addr().Interface()]; written {
			to.Field(i).Set(from.Field(i))
		}
	}
}

func (r *reader) noticeStatus(s *NoticeStatus) {
	if s.Status == "" {
		r.missing(s, "notices.statuses: status is missing")
	}
	keys := make([]string, len(pbx.NoticeKeys))
	for i, k := range pbx.NoticeKeys {
		keys[i] = string(k.Key)
	}
	for i := range s.Menu {
		r.oneOf("notices.statuses.menu", &s.Menu[i], keys)
	}
	if slices.Contains(s.Menu, "driver") && slices.Contains(s.Menu, "keep_looking") {
		r.problem(r.at[&s.Menu], "notices.statuses.menu: driver and keep_looking are both key 1; leave one out")
	}
	r.noticeEach("notices.statuses", &s.NoticeEach)
}

// noticeEach checks what the file says for a status, and nothing that it leaves
// out.
func (r *reader) noticeEach(name string, e *NoticeEach) {
	if at, written := r.at[&e.Tries]; written && (e.Tries < 1 || e.Tries > 20) {
		r.problem(at, "%s.tries: %d is not from 1 to 20", name, e.Tries)
	}
	if _, written := r.at[&e.Delivered]; written {
		r.oneOf(name+".delivered", &e.Delivered, []string{"heard", "key"})
	}
	for _, limit := range []struct {
		key      string
		value    *time.Duration
		low, top time.Duration
		none     bool // 0 is allowed
	}{
		{"busy_again", &e.BusyAgain, 10 * time.Second, 24 * time.Hour, true},
		{"no_answer_again", &e.NoAnswerAgain, 10 * time.Second, 24 * time.Hour, true},
		{"unreachable_again", &e.UnreachableAgain, 10 * time.Second, 24 * time.Hour, true},
		{"rejected_again", &e.RejectedAgain, 10 * time.Second, 24 * time.Hour, true},
		{"hung_up_again", &e.HungUpAgain, 10 * time.Second, 24 * time.Hour, true},
		{"keep_for", &e.KeepFor, time.Minute, 48 * time.Hour, false},
		{"ring_mobile", &e.RingMobile, 5 * time.Second, 2 * time.Minute, false},
		{"ring_landline", &e.RingLandline, 5 * time.Second, 2 * time.Minute, false},
	} {
		at, written := r.at[limit.value]
		if !written || limit.none && *limit.value == 0 {
			continue
		}
		if *limit.value < limit.low || *limit.value > limit.top {
			r.problem(at, "%s.%s: %v is outside %v to %v", name, limit.key, *limit.value, limit.low, limit.top)
		}
	}
}
