package rtp

import (
	"crypto/rand"
	"encoding/base64"
	"net/netip"
	"time"

	"github.com/pion/rtcp"

	"cabline/media"
)

// peerReport is what the party's RTCP told.
type peerReport struct {
	expected  uint64 // packets said up to the report
	lost      uint64
	jitter    time.Duration
	roundTrip time.Duration

	senderReport uint32 // the middle of its last report's NTP time (RFC 3550 §4)
	at           time.Time
}

// onRTCP takes what arrives at the RTCP socket.
func (p *Port) onRTCP(b []byte, from netip.AddrPort, now time.Time) {
	p.rx.mu.Lock()
	defer p.rx.mu.Unlock()
	if !p.rx.closed {
		p.hearReport(b, from, now)
	}
}

// hearReport takes RTCP, from whichever socket: some send it to the port of RTP
// without having agreed on that. rx.mu is held.
func (p *Port) hearReport(b []byte, from netip.AddrPort, now time.Time) {
	r := &p.rx
	if !r.agreed.IsValid() || from != r.control && from.Addr() != r.from.Addr() {
		return
	}
	if r.secret != nil {
		var ok bool
		if b, ok = r.secret.openReport(b); !ok {
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
			r.peer.senderReport, r.peer.at = uint32(packet.NTPTime>>16), now
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
		p.tx.mu.Unlock()
		if lost := int32(block.TotalLost<<8) >> 8; lost > 0 { // 24 bits, signed
			peer.lost = uint64(lost)
		}
		peer.jitter = time.Duration(block.Jitter) * time.Second / media.Rate
		if block.LastSenderReport != 0 {
			units := uint32(ntp(now)>>16) - block.LastSenderReport - block.Delay
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
	p.nextReport = now.Add(soon())
	p.report(now)
}

// goodbye tells the party that our stream ends (RFC 3550 §6.6).
func (p *Port) goodbye() {
	p.report(time.Now(), &rtcp.Goodbye{Sources: []uint32{p.tx.stream.SSRC}})
}

// report sends a compound packet: what we said and what we heard, our name,
// and more. Nothing is sent before the party is known and something has passed.
func (p *Port) report(now time.Time, more ...rtcp.Packet) {
	p.rx.mu.Lock()
	blocks, to, socket := p.rx.block(now), p.rx.control, p.tx.rtcp
	if p.rx.mux {
		socket = p.tx.rtp
	}
	p.rx.mu.Unlock()

	t := &p.tx
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed || !to.IsValid() || blocks == nil && t.packets == 0 {
		return
	}
	packets := append([]rtcp.Packet{t.head(blocks, now), rtcp.NewCNAMESourceDescription(t.stream.SSRC, p.cname)}, more...)
	b, err := rtcp.Marshal(packets)
	if err != nil {
		return // made of our own numbers: can not be
	}
	if t.secret != nil {
		if b = t.secret.sealReport(b); b == nil {
			return
		}
	}
	socket.send(b, to)
}

// head is the first packet of a compound: a sender's report, or a receiver's
// when nothing was said lately (RFC 3550 §6.4). t.mu is held.
func (t *tx) head(blocks []rtcp.ReceptionReport, now time.Time) rtcp.Packet {
	stamp, at := t.stream.Last()
	if t.packets == 0 || now.Sub(at) > 2*reportEvery {
		return &rtcp.ReceiverReport{SSRC: t.stream.SSRC, Reports: blocks}
	}
	return &rtcp.SenderReport{
		SSRC:        t.stream.SSRC,
		NTPTime:     ntp(now),
		RTPTime:     stamp + uint32(now.Sub(at)*media.Rate/time.Second),
		PacketCount: uint32(t.packets),
		OctetCount:  uint32(t.octets),
		Reports:     blocks,
	}
}

// block is what we heard since the last report; none while nothing was. r.mu is
// held.
func (r *rx) block(now time.Time) []rtcp.ReceptionReport {
	block, ok := r.reception.Report()
	if !ok {
		return nil
	}
	block.LastSenderReport = r.peer.senderReport
	if r.peer.senderReport != 0 {
		block.Delay = uint32(now.Sub(r.peer.at) << 16 / time.Second)
	}
	return []rtcp.ReceptionReport{block}
}

// ntp is a time in NTP's 64 bits (RFC 3550 §4).
func ntp(t time.Time) uint64 {
	const epoch = 2208988800 // 1900 to 1970
	return uint64(t.Unix()+epoch)<<32 | uint64(t.Nanosecond())<<32/uint64(time.Second)
}

// randomName is a CNAME for one call which tells nothing (RFC 7022 §4.2).
func randomName() string {
	var b [12]byte
	_, _ = rand.Read(b[:]) // never fails
	return base64.RawURLEncoding.EncodeToString(b[:])
}
