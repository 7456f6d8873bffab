package console

import (
	"bufio"
	"context"
	"errors"
	"math"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"cabline/pbx"
)

// Metrics counts what happens, for /metrics. It is made before the
// switchboard, which is given its Store and LookedUp.
type Metrics struct {
	registry *prometheus.Registry
	calls    *prometheus.CounterVec
	talked   *prometheus.CounterVec
	packets  *prometheus.CounterVec
	unsaved  prometheus.Counter
	lookups  *prometheus.HistogramVec
	requests *prometheus.CounterVec
	masking  *prometheus.CounterVec
	mended   atomic.Int64
	refused  atomic.Int64
	notices  *prometheus.CounterVec
	rang     prometheus.Histogram
	recorded *prometheus.CounterVec
	missing  prometheus.Counter
	quality  quality
}

// NewMetrics is a set of counters at zero, with a registry of its own.
func NewMetrics() *Metrics {
	m := &Metrics{
		registry: prometheus.NewRegistry(),
		calls: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "cabline_calls_total",
			Help: "Calls that are over, by kind and the CDR's result."}, []string{"kind", "result"}),
		talked: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "cabline_talk_seconds_total",
			Help: "Time that people talked with each other, by kind of call."}, []string{"kind"}),
		packets: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "cabline_rtp_packets_total",
			Help: "RTP packets of calls that are over, by the party's role: received from it, sent to it, lost (gaps in what it sent), late (out of order), dropped (strangers', broken)."},
			[]string{"party", "what"}),
		unsaved: prometheus.NewCounter(prometheus.CounterOpts{Name: "cabline_cdrs_unsaved_total",
			Help: "Calls that could not be written down."}),
		lookups: prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "cabline_order_lookup_seconds",
			Help:    "Time the dispatch system took to say who calls; result is found, none or failed.",
			Buckets: []float64{.001, .005, .01, .025, .05, .1, .25, .5, .75, 1, 2}}, []string{"result"}),
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "cabline_http_requests_total",
			Help: "HTTP requests answered, by route and status."}, []string{"route", "code"}),
		masking: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "cabline_masking_alarms_total",
			Help: "Fields of SIP messages that would have shown a party a hidden number: mended (sent without the field) or refused. Always 0, or it is our fault."},
			[]string{"what"}),
	}
	for _, what := range []string{"mended", "refused"} {
		m.masking.WithLabelValues(what) // there to be seen at 0
	}
	m.quality = newQuality(m.registry)
	m.notices = prometheus.NewCounterVec(prometheus.CounterOpts{Name: "cabline_notices_total",
		Help: "Notices that are over, by the order's status and how they ended; machine is yes where a machine's greeting was heard."}, []string{"status", "outcome", "machine"})
	m.rang = prometheus.NewHistogram(prometheus.HistogramOpts{Name: "cabline_notice_ring_seconds",
		Help:    "Time from when a client was due to be called until the call was sent.",
		Buckets: []float64{.005, .01, .025, .05, .1, .2, .5, 1, 2, 5, 10, 30, 60, 300}})
	m.recorded = prometheus.NewCounterVec(prometheus.CounterOpts{Name: "cabline_recordings_total",
		Help: "Talks that were recorded: whole, cut (shorter than the talk) or failed (not there). The log says why."}, []string{"result"})
	m.missing = prometheus.NewCounter(prometheus.CounterOpts{Name: "cabline_recording_packets_missing_total",
		Help: "Packets that are missing in recordings: the disk was too slow, or they came too late. The calls had them."})
	for _, result := range []string{"whole", "cut", "failed"} {
		m.recorded.WithLabelValues(result)
	}
	m.registry.MustRegister(m.recorded, m.missing, m.notices, m.rang, m.calls, m.talked, m.packets, m.unsaved, m.lookups, m.requests, m.masking,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

// Store counts every call that is written down to next.
func (m *Metrics) Store(next pbx.Store) pbx.Store { return countedStore{next, m} }

type countedStore struct {
	pbx.Store
	metrics *Metrics
}

func (s countedStore) SaveCDR(ctx context.Context, cdr pbx.CDR) error {
	s.metrics.calls.WithLabelValues(string(cdr.Kind), cdr.Result).Inc()
	s.metrics.talked.WithLabelValues(string(cdr.Kind)).Add(cdr.Talked.Seconds())
	for _, leg := range cdr.Legs {
		packets := func(what string, n uint64) {
			s.metrics.packets.WithLabelValues(string(leg.Party), what).Add(float64(n))
		}
		packets("received", leg.Audio.Received)
		packets("sent", leg.Audio.Sent)
		packets("lost", leg.Audio.Lost)
		packets("late", leg.Audio.Late)
		packets("dropped", leg.Audio.Dropped)
		s.metrics.quality.observe(leg)
	}
	err := s.Store.SaveCDR(ctx, cdr)
	if err != nil {
		s.metrics.unsaved.Inc()
	}
	return err
}

// LookedUp counts an order look-up; it is the switchboard's field of that name.
func (m *Metrics) LookedUp(took time.Duration, err error) {
	result := "failed"
	switch {
	case err == nil:
		result = "found"
	case errors.Is(err, pbx.ErrNoOrder):
		result = "none"
	}
	m.lookups.WithLabelValues(result).Observe(took.Seconds())
}

// MaskingAlarm counts a field that the guard of SIP kept from a party.
func (m *Metrics) MaskingAlarm(sent bool) {
	what, count := "refused", &m.refused
	if sent {
		what, count = "mended", &m.mended
	}
	count.Add(1)
	m.masking.WithLabelValues(what).Inc()
}

// MaskingAlarms is how many there were.
func (m *Metrics) MaskingAlarms() (mended, refused int64) { return m.mended.Load(), m.refused.Load() }

// Recorded implements recordings.Watch.
func (m *Metrics) Recorded(length time.Duration, missing uint64, err error) {
	result := "whole"
	switch {
	case err != nil && length == 0:
		result = "failed"
	case err != nil:
		result = "cut"
	case length == 0: // over before a sound
		return
	}
	m.recorded.WithLabelValues(result).Inc()
	m.missing.Add(float64(missing))
}

// NoticeRang implements pbx.NoticeWatch.
func (m *Metrics) NoticeRang(_ pbx.NoticeRecord, after time.Duration) {
	m.rang.Observe(after.Seconds())
}

// NoticeEnded implements pbx.NoticeWatch. A dispatch system's own statuses are
// one: there is no end to them.
func (m *Metrics) NoticeEnded(r pbx.NoticeRecord) {
	status, machine := string(r.Status), "no"
	if !slices.Contains(pbx.Statuses, r.Status) {
		status = "other"
	}
	if r.Machine {
		machine = "yes"
	}
	m.notices.WithLabelValues(status, string(r.State), machine).Inc()
}

// watchNotices adds the numbers of notices that are not over.
func (m *Metrics) watchNotices(notices Notices) error {
	gauge := func(name, help string, value func(waiting, inHand int) int) error {
		return m.registry.Register(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, func() float64 {
			ctx, cancel := context.WithTimeout(context.Background(), time.Second)
			defer cancel()
			waiting, inHand, err := notices.CountNotices(ctx)
			if err != nil {
				return math.NaN()
			}
			return float64(value(waiting, inHand))
		}))
	}
	return errors.Join(
		gauge("cabline_notices_waiting", "Notices that wait for their time.", func(waiting, _ int) int { return waiting }),
		gauge("cabline_notices_in_hand", "Notices for which a call is being made.", func(_, inHand int) int { return inHand }))
}

