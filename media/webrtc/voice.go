package webrtc

import (
	"encoding/binary"
	"math/rand/v2"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/pion/rtcp"
	"github.com/pion/rtp"
	"github.com/pion/webrtc/v4"

	"cabline/media"
	"cabline/media/dtmf"
	"cabline/media/srtp"
)

// voice is what goes to the browser, and the track that pion sends where we have no
// keys. Pion's own tracks know one payload type; a telephone has events besides.
type voice struct {
	keys media.DigitSender

	mu      sync.Mutex
	track   webrtc.TrackLocalWriter // nil: not yet, or no more
	stream  media.Stream
	started bool         // the browser can hear us
	sealer  *srtp.Sealer // nil: pion encrypts and sends
	socket  *sieve
	to      netip.AddrPort // where the browser is
	held    bool           // it wants to hear nothing
	agreed  agreement
	event   telephoneEvent // zero: the browser takes none
	turner  media.Transcoder
	header  rtp.Header
	sent    uint64
	octets  uint64
}

var _ webrtc.TrackLocal = (*voice)(nil)

// begin gives the voice its source's number.
func (v *voice) begin(ssrc uint32) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.stream = media.NewStream(ssrc, uint16(rand.Uint32()), rand.Uint32())
}

// start is called when the browser can hear us, and with what encrypts for it.
func (v *voice) start(with *srtp.Sealer, over *sieve) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.started, v.sealer, v.socket = true, with, over
}

// redirect sends to another address from now on.
func (v *voice) redirect(to netip.AddrPort) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.to = to
}

// stop makes the voice silent for ever.
func (v *voice) stop() {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.track = nil
}

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

// write says a packet in a codec the browser has: its own where that is one, for
// then nothing is lost, and otherwise the browser's best.
func (v *voice) write(p *media.Packet) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if !v.started || v.held || v.track == nil {
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
	if v.sealer == nil && v.leave(out) || v.sealer != nil && v.seal(out) {
		v.sent++
		v.octets += octets
	}
}

// seal sends a packet by ourselves.
func (v *voice) seal(b []byte) bool {
	if b = v.sealer.RTP(b); b == nil {
		return false
	}
	_, err := v.socket.WriteToAddrPort(b, v.to)
	return err == nil
}

// leave leaves a packet to pion.
func (v *voice) leave(b []byte) bool {
	v.header = rtp.Header{
		Version:        2,
		Marker:         b[1]&0x80 != 0,
		PayloadType:    b[1] & 0x7f,
		SequenceNumber: binary.BigEndian.Uint16(b[2:]),
		Timestamp:      binary.BigEndian.Uint32(b[4:]),
		SSRC:           v.stream.SSRC,
	}
	n, err := v.track.WriteRTP(&v.header, b[media.HeaderSize:])
	return err == nil && n > 0
}

// report is what we said and heard, for the browser; nil: it has nothing from us
// yet, and heard is empty too.
func (v *voice) report(heard []rtcp.ReceptionReport, now time.Time) []rtcp.Packet {
	v.mu.Lock()
	defer v.mu.Unlock()
	if !v.started || v.track == nil || v.sent == 0 && heard == nil {
		return nil
	}
	return []rtcp.Packet{v.stream.Report(v.sent, v.octets, heard, now), rtcp.NewCNAMESourceDescription(v.stream.SSRC, cname)}
}

// Bind is called by pion when the track may be sent.
func (v *voice) Bind(c webrtc.TrackLocalContext) (webrtc.RTPCodecParameters, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.track = c.WriteStream()
	return c.CodecParameters()[0], nil
}

// Unbind is called by pion when it is over.
func (v *voice) Unbind(webrtc.TrackLocalContext) error {
	v.stop()
	return nil
}

// ID, RID, StreamID and Kind name the track to pion; no browser sees them.
func (*voice) ID() string                { return "audio" }
func (*voice) RID() string               { return "" }
func (*voice) StreamID() string          { return "cabline" }
func (*voice) Kind() webrtc.RTPCodecType { return webrtc.RTPCodecTypeAudio }
