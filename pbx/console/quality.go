package console

import (
	"github.com/prometheus/client_golang/prometheus"

	"cabline/pbx"
)

// quality is how the audio of legs was that are over, by trunk, in each
// direction: "in" what the party said, "out" what it heard by its own reports.
type quality struct {
	mos, loss, jitter *prometheus.HistogramVec
	roundTrip         *prometheus.HistogramVec
	unheard           *prometheus.CounterVec
}

func newQuality(to *prometheus.Registry) quality {
	histogram := func(name, help string, buckets []float64, labels ...string) *prometheus.HistogramVec {
		h := prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: name, Help: help, Buckets: buckets}, labels)
		to.MustRegister(h)
		return h
	}
	const by = ", of legs that are over, by trunk (empty: phones and browsers) and direction: in from the party, out to it by its reports."
	q := quality{
		mos: histogram("cabline_audio_mos", "Opinion of the sound by the E-model (ITU-T G.107), 1 to 4.4"+by,
			[]float64{1.5, 2, 2.5, 3, 3.3, 3.6, 3.8, 4, 4.2, 4.3, 4.5}, "trunk", "direction"),
		loss: histogram("cabline_audio_loss_ratio", "Share of RTP packets lost, or too late for a usual jitter buffer"+by,
			[]float64{0, .001, .0025, .005, .01, .02, .05, .1, .25}, "trunk", "direction"),
		jitter: histogram("cabline_audio_jitter_seconds", "Interarrival jitter (RFC 3550) on average"+by,
			[]float64{.0005, .001, .0025, .005, .01, .02, .04, .08, .16}, "trunk", "direction"),
		roundTrip: histogram("cabline_audio_round_trip_seconds", "Time to the party and back by RTCP, of legs that are over and told it, by trunk.",
			[]float64{.005, .01, .025, .05, .1, .15, .2, .3, .5, 1}, "trunk"),
		unheard: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "cabline_audio_unheard_total",
			Help: "Legs of which nothing was heard for ten seconds and longer without a hold: one-way audio, by trunk."}, []string{"trunk"}),
	}
	to.MustRegister(q.unheard)
	return q
}

// observe takes a leg that is over.
func (q quality) observe(l pbx.LegRecord) {
	a := l.Audio
	if a.Received > 0 {
		q.mos.WithLabelValues(l.Trunk, "in").Observe(a.MOS())
		q.loss.WithLabelValues(l.Trunk, "in").Observe(a.Loss())
		q.jitter.WithLabelValues(l.Trunk, "in").Observe(a.Jitter.Seconds())
	}
	if a.PeerExpected > 0 {
		q.mos.WithLabelValues(l.Trunk, "out").Observe(a.PeerMOS())
		q.loss.WithLabelValues(l.Trunk, "out").Observe(min(1, float64(a.PeerLost)/float64(a.PeerExpected)))
		q.jitter.WithLabelValues(l.Trunk, "out").Observe(a.PeerJitter.Seconds())
	}
	if a.RoundTrip > 0 {
		q.roundTrip.WithLabelValues(l.Trunk).Observe(a.RoundTrip.Seconds())
	}
	if l.Unheard() {
		q.unheard.WithLabelValues(l.Trunk).Inc()
	}
}
