package webrtc

import (
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"github.com/pion/sdp/v3"
	"github.com/pion/webrtc/v4"

	"cabline/media"
)

// What we read of a browser's SDP at most. Chrome's largest offer (audio, video,
// a dozen networks) has some 10 kB and 300 lines.
const (
	maxSDP        = 64 << 10
	maxLines      = 1000
	maxMedia      = 16
	maxCandidates = 32
)

// Why a browser's SDP is refused. SIP's answer to all of them is 488.
var (
	ErrNoAudio       = errors.New("no audio that we can carry")
	ErrNoCodec       = errors.New("none of our codecs is offered")
	ErrNoFingerprint = errors.New("no usable certificate fingerprint: not WebRTC")
	ErrNoICE         = errors.New("no usable ICE credentials: not WebRTC")
)

// direction is what the side that writes an SDP wants of the audio (RFC 8866
// §6.7).
type direction uint8

const (
	inactive direction = 0
	sendonly direction = 1 << 0
	recvonly direction = 1 << 1
	sendrecv           = sendonly | recvonly
)

func (d direction) String() string {
	return [...]string{"inactive", "sendonly", "recvonly", "sendrecv"}[d]
}

// seen is the same direction from the other side.
func (d direction) seen() direction { return d&sendonly<<1 | d&recvonly>>1 }

// remote is all that we take from a browser's SDP. What is not here never gets
// any further, neither to pion nor to another party.
type remote struct {
	sections  []section // its m= lines in order, for the answer must have as many
	audio     int       // the one that carries the call
	bundled   bool      // a=group:BUNDLE names it
	codecs    []media.Codec
	opus      uint8 // payload type of Opus; 0: none
	event     uint8 // … of telephone-event/8000
	fullEvent uint8 // … of telephone-event/48000
	direction direction

	iceLite     bool
	ufrag, pwd  string
	fingerprint string // "sha-256 AB:CD:…"
	setup       string // actpass, active or passive (RFC 4145)
	candidates  []webrtc.ICECandidate
}

// section is an m= line.
type section struct {
	kind, proto, format string // format: the first of the list
	mid                 string // "": none
}

// readRemote reads a browser's offer or answer.
func readRemote(text []byte) (*remote, error) {
	if len(text) > maxSDP || strings.Count(string(text), "\n") > maxLines {
		return nil, fmt.Errorf("SDP of %d bytes is too long", len(text))
	}
	var desc sdp.SessionDescription
	if err := desc.UnmarshalString(string(text)); err != nil {
		return nil, fmt.Errorf("read SDP: %w", err)
	}
	if len(desc.MediaDescriptions) > maxMedia {
		return nil, fmt.Errorf("%d media in the SDP are too many", len(desc.MediaDescriptions))
	}
	r := &remote{audio: -1}
	for i, m := range desc.MediaDescriptions {
		s := section{kind: m.MediaName.Media, proto: strings.Join(m.MediaName.Protos, "/")}
		s.mid, _ = m.Attribute("mid")
		if len(m.MediaName.Formats) > 0 {
			s.format = m.MediaName.Formats[0]
		}
		if !token(s.kind) || !token(strings.ReplaceAll(s.proto, "/", "")) || !token(s.format) || s.mid != "" && !token(s.mid) {
			return nil, fmt.Errorf("malformed media %d in the SDP", i)
		}
		r.sections = append(r.sections, s)
		if r.audio < 0 && s.kind == "audio" && strings.Contains(s.proto, "SAVP") && m.MediaName.Port.Value != 0 {
			r.audio = i
		}
	}
	if r.audio < 0 {
		return nil, ErrNoAudio
	}
	return r, r.readAudio(attributes{&desc, desc.MediaDescriptions[r.audio]})
}

func (r *remote) readAudio(a attributes) error {
	if r.readCodecs(a); len(r.codecs) == 0 {
		return ErrNoCodec
	}
	r.direction = a.direction()
	_, r.iceLite = a.session.Attribute("ice-lite")
	group, _ := a.session.Attribute("group")
	for i, mid := range strings.Fields(group) {
		r.bundled = r.bundled || i > 0 && mid == r.sections[r.audio].mid
	}
	switch r.setup = a.value("setup"); r.setup {
	case "actpass", "active", "passive":
	case "": // RFC 4145 §4 has a default for either side; WebRTC's is this
		r.setup = "actpass"
	default:
		return fmt.Errorf("a=setup:%q is of no use", r.setup)
	}
	for _, f := range a.values("fingerprint") {
		if r.fingerprint == "" && strongFingerprint(f) {
			r.fingerprint = f
		}
	}
	if r.fingerprint == "" {
		return ErrNoFingerprint
	}
	r.ufrag, r.pwd = a.value("ice-ufrag"), a.value("ice-pwd")
	if !iceChars(r.ufrag, 4) || !iceChars(r.pwd, 22) {
		return ErrNoICE
	}
	for _, v := range a.values("candidate") {
		if c, ok := candidate(v, len(r.candidates)); ok && len(r.candidates) < maxCandidates {
			r.candidates = append(r.candidates, c)
		}
	}
	return nil
}

