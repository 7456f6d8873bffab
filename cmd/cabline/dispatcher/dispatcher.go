// Package dispatcher plays the dispatch systems that the demo can be run with:
// each keeps its orders in the demo's order book and speaks its documented wire
// from the other side, so that between it and the exchange run real requests.
// It shares no code with the adapters it talks to. It logs what the exchange
// answers when that is no success.
package dispatcher

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/rs/zerolog"

	"cabline/pbx"
)

// Book is where the orders are; *orderbook.Book is one.
type Book interface {
	pbx.Dispatch
	// Find is orders, the newest first.
	Find(ctx context.Context, phone string, activeOnly bool, limit int) ([]pbx.Order, error)
	Update(ctx context.Context, id string, change func(*pbx.Order) error) (*pbx.Order, error)
}

// System is a dispatch system that is played.
type System interface {
	http.Handler // what the exchange asks it
	// Tell tells the exchange that an order has a new status.
	Tell(ctx context.Context, order pbx.Order) error
}

// lookEvery is how often the book is looked at for news.
const lookEvery = 200 * time.Millisecond

// Watch tells the exchange of every order whose status changes, until ctx ends.
func Watch(ctx context.Context, book Book, system System) {
	known := map[string]pbx.Status{}
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for {
		orders, err := book.Find(ctx, "", false, 100)
		if err != nil && ctx.Err() == nil {
			zerolog.Ctx(ctx).Error().Err(err).Msg("dispatcher: order book")
		}
		for _, order := range orders {
			if known[order.ID] == order.Status {
				continue
			}
			known[order.ID] = order.Status
			if err := system.Tell(ctx, order); err != nil && ctx.Err() == nil {
				zerolog.Ctx(ctx).Warn().Err(err).Str("order", order.ID).Msg("dispatcher: news of an order")
			}
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

// send sends the exchange a request and takes nothing but success for an answer.
func send(ctx context.Context, method, address string, header http.Header, body []byte) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, address, bytes.NewReader(body))
	if err != nil {
		return err
	}
	for name, values := range header {
		req.Header[http.CanonicalHeaderKey(name)] = values
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(res.Body, 64<<10))
	if err != nil {
		return err
	}
	if res.StatusCode/100 != 2 {
		return fmt.Errorf("the exchange answered %d: %s", res.StatusCode, answer)
	}
	return nil
}

// national is a number as people write it in Russia.
func national(p pbx.Phone) string {
	if digits, russian := strings.CutPrefix(p.Dialable(), "+7"); russian {
		return "8" + digits
	}
	return strings.TrimPrefix(p.Dialable(), "+")
}

// form is the parameters of a request, of the address or of its body.
func form(r *http.Request) (sent string, values url.Values, err error) {
	sent = r.URL.RawQuery
	if r.Method == http.MethodPost {
		body, err := io.ReadAll(io.LimitReader(r.Body, 64<<10))
		if err != nil {
			return "", nil, err
		}
		sent = string(body)
	}
	values, err = url.ParseQuery(sent)
	return sent, values, err
}
