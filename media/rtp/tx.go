package rtp

import (
	"net/netip"
	"sync"
	"time"

	"cabline/media"
	"cabline/media/dtmf"
	"cabline/media/g711"
)

// tx is the way to the party.
type tx struct {
	mu     sync.Mutex
	closed bool
	rtp    socket
	rtcp   socket
	stream *media.Stream

	to     netip.AddrPort // zero: not yet known
	held   bool           // the party wants to hear nothing
	codec  media.Codec
	audio  uint8 // payload types as the party numbers them
	event  uint8
	events bool // the party takes events

	packets, octets uint64

	// The event whose key was pressed in tones, where the party takes no events.
	toned, tonedSource uint32
	anyToned           bool
}

// WriteRTP says a packet to the party, unless a key is being pressed.
func (p *Port) WriteRTP(pk *media.Packet) {
	if p.pressing.Busy() && !pk.Event {
		return
	}
	t := &p.tx
	t.mu.Lock()
	defer t.mu.Unlock()
	if !pk.Event {
		t.say(pk)
		return
	}
	e, ok := dtmf.Parse(pk.Payload())
	switch {
	case !ok:
	case !t.events:
		if t.newEvent(pk) {
			p.pressing.Send(media.Digit(e.Key))
		}
	case !p.pressing.Busy():
		pk.Buf = pk.Buf[:pk.Start+dtmf.PayloadSize]
		t.say(pk)
	}
}

// newEvent says whether a packet is the first of its event; t.mu is held.
func (t *tx) newEvent(pk *media.Packet) bool {
	if t.anyToned && pk.Source == t.tonedSource && int32(pk.Time-t.toned) <= 0 {
		return false
	}
	t.toned, t.tonedSource, t.anyToned = pk.Time, pk.Source, true
	return true
}

// press says a packet of the DigitSender.
func (t *tx) press(pk *media.Packet) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.say(pk)
}

// say sends a packet; t.mu is held.
func (t *tx) say(pk *media.Packet) {
	if t.closed || t.held || !t.to.IsValid() {
		return
	}
	payloadType := t.audio
	switch {
	case pk.Event:
		payloadType = t.event
	case pk.Codec == t.codec:
	case t.codec == media.PCMU:
		g711.ToMuLaw(pk.Payload())
	default:
		g711.ToALaw(pk.Payload())
	}
	if t.rtp.send(t.stream.Head(pk, payloadType, time.Now()), t.to) {
		t.packets++
		t.octets += uint64(len(pk.Payload()))
	}
}

// redirect sends to another address from now on.
func (t *tx) redirect(to netip.AddrPort) {
	t.mu.Lock()
	t.to = to
	t.mu.Unlock()
}
