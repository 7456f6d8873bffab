package console

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"cabline/pbx"
)

// outboxMetrics are the numbers of the outbox, read when somebody asks.
type outboxMetrics func(ctx context.Context) ([]pbx.Backlog, error)

var (
	outboxWaiting = prometheus.NewDesc("cabline_outbox_waiting",
		"Events that a dispatch system is still to be told.", []string{"receiver"}, nil)
	outboxOldest = prometheus.NewDesc("cabline_outbox_oldest_seconds",
		"Age of the event that waits longest; 0: none waits.", []string{"receiver"}, nil)
	outboxTries = prometheus.NewDesc("cabline_outbox_events_total",
		"Events by what became of them: delivered, given_up after a day or a refusal; failed counts tries.", []string{"receiver", "what"}, nil)
)

// Describe implements prometheus.Collector.
func (outboxMetrics) Describe(to chan<- *prometheus.Desc) {
	to <- outboxWaiting
	to <- outboxOldest
	to <- outboxTries
}

// Collect implements prometheus.Collector.
func (backlogs outboxMetrics) Collect(to chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second) // a collector is given no context
	defer cancel()
	all, err := backlogs(ctx)
	if err != nil {
		to <- prometheus.NewInvalidMetric(outboxWaiting, err)
		return
	}
	for _, b := range all {
		age := 0.0
		if !b.Oldest.IsZero() {
			age = time.Since(b.Oldest).Seconds()
		}
		to <- prometheus.MustNewConstMetric(outboxWaiting, prometheus.GaugeValue, float64(b.Waiting), b.Receiver)
		to <- prometheus.MustNewConstMetric(outboxOldest, prometheus.GaugeValue, age, b.Receiver)
		for what, n := range map[string]uint64{"delivered": b.Delivered, "failed": b.Failed, "given_up": b.GivenUp} {
			to <- prometheus.MustNewConstMetric(outboxTries, prometheus.CounterValue, float64(n), b.Receiver, what)
		}
	}
}
