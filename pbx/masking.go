package pbx

import (
	"slices"
	"time"
)

// Masking is what parties, and people, may learn of each other's numbers.
// Between parties on trunks that is always nothing.
type Masking struct {
	// Operators do not see numbers either: their phones and pages show +7***4567.
	Operators bool
	// Windows are how long after a missed call who missed it reaches the other
	// one by calling the firm, by the status the order has then; Other is for
	// statuses that are not there.
	Windows map[Status]time.Duration
	Other   time.Duration
	// LostItem is how long a window is open that an operator opens.
	LostItem time.Duration
}

func (m Masking) window(status Status) time.Duration {
	if open, named := m.Windows[status]; named {
		return open
	}
	return m.Other
}

// longest is how long a window of any status may be open.
func (m Masking) longest() time.Duration {
	longest := m.Other
	for _, open := range m.Windows {
		longest = max(longest, open)
	}
	return longest
}

// conceal hides numbers that have come into the call from everyone in it but
// their owners. The firm's own numbers are everybody's.
func (c *Call) conceal(numbers ...Phone) {
	for _, number := range numbers {
		if number != "" && !c.public(number) && !slices.Contains(c.known, number) {
			c.known = append(c.known, number)
		}
	}
	for _, leg := range c.legs {
		record := leg.Record()
		leg.Hide(c.hiddenFrom(record.Number, record.Operator)...)
	}
}

// toOperator is an operator's phones, with what they may show of who calls.
func (s *Switchboard) toOperator(call *Call, login string) Endpoint {
	to := Endpoint{Operator: login, From: call.cdr.From, CallID: call.cdr.ID, Hidden: call.hiddenFrom("", login)}
	switch {
	case s.Masking.Operators:
		to.From, to.Name = "", call.cdr.From.String()
	case s.CardLink != nil:
		to.Link = s.CardLink(login, call.seen.Load().card)
	}
	return to
}

// hiddenFrom are the numbers that a party may not learn: the others'.
func (c *Call) hiddenFrom(number Phone, operator string) (hidden []Phone) {
	if operator != "" && !c.masking.Operators {
		return nil
	}
	for _, known := range c.known {
		if known != number {
			hidden = append(hidden, known)
		}
	}
	return hidden
}