// watch adds the numbers that are read when somebody asks.
func (m *Metrics) watch(c Config) error {
	gauge := func(name, help string, value func() int) error {
		return m.registry.Register(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, func() float64 { return float64(value()) }))
	}
	counter := func(name, help string, value func() uint64) error {
		return m.registry.Register(prometheus.NewCounterFunc(prometheus.CounterOpts{Name: name, Help: help}, func() float64 { return float64(value()) }))
	}
	errs := []error{
		gauge("cabline_calls_live", "Calls in progress.", func() int { return len(c.Calls.Live()) }),
		gauge("cabline_queue_waiting", "Clients in line for an operator.", func() int { return len(c.Desk.Waiting()) }),
		gauge("cabline_operators_online", "Operators with a phone or browser logged in.", func() (online int) {
			for _, o := range c.Desk.Operators() {
				if o.Online {
					online++
				}
			}
			return online
		}),
	}
	errs = append(errs, gauge("cabline_bans", "Sources and logins that are kept out for wrong passwords.", func() int {
		now, _ := c.Gate.Bans()
		return len(now)
	}), counter("cabline_bans_total", "Bans for wrong passwords since the start.", func() uint64 {
		_, begun := c.Gate.Bans()
		return begun
	}))
	if c.Dropped != nil {
		errs = append(errs, counter("cabline_sip_dropped_total", "SIP messages of strangers that were not answered: of scanners, of the banned, too many at once.", c.Dropped))
	}
	if c.Ports != nil {
		errs = append(errs, gauge("cabline_rtp_ports_taken", "Pairs of RTP ports that calls use.", func() int { taken, _ := c.Ports(); return taken }),
			gauge("cabline_rtp_ports_free", "Pairs of RTP ports of rtp.ports that are left; at 0 no call can be taken.", func() int { _, free := c.Ports(); return free }))
	}
	if c.Overflowed != nil {
		errs = append(errs, counter("cabline_rtp_overflowed_total", "Packets of audio that the kernel threw away because this program did not read them in time.", c.Overflowed))
	}
	if c.Faults != nil {
		errs = append(errs, counter("cabline_faults_total", "Faults of this program in SIP and audio that were caught (panics): each ended a message, a call or a recording. The log has their stacks.", c.Faults))
	}
	if c.Notices != nil {
		errs = append(errs, m.watchNotices(c.Notices))
	}
	if c.Registrations != nil {
		errs = append(errs, gauge("cabline_registrations", "Phones and browsers logged in over SIP.", c.Registrations))
	}
	if c.Trunks != nil {
		for name := range c.Trunks() { // they stay the same
			errs = append(errs, m.registry.Register(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "cabline_trunk_up",
				Help:        "1 while a trunk can be called over: registered, where it registers.",
				ConstLabels: prometheus.Labels{"trunk": name}}, func() float64 {
				if c.Trunks()[name] {
					return 1
				}
				return 0
			})))
		}
	}
	if c.Backlogs != nil {
		errs = append(errs, m.registry.Register(outboxMetrics(c.Backlogs)))
	}
	return errors.Join(errs...)
}

