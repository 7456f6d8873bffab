package pbx

import "slices"

// Masking is what parties, and people, may learn of each other's numbers.
// Between parties on trunks that is always nothing.
type Masking struct {
	// Operators do not see numbers either: their phones and pages show +7***4567.
	Operators bool
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
