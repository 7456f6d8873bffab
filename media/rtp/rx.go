package rtp

import (
	"net/netip"
	"sync"
	"time"

	"cabline/media"
	"cabline/media/dtmf"
)

// kind is what a payload type stands for.
type kind uint8

const (
	unknown kind = iota
	alaw
	mulaw
	wide      // G.722
	full      // Opus
	event     // RFC 4733
	fullEvent // … by Opus' clock
	comfort   // comfort noise (RFC 3389): counted and not heard
)

// comfortNoise is the static payload type of comfort noise (RFC 3551 §6).
const comfortNoise = 13

// rx is the way from the party. What each packet touches comes first.
type rx struct {
	mu        sync.Mutex // held while the sink takes a packet: Plug waits for it
	closed    bool
	latched   bool // a packet has come from where from says
	latching  Latching
	clock     media.Codec // whose clock the events' timestamps follow
	sink      media.Sink
	agreed    netip.AddrPort // where the SDP says the party is; zero: not yet known
	from      netip.AddrPort // whose packets we take
	secret    *opened        // nil: packets come plain
	packet    media.Packet
	reception media.Reception
	kinds     [128]kind // by payload type

	divider media.Divider
	near    netip.Addr     // where its signalling comes from
	former  []speaker      // who was heard here in calls before
	mark    mark           // how far the party's audio has come
	left    netip.AddrPort // where it was heard before its SDP said another address …
	moved   time.Time      // … which was then
	dropped uint64
	lost    func()         // is told that the port is broken; nil: nobody
	control netip.AddrPort // where the party takes RTCP
	mux     bool           // … at the port of RTP
	peer    peerReport
}

// underWay is for how long after a new SDP packets may come that were said before
// it: until the party has our answer, and the network is empty.
const underWay = 10 * time.Second

// datagrams is a port as the receiver of its RTP socket.
type datagrams Port

// Receive takes what arrives at the RTP socket.
func (d *datagrams) Receive(b []byte, from netip.AddrPort, now time.Time) {
	(*Port)(d).receive(b, from, now)
}

// Hurt implements wire.Receiver.
func (d *datagrams) Hurt() { (*Port)(d).hurt() }

func (p *Port) receive(b []byte, from netip.AddrPort, now time.Time) {
	r := &p.rx
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed || !r.agreed.IsValid() {
		return
	}
	if isRTCP(b) {
		p.hearReport(b, from, now)
		return
	}
	payloadType, ok := r.read(b, from, now)
	if !ok {
		r.dropped++
		return
	}
	p.follow(from)
	if k := r.kinds[payloadType]; k != event && k != fullEvent {
		r.mark.note(&r.packet, now)
	}
	r.name(payloadType)
	r.packet.At = now
	r.reception.Take(&r.packet, now)
	switch r.kinds[payloadType] {
	case comfort:
		media.LeaveOut(&r.packet, r.sink)
		return
	case event, fullEvent:
		if !p.pressed.Event(&r.packet, now) {
			media.LeaveOut(&r.packet, r.sink)
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

// read makes r.packet of a datagram; false: it is nothing we have agreed on.
// r.mu is held.
func (r *rx) read(b []byte, from netip.AddrPort, now time.Time) (payloadType uint8, ok bool) {
	if !r.takes(b, from, now) {
		return 0, false
	}
	if r.secret != nil {
		if b, ok = r.secret.RTP(b); !ok {
			return 0, false
		}
	}
	payloadType, ok = parse(b, &r.packet)
	return payloadType, ok && r.kinds[payloadType] != unknown
}

// name says what r.packet is, and puts it into our clock. r.mu is held.
func (r *rx) name(payloadType uint8) {
	p := &r.packet
	switch r.kinds[payloadType] {
	case event:
		p.Event = true
		if r.clock == media.Opus { // its stream has one clock, whatever the event counts
			p.Time = r.divider.Divide(p.Time, media.Opus.Clock())
		}
	case fullEvent:
		p.Event, p.Time = true, r.divider.Divide(p.Time, media.Opus.Clock())
		dtmf.Rescale(p.Payload(), media.Opus.Clock(), media.Rate)
	case full:
		p.Codec, p.Time = media.Opus, r.divider.Divide(p.Time, media.Opus.Clock())
	case mulaw:
		p.Codec = media.PCMU
	case wide:
		p.Codec = media.G722
	}
}

// takes says whether a packet is taken from an address. r.mu is held.
func (r *rx) takes(b []byte, from netip.AddrPort, now time.Time) bool {
	if r.isFormer(b, from, now) {
		return false
	}
	if r.latched && from == r.from || from == r.agreed {
		return true
	}
	host := from.Addr()
	switch r.latching {
	case LatchOff:
		return false
	case LatchAlways:
		return true
	}
	// Who is heard where it was before may have moved, its last packets being under
	// way, or not, whatever its SDP says.
	open := !r.latched || r.from == r.left && now.Sub(r.moved) < underWay
	return open && (!r.near.IsValid() || host == r.near || host == r.agreed.Addr())
}

// follow has our packets go where a good one came from. rx.mu is held.
func (p *Port) follow(from netip.AddrPort) {
	r := &p.rx
	r.latched = true
	if from == r.from {
		return
	}
	r.from = from
	if r.control = from; !r.mux {
		r.control = netip.AddrPortFrom(from.Addr(), from.Port()+1)
	}
	p.tx.redirect(from)
}
