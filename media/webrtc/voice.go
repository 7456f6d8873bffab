package webrtc

import (
	"slices"
	"sync"
	"time"

	"github.com/pion/rtcp"

	"cabline/media"
	"cabline/media/dtmf"
	"cabline/media/srtp"
)

// voice is what goes to the browser.
type voice struct {
	keys media.DigitSender
	out  func(b []byte) bool // sends a datagram to it

	mu     sync.Mutex
	stream media.Stream
	sealer *srtp.Sealer // nil: the browser cannot hear us yet, or no more
	held   bool         // it wants to hear nothing
	agreed agreement
	event  telephoneEvent // zero: the browser takes none
	turner media.Transcoder
	sent   uint64
	octets uint64
}

// start is called when the browser can hear us, and with what encrypts for it.
func (v *voice) start(with *srtp.Sealer) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.sealer = with
}

// stop makes the voice silent for ever.
func (v *voice) stop() { v.start(nil) }

func (v *voice) agree(a agreement, held bool) {
	events := a.events()
	v.keys.UseEvents(len(events) > 0)
	v.mu.Lock()
	defer v.mu.Unlock()
	v.agreed, v.held = a, held
	if v.event = (telephoneEvent{}); len(events) > 0 {
		v.event = events[0]
	}
	v.stream.Count(a.codecs[0])
}

func (v *voice) said() uint64 {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.sent
}

// Held says whether the browser wants to hear nothing: it holds the call.
func (p *Port) Held() bool {
	p.voice.mu.Lock()
	defer p.voice.mu.Unlock()
	return p.voice.held
}

// say says a packet of another party or a player, unless a key is being pressed.
func (v *voice) say(p *media.Packet) {
	if v.keys.Lets(p) {
		v.write(p)
	} else {
		v.leaveOut(p)
	}
}

// leaveOut is told of a packet that the browser is not to hear.
func (v *voice) leaveOut(p *media.Packet) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.stream.LeaveOut(p)
}

// rejoin is told that the browser hears another party from now on.
func (v *voice) rejoin() {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.stream.Rejoin()
}

// write says a packet in a codec the browser has: its own where that is one, for
// then nothing is lost, and otherwise the browser's best.
func (v *voice) write(p *media.Packet) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.sealer == nil || v.held {
		v.stream.LeaveOut(p)
		return
	}
	into := p.Codec
	if !slices.Contains(v.agreed.codecs, into) {
		into = v.agreed.codecs[0]
	}
	v.turner.Turn(p, into, v.send)
}

// send sends a packet in a codec of the browser's. v.mu is held.
func (v *voice) send(p *media.Packet) {
	payloadType := v.agreed.number(p.Codec)
	if p.Event {
		payloadType = v.event.payloadType
	}
	out := v.stream.Head(p, payloadType, p.Moment())
	if out == nil {
		return
	}
	if p.Event {
		dtmf.Rescale(out[media.HeaderSize:], media.Rate, v.event.clock)
	}
	octets := uint64(len(out) - media.HeaderSize)
	if out = v.sealer.RTP(out); out != nil && v.out(out) {
		v.sent++
		v.octets += octets
	}
}

// report tells the browser what we said, and what we heard of it; nothing where it has
// nothing from us yet, and heard is empty too.
func (v *voice) report(heard []rtcp.ReceptionReport, now time.Time) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.sealer == nil || v.sent == 0 && heard == nil {
		return
	}
	b, err := rtcp.Marshal([]rtcp.Packet{v.stream.Report(v.sent, v.octets, heard, now), rtcp.NewCNAMESourceDescription(v.stream.SSRC, cname)})
	if err != nil {
		return
	}
	if b = v.sealer.RTCP(b); b != nil {
		v.out(b) // if it is lost, the next one may arrive
	}
}
