package outbox

import (
	"context"
	"slices"

	"cabline/pbx"
)

// Masked is a receiver that is told of everything but people's numbers: it gets
// them as [pbx.Phone.String] shows them. The firm's own lines stay whole.
type Masked struct{ Receiver }

// Deliver implements Receiver.
func (m Masked) Deliver(ctx context.Context, id string, e pbx.Event) error {
	return m.Receiver.Deliver(ctx, id, masked(e))
}

// masked is a copy: what an event points to is others' too.
func masked(e pbx.Event) pbx.Event {
	if e.CDR != nil {
		cdr := *e.CDR
		cdr.From, cdr.To = shown(cdr.From), shown(cdr.To)
		cdr.Legs = slices.Clone(cdr.Legs)
		for i := range cdr.Legs {
			cdr.Legs[i].Number = shown(cdr.Legs[i].Number)
		}
		e.CDR = &cdr
	}
	if e.Notice != nil {
		notice := *e.Notice
		notice.Phone = shown(notice.Phone)
		e.Notice = &notice
	}
	return e
}

// shown is a number as it may be written to this receiver; none stays none.
func shown(number pbx.Phone) pbx.Phone {
	if number == "" {
		return ""
	}
	return pbx.Phone(number.String())
}
