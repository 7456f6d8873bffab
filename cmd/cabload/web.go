package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// web is the exchange's web side: its order book and what it says of itself.
type web struct {
	URL   string // http://host:port
	Token string
}

// addr is where its WebSocket is.
func (w web) addr() (netip.AddrPort, error) {
	u, err := url.Parse(w.URL)
	if err != nil {
		return netip.AddrPort{}, err
	}
	return netip.ParseAddrPort(u.Host)
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
	Ports      int `json:"ports"` // pairs of RTP ports in use
	Free       int `json:"free"`  // and of those that are left
}

// holdings reads /metrics.
func (w web) holdings(ctx context.Context) (h holdings, err error) {
	found, err := w.figures(ctx, "process_resident_memory_bytes", "go_goroutines", "process_open_fds", "cabline_rtp_ports_taken", "cabline_rtp_ports_free")
	if err != nil {
		return h, err
	}
	return holdings{RSS: int(found[0]) / 1024, Goroutines: int(found[1]), FDs: int(found[2]), Ports: int(found[3]), Free: int(found[4])}, nil
}

// refusals are the bans there have been, and the messages that were dropped.
func (w web) refusals(ctx context.Context) (bans, dropped int, err error) {
	found, err := w.figures(ctx, "cabline_bans_total", "cabline_sip_dropped_total")
	if err != nil {
		return 0, 0, err
	}
	return int(found[0]), int(found[1]), nil
}

// figures reads some of /metrics, which is in Prometheus' text format.
func (w web) figures(ctx context.Context, names ...string) ([]float64, error) {
	page, err := w.ask(ctx, http.MethodGet, "/metrics", nil)
	if err != nil {
		return nil, fmt.Errorf("read metrics: %w", err)
	}
	found := map[string]float64{}
	for lines := bufio.NewScanner(bytes.NewReader(page)); lines.Scan(); {
		name, value, _ := strings.Cut(lines.Text(), " ")
		if n, err := strconv.ParseFloat(value, 64); err == nil {
			found[name] = n
		}
	}
	var values []float64
	for _, name := range names {
		n, ok := found[name]
		if !ok {
			return nil, fmt.Errorf("read metrics: no %s", name)
		}
		values = append(values, n)
	}
	return values, nil
}
