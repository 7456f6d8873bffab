package rtp

import (
	"cmp"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"cabline/media"
)

// The reader of SDP takes the lines it needs and passes over the rest. It is
// our own because pion/sdp refuses what gateways send: m=image for fax, a
// missing t=, lines out of order.

// ErrNoCodec says that the party offers no audio we can take: none of our
// codecs, or the audio switched off.
var ErrNoCodec = errors.New("no codec in common")

// Limits of a description from outside.
const (
	maxSDP     = 16 << 10 // bytes
	maxMedia   = 16       // m= lines
	maxFormats = 64       // in one m= line
)

// direction is where audio may flow, as its sender sees it (RFC 4566 §6).
type direction string

const (
	sendrecv direction = "sendrecv"
	sendonly direction = "sendonly"
	recvonly direction = "recvonly"
	inactive direction = "inactive"
)

// reply is the direction in our answer (RFC 3264 §6.1): whatever they like.
func (d direction) reply() direction {
	switch d {
	case sendonly:
		return recvonly
	case recvonly:
		return sendonly
	case inactive:
		return inactive
	}
	return sendrecv
}

// hears says that who wrote it wants to hear us.
func (d direction) hears() bool { return d == sendrecv || d == recvonly }

// mediaLine is one m= of a description with what is said below it.
type mediaLine struct {
	kind, protocol string
	port           uint16
	formats        []string
	addr           string // c=, its own or the session's
	direction      direction
	rtcp           uint16            // a=rtcp (RFC 3605), 0: the port after
	mux            bool              // a=rtcp-mux
	ptime, longest time.Duration     // a=ptime, a=maxptime; 0: not said
	crypto         []crypto          // of a=crypto those we can follow
	names          map[string]string // a=rtpmap: the encoding by format, in capitals
}

// readSDP reads a description of at least one m= line.
func readSDP(b []byte) ([]mediaLine, error) {
	if len(b) > maxSDP {
		return nil, errors.New("SDP is too long")
	}
	if !strings.HasPrefix(string(b), "v=0") {
		return nil, errors.New("SDP does not begin with v=0")
	}
	session := mediaLine{direction: sendrecv}
	var all []mediaLine
	at := &session
	for line := range strings.Lines(string(b)) {
		key, value, _ := strings.Cut(strings.TrimRight(line, " \t\r\n"), "=")
		switch key {
		case "m":
			m, err := readMedia(value)
			if err != nil {
				return nil, err
			}
			if len(all) == maxMedia {
				return nil, errors.New("SDP has too many m= lines")
			}
			m.addr, m.direction = session.addr, session.direction
			all = append(all, m)
			at = &all[len(all)-1]
		case "c":
			at.addr = value
		case "a":
			if err := at.attribute(value); err != nil {
				return nil, err
			}
		}
	}
	if len(all) == 0 {
		return nil, errors.New("SDP has no m= line")
	}
	return all, nil
}

func readMedia(value string) (mediaLine, error) {
	fields := strings.Fields(value)
	if len(fields) < 4 || len(fields) > 3+maxFormats || !isToken(fields[0]) || !isToken(strings.ReplaceAll(fields[2], "/", "")) {
		return mediaLine{}, fmt.Errorf("SDP line %.40q is malformed", "m="+value)
	}
	number, _, _ := strings.Cut(fields[1], "/") // a count of ports is for multicast
	port, err := strconv.ParseUint(number, 10, 16)
	if err != nil {
		return mediaLine{}, fmt.Errorf("SDP line %.40q has no port", "m="+value)
	}
	return mediaLine{kind: fields[0], protocol: fields[2], port: uint16(port), formats: fields[3:], names: map[string]string{}}, nil
}