// readCodecs finds codecs by their static payload types, and Opus and
// telephone-event by their names. Chrome offers events at 48000 too, for Opus.
func (r *remote) readCodecs(a attributes) {
	listed := make(map[string]bool)
	for _, pt := range a.media.MediaName.Formats {
		listed[pt] = true
		switch pt {
		case "8":
			r.codecs = append(r.codecs, media.PCMA)
		case "0":
			r.codecs = append(r.codecs, media.PCMU)
		case "9":
			r.codecs = append(r.codecs, media.G722)
		}
	}
	for _, v := range a.values("rtpmap") {
		pt, name, _ := strings.Cut(v, " ")
		n, err := strconv.ParseUint(pt, 10, 7)
		if err != nil || n < 96 || !listed[pt] {
			continue
		}
		switch strings.ToLower(name) {
		case "opus/48000/2":
			if r.opus == 0 {
				r.codecs = append(r.codecs, media.Opus)
			}
			r.opus = uint8(n)
		case "telephone-event/8000":
			r.event = uint8(n)
		case "telephone-event/48000":
			r.fullEvent = uint8(n)
		}
	}
}

// attributes of the audio, which may stand in its section or before all.
type attributes struct {
	session *sdp.SessionDescription
	media   *sdp.MediaDescription
}

// values are those of the section, or of the session where it has none.
func (a attributes) values(key string) (all []string) {
	for _, from := range [][]sdp.Attribute{a.media.Attributes, a.session.Attributes} {
		for _, attr := range from {
			if attr.Key == key {
				all = append(all, attr.Value)
			}
		}
		if all != nil {
			break
		}
	}
	return all
}

func (a attributes) value(key string) string {
	if all := a.values(key); len(all) > 0 {
		return all[0]
	}
	return ""
}

func (a attributes) direction() direction {
	for _, from := range [][]sdp.Attribute{a.media.Attributes, a.session.Attributes} {
		for _, attr := range from {
			for d := inactive; d <= sendrecv; d++ {
				if attr.Key == d.String() {
					return d
				}
			}
		}
	}
	return sendrecv
}

// candidate reads one of the browser's candidates, or leaves it out: names (mDNS) are
// not looked up, and TCP is for browsers to open.
func candidate(value string, number int) (c webrtc.ICECandidate, ok bool) {
	f := strings.Fields(value) // foundation component transport priority address port typ type …
	if len(f) < 8 || f[1] != "1" || !strings.EqualFold(f[2], "udp") || f[6] != "typ" {
		return c, false
	}
	priority, err := strconv.ParseUint(f[3], 10, 32)
	if err != nil {
		return c, false
	}
	addr, err := netip.ParseAddr(f[4])
	if err != nil || addr.Zone() != "" || addr.IsUnspecified() || addr.IsMulticast() {
		return c, false
	}
	port, err := strconv.ParseUint(f[5], 10, 16)
	if err != nil || port == 0 {
		return c, false
	}
	kind, err := webrtc.NewICECandidateType(f[7])
	if err != nil {
		return c, false
	}
	return webrtc.ICECandidate{
		Foundation: strconv.Itoa(number), Component: 1, Protocol: webrtc.ICEProtocolUDP, Typ: kind,
		Priority: uint32(priority), Address: addr.String(), Port: uint16(port),
	}, true
}

// strongFingerprint tells whether a fingerprint (RFC 8122 §5) is well formed,
// with a hash that may be trusted.
func strongFingerprint(value string) bool {
	hash, digest, _ := strings.Cut(value, " ")
	size := map[string]int{"sha-256": 32, "sha-384": 48, "sha-512": 64}[strings.ToLower(hash)]
	octets := strings.Split(digest, ":")
	for _, o := range octets {
		if _, err := strconv.ParseUint(o, 16, 8); err != nil || len(o) != 2 {
			return false
		}
	}
	return size > 0 && len(octets) == size
}

// iceChars tells whether s is an ice-ufrag or ice-pwd of at least so many
// characters (RFC 8839 §5.4).
func iceChars(s string, least int) bool {
	ok := len(s) >= least && len(s) <= 256
	for _, c := range []byte(s) {
		ok = ok && ('a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '+' || c == '/')
	}
	return ok
}

// token tells whether s is a token of RFC 8866 §9 of a sane length, and so may
// be repeated in an answer.
func token(s string) bool {
	for _, c := range []byte(s) {
		if c <= ' ' || c > '~' || strings.IndexByte(`"(),/:;<=>?@[\]`, c) >= 0 {
			return false
		}
	}
	return s != "" && len(s) <= 64
}
