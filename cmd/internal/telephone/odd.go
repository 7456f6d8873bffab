package telephone

import (
	"context"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/zaf/g711"

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

// Move goes on at another port, as a phone does that has changed its network, and
// says so in a re-INVITE. Nothing is heard at the old one any more.
func (c *Call) Move() error {
	if err := c.Stray(); err != nil {
		return err
	}
	return c.Describe("")
}

// Stray moves and tells nobody: the new port is named where the exchange asks.
func (c *Call) Stray() error {
	s := c.sound
	if _, ok := s.way().(*plain); !ok {
		return fmt.Errorf("move: %w", errState)
	}
	there, err := openPlain(s, c.phone.self.Addr())
	if err != nil {
		return err
	}
	s.mu.Lock()
	old := s.wire
	s.wire = there
	s.mu.Unlock()
	old.close()
	return nil
}

// Fade sends no RTP from now on, as one whose network is lost, or sends it again.
func (c *Call) Fade(yes bool) {
	c.sound.mu.Lock()
	defer c.sound.mu.Unlock()
	c.sound.still = yes
}

// Lose has one of so many of our RTP packets not arrive.
func (c *Call) Lose(each int) {
	c.sound.mu.Lock()
	defer c.sound.mu.Unlock()
	c.sound.lossy = uint16(each)
}

// Miss has us report, once a second, that one of so many packets to us was lost
// (RFC 3550 §6.4.2).
func (c *Call) Miss(each int) {
	c.sound.mu.Lock()
	defer c.sound.mu.Unlock()
	c.sound.missing = uint32(each)
}

// missed is the report that is due after a packet was heard; nil: none. s.mu is
// held.
func (s *sound) missed(packet []byte) []byte {
	if s.came++; s.missing == 0 || s.came%50 != 0 {
		return nil
	}
	b := binary.BigEndian.AppendUint32([]byte{0x81, 201, 0, 7}, s.source)
	b = append(b, packet[8:12]...)                                           // of whom
	b = binary.BigEndian.AppendUint32(b, 256/s.missing<<24|s.came/s.missing) // lost of late, and in all
	b = append(b, 0, 0, packet[2], packet[3])                                // heard up to here
	return append(b, make([]byte, 3*4)...)                                   // no jitter, and no report of theirs was heard
}

// Sound presses keys as tones in the sound (ITU-T Q.23): 100 ms each, and as long
// nothing after it.
func (c *Call) Sound(keys string) {
	const length = rate / 10
	var tones []byte
	for _, key := range keys {
		at := strings.IndexRune(layout, key)
		low, high := Sine(int(rows[at/4]), time.Second), Sine(int(columns[at%4]), time.Second)
		for i := range length {
			tones = append(tones, g711.EncodeAlawFrame(g711.DecodeAlawFrame(low[i])/2+g711.DecodeAlawFrame(high[i])/2))
		}
		tones = append(tones, slices.Repeat([]byte{quiet}, length)...)
	}
	c.sound.mu.Lock()
	defer c.sound.mu.Unlock()
	c.sound.tones = append(c.sound.tones, tones...)
}
