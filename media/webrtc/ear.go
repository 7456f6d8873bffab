package webrtc

import (
	"io"
	"sync"
	"time"

	"github.com/pion/rtcp"
	"github.com/pion/rtp"
	"github.com/pion/transport/v4/packetio"

	"cabline/media"
	"cabline/media/dtmf"
	"cabline/media/srtp"
)

const maxPacket = 1500 // more than any network carries in one piece

// ear is what comes from the browser: where we have its keys, or from pion, which writes
// each packet it decrypted in its own goroutine and in its own large buffer, which
// is ours until Write returns.
type ear struct {
	digits media.DigitReceiver

	mu        sync.Mutex // held while the sink takes a packet: plug waits for it
	sink      media.Sink
	agreed    agreement
	divider   media.Divider
	header    rtp.Header
	packet    media.Packet
	reception media.Reception
	dropped   uint64
	ssrc      uint32        // our source, of which the browser reports
	said      func() uint64 // how much we have said
	begun     func()        // told of the first packet
	first     sync.Once
	expected  uint64 // … when the browser last reported
	peer      rtcp.ReceptionReport
	sender    media.PeerReports
}

// streams gives pion the buffer into which it writes a source's packets. Ours
// is none: the packet is dealt with at once.
func (p *Port) streams(kind packetio.BufferPacketType, _ uint32) io.ReadWriteCloser {
	if p.sources.Add(1) > srtp.MaxSources { // pion keeps all it has ever seen
		p.lose()
	}
	if kind == packetio.RTPBufferPacket {
		return &p.ear
	}
	return reports{&p.ear}
}

func (e *ear) plug(to media.Sink) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.sink = to
	e.digits.Moved()
}

// agree takes what is negotiated: speaks is false on hold.
func (e *ear) agree(a agreement, speaks bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.agreed = a
	e.reception.Await(speaks)
}

func (e *ear) stats() media.Stats {
	e.mu.Lock()
	defer e.mu.Unlock()
	s := media.Stats{
		Dropped:      e.dropped,
		PeerExpected: e.expected,
		PeerLost:     uint64(e.peer.TotalLost),
		PeerJitter:   e.sender.Jitter(),
	}
	if len(e.agreed.codecs) > 0 {
		s.Codec = e.agreed.codecs[0].String()
	}
	e.reception.Fill(&s)
	return s
}

// Write takes one RTP packet from pion.
func (e *ear) Write(b []byte) (int, error) {
	e.first.Do(e.begun)
	e.hear(b, time.Now())
	return len(b), nil
}

// hear takes one RTP packet.
func (e *ear) hear(b []byte, now time.Time) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if !e.read(b) {
		e.dropped++
		return
	}
	e.packet.At = now
	e.reception.Take(&e.packet, now)
	if e.packet.Event {
		if !e.digits.Event(&e.packet, now) {
			media.LeaveOut(&e.packet, e.sink)
			return
		}
	} else {
		e.reception.Sound(&e.packet)
		if d, ok := e.digits.Audio(&e.packet, now); ok {
			media.Retell(d, e.sink)
		}
	}
	if e.sink != nil {
		e.sink.WriteRTP(&e.packet)
	}
}

// drop counts a packet that is forged or doubled.
func (e *ear) drop() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.dropped++
}

// read makes e.packet of b and reports whether it is one we have agreed on.
func (e *ear) read(b []byte) bool {
	start, err := e.header.Unmarshal(b)
	if err != nil || e.header.Version != 2 || len(b) > maxPacket {
		return false
	}
	end := len(b)
	if e.header.Padding {
		end -= int(b[end-1])
	}
	if start >= end {
		return false
	}
	e.packet = media.Packet{
		Buf:    b[:end],
		Start:  start,
		Marker: e.header.Marker,
		Time:   e.header.Timestamp,
		Seq:    e.header.SequenceNumber,
		Source: e.header.SSRC,
	}
	switch e.header.PayloadType { // 0 is PCMU's, and what is not agreed on has it too
	case media.PCMU.PayloadType():
		e.packet.Codec = media.PCMU
	case media.PCMA.PayloadType():
		e.packet.Codec = media.PCMA
	case media.G722.PayloadType():
		e.packet.Codec = media.G722
	case e.agreed.opus:
		e.packet.Codec = media.Opus
	case e.agreed.event:
		e.packet.Event = true
	case e.agreed.fullEvent:
		e.packet.Event = true
		dtmf.Rescale(e.packet.Payload(), media.Opus.Clock(), media.Rate)
	default:
		return false
	}
	if e.packet.Codec == media.Opus || e.packet.Event { // the events have the clock of what is said
		e.packet.Time = e.divider.Divide(e.packet.Time, e.agreed.clock())
	}
	return true
}

// block is what we heard since the last report; none while nothing was.
func (e *ear) block(now time.Time) []rtcp.ReceptionReport {
	e.mu.Lock()
	defer e.mu.Unlock()
	block, ok := e.reception.Report()
	if !ok {
		return nil
	}
	e.sender.Mark(&block, now)
	return []rtcp.ReceptionReport{block}
}

// heard takes a key that came by SIP INFO.
func (e *ear) heard(d media.Digit) {
	if !e.digits.Info(d, time.Now()) {
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if other, ok := e.sink.(media.Port); ok {
		other.SendDigit(d)
	}
}

// Read has nothing to read: all has been dealt with.
func (*ear) Read([]byte) (int, error) { return 0, io.EOF }

// Close does nothing: the ear outlives pion's streams.
func (*ear) Close() error { return nil }

// reports is the ear for RTCP: how well the browser hears us.
type reports struct{ *ear }

func (r reports) Write(b []byte) (int, error) {
	packets, err := rtcp.Unmarshal(b)
	if err != nil {
		return len(b), nil // not worth more: it is only for the statistics
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, p := range packets {
		var blocks []rtcp.ReceptionReport
		switch p := p.(type) {
		case *rtcp.SenderReport:
			r.sender.Take(p, time.Now())
			blocks = p.Reports
		case *rtcp.ReceiverReport:
			blocks = p.Reports
		}
		for _, block := range blocks {
			if block.SSRC != r.ssrc {
				continue
			}
			if block.TotalLost >= 1<<23 { // 24 bits with a sign: more came than was sent
				block.TotalLost = 0
			}
			r.peer, r.expected = block, r.said()
			r.sender.Hear(&block, r.agreed.clock())
		}
	}
	return len(b), nil
}
