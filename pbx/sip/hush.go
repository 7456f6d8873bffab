package sip

import "time"

// hush is how long a peer may say nothing to an INVITE, however often that has to go:
// who asks for a password, or for another number, late, and is silent then, is not
// waited for all over again. What it takes after a 1xx does not count.
type hush struct {
	limit, left time.Duration
	began       time.Time // zero: the peer was heard since
}

func newHush(limit time.Duration) *hush { return &hush{limit: limit, left: limit} }

// begin is an INVITE.
func (h *hush) begin() { h.began = time.Now() }

// rest is how long the peer may yet be silent.
func (h *hush) rest() time.Duration { return max(h.left-time.Since(h.began), 0) }

// end is a response.
func (h *hush) end() {
	if !h.began.IsZero() {
		h.left, h.began = h.rest(), time.Time{}
	}
}
