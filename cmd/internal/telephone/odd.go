package telephone

import (
	"context"
	"fmt"

	"cabline/cmd/internal/siptext"
)

// What the networks behind a phone do besides ringing and answering.

// Progress sends a provisional response for a call that came: 181 forwarded, 183
// with sound.
func (c *Call) Progress(status int, reason string, sound bool) error {
	p := c.phone
	p.mu.Lock()
	defer p.mu.Unlock()
	if c.placed || c.state != setUp || c.ok != nil {
		return fmt.Errorf("respond %d: %w", status, errState)
	}
	m := siptext.Response(c.Invite, status, reason, c.tag).
		Add("Contact", fmt.Sprintf("<sip:%s;transport=%s>", p.self, p.opt.Network))
	if sound {
		m.WithBody("application/sdp", c.sound.answer(1))
	}
	return p.send(m, c.peer)
}

// Redirect refuses a call that came and names another address (RFC 3261 §8.1.3.4).
func (c *Call) Redirect(status int, to string) error {
	return c.respond(status, "Moved Temporarily", false, siptext.Header{Name: "Contact", Value: "<" + to + ">"})
}

// Ask sends a request within a call that is talked in, or is being set up, and
// returns the status of the answer.
func (c *Call) Ask(ctx context.Context, method, contentType, body string, headers ...siptext.Header) (status int, err error) {
	p := c.phone
	p.mu.Lock()
	if c.state == over {
		p.mu.Unlock()
		return 0, fmt.Errorf("%s: %w", method, errState)
	}
	c.cseq++
	seq := c.cseq
	m := c.request(method, seq)
	m.Headers = append(m.Headers, headers...)
	if body != "" {
		m.WithBody(contentType, []byte(body))
	}
	err = p.send(m, c.peer)
	p.mu.Unlock()
	if err != nil {
		return 0, err
	}
	err = c.wait(ctx, "wait for the answer to "+method, func() bool { status = c.answers[seq]; return status != 0 })
	return status, err
}

// WaitAnswered waits for a final answer to our last INVITE, after so many
// responses that were there before.
func (c *Call) WaitAnswered(ctx context.Context, before int) error {
	return c.wait(ctx, "wait for the answer", func() bool {
		return len(c.status) > before && c.status[len(c.status)-1] >= 200
	})
}