// isToken keeps what we write back to letters, digits and dashes.
func isToken(s string) bool {
	return s != "" && len(s) <= 32 && strings.Trim(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-") == ""
}

func (m *mediaLine) attribute(value string) error {
	name, rest, _ := strings.Cut(value, ":")
	switch name {
	case "sendrecv", "sendonly", "recvonly", "inactive":
		m.direction = direction(name)
	case "rtpmap":
		format, encoding, _ := strings.Cut(rest, " ")
		if m.names != nil && len(m.names) < maxFormats {
			m.names[format] = strings.ToUpper(strings.TrimSpace(encoding))
		}
	case "rtcp":
		number, _, _ := strings.Cut(rest, " ")
		port, err := strconv.ParseUint(number, 10, 16)
		if err != nil {
			return fmt.Errorf("SDP line %.40q has no port", "a="+value)
		}
		m.rtcp = uint16(port)
	case "rtcp-mux":
		m.mux = true
	case "ptime":
		m.ptime = milliseconds(rest)
	case "maxptime":
		m.longest = milliseconds(rest)
	case "crypto":
		if c, ok := readCrypto(rest); ok && len(m.crypto) < maxCrypto {
			m.crypto = append(m.crypto, c)
		}
	}
	return nil
}

// milliseconds reads a length of packets; 0: it is none.
func milliseconds(s string) time.Duration {
	n, err := strconv.ParseFloat(strings.TrimSpace(s), 64)
	if err != nil || n < 0 || n > 1000 {
		return 0
	}
	return time.Duration(n * float64(time.Millisecond))
}

// length is how long packets the party wants are.
func (m *mediaLine) length() time.Duration {
	length := cmp.Or(m.ptime, media.FrameTime)
	if m.longest > 0 {
		length = min(length, m.longest)
	}
	return length
}

// party is what the other side wants, as one m= line of its SDP says.
type party struct {
	index     int // of the m= line
	at        netip.AddrPort
	control   netip.AddrPort
	unnamed   bool // c= is 0.0.0.0 or ::, which means hold (RFC 3264 §8.4)
	direction direction

	profile string // of the m= line
	mux     bool
	length  time.Duration // of packets
	crypto  []crypto      // in their order; none: plain RTP

	codecs []codec // in their order
	events []telephoneEvent
}

// telephoneEvent is a payload type of RFC 4733 with what it counts durations by.
type telephoneEvent struct {
	payloadType uint8
	clock       int // a second
}

// eventFor is what keys are sent by beside a codec: events have the codec's
// clock (RFC 4733 §2.1), but phones with Opus may know only the usual one.
func (p *party) eventFor(c media.Codec) (e telephoneEvent, ok bool) {
	for _, e := range p.events {
		if e.clock == c.Clock() {
			return e, true
		}
	}
	if c == media.Opus && len(p.events) > 0 {
		return p.events[0], true
	}
	return e, false
}

// codec is a codec under the number the party gave it.
type codec struct {
	media.Codec
	payloadType uint8
}

// find is the first m= line which we can talk by; an encrypted one before all
// others.
func find(lines []mediaLine, want Security, ours []codec) (party, error) {
	var problem error
	var plain party
	for i, m := range lines {
		if m.kind != "audio" || m.port == 0 {
			continue
		}
		insists, known := profiles[m.protocol]
		if !known {
			problem = cmp.Or(problem, fmt.Errorf("audio is offered over %s, not RTP/AVP", m.protocol))
			continue
		}
		if want == SRTPOff {
			m.crypto = nil
		}
		p, err := m.party()
		if err != nil {
			return party{}, err
		}
		p.index = i
		p.codecs = slices.DeleteFunc(p.codecs, func(theirs codec) bool {
			return !slices.ContainsFunc(ours, func(c codec) bool { return c.Codec == theirs.Codec })
		})
		switch {
		case len(p.codecs) == 0:
			problem = cmp.Or(problem, ErrNoCodec)
		case len(p.crypto) > 0:
			return p, nil
		case insists || want == SRTPRequired:
			problem = fmt.Errorf("audio is offered over %s: %w", m.protocol, ErrNotSecure)
		case plain.codecs == nil:
			plain = p
		}
	}
	if plain.codecs == nil {
		return party{}, cmp.Or(problem, ErrNoCodec)
	}
	return plain, nil
}

// profiles are the transports we talk by, and whether they insist on SRTP. The
// feedback of AVPF (RFC 4585) is the receiver's to send or not.
var profiles = map[string]bool{"RTP/AVP": false, "RTP/AVPF": false, "RTP/SAVP": true, "RTP/SAVPF": true}

func (m *mediaLine) party() (party, error) {
	p := party{direction: m.direction, profile: m.protocol, mux: m.mux, length: m.length(), crypto: m.crypto}
	addr, err := m.address()
	if err != nil {
		return party{}, err
	}
	if p.unnamed = addr.IsUnspecified(); p.unnamed && p.direction == sendrecv {
		p.direction = sendonly
	} else if p.unnamed && p.direction == recvonly {
		p.direction = inactive
	}
	switch {
	case m.mux:
		m.rtcp = m.port
	case m.rtcp == 0:
		m.rtcp = m.port + 1
	}
	p.at, p.control = netip.AddrPortFrom(addr, m.port), netip.AddrPortFrom(addr, m.rtcp)
	for _, format := range m.formats {
		number, err := strconv.ParseUint(format, 10, 7)
		if err != nil {
			return party{}, fmt.Errorf("SDP payload type %.20q is no number up to 127", format)
		}
		payloadType := uint8(number)
		switch m.encoding(format) {
		case "PCMA/8000", "PCMA/8000/1":
			p.codecs = append(p.codecs, codec{media.PCMA, payloadType})
		case "PCMU/8000", "PCMU/8000/1":
			p.codecs = append(p.codecs, codec{media.PCMU, payloadType})
		case "G722/8000", "G722/8000/1":
			p.codecs = append(p.codecs, codec{media.G722, payloadType})
		case "OPUS/48000/2":
			p.codecs = append(p.codecs, codec{media.Opus, payloadType})
		case "TELEPHONE-EVENT/8000", "TELEPHONE-EVENT/8000/1":
			p.events = append(p.events, telephoneEvent{payloadType, media.Rate})
		case "TELEPHONE-EVENT/48000", "TELEPHONE-EVENT/48000/1":
			p.events = append(p.events, telephoneEvent{payloadType, media.Opus.Clock()})
		}
	}
	return p, nil
}

// encoding is the name of a format; the static ones need no rtpmap, and can
// have no other meaning.
func (m *mediaLine) encoding(format string) string {
	switch format {
	case "0":
		return "PCMU/8000"
	case "8":
		return "PCMA/8000"
	case "9":
		return "G722/8000"
	}
	return m.names[format]
}

func (m *mediaLine) address() (netip.Addr, error) {
	fields := strings.Fields(m.addr)
	if len(fields) != 3 || fields[0] != "IN" {
		return netip.Addr{}, fmt.Errorf("SDP line %.60q is no address", "c="+m.addr)
	}
	addr, err := netip.ParseAddr(fields[2])
	if err != nil || addr.Zone() != "" || addr.Is4() != (fields[1] == "IP4") || addr.Is6() != (fields[1] == "IP6") {
		return netip.Addr{}, fmt.Errorf("SDP line %.60q is no address", "c="+m.addr)
	}
	addr = addr.Unmap()
	if addr.IsMulticast() || addr == netip.AddrFrom4([4]byte{255, 255, 255, 255}) {
		return netip.Addr{}, fmt.Errorf("SDP line %.60q is no single host", "c="+m.addr)
	}
	return addr, nil
}
