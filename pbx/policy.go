package pbx

import (
	"slices"
	"time"

	"github.com/nyaruka/phonenumbers"

	"cabline/media"
	"cabline/prompts"
)

// NoticePolicy is how the firm has its clients told.
type NoticePolicy struct {
	Enabled bool // false: news is written down, and nobody is called
	// TellInCall has news told to a client who already talks to us in that very
	// call, when they wait for a key or for an operator; news that comes while
	// they talk with a person waits until they have done. False: such news is
	// dropped.
	TellInCall bool
	Zone       *time.Location // of clients whose number does not tell theirs
	Pace       Pace
	Statuses   map[Status]NoticeRule // a status that is not here is off
}

// Pace bounds what notices take from callers; 0 is no bound.
type Pace struct {
	LineCalls, TrunkCalls         int // at a time
	LinePerSecond, TrunkPerSecond int // begun
}

// NoticeRule is how clients are told of one status.
type NoticeRule struct {
	On                       bool
	Text                     string        // of the texts of orders; empty: the status's own
	Menu                     []NoticeKey   // what keys mean, in the order it is said
	Tries                    int           // calls, until it is given up
	Again                    Again         // the pauses between them
	KeepFor                  time.Duration // news that is older is not told any more
	Hours                    Hours         // of the client's day
	RingMobile, RingLandline time.Duration
	// NeedsKey has only a key count as delivered, and not hearing it to the end.
	NeedsKey bool
	Next     string // the channel suggested when the client was not told: "sms"
}

// Again is how long to wait after a call that told nobody, by what became of
// it; 0: it is not tried again.
type Again struct {
	Busy, NoAnswer, Unreachable, Rejected, HungUp time.Duration
}

// after is the pause after a call that ended so.
func (a Again) after(state NoticeState) time.Duration {
	switch state {
	case NoticeBusy:
		return a.Busy
	case NoticeNoAnswer:
		return a.NoAnswer
	case NoticeUnreachable:
		return a.Unreachable
	case NoticeRejected:
		return a.Rejected
	case NoticeHungUp:
		return a.HungUp
	}
	return 0
}

// NoticeKey is something a client can do with a key in a notice.
type NoticeKey string

// The keys; each stands for what the client of MenuDriver … hears it does.
const (
	KeyDriver      NoticeKey = "driver"
	KeyOperator    NoticeKey = "operator" // 0 is always the operator
	KeyComingOut   NoticeKey = NoticeKey(AnswerComingOut)
	KeyFiveMinutes NoticeKey = NoticeKey(AnswerFiveMinutes)
	KeyCancel      NoticeKey = NoticeKey(AnswerCancel)
	KeyKeepLooking NoticeKey = NoticeKey(AnswerKeepLooking)
	KeyOptOut      NoticeKey = "opt_out" // no more notices, of any order
)

// NoticeKeys is every key there is, with its digit and what is said for it.
var NoticeKeys = []struct {
	Key   NoticeKey
	Digit media.Digit
	Said  prompts.ID
}{
	{KeyDriver, '1', prompts.MenuDriver},
	{KeyKeepLooking, '1', prompts.MenuKeepLooking},
	{KeyOperator, '2', prompts.MenuOperator},
	{KeyComingOut, '3', prompts.MenuComingOut},
	{KeyFiveMinutes, '4', prompts.MenuFiveMinutes},
	{KeyCancel, '6', prompts.MenuCancel},
	{KeyOptOut, '8', prompts.MenuOptOut},
}

// Hours are a part of the day, in minutes from midnight; one that begins when it
// ends is the whole day, one that begins after it ends goes over midnight.
type Hours struct{ From, Till int }

// next is the first moment, not before t, that is within the hours of a zone.
func (h Hours) next(t time.Time, zone *time.Location) time.Time {
	local := t.In(zone)
	at := local.Hour()*60 + local.Minute()
	within := h.From == h.Till || h.From < h.Till && at >= h.From && at < h.Till || h.From > h.Till && (at >= h.From || at < h.Till)
	if within {
		return t
	}
	opens := time.Date(local.Year(), local.Month(), local.Day(), h.From/60, h.From%60, 0, 0, zone)
	if opens.Before(t) {
		opens = time.Date(local.Year(), local.Month(), local.Day()+1, h.From/60, h.From%60, 0, 0, zone)
	}
	return opens
}

func (r NoticeRule) offers(k NoticeKey) bool { return slices.Contains(r.Menu, k) }

// rule is how clients are told of a status.
func (p *NoticePolicy) rule(s Status) NoticeRule {
	rule := p.Statuses[s]
	if rule.Text == "" {
		rule.Text = string(s)
	}
	return rule
}

// zoneOf is the zone where a landline stands, when its area code lies in one. A
// mobile is where its owner is: with the firm's taxi, in the firm's zone.
func (p *NoticePolicy) zoneOf(phone Phone) *time.Location {
	number, fixed := landline(phone)
	if !fixed {
		return p.Zone
	}
	names, err := phonenumbers.GetTimezonesForNumber(number)
	if err != nil || len(names) != 1 {
		return p.Zone
	}
	zone, err := time.LoadLocation(names[0])
	if err != nil { // the library has "Etc/Unknown"
		return p.Zone
	}
	return zone
}

func landline(phone Phone) (number *phonenumbers.PhoneNumber, yes bool) {
	number, err := phonenumbers.Parse(phone.Dialable(), "")
	return number, err == nil && phonenumbers.GetNumberType(number) == phonenumbers.FIXED_LINE
}

// ringTime is how long a number is rung: a mobile is at hand, a landline is in
// the next room.
func (r NoticeRule) ringTime(phone Phone) time.Duration {
	if _, fixed := landline(phone); fixed {
		return r.RingLandline
	}
	return r.RingMobile
}
