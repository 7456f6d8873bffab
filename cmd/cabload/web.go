package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// web is the exchange's web side: its order book and what it says of itself.
type web struct {
	URL   string // http://host:port
	Token string
}

var webClient = &http.Client{Timeout: 5 * time.Second}

const maxPage = 1 << 20 // octets

func (w web) ask(ctx context.Context, method, path string, body []byte) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, method, w.URL+path, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Authorization", "Bearer "+w.Token)
	req.Header.Set("Content-Type", "application/json")
	resp, err := webClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	page, err := io.ReadAll(io.LimitReader(resp.Body, maxPage))
	if err == nil && resp.StatusCode/100 != 2 {
		err = fmt.Errorf("%s %s: %s: %.200s", method, path, resp.Status, page)
	}
	return page, err
}

// order writes an order with a car on its way, so that its client is offered
// the menu.
func (w web) order(ctx context.Context, phone, driver string) error {
	body, err := json.Marshal(map[string]any{
		"phone": phone, "status": "accepted", "driver_phone": driver, "eta_minutes": 7,
		"car": map[string]string{"color": "белый", "mark": "Лада", "model": "Веста", "plate": "А123ВС77"},
	})
	if err != nil {
		return err
	}
	if _, err := w.ask(ctx, http.MethodPost, "/api/v1/orders", body); err != nil {
		return fmt.Errorf("write order: %w", err)
	}
	return nil
}

// holdings is what the exchange holds.
type holdings struct {
	RSS        int `json:"rss_kb"`
	Goroutines int `json:"goroutines"`
	FDs        int `json:"descriptors"`
}

// holdings reads /metrics, in Prometheus' text format.
func (w web) holdings(ctx context.Context) (h holdings, err error) {
	page, err := w.ask(ctx, http.MethodGet, "/metrics", nil)
	if err != nil {
		return h, fmt.Errorf("read metrics: %w", err)
	}
	found := 0
	for lines := bufio.NewScanner(bytes.NewReader(page)); lines.Scan(); {
		name, value, _ := strings.Cut(lines.Text(), " ")
		n, err := strconv.ParseFloat(value, 64)
		if err != nil {
			continue
		}
		found++
		switch name {
		case "process_resident_memory_bytes":
			h.RSS = int(n) / 1024
		case "go_goroutines":
			h.Goroutines = int(n)
		case "process_open_fds":
			h.FDs = int(n)
		default:
			found--
		}
	}
	if found != 3 {
		return h, fmt.Errorf("read metrics: %d of 3 figures found", found)
	}
	return h, nil
}
