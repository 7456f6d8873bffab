package console

import (
	"context"

	"cabline/pbx"
)

// numbers writes telephone numbers for one who asks: whole, or as aliases for an
// operator who may not know them.
type numbers struct{ aliases *pbx.Aliases } // nil: whole

func (n numbers) of(number pbx.Phone) string {
	if n.aliases == nil {
		return number.Dialable()
	}
	return n.aliases.Of(number)
}

// callID is a SIP Call-ID, of which some carriers make the caller's number a part.
func (n numbers) callID(id string) string {
	if n.aliases == nil {
		return id
	}
	return ""
}

// sessionKey marks the context of a request that came with a session.
type sessionKey struct{}

// numbersFor is how the one behind a REST request sees numbers.
func (c *Console) numbersFor(ctx context.Context) numbers {
	if ctx.Value(sessionKey{}) != nil {
		return c.toOperators()
	}
	return numbers{}
}

// toOperators is how operators see numbers.
func (c *Console) toOperators() numbers { return numbers{c.Aliases} }

// number is what a request means by a number: an alias stands for its own.
func (c *Console) number(text string) string {
	if c.Aliases == nil {
		return text
	}
	if number, ok := c.Aliases.Phone(text); ok {
		return number.Dialable()
	}
	return text
}
