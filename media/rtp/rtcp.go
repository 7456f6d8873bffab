package rtp

import (
	"crypto/rand"
	"encoding/base64"
	"net/netip"
	"time"

	"github.com/pion/rtcp"

	"cabline/media"
	"cabline/media/wire"
)

// peerReport is what the party's RTCP told.
type peerReport struct {
	expected  uint64 // packets said up to the report
	lost      uint64
	roundTrip time.Duration

	sender media.PeerReports
}

// reports is a port as the receiver of its RTCP socket.
type reports Port

// Receive takes what arrives at the RTCP socket.
func (r *reports) Receive(b []byte, from netip.AddrPort, now time.Time) {
	p := (*Port)(r)
	p.rx.mu.Lock()
	defer p.rx.mu.Unlock()
	if !p.rx.closed {
		p.hearReport(b, from, now)
	}
}

// Hurt implements wire.Receiver.
func (r *reports) Hurt() { (*Port)(r).hurt() }

// hearReport takes RTCP, from whichever socket: some send it to the port of RTP
// without having agreed on that. rx.mu is held.
func (p *Port) hearReport(b []byte, from netip.AddrPort, now time.Time) {
	r := &p.rx
	if !r.agreed.IsValid() || from != r.control && from.Addr() != r.from.Addr() {
		return
	}
	if r.secret != nil {
		var ok bool
		if b, ok = r.secret.RTCP(b); !ok {
			return
		}
	}
	packets, err := rtcp.Unmarshal(b)
	if err != nil {
		return
	}
	r.control = from
	for _, packet := range packets {
		switch packet := packet.(type) {
		case *rtcp.SenderReport:
			r.peer.sender.Take(packet, now)
			p.reported(packet.Reports, now)
		case *rtcp.ReceiverReport:
			p.reported(packet.Reports, now)
		}
	}
}

// reported reads what the party says of our packets; rx.mu is held.
func (p *Port) reported(blocks []rtcp.ReceptionReport, now time.Time) {
	for _, block := range blocks {
		if block.SSRC != p.tx.stream.SSRC {
			continue
		}
		peer := &p.rx.peer
		p.tx.mu.Lock()
		peer.expected = p.tx.packets
		clock := p.tx.codec.Clock()
		p.tx.mu.Unlock()
		if lost := int32(block.TotalLost<<8) >> 8; lost > 0 { // 24 bits, signed
			peer.lost = uint64(lost)
		}
		peer.sender.Hear(&block, clock)
		if block.LastSenderReport != 0 {
			units := uint32(media.NTP(now)>>16) - block.LastSenderReport - block.Delay
			if trip := time.Duration(units) * time.Second >> 16; int32(units) >= 0 && trip < time.Minute {
				peer.roundTrip = trip
			}
		}
	}
}

// reportWhenDue sends a report every few seconds.
func (p *Port) reportWhenDue(now time.Time) {
	if now.Before(p.nextReport) {
		return
	}
	p.nextReport = now.Add(media.NextReport())
	p.report(now)
}

// goodbye tells the party that our stream ends (RFC 3550 §6.6).
func (p *Port) goodbye() {
	p.report(time.Now(), &rtcp.Goodbye{Sources: []uint32{p.tx.stream.SSRC}})
}

// report sends a compound packet: what we said and what we heard, our name,
// and more. Nothing is sent before the party is known and something has passed.
func (p *Port) report(now time.Time, more ...rtcp.Packet) {
	if p.broken.Load() {
		return
	}
	blocks, to, socket := p.heardLately(now)
	t := &p.tx
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed || !to.IsValid() || blocks == nil && t.packets == 0 {
		return
	}
	packets := append([]rtcp.Packet{t.stream.Report(t.packets, t.octets, blocks, now), rtcp.NewCNAMESourceDescription(t.stream.SSRC, p.cname)}, more...)
	b, err := rtcp.Marshal(packets)
	if err != nil {
		return // made of our own numbers: can not be
	}
	if t.secret != nil {
		if b = t.secret.RTCP(b); b == nil {
			return
		}
	}
	socket.Send(b, to)
}

// heardLately is what a report says of the party, and its way there.
func (p *Port) heardLately(now time.Time) (blocks []rtcp.ReceptionReport, to netip.AddrPort, by wire.Socket) {
	p.rx.mu.Lock()
	defer p.rx.mu.Unlock()
	by = p.tx.rtcp
	if p.rx.mux {
		by = p.tx.rtp
	}
	return p.rx.block(now), p.rx.control, by
}

// block is what we heard since the last report; none while nothing was. r.mu is
// held.
func (r *rx) block(now time.Time) []rtcp.ReceptionReport {
	block, ok := r.reception.Report()
	if !ok {
		return nil
	}
	r.peer.sender.Mark(&block, now)
	return []rtcp.ReceptionReport{block}
}

// randomName is a CNAME for one call which tells nothing (RFC 7022 §4.2).
func randomName() string {
	var b [12]byte
	_, _ = rand.Read(b[:]) // never fails
	return base64.RawURLEncoding.EncodeToString(b[:])
}
