package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// maxRecords is how many failed calls of each end are looked up.
const maxRecords = 5

// lostCall is one that failed, and what the exchange says of it.
type lostCall struct {
	CallID string    `json:"call_id"`
	Why    string    `json:"why"`
	At     time.Time `json:"at"`
	Record *record   `json:"record,omitempty"`
	Unread string    `json:"unread,omitempty"` // why there is none
}

// record is a call as the exchange's REST tells it.
type record struct {
	ID     string `json:"id"`
	Kind   string `json:"kind"`
	State  string `json:"state"`
	Result string `json:"result"`
	Steps  []struct {
		At   time.Time `json:"at"`
		What string    `json:"what"`
	} `json:"steps"`
	Legs []recordLeg `json:"legs"`
}

type recordLeg struct {
	ID      string     `json:"id"` // the Call-ID
	Party   string     `json:"party"`
	Started *time.Time `json:"started"`
	Ended   *time.Time `json:"ended"`
	Cause   string     `json:"cause"`
	Code    int        `json:"code"`
}

// recall asks the exchange for the calls that failed.
func (w web) recall(ctx context.Context, lost []lostCall) {
	for i := range lost {
		found, err := w.record(ctx, lost[i].CallID, lost[i].At)
		if lost[i].Record = found; err != nil {
			lost[i].Unread = err.Error()
		}
	}
}

var errNoRecord = errors.New("the exchange has no record of it")

// record finds a call by one leg's Call-ID: among the calls in progress, or those
// that ended at about the time it failed here, or later.
func (w web) record(ctx context.Context, callID string, at time.Time) (*record, error) {
	path := "/api/v1/calls"
	for range 20 { // pages of what may be hundreds of calls a second
		page, err := w.ask(ctx, http.MethodGet, path, nil)
		if err != nil {
			return nil, fmt.Errorf("read records: %w", err)
		}
		var got struct {
			Calls []record `json:"calls"`
			CDRs  []record `json:"cdrs"`
			Next  string   `json:"next"`
		}
		if err := json.Unmarshal(page, &got); err != nil {
			return nil, fmt.Errorf("read records: %w", err)
		}
		for _, r := range slices.Concat(got.Calls, got.CDRs) {
			if slices.ContainsFunc(r.Legs, func(l recordLeg) bool { return l.ID == callID }) {
				return &r, nil
			}
		}
		if len(got.CDRs) == 0 && path != "/api/v1/calls" {
			break
		}
		path = "/api/v1/cdrs?" + url.Values{"since": {at.Add(-patience).Format(time.RFC3339Nano)}, "after": {got.Next}, "limit": {"200"}}.Encode()
	}
	return nil, errNoRecord
}

const clockTime = "15:04:05.000"

// String is for people, in lines.
func (l lostCall) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "failed at %s: %s, Call-ID %s", l.At.Format(clockTime), l.Why, l.CallID)
	r := l.Record
	if r == nil {
		fmt.Fprintf(&b, "; %s\n", l.Unread)
		return b.String()
	}
	fmt.Fprintf(&b, "\n  %s %s, %s: %q\n", r.Kind, r.ID, r.State, r.Result)
	for _, s := range r.Steps {
		fmt.Fprintf(&b, "  %s %s\n", s.At.Format(clockTime), s.What)
	}
	moment := func(t *time.Time) string {
		if t == nil {
			return "-"
		}
		return t.Format(clockTime)
	}
	for _, leg := range r.Legs {
		fmt.Fprintf(&b, "  %s %s to %s: %d, %s; Call-ID %s\n", leg.Party, moment(leg.Started), moment(leg.Ended), leg.Code, leg.Cause, leg.ID)
	}
	return b.String()
}
