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

// aliases are what operators see in the place of numbers, nil where they see
// those. The token is the secret that operators do not have.
func (x *exchange) aliases() *pbx.Aliases {
	if x.cfg.Masking.OperatorsSeeNumbers {
		return nil
	}
	return pbx.NewAliases(x.cfg.Dispatch.Token.Reveal())
}

// alias reads what an operator dials who sees no numbers.
func (x *exchange) alias(text string) (pbx.Phone, bool) {
	if a := x.aliases(); a != nil {
		return a.Phone(text)
	}
	return "", false
}
