package webrtc

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"

	"cabline/media"
)

// The payload types we offer for telephone-event, and for the one beside Opus.
const (
	ourEvent     = 101
	ourFullEvent = 110
)

// cname names our source to the browser in SDP and RTCP, and nobody (RFC 7022).
const cname = "cabline"

// local is our side of the SDP. It is written whole, and not made from anything
// that another party sent.
type local struct {
	session     uint64 // o= identifier
	version     uint64 // o= version; goes up with each SDP that leaves
	ssrc        uint32
	ufrag, pwd  string
	fingerprint string
	candidates  []string
	ours        []media.Codec // best first

	// Agreed with the browser; before that, what we offer.
	sections []section
	audioAt  int // which of the sections carries the call
	bundled  bool
	agreement
}

// agreement is what is spoken, and by which payload types; 0: it is not.
type agreement struct {
	codecs    []media.Codec // best first; Opus is alone once it is agreed on
	opus      uint8
	event     uint8 // telephone-event/8000
	fullEvent uint8 // telephone-event/48000
}

// clock is how many a second the timestamps count.
func (a *agreement) clock() int {
	if len(a.codecs) == 0 {
		return media.Rate
	}
	return a.codecs[0].Clock()
}

// telephoneEvent is a payload type of RFC 4733 with what it counts durations by.
type telephoneEvent struct {
	payloadType uint8
	clock       int // a second
}

// events are those there are; we send the first, and Chrome does too, so it is
// the one with the clock of the codec.
func (a *agreement) events() (list []telephoneEvent) {
	if a.event != 0 {
		list = append(list, telephoneEvent{a.event, media.Rate})
	}
	if a.fullEvent != 0 {
		list = append(list, telephoneEvent{a.fullEvent, media.Opus.Clock()})
	}
	if a.clock() != media.Rate {
		slices.Reverse(list)
	}
	return list
}

// number is a codec's payload type.
func (a *agreement) number(c media.Codec) uint8 {
	if c == media.Opus {
		return a.opus
	}
	return c.PayloadType()
}

// newLocal is our SDP before anything is agreed on.
func newLocal(ssrc uint32, fingerprint string, codecs []media.Codec) local {
	return local{
		session:     rand.Uint64() >> 1, // RFC 8829 §5.2.1: 63 bits
		ssrc:        ssrc,
		fingerprint: fingerprint,
		sections:    []section{{kind: "audio", proto: "UDP/TLS/RTP/SAVPF", mid: "0"}},
		bundled:     true,
		ours:        codecs,
		agreement:   offered(codecs),
	}
}

// offered is what we would like.
func offered(codecs []media.Codec) agreement {
	a := agreement{codecs: codecs, event: ourEvent}
	if slices.Contains(codecs, media.Opus) {
		a.opus, a.fullEvent = media.Opus.PayloadType(), ourFullEvent
	}
	return a
}

// read reads a browser's SDP, of which agree can take something.
func (l *local) read(text []byte) (*remote, error) {
	r, err := readRemote(text)
	if err == nil && len(l.common(r)) == 0 {
		err = ErrNoCodec
	}
	return r, err
}

// agree takes over what the browser's SDP settles. Of our codecs those stay
// which the browser has too, in our order: it sends in the first. A stream has
// one clock (RFC 7160), so Opus stays alone or not at all, with its
// telephone-event, and the usual one for browsers that have no other.
func (l *local) agree(r *remote) {
	l.sections, l.audioAt, l.bundled = r.sections, r.audio, r.bundled
	l.agreement = agreement{codecs: l.common(r), event: r.event}
	if l.codecs[0] != media.Opus {
		l.codecs = slices.DeleteFunc(l.codecs, func(c media.Codec) bool { return c == media.Opus })
		return
	}
	l.codecs, l.opus, l.fullEvent = l.codecs[:1], r.opus, r.fullEvent
}

// common is those of our codecs which the browser has too.
func (l *local) common(r *remote) []media.Codec {
	return slices.DeleteFunc(slices.Clone(l.ours), func(c media.Codec) bool { return !slices.Contains(r.codecs, c) })
}

// write is our offer or answer: the audio, and a refusal of all else.
func (l *local) write(d direction, setup string) []byte {
	l.version++
	var b strings.Builder
	fmt.Fprintf(&b, "v=0\r\no=- %d %d IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\n", l.session, l.version)
	if l.bundled {
		fmt.Fprintf(&b, "a=group:BUNDLE %s\r\n", l.sections[l.audioAt].mid)
	}
	for i, s := range l.sections {
		if i == l.audioAt {
			l.writeAudio(&b, s, d, setup)
			continue
		}
		// RFC 3264 §6: a stream is refused with port zero.
		fmt.Fprintf(&b, "m=%s 0 %s %s\r\nc=IN IP4 0.0.0.0\r\na=inactive\r\n", s.kind, s.proto, s.format)
		if s.mid != "" {
			fmt.Fprintf(&b, "a=mid:%s\r\n", s.mid)
		}
	}
	return []byte(b.String())
}

func (l *local) writeAudio(b *strings.Builder, s section, d direction, setup string) {
	fmt.Fprintf(b, "m=audio 9 %s", s.proto)
	for _, c := range l.codecs {
		fmt.Fprintf(b, " %d", l.number(c))
	}
	events := l.events()
	for _, e := range events {
		fmt.Fprintf(b, " %d", e.payloadType)
	}
	b.WriteString("\r\nc=IN IP4 0.0.0.0\r\n")
	for _, c := range l.codecs {
		fmt.Fprintf(b, "a=rtpmap:%d %s\r\n", l.number(c), c.Encoding())
		if c == media.Opus { // what is lost may be said again (RFC 7587 §6.1)
			fmt.Fprintf(b, "a=fmtp:%d useinbandfec=1\r\n", l.opus)
		}
	}
	for _, e := range events {
		fmt.Fprintf(b, "a=rtpmap:%d telephone-event/%d\r\na=fmtp:%d 0-15\r\n", e.payloadType, e.clock, e.payloadType)
	}
	fmt.Fprintf(b, "a=ptime:%d\r\na=rtcp-mux\r\n", media.FrameTime.Milliseconds())
	if s.mid != "" {
		fmt.Fprintf(b, "a=mid:%s\r\n", s.mid)
	}
	fmt.Fprintf(b, "a=%s\r\na=msid:cabline audio\r\na=ssrc:%d cname:%s\r\n", d, l.ssrc, cname)
	fmt.Fprintf(b, "a=setup:%s\r\na=fingerprint:%s\r\na=ice-ufrag:%s\r\na=ice-pwd:%s\r\n", setup, l.fingerprint, l.ufrag, l.pwd)
	for _, c := range l.candidates {
		fmt.Fprintf(b, "a=candidate:%s\r\n", c)
	}
	b.WriteString("a=end-of-candidates\r\n")
}
