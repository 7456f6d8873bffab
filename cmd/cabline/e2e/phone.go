// Package e2e looks at Cabline from outside: it starts the real binary, calls
// it as a carrier does, and listens to what is said.
//
// What stands here is the life of the program ([Exchange]) and the browser; the
// telephones are those of package telephone. The proofs are in the files tagged
// e2e. The package knows the protocols and nothing of the exchange's code; of
// it, it takes only the clips which ought to be heard. It does not log.
package e2e

import "cabline/cmd/internal/telephone"

// A test phone, by the names the proofs use.
type (
	Phone     = telephone.Phone
	Call      = telephone.Call
	Options   = telephone.Options
	Wire      = telephone.Wire
	Recording = telephone.Recording
)

// NewPhone opens a phone. Close it.
func NewPhone(opt Options) (*Phone, error) { return telephone.NewPhone(opt) }

// LateOffer leaves the SDP out of the INVITE (RFC 3264 §4): the exchange offers
// in its 200.
func LateOffer(c *Call) { telephone.LateOffer(c) }