// metrics tells a firm's business, so it is for this machine, or for who has
// the token or a session.
func (c *Console) metrics(w http.ResponseWriter, r *http.Request) {
	if !local(r) {
		if no := c.mayUseREST(r); no != nil {
			no.write(w)
			return
		}
	}
	promhttp.HandlerFor(c.Metrics.registry, promhttp.HandlerOpts{}).ServeHTTP(w, r)
}

// local says whether a request comes from this machine and was not passed on
// by a proxy on it.
func local(r *http.Request) bool {
	address, err := netip.ParseAddrPort(r.RemoteAddr)
	return err == nil && address.Addr().Unmap().IsLoopback() && r.Header.Get("Forwarded") == "" && r.Header.Get("X-Forwarded-For") == ""
}

// counted counts requests by the route they took.
func (m *Metrics) counted(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		watched := &watchedWriter{ResponseWriter: w, status: http.StatusOK}
		defer func() { m.requests.WithLabelValues(r.Pattern, strconv.Itoa(watched.status)).Inc() }()
		next.ServeHTTP(watched, r)
	})
}

// watchedWriter remembers the status.
type watchedWriter struct {
	http.ResponseWriter
	status int
}

func (w *watchedWriter) WriteHeader(status int) {
	w.status = status
	w.ResponseWriter.WriteHeader(status)
}

// Unwrap is for http.ResponseController.
func (w *watchedWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// Hijack is for WebSocket libraries that look for it themselves.
func (w *watchedWriter) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	w.status = http.StatusSwitchingProtocols
	return http.NewResponseController(w.ResponseWriter).Hijack()
}
