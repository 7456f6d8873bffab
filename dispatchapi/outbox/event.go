package outbox

import (
	"encoding/json"
	"fmt"
	"time"

	"cabline/pbx"
)

// eventJSON is an event as it lies in the database and as a webhook carries it;
// keys are never renamed, only added. Numbers are E.164, what is unknown or
// never happened is left out.
type eventJSON struct {
	ID      string      `json:"id"`   // the same in every try: by it a receiver knows a repetition
	Kind    string      `json:"kind"` // call_started, call_answered, call_ended, recording_ready, notice, client_answer
	At      time.Time   `json:"at"`
	CallID  string      `json:"call_id"`
	OrderID string      `json:"order_id,omitempty"`
	Call    *callJSON   `json:"call,omitempty"`
	Notice  *noticeJSON `json:"notice,omitempty"`
	Answer  string      `json:"answer,omitempty"` // coming_out, five_minutes, cancel, keep_looking
	File    string      `json:"file,omitempty"`   // where the recording is fetched

	Recording *recordingJSON `json:"recording,omitempty"`
}

type recordingJSON struct {
	Number  int       `json:"number"`
	Path    string    `json:"path"` // of the file, below the folder of recordings
	Started time.Time `json:"started"`
	Length  float64   `json:"length_seconds"`
	Size    int64     `json:"size"`
	Left    string    `json:"left"`
	Right   string    `json:"right"`
}

type callJSON struct {
	Kind     string    `json:"kind"` // inbound, connect, forward, outgoing
	Line     string    `json:"line,omitempty"`
	From     string    `json:"from,omitempty"`
	To       string    `json:"to,omitempty"`
	Branch   string    `json:"branch,omitempty"`
	Started  time.Time `json:"started"`
	Answered time.Time `json:"answered,omitzero"`
	Ended    time.Time `json:"ended,omitzero"`
	Waited   float64   `json:"waited_seconds"`
	Talked   float64   `json:"talked_seconds"`
	State    string    `json:"state"`
	Result   string    `json:"result,omitempty"`
	Legs     []legJSON `json:"legs"`
}

type legJSON struct {
	Party    string    `json:"party"` // client, driver, operator, target
	Number   string    `json:"number,omitempty"`
	Operator string    `json:"operator,omitempty"`
	Started  time.Time `json:"started,omitzero"`
	Answered time.Time `json:"answered,omitzero"`
	Ended    time.Time `json:"ended,omitzero"`
	Cause    string    `json:"cause,omitempty"`
}

type noticeJSON struct {
	Status  string `json:"status"`
	Version int    `json:"version"`
	Phone   string `json:"phone"`
	Outcome string `json:"outcome"` // running, delivered, busy, no_answer, rejected, unreachable, hung_up, superseded, dropped, failed
	Tries   int    `json:"tries"`
	Machine bool   `json:"machine,omitempty"`
	Next    string `json:"next,omitempty"`
}

// Encode is an event as webhooks carry it: JSON in UTF-8.
func Encode(id string, e pbx.Event) ([]byte, error) {
	out := eventJSON{ID: id, Kind: string(e.Kind), At: e.At.UTC(), CallID: e.CallID, OrderID: e.OrderID, Answer: string(e.Answer)}
	if e.CDR != nil {
		out.Call = encodeCall(*e.CDR)
	}
	if r := e.Recording; r != nil {
		out.File = r.URL
		out.Recording = &recordingJSON{r.Number, r.File, r.Started.UTC(), seconds(r.Length), r.Size, string(r.Left), string(r.Right)}
	}
	if n := e.Notice; n != nil {
		out.Notice = &noticeJSON{string(n.Status), n.Version, n.Phone.Dialable(), n.Outcome, n.Tries, n.Machine, n.Next}
	}
	body, err := json.Marshal(out)
	if err != nil {
		return nil, fmt.Errorf("event %s: %w", id, err)
	}
	return body, nil
}

func encodeCall(cdr pbx.CDR) *callJSON {
	call := &callJSON{Kind: string(cdr.Kind), Line: cdr.Line.Dialable(), From: cdr.From.Dialable(), To: cdr.To.Dialable(), Branch: cdr.Branch,
		Started: cdr.Started.UTC(), Answered: cdr.Answered.UTC(), Ended: cdr.Ended.UTC(), Waited: seconds(cdr.Waited), Talked: seconds(cdr.Talked),
		State: string(cdr.State), Result: cdr.Result, Legs: []legJSON{}}
	for _, l := range cdr.Legs {
		call.Legs = append(call.Legs, legJSON{string(l.Party), l.Number.Dialable(), l.Operator, l.Started.UTC(), l.Answered.UTC(), l.Ended.UTC(), l.Cause})
	}
	return call
}

// decode is the inverse of Encode, but for what an event does not tell: steps,
// audio, SIP.
func decode(body []byte) (pbx.Event, error) {
	var in eventJSON
	if err := json.Unmarshal(body, &in); err != nil {
		return pbx.Event{}, err
	}
	e := pbx.Event{Kind: pbx.EventKind(in.Kind), CallID: in.CallID, OrderID: in.OrderID, At: in.At, Answer: pbx.ClientAnswer(in.Answer)}
	if c := in.Call; c != nil {
		e.CDR = &pbx.CDR{ID: in.CallID, Kind: pbx.Kind(c.Kind), Line: pbx.Phone(c.Line), From: pbx.Phone(c.From), To: pbx.Phone(c.To),
			OrderID: in.OrderID, Branch: c.Branch, Started: c.Started, Answered: c.Answered, Ended: c.Ended,
			Waited: duration(c.Waited), Talked: duration(c.Talked), State: pbx.State(c.State), Result: c.Result}
		for _, l := range c.Legs {
			e.CDR.Legs = append(e.CDR.Legs, pbx.LegRecord{Party: pbx.Role(l.Party), Number: pbx.Phone(l.Number), Operator: l.Operator,
				Started: l.Started, Answered: l.Answered, Ended: l.Ended, Cause: l.Cause})
		}
	}
	if r := in.Recording; r != nil {
		e.Recording = &pbx.Recording{CallID: in.CallID, Number: r.Number, File: r.Path, URL: in.File, Started: r.Started,
			Length: duration(r.Length), Size: r.Size, Left: pbx.Role(r.Left), Right: pbx.Role(r.Right)}
	}
	if n := in.Notice; n != nil {
		e.Notice = &pbx.NoticeReport{Status: pbx.Status(n.Status), Version: n.Version, Phone: pbx.Phone(n.Phone),
			Outcome: n.Outcome, Tries: n.Tries, Machine: n.Machine, Next: n.Next}
	}
	return e, nil
}

func seconds(d time.Duration) float64 { return d.Round(time.Millisecond).Seconds() }

func duration(seconds float64) time.Duration {
	return time.Duration(seconds * float64(time.Second)).Round(time.Millisecond)
}
