package rtp

import (
	"net/netip"
	"sync"

	"cabline/media"
	"cabline/media/dtmf"
	"cabline/media/wire"
)

// tx is the way to the party. What each packet touches comes first.
type tx struct {
	mu     sync.Mutex
	closed bool
	held   bool  // the party wants to hear nothing
	audio  uint8 // payload type as the party numbers it
	codec  media.Codec
	to     netip.AddrPort // zero: not yet known
	rtp    wire.Socket
	secret *sealed // nil: packets go plain
	stream media.Stream
	turner media.Transcoder

	packets, octets uint64

	event telephoneEvent
	rtcp  wire.Socket
}

// WriteRTP says a packet to the party, unless a key is being pressed.
func (p *Port) WriteRTP(pk *media.Packet) {
	if p.pressing.Lets(pk) {
		p.tx.say(pk)
	} else {
		p.LeaveOut(pk)
	}
}

// LeaveOut is told of a packet that the party is not to hear; see media.LeaveOut.
func (p *Port) LeaveOut(pk *media.Packet) {
	p.tx.mu.Lock()
	defer p.tx.mu.Unlock()
	p.tx.stream.LeaveOut(pk)
}

// Rejoin is told that the party hears another from now on; see media.Rejoin.
func (p *Port) Rejoin() {
	p.tx.mu.Lock()
	defer p.tx.mu.Unlock()
	p.tx.stream.Rejoin()
}

// say sends a packet, or what the party's codec and its wishes make of it.
func (t *tx) say(pk *media.Packet) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed || t.held || !t.to.IsValid() {
		t.stream.LeaveOut(pk)
		return
	}
	t.turner.Turn(pk, t.codec, t.send)
}

// send sends a packet in the party's codec. t.mu is held.
func (t *tx) send(pk *media.Packet) {
	payloadType := t.audio
	if pk.Event {
		payloadType = t.event.payloadType
	}
	octets := uint64(len(pk.Payload()))
	out := t.stream.Head(pk, payloadType, pk.Moment())
	if out == nil {
		return
	}
	if pk.Event && t.event.clock != media.Rate {
		dtmf.Rescale(out[media.HeaderSize:], media.Rate, t.event.clock)
	}
	if t.secret != nil {
		if out = t.secret.RTP(out); out == nil {
			return
		}
	}
	if t.rtp.Send(out, t.to) {
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
