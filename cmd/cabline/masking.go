package main

import (
	"time"

	"cabline/cmd/cabline/config"
	"cabline/pbx"
)

func maskingOf(cfg config.Masking) pbx.Masking {
	m := pbx.Masking{Operators: !cfg.OperatorsSeeNumbers, Windows: map[pbx.Status]time.Duration{}, Other: cfg.OtherWindows, LostItem: cfg.LostItem}
	for _, w := range cfg.Windows {
		m.Windows[pbx.Status(w.Status)] = w.Open
	}
	return m
}
