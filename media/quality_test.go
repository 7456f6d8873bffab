package media

import (
	"math"
	"testing"
	"time"
)

func TestTheEModelGivesThePublishedValues(t *testing.T) {
	for _, tt := range []struct {
		name      string
		got, want float64
		within    float64
	}{
		{"G.107 annex B: R 93.2 is a MOS of 4.41", opinion(93.2), 4.41, 0.005},
		{"G.107 table B.1: R 90 is 4.34", opinion(90), 4.34, 0.005},
		{"G.107 table B.1: R 80 is 4.03", opinion(80), 4.03, 0.007},
		{"G.107 table B.1: R 70 is 3.60", opinion(70), 3.60, 0.005},
		{"G.107 table B.1: R 60 is 3.10", opinion(60), 3.10, 0.005},
		{"G.107 table B.1: R 50 is 2.58", opinion(50), 2.58, 0.006},
		{"R below 0 is 1", opinion(-5), 1, 0},
		{"R 3, where the formula dips, is 1", opinion(3), 1, 0},
		{"R above 100 is 4.5", opinion(120), 4.5, 0},

		{"no loss does no harm", concealed.lossImpairment(0), 0, 0},
		{"G.113 appendix I, concealed: 1 % lost is 5", concealed.lossImpairment(0.01), 5, 1.5},
		{"G.113 appendix I, concealed: 2 % lost is 7", concealed.lossImpairment(0.02), 7, 0.5},
		{"G.113 appendix I, concealed: 3 % lost is 10", concealed.lossImpairment(0.03), 10, 0.5},
		{"G.113 appendix I, concealed: 5 % lost is 15", concealed.lossImpairment(0.05), 15, 1},
		{"G.113 appendix I, concealed: 7 % lost is 20", concealed.lossImpairment(0.07), 20, 1},
		{"G.113 appendix I, concealed: 10 % lost is 25", concealed.lossImpairment(0.10), 25, 2.5},
		{"G.113 appendix I, concealed: 15 % lost is 35", concealed.lossImpairment(0.15), 35, 1},
		{"G.113 appendix I, concealed: 20 % lost is 45", concealed.lossImpairment(0.20), 45, 3},
		{"G.113 appendix I, not concealed: 2 % lost is 35", coding{0, 4.3}.lossImpairment(0.02), 35, 5},
		{"G.113 appendix I, not concealed: 5 % lost is 55", coding{0, 4.3}.lossImpairment(0.05), 55, 4},

		{"no delay does no harm", delayImpairment(0), 0, 0},
		{"100 ms does no harm", delayImpairment(100 * time.Millisecond), 0, 0},
		{"G.114: 150 ms is hardly noticed", delayImpairment(150 * time.Millisecond), 0, 0.2},
		{"G.114: at 400 ms the bound of traditional quality, R 70, is reached", unimpaired - delayImpairment(400*time.Millisecond), 70, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if math.Abs(tt.got-tt.want) > tt.within || math.IsNaN(tt.got) {
				t.Errorf("%.3f", tt.got)
			}
		})
	}
}

func TestHowACallIsRated(t *testing.T) {
	const ms = time.Millisecond
	for _, tt := range []struct {
		name        string
		stats       Stats
		heard, ours float64
	}{
		{"nothing heard and nothing reported: no rating", Stats{Sent: 100}, 0, 0},
		{"all well", Stats{Received: 1000, PeerExpected: 1000, Jitter: 2 * ms, PeerJitter: ms, RoundTrip: 40 * ms}, 4.41, 4.41},
		{"the party loses 2 % of us", Stats{Received: 1000, PeerExpected: 1000, PeerLost: 20}, 4.41, 4.24},
		{"we lose 5 % of the party", Stats{Received: 950, Lost: 50, PeerExpected: 1000}, 3.92, 4.41},
		{"a satellite", Stats{Received: 1000, PeerExpected: 1000, RoundTrip: 600 * ms}, 3.71, 3.71},
		{"much jitter on a long way is delay", Stats{Received: 1000, PeerExpected: 1000, RoundTrip: 200 * ms, Jitter: 60 * ms}, 4.23, 4.41},
		{"… and, beyond what a buffer holds, loss", Stats{Received: 1000, TooLate: 400, RoundTrip: 200 * ms, Jitter: 200 * ms}, 1.50, 0},
		{"Opus at its best", Stats{Codec: "opus", Received: 1000, PeerExpected: 1000}, 4.36, 4.36},
		{"Opus that loses 2 %", Stats{Codec: "opus", Received: 980, Lost: 20, PeerExpected: 1000, PeerLost: 20}, 4.08, 4.08},
		{"Opus that loses 5 %", Stats{Codec: "opus", Received: 950, Lost: 50, PeerExpected: 1000, PeerLost: 50}, 3.54, 3.54},
		{"G.722, rated as G.711", Stats{Codec: "G722", Received: 950, Lost: 50, PeerExpected: 1000}, 3.92, 4.41},
		{"all is lost but one", Stats{Received: 1, Lost: 999, PeerExpected: 10, PeerLost: 10}, 1.18, 1.18},
		{"a party that reports more lost than was said", Stats{Received: 1, PeerExpected: 10, PeerLost: 1 << 30}, 4.41, 1.18},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if heard, ours := tt.stats.MOS(), tt.stats.PeerMOS(); math.Abs(heard-tt.heard) > 0.03 || math.Abs(ours-tt.ours) > 0.03 {
				t.Errorf("heard %.2f, ours %.2f", heard, ours)
			}
		})
	}
}
