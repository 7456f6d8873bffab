package rtp

import (
	"net/netip"
	"sync"
	"time"

	"cabline/media"
)

// kind is what a payload type stands for.
type kind uint8

const (
	unknown kind = iota
	alaw
	mulaw
	event   // RFC 4733
	comfort // comfort noise (RFC 3389): counted and not heard
)

// comfortNoise is the static payload type of comfort noise (RFC 3551 §6).
const comfortNoise = 13

// rx is the way from the party.
type rx struct {
	mu       sync.Mutex // held while the sink takes a packet: Plug waits for it
	closed   bool
	sink     media.Sink
	kinds    [128]kind // by payload type
	latching Latching

	agreed  netip.AddrPort // where the SDP says the party is; zero: not yet known
	from    netip.AddrPort // whose packets we take
	latched bool           // a packet has come from there
	former  netip.AddrPort // who was heard here in the last call

	reception media.Reception
	dropped   uint64
	control   netip.AddrPort // where the party takes RTCP
	peer      peerReport

	packet media.Packet
}

// onRTP takes what arrives at the RTP socket.
func (p *Port) onRTP(b []byte, from netip.AddrPort, now time.Time) {
	r := &p.rx
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed || !r.agreed.IsValid() || isRTCP(b) {
		return
	}
	payloadType, ok := parse(b, &r.packet)
	if !ok || r.kinds[payloadType&0x7f] == unknown || !p.takesFrom(from) {
		r.dropped++
		return
	}
	switch r.kinds[payloadType&0x7f] {
	case event:
		r.packet.Event = true
	case mulaw:
		r.packet.Codec = media.PCMU
	}
	r.reception.Take(&r.packet, now)
	switch r.kinds[payloadType&0x7f] {
	case comfort:
		return
	case event:
		if !p.pressed.Event(&r.packet, now) {
			return
		}
	default:
		r.reception.Sound(&r.packet)
		if d, ok := p.pressed.Audio(&r.packet, now); ok {
			media.Retell(d, r.sink)
		}
	}
	if r.sink != nil {
		r.sink.WriteRTP(&r.packet)
	}
}

// takesFrom says whether packets are taken from an address, and has ours go
// there from now on when it is a new one. rx.mu is held.
func (p *Port) takesFrom(from netip.AddrPort) bool {
	r := &p.rx
	if r.latched && from == r.from {
		return true
	}
	if from != r.agreed {
		switch {
		case r.latching == LatchOff,
			r.latching == LatchFirst && r.latched,
			from == r.former:
			return false
		}
	}
	r.latched = true
	if from != r.from {
		r.from = from
		r.control = netip.AddrPortFrom(from.Addr(), from.Port()+1)
		p.tx.redirect(from)
	}
	return true
}

// last is who was heard last, if anyone.
func (r *rx) last() netip.AddrPort {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.latched {
		return netip.AddrPort{}
	}
	return r.from
}
