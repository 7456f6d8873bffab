package media

import (
	"math/rand/v2"
	"time"

	"github.com/pion/rtcp"
)

// reportEvery is how often a party gets a report, half as much more or less
// (RFC 3550 §6.2: reports of many must not fall together).
const reportEvery = 5 * time.Second

// NextReport is how long to wait until the next report to a party.
func NextReport() time.Duration { return reportEvery/2 + rand.N(reportEvery) }

// Report is the first packet of a report to a party: a sender's, of so many
// packets and octets said on the stream, or a receiver's when nothing was said
// lately (RFC 3550 §6.4).
func (s *Stream) Report(packets, octets uint64, heard []rtcp.ReceptionReport, now time.Time) rtcp.Packet {
	if packets == 0 || now.Sub(s.lastSent) > 2*reportEvery {
		return &rtcp.ReceiverReport{SSRC: s.SSRC, Reports: heard}
	}
	return &rtcp.SenderReport{
		SSRC:        s.SSRC,
		NTPTime:     NTP(now),
		RTPTime:     s.stamp(s.time + uint32(now.Sub(s.lastSent)*Rate/time.Second)),
		PacketCount: uint32(packets),
		OctetCount:  uint32(octets),
		Reports:     heard,
	}
}

// NTP is a time in NTP's 64 bits (RFC 3550 §4).
func NTP(t time.Time) uint64 {
	const epoch = 2208988800 // 1900 to 1970
	return uint64(t.Unix()+epoch)<<32 | uint64(t.Nanosecond())<<32/uint64(time.Second)
}

// PeerReports is what a party's reports tell beside what was lost: when and with
// what time its last sender report came, so that a report to it says so and the
// party learns the round trip; and the jitter of what it hears.
type PeerReports struct {
	stamp uint32 // the middle of its NTP time
	at    time.Time

	jitter time.Duration // the sum …
	blocks int           // … of so many
}

// Hear takes what a report says of our packets, whose timestamps count so many
// a second.
func (r *PeerReports) Hear(block *rtcp.ReceptionReport, clock int) {
	r.jitter += time.Duration(block.Jitter) * time.Second / time.Duration(clock)
	r.blocks++
}

// Jitter is the mean of what the reports say.
func (r *PeerReports) Jitter() time.Duration { return r.jitter / time.Duration(max(1, r.blocks)) }

// Take takes a sender's report.
func (r *PeerReports) Take(sr *rtcp.SenderReport, now time.Time) {
	r.stamp, r.at = uint32(sr.NTPTime>>16), now
}

// Mark puts it into a block.
func (r *PeerReports) Mark(block *rtcp.ReceptionReport, now time.Time) {
	if block.LastSenderReport = r.stamp; r.stamp != 0 {
		block.Delay = uint32(now.Sub(r.at) << 16 / time.Second)
	}
}
