package siptext

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"
)

// Audio is the one audio stream of a session description (RFC 8866).
type Audio struct {
	Addr      netip.AddrPort // where the describer wants its RTP
	Types     []uint8        // payload types of audio, in order of preference: 8 A-law, 0 µ-law
	Event     uint8          // payload type of telephone-event (RFC 4733); 0: none
	Direction string         // sendrecv, sendonly, recvonly, inactive; empty means sendrecv
}

// ParseSDP reads the first audio stream of a description.
func ParseSDP(body []byte) (Audio, error) {
	var a Audio
	var host netip.Addr
	var port uint64
	var offered []uint8
	inAudio := false
	for line := range strings.SplitSeq(strings.ReplaceAll(string(body), "\r", ""), "\n") {
		switch {
		case strings.HasPrefix(line, "m="):
			words := strings.Fields(line[2:])
			if inAudio || len(words) < 4 || words[0] != "audio" {
				inAudio = false
				continue
			}
			inAudio = true
			port, _ = strconv.ParseUint(words[1], 10, 16)
			for _, w := range words[3:] {
				if n, err := strconv.ParseUint(w, 10, 7); err == nil {
					offered = append(offered, uint8(n))
				}
			}
		case strings.HasPrefix(line, "c=IN IP4 "):
			if addr, err := netip.ParseAddr(strings.TrimSpace(line[9:])); err == nil && (inAudio || port == 0) {
				host = addr
			}
		case strings.HasPrefix(line, "a=rtpmap:") && inAudio:
			number, encoding, _ := strings.Cut(line[9:], " ")
			if n, err := strconv.ParseUint(number, 10, 7); err == nil && strings.EqualFold(encoding, "telephone-event/8000") {
				a.Event = uint8(n)
			}
		case line == "a=sendrecv", line == "a=sendonly", line == "a=recvonly", line == "a=inactive":
			a.Direction = line[2:]
		}
	}
	if port == 0 || !host.IsValid() {
		return a, fmt.Errorf("no audio stream in SDP: %w", ErrMalformed)
	}
	for _, t := range offered {
		if a.Event == 0 || t != a.Event {
			a.Types = append(a.Types, t)
		}
	}
	a.Addr = netip.AddrPortFrom(host, uint16(port))
	return a, nil
}

// SDP writes the description; version is the o= line's, which grows with each
// change of a session.
func (a Audio) SDP(version int) []byte {
	direction := a.Direction
	if direction == "" {
		direction = "sendrecv"
	}
	types := ""
	maps := ""
	for _, t := range a.Types {
		types += fmt.Sprintf(" %d", t)
		switch t {
		case 0:
			maps += "a=rtpmap:0 PCMU/8000\r\n"
		case 8:
			maps += "a=rtpmap:8 PCMA/8000\r\n"
		}
	}
	if a.Event != 0 {
		types += fmt.Sprintf(" %d", a.Event)
		maps += fmt.Sprintf("a=rtpmap:%d telephone-event/8000\r\na=fmtp:%d 0-15\r\n", a.Event, a.Event)
	}
	host := a.Addr.Addr()
	return fmt.Appendf(nil, "v=0\r\no=- %d %d IN IP4 %s\r\ns=-\r\nc=IN IP4 %s\r\nt=0 0\r\nm=audio %d RTP/AVP%s\r\n%sa=ptime:20\r\na=%s\r\n",
		a.Addr.Port(), version, host, host, a.Addr.Port(), types, maps, direction)
}
