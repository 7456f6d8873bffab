package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"time"
)

// CDR is a call as /api/v1 tells of it.
type CDR struct {
	ID       string     `json:"id"`
	Kind     string     `json:"kind"`
	Line     string     `json:"line"`
	From     string     `json:"from"`
	To       string     `json:"to"`
	OrderID  string     `json:"order_id"`
	Branch   string     `json:"branch"`
	Started  *time.Time `json:"started"`
	Answered *time.Time `json:"answered"`
	Ended    *time.Time `json:"ended"`
	Waited   float64    `json:"waited_seconds"`
	Talked   float64    `json:"talked_seconds"`
	Result   string     `json:"result"`
	Steps    []struct {
		At   time.Time `json:"at"`
		What string    `json:"what"`
	} `json:"steps"`
	Legs []Leg `json:"legs"`
}

// Leg is a party's part of a CDR.
type Leg struct {
	Party    string     `json:"party"`
	Number   string     `json:"number"`
	Operator string     `json:"operator"`
	Trunk    string     `json:"trunk"`
	Answered *time.Time `json:"answered"`
	Ended    *time.Time `json:"ended"`
	Cause    string     `json:"cause"`
	Code     int        `json:"code"`
	Audio    struct {
		Received, Sent, Lost, Dropped uint64
		MOS                           *float64
		PeerLost                      uint64   `json:"peer_lost"`
		PeerMOS                       *float64 `json:"peer_mos"`
		Unheard                       bool
	} `json:"audio"`
}

// Words are the steps without their times.
func (c CDR) Words() (words []string) {
	for _, s := range c.Steps {
		words = append(words, s.What)
	}
	return words
}

// Do asks the dispatch API. body and answer may be nil. A status other than
// want is an error that tells what came.
func (x *Exchange) Do(ctx context.Context, want int, method, path string, body, answer any) error {
	var send io.Reader
	if body != nil {
		b, err := json.Marshal(body)
		if err != nil {
			return err
		}
		send = bytes.NewReader(b)
	}
	req, err := http.NewRequestWithContext(ctx, method, x.Web+path, send)
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer "+x.Token)
	req.Header.Set("Content-Type", "application/json")
	resp, err := x.http.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	came, err := io.ReadAll(io.LimitReader(resp.Body, 10<<20))
	if err != nil {
		return err
	}
	if resp.StatusCode != want {
		return fmt.Errorf("%s %s: %s, want %d: %.500s", method, path, resp.Status, want, came)
	}
	if answer == nil {
		return nil
	}
	if err := json.Unmarshal(came, answer); err != nil {
		return fmt.Errorf("%s %s: %w in %.500s", method, path, err, came)
	}
	return nil
}

// Fields of an order or another object, by their names in JSON.
type Fields map[string]any

// Order puts an order into the book and returns its id.
func (x *Exchange) Order(ctx context.Context, order Fields) (id string, err error) {
	var made struct{ ID string }
	err = x.Do(ctx, http.StatusCreated, http.MethodPost, "/api/v1/orders", order, &made)
	return made.ID, err
}

// Change changes some fields of an order.
func (x *Exchange) Change(ctx context.Context, id string, fields Fields) error {
	return x.Do(ctx, http.StatusOK, http.MethodPatch, "/api/v1/orders/"+url.PathEscape(id), fields, nil)
}

// Connect asks for two parties to be joined and returns the request's id.
func (x *Exchange) Connect(ctx context.Context, what Fields) (id string, err error) {
	var made struct{ ID string }
	err = x.Do(ctx, http.StatusAccepted, http.MethodPost, "/api/v1/connect", what, &made)
	return made.ID, err
}

// ConnectState is how far such a request has come.
func (x *Exchange) ConnectState(ctx context.Context, id string) (state, result string, err error) {
	var got struct{ State, Result string }
	err = x.Do(ctx, http.StatusOK, http.MethodGet, "/api/v1/connect/"+url.PathEscape(id), nil, &got)
	return got.State, got.Result, err
}

// Live are the calls going on.
func (x *Exchange) Live(ctx context.Context) ([]CDR, error) {
	var got struct{ Calls []CDR }
	err := x.Do(ctx, http.StatusOK, http.MethodGet, "/api/v1/calls", nil, &got)
	return got.Calls, err
}

// CDRs are the calls that are over, oldest first.
func (x *Exchange) CDRs(ctx context.Context) ([]CDR, error) {
	var got struct{ CDRs []CDR }
	err := x.Do(ctx, http.StatusOK, http.MethodGet, "/api/v1/cdrs?limit=1000", nil, &got)
	return got.CDRs, err
}

// WaitCDR waits for the record of a call from that number to be written. There
// must be one such call.
func (x *Exchange) WaitCDR(ctx context.Context, from string) (CDR, error) {
	for {
		all, err := x.CDRs(ctx)
		if err != nil {
			return CDR{}, err
		}
		all = slices.DeleteFunc(all, func(c CDR) bool { return c.From != from })
		if len(all) > 1 {
			return all[0], fmt.Errorf("%d CDRs of calls from %s", len(all), from)
		}
		if len(all) == 1 {
			return all[0], nil
		}
		select {
		case <-time.After(20 * time.Millisecond):
		case <-ctx.Done():
			return CDR{}, fmt.Errorf("no CDR of a call from %s: %w", from, context.Cause(ctx))
		}
	}
}
