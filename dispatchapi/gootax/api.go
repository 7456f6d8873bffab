package gootax

import (
	"cmp"
	"context"
	"crypto/md5" // of which Gootax's signatures are made
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/tidwall/gjson"

	"cabline/dispatchapi/courier"
	"cabline/pbx"
)

// API is Gootax's API for clients' apps, which knows how an order stands. It is
// known from two programs that use it, which differ, and not from the vendor.
type API struct {
	URL        string // https://ca2.gootax.pro:8089
	Tenant     string
	App        string
	TypeClient string
	Lang       string
	Key        string
	Courier    *courier.Courier
}

// order is an order with what Gootax says of it now.
func (a *API) order(ctx context.Context, order pbx.Order, status func(string) (pbx.Status, bool)) (pbx.Order, error) {
	result, err := a.ask(ctx, http.MethodGet, "get_order_info", order.ID)
	if err != nil {
		return order, err
	}
	info := result.Get("order_info")
	if !info.IsObject() {
		return order, fmt.Errorf("get_order_info: %w: no order_info", courier.ErrGarbage)
	}
	found := false
	for _, name := range []string{"status_id", "status_group", "status_name"} {
		if ours, known := status(courier.Text(info.Get(name))); known {
			order.Status, found = ours, true
			break
		}
	}
	if !found {
		return order, fmt.Errorf("get_order_info: status %q, group %q, name %q: none that we know", clipped(courier.Text(info.Get("status_id"))),
			clipped(courier.Text(info.Get("status_group"))), clipped(courier.Text(info.Get("status_name"))))
	}
	if eta := minutes(courier.Text(info.Get("car_data.time"))); eta != nil {
		order.ETA = eta
	}
	order.Updated = time.Now()
	return order, nil
}

// reject cancels an order for its client.
func (a *API) reject(ctx context.Context, id string) error {
	_, err := a.ask(ctx, http.MethodPost, "reject_order", id)
	return err
}

// errRefused is an answer that says no.
var errRefused = errors.New("gootax refused")

func (a *API) ask(ctx context.Context, method, name, id string) (gjson.Result, error) {
	params := url.Values{"order_id": {id}, "current_time": {strconv.FormatInt(time.Now().UnixMilli(), 10)}}.Encode()
	req := courier.Request{Method: method, URL: strings.TrimSuffix(a.URL, "/") + "/" + name, Header: http.Header{
		"Typeclient": {cmp.Or(a.TypeClient, "web")}, "Lang": {cmp.Or(a.Lang, "ru")}, "Tenantid": {a.Tenant}, "Appid": {a.App},
		"Signature": {signature(params, a.Key)},
	}}
	if method == http.MethodGet {
		req.URL += "?" + params
	} else {
		req.Body = []byte(params)
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	answer, err := a.Courier.Do(ctx, req)
	if err != nil {
		return gjson.Result{}, fmt.Errorf("%s: %w", name, err)
	}
	object, err := courier.Object(answer.Body)
	if err != nil {
		return gjson.Result{}, fmt.Errorf("%s: %w", name, err)
	}
	if code := object.Get("code"); code.Exists() && code.Int() != 0 || !object.Get("result").Exists() {
		return gjson.Result{}, fmt.Errorf("%s: %w: %s", name, errRefused, courier.Excerpt(answer.Body))
	}
	return object.Get("result"), nil
}

// signature is MD5 of the parameters as they are sent, followed by the key.
func signature(params, key string) string {
	sum := md5.Sum([]byte(params + key))
	return hex.EncodeToString(sum[:])
}
