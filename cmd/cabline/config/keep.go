package config

import "time"

// Keep is how long what is over is kept; 0: for ever.
type Keep struct {
	Calls   time.Duration `yaml:"calls"`
	Notices time.Duration `yaml:"notices"`
	Orders  time.Duration `yaml:"orders"`
}

const aDay = 24 * time.Hour

func defaultKeep() Keep {
	return Keep{Calls: 3 * 365 * aDay, Notices: 90 * aDay, Orders: 3 * 365 * aDay}
}

// shortestKeep is longer than what is over may matter to a call: the longest
// callback window, a notice that waits.
const shortestKeep = longestWindow

func (r *reader) keep(k *Keep) {
	for name, d := range map[string]*time.Duration{"calls": &k.Calls, "notices": &k.Notices, "orders": &k.Orders} {
		if *d != 0 && *d < shortestKeep {
			r.problem(r.at[d], "keep.%s: %v is less than %dd; 0s is for ever", name, *d, shortestKeep/aDay)
		}
	}
}
