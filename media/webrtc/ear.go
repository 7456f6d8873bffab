package webrtc

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/pion/rtcp"
	"github.com/pion/rtp"

	"cabline/media"
	"cabline/media/dtmf"
	"cabline/media/srtp"
	"cabline/media/wire"
)

const (
	maxPacket = 1500 // more than any network carries in one piece

	// maxEarly is how many packets wait for the end of a handshake: they follow right
	// behind it, and it takes us milliseconds.
	maxEarly = 64
)

// ear is what comes from the browser.
type ear struct {
	digits media.DigitReceiver
	begun  atomic.Bool // it has said something: for it the handshake is over

	mu        sync.Mutex // held while the sink takes a packet: plug waits for it
	opener    *srtp.Opener
	early     [][]byte // what came before there was one
	sink      media.Sink
	agreed    agreement
	divider   media.Divider
	header    rtp.Header
	packet    media.Packet
	reception media.Reception
	dropped   uint64
	ssrc      uint32        // our source, of which the browser reports
	said      func() uint64 // how much we have said
	expected  uint64        // … when the browser last reported
	peer      rtcp.ReceptionReport
	sender    media.PeerReports
}

func (e *ear) plug(to media.Sink) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.sink = to
	media.Rejoin(to)
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

// open has it decrypt from now on, and hear what has come.
func (e *ear) open(with *srtp.Opener) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.opener = with
	for _, b := range e.early {
		e.decrypt(b, time.Now())
	}
	e.early = nil
}

// take takes an encrypted packet, which is its own to change.
func (e *ear) take(b []byte, now time.Time) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.opener != nil {
		e.decrypt(b, now)
	} else if len(e.early) < maxEarly {
		e.early = append(e.early, append(make([]byte, 0, len(b)+wire.TailRoom), b...))
	}
}

// decrypt opens a packet or a report and has it heard; e.mu is held.
func (e *ear) decrypt(b []byte, now time.Time) {
	opened, hear := e.opener.RTP, e.hear
	if len(b) > 1 && b[1]&0x7f >= 64 && b[1]&0x7f < 96 { // RFC 5761 §4
		opened, hear = e.opener.RTCP, e.report
	}
	plain, ok := opened(b)
	if !ok {
		e.dropped++
		return
	}
	e.begun.Store(true)
	hear(plain, now)
}

// hear takes one RTP packet; e.mu is held.
func (e *ear) hear(b []byte, now time.Time) {
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

// report takes RTCP: how well the browser hears us; e.mu is held.
func (e *ear) report(b []byte, now time.Time) {
	packets, err := rtcp.Unmarshal(b)
	if err != nil {
		return // not worth more: it is only for the statistics
	}
	for _, p := range packets {
		var blocks []rtcp.ReceptionReport
		switch p := p.(type) {
		case *rtcp.SenderReport:
			e.sender.Take(p, now)
			blocks = p.Reports
		case *rtcp.ReceiverReport:
			blocks = p.Reports
		}
		for _, block := range blocks {
			if block.SSRC != e.ssrc {
				continue
			}
			if block.TotalLost >= 1<<23 { // 24 bits with a sign: more came than was sent
				block.TotalLost = 0
			}
			e.peer, e.expected = block, e.said()
			e.sender.Hear(&block, e.agreed.clock())
		}
	}
}
