package config

import (
	"cmp"
	"path/filepath"
	"time"
)

// Recording is which talks are kept, where and for how long.
type Recording struct {
	On            bool          `yaml:"on"`
	Folder        string        `yaml:"folder"` // empty: see Recordings
	Keep          time.Duration `yaml:"keep"`   // 0: for ever
	WithDrivers   bool          `yaml:"with_drivers"`
	WithOperators bool          `yaml:"with_operators"`

	OperatorsListen bool `yaml:"operators_listen"`
}

func defaultRecording() Recording {
	return Recording{Keep: 90 * aDay, WithDrivers: true, WithOperators: true}
}

func (r *reader) recording(c *Config) {
	rec := &c.Recording
	if rec.Keep != 0 && rec.Keep < aDay {
		r.problem(r.at[&rec.Keep], "recording.keep: %v is less than 1d; 0s is for ever", rec.Keep)
	}
	if rec.On && !rec.WithDrivers && !rec.WithOperators {
		r.problem(r.at[rec], "recording: is on, but neither with_drivers nor with_operators is; set one, or on: false")
	}
}

// Recordings is the folder of recordings.
func (c *Config) Recordings() string {
	return cmp.Or(c.Recording.Folder, filepath.Join(c.Data, "recordings"))
}
