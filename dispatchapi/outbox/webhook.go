package outbox

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"cabline/dispatchapi/courier"
	"cabline/pbx"
)

// Webhook posts events to a URL as signed JSON, by the specification at
// https://www.standardwebhooks.com: the receiver checks webhook-signature over
// webhook-id, webhook-timestamp and the body, and knows a repetition by the id.
type Webhook struct {
	URL     string
	Secret  string          // as text, or whsec_ and base64
	Kinds   []pbx.EventKind // empty: all
	Courier *courier.Courier
}

// Deliver implements Receiver.
func (w *Webhook) Deliver(ctx context.Context, id string, e pbx.Event) error {
	if len(w.Kinds) > 0 && !slices.Contains(w.Kinds, e.Kind) {
		return nil
	}
	body, err := Encode(id, e)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrRefused, err)
	}
	header := Signed(w.Secret, id, time.Now(), body)
	header.Set("Content-Type", "application/json; charset=utf-8")
	answer, err := w.Courier.Do(ctx, courier.Request{Method: http.MethodPost, URL: w.URL, Header: header, Body: body})
	return Judge(answer, err)
}

// Judge is what a try has come to: answers that say the event itself is wrong
// would be the same tomorrow.
func Judge(answer courier.Answer, err error) error {
	if !errors.Is(err, courier.ErrStatus) {
		return err
	}
	switch answer.Status {
	case http.StatusBadRequest, http.StatusRequestEntityTooLarge, http.StatusUnsupportedMediaType, http.StatusUnprocessableEntity:
		return fmt.Errorf("%w: %w", ErrRefused, err)
	}
	return err
}

// Signed is the headers of a signed webhook.
func Signed(secret, id string, at time.Time, body []byte) http.Header {
	timestamp := strconv.FormatInt(at.Unix(), 10)
	h := http.Header{}
	h.Set("webhook-id", id)
	h.Set("webhook-timestamp", timestamp)
	h.Set("webhook-signature", "v1,"+sign(secret, id, timestamp, body))
	return h
}

// Tolerance is how far the clocks of two systems may be apart.
const Tolerance = 5 * time.Minute

// ErrSignature is returned for a webhook that was not signed with our secret, or
// not just now.
var ErrSignature = errors.New("the signature is wrong, too old, or missing")

// Verify checks the headers of a webhook signed as ours are.
func Verify(secret string, h http.Header, now time.Time, body []byte) error {
	id, timestamp := h.Get("webhook-id"), h.Get("webhook-timestamp")
	unix, err := strconv.ParseInt(timestamp, 10, 64)
	if err != nil || now.Sub(time.Unix(unix, 0)).Abs() > Tolerance || secret == "" {
		return ErrSignature
	}
	want := sign(secret, id, timestamp, body)
	for signature := range strings.FieldsSeq(h.Get("webhook-signature")) { // several while a secret is changed
		if got, ours := strings.CutPrefix(signature, "v1,"); ours && hmac.Equal([]byte(got), []byte(want)) {
			return nil
		}
	}
	return ErrSignature
}

func sign(secret, id, timestamp string, body []byte) string {
	key := []byte(secret)
	if encoded, ok := strings.CutPrefix(secret, "whsec_"); ok {
		if decoded, err := base64.StdEncoding.DecodeString(encoded); err == nil {
			key = decoded
		}
	}
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(id + "." + timestamp + "."))
	mac.Write(body)
	return base64.StdEncoding.EncodeToString(mac.Sum(nil))
}
