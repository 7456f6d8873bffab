package config

import (
	"time"

	"cabline/pbx"
)

// Masking is who may learn whose number, and for how long client and driver
// reach each other through the firm's.
type Masking struct {
	OperatorsSeeNumbers bool          `yaml:"operators_see_numbers"`
	Windows             []Window      `yaml:"windows"`
	OtherWindows        time.Duration `yaml:"other_windows"`
	LostItem            time.Duration `yaml:"lost_item"`
}

// Window is how long a missed call is returned by calling the firm.
type Window struct {
	Status string        `yaml:"status"`
	Open   time.Duration `yaml:"open"`
}

func defaultMasking() Masking {
	m := Masking{OperatorsSeeNumbers: true, OtherWindows: 3 * time.Hour, LostItem: 24 * time.Hour}
	m.Windows = append(m.Windows, Window{string(pbx.StatusCompleted), 24 * time.Hour})
	for _, over := range []pbx.Status{pbx.StatusRefused, pbx.StatusCancelledByDriver, pbx.StatusOverdue, pbx.StatusMistake} {
		m.Windows = append(m.Windows, Window{string(over), 15 * time.Minute})
	}
	return m
}

// longestWindow keeps numbers from being joined for ever.
const longestWindow = 30 * 24 * time.Hour

func (r *reader) masking(m *Masking) {
	open := func(name string, d *time.Duration) {
		if *d < 0 || *d > longestWindow {
			r.problem(r.at[d], "%s: %v is outside 0s to %v", name, *d, longestWindow)
		}
	}
	open("masking.other_windows", &m.OtherWindows)
	open("masking.lost_item", &m.LostItem)
	for i := range m.Windows {
		w := &m.Windows[i]
		if w.Status == "" {
			r.missing(w, "masking.windows: status is missing")
		}
		if _, written := r.at[&w.Open]; !written && r.at[w] != nil {
			r.missing(w, "masking.windows: open is missing; write how long, such as 2h, or 0s for never")
		}
		open("masking.windows.open", &w.Open)
	}
	unique(r, "masking.windows", m.Windows, func(w *Window) *string { return &w.Status })
}
