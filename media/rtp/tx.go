package rtp

import (
	"net/netip"
	"sync"

	"cabline/media"
)

// tx is the way to the party.
type tx struct {
	mu     sync.Mutex
	closed bool
	rtp    socket
	rtcp   socket
	stream *media.Stream
	secret *sealed // nil: packets go plain

	to     netip.AddrPort // zero: not yet known
	held   bool           // the party wants to hear nothing
	codec  media.Codec
	turner media.Transcoder
	audio  uint8 // payload types as the party numbers them
	event  uint8

	packing *packing // nil: as they come

	packets, octets uint64
}

// WriteRTP says a packet to the party, unless a key is being pressed.
func (p *Port) WriteRTP(pk *media.Packet) {
	if p.pressing.Lets(pk) {
		p.tx.say(pk)
	}
}

// say sends a packet, or some of another length.
func (t *tx) say(pk *media.Packet) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed || t.held || !t.to.IsValid() {
		return
	}
	if t.packing != nil && !pk.Event {
		t.packing.take(pk, t.send)
		return
	}
	t.send(pk)
}

// send sends a packet. t.mu is held.
func (t *tx) send(pk *media.Packet) {
	payloadType := t.audio
	if pk.Event {
		payloadType = t.event
	} else {
		t.turner.Turn(pk, t.codec)
	}
	octets := uint64(len(pk.Payload()))
	out := t.stream.Head(pk, payloadType, pk.Moment())
	if t.secret != nil {
		if out = t.secret.seal(out); out == nil {
			return
		}
	}
	if t.rtp.send(out, t.to) {
		t.packets++
		t.octets += octets
	}
}

// Held says whether the party wants to hear nothing: it holds the call.
func (p *Port) Held() bool {
	p.tx.mu.Lock()
	defer p.tx.mu.Unlock()
	return p.tx.held
}

// redirect sends to another address from now on.
func (t *tx) redirect(to netip.AddrPort) {
	t.mu.Lock()
	t.to = to
	t.mu.Unlock()
}
