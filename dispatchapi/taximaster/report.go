package taximaster

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"cabline/dispatchapi/outbox"
	"cabline/pbx"
)

// source is our name among those who bring news.
const source = "taximaster"

// states of set_request_state, by the outcome of a notice.
var outcomes = map[string]int{
	"running":   1,
	"delivered": 2,
	"busy":      3,
	"no_answer": 4,
}

const requestFailed = 5

// Deliver implements outbox.Receiver. What Такси-Мастер has no word for it need
// not know, and what it refuses once it refuses always.
func (s *System) Deliver(ctx context.Context, _ string, e pbx.Event) error {
	err := s.report(ctx, e)
	var refused *Refusal
	if errors.As(err, &refused) {
		return fmt.Errorf("%w: %w", outbox.ErrRefused, err)
	}
	return err
}

func (s *System) report(ctx context.Context, e pbx.Event) error {
	switch {
	case e.Kind == pbx.EventNotice && e.Notice != nil:
		return s.reportNotice(ctx, e)
	case e.Kind == pbx.EventRecording && e.CDR != nil && e.Recording != nil:
		return s.linkRecord(ctx, e)
	case e.Kind == pbx.EventClientAnswer:
		if _, known := s.cfg.Answers[e.Answer]; known {
			return s.ClientAnswered(ctx, e.OrderID, e.Answer)
		}
	}
	return nil
}

func (s *System) reportNotice(ctx context.Context, e pbx.Event) error {
	request, err := s.cfg.DB.NewsRequest(ctx, source, e.OrderID, e.Notice.Status, e.Notice.Version)
	if errors.Is(err, sql.ErrNoRows) {
		return nil // not asked for by them
	}
	if err != nil {
		return err
	}
	state, known := outcomes[e.Notice.Outcome]
	if !known {
		state = requestFailed
	}
	_, err = s.tapi(ctx, http.MethodPost, "set_request_state", params{{"STATE_ID", strconv.Itoa(request)},
		{"PHONE_TYPE", "1"}, {"ORDER_ID", e.OrderID}, {"STATE", strconv.Itoa(state)}})
	return err
}

// linkRecord writes the place of a recording into the database of
// Такси-Мастер, in the firm's local time.
func (s *System) linkRecord(ctx context.Context, e pbx.Event) error {
	incoming, phone, result := "0", e.CDR.To, "success"
	if e.CDR.Kind == pbx.KindInbound || e.CDR.Kind == pbx.KindForward {
		incoming, phone, result = "1", e.CDR.From, "answered"
	}
	if handedOver(e.CDR) {
		result = "transfered"
	}
	file := []rune(s.cfg.Recordings + e.Recording.File)
	_, err := s.tapi(ctx, http.MethodPost, "create_record_link", params{
		{"RECORD_DATE", e.Recording.Started.In(s.cfg.Zone).Format("02012006150405")},
		{"RECORD_LENGTH", strconv.Itoa(int(e.Recording.Length.Round(time.Second) / time.Second))},
		{"CALL_ID", e.CallID}, {"PHONE", s.write(phone)},
		{"FILE_PATH", string(file[:min(len(file), 255)])}, {"CALL_TYPE", incoming}, {"CALL_RESULT", result}})
	return err
}

// handedOver says whether the client of a call went from one person of the firm
// to another.
func handedOver(cdr *pbx.CDR) bool {
	people := 0
	for _, l := range cdr.Legs {
		if !l.Answered.IsZero() && (l.Party == pbx.RoleOperator || l.Party == pbx.RoleTarget) {
			people++
		}
	}
	return people > 1 && cdr.Kind == pbx.KindInbound
}
