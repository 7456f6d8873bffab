package rtp

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"cabline/media"
)

// The payload types we number telephone-event by when we offer it, and the one
// that goes with Opus.
const (
	ourEvent     = 101
	ourFullEvent = 110
)

// negotiation is what has been agreed in SDP (RFC 3264). Our descriptions are
// built of our own words: nothing of the other side's is copied into them but
// the kinds of m= lines we refuse, and the numbers of payload types.
type negotiation struct {
	mu      sync.Mutex
	here    netip.Addr
	id      uint64 // of the session, o=
	version uint64
	last    string // what follows o= in the description sent last
	offered bool   // an answer is awaited, or may come again
	profile string // of the audio's m= line
	mux     bool   // RTCP on the port of RTP (RFC 5761)
	sdes    sdes
	codecs  []codec // ours, best first, as the party and we number them
	events  []telephoneEvent
}

// begin is before anything is agreed on.
func (n *negotiation) begin(o Options) {
	n.here, n.id = o.Advertise, uint64(rand.Uint32())
	n.version, n.profile, n.sdes.want = n.id, "RTP/AVP", o.SRTP
	if o.SRTP == SRTPRequired {
		n.profile = "RTP/SAVP"
	}
	if len(o.Codecs) == 0 {
		o.Codecs = []media.Codec{media.PCMA, media.PCMU}
	}
	n.codecs = make([]codec, len(o.Codecs))
	for i, c := range o.Codecs {
		n.codecs[i] = codec{c, c.PayloadType()}
	}
	n.events = []telephoneEvent{{ourEvent, media.Rate}}
	if slices.Contains(o.Codecs, media.Opus) {
		n.events = append(n.events, telephoneEvent{ourFullEvent, media.Opus.Clock()})
	}
}

// number takes over the party's payload types, which stay for the session (RFC
// 3264 §8.3.2). One of ours that was of another meaning is not offered any more.
func (n *negotiation) number(c codec, events []telephoneEvent) {
	taken := []uint8{c.payloadType}
	for _, e := range events {
		taken = append(taken, e.payloadType)
	}
	for i := range n.codecs {
		if n.codecs[i].Codec == c.Codec {
			n.codecs[i] = c
		}
	}
	for i := range n.events {
		for _, e := range events {
			if n.events[i].clock == e.clock {
				n.events[i] = e
			}
		}
	}
	n.codecs = slices.DeleteFunc(n.codecs, func(ours codec) bool {
		return ours.Codec != c.Codec && slices.Contains(taken, ours.payloadType)
	})
	n.events = slices.DeleteFunc(n.events, func(ours telephoneEvent) bool {
		return !slices.Contains(events, ours) && slices.Contains(taken, ours.payloadType)
	})
}

// best is the party's codec which we like best: that two legs speak the same,
// without transcoding, counts for more than what one of them would like.
func (n *negotiation) best(theirs []codec) codec {
	for _, ours := range n.codecs {
		if i := slices.IndexFunc(theirs, func(c codec) bool { return c.Codec == ours.Codec }); i >= 0 {
			return theirs[i]
		}
	}
	return theirs[0]
}

// Offer is the SDP for an INVITE or re-INVITE we send, or for the 200 to one
// that came without.
func (p *Port) Offer() ([]byte, error) {
	n := &p.talk
	n.mu.Lock()
	defer n.mu.Unlock()
	n.offered = true
	events := n.events
	if p.keys == KeysInBand {
		events = nil
	}
	var body strings.Builder
	p.audioLine(&body, n.codecs, events, sendrecv, n.sdes.offer())
	return n.describe(body.String()), nil
}

// OfferPlain is Offer without encryption, and so are all that follow: for a party
// that has refused the one with it.
func (p *Port) OfferPlain() ([]byte, error) {
	n := &p.talk
	n.mu.Lock()
	if n.sdes.want == SRTPRequired || n.sdes.secured() {
		n.mu.Unlock()
		return nil, fmt.Errorf("offer without encryption: %w", ErrNotSecure)
	}
	n.sdes = sdes{want: SRTPOff}
	n.mu.Unlock()
	return p.Offer()
}

// Answer takes the party's offer, the first one or a later one with a hold or
// a new address, and is our answer to it. An error leaves all as it was;
// ErrNoCodec is for 488.
func (p *Port) Answer(offer []byte) ([]byte, error) {
	lines, err := readSDP(offer)
	if err != nil {
		return nil, fmt.Errorf("read offer: %w", err)
	}
	there, err := p.read(lines)
	if err != nil {
		return nil, fmt.Errorf("read offer: %w", err)
	}
	n := &p.talk
	n.mu.Lock()
	defer n.mu.Unlock()
	there.codecs = []codec{n.best(there.codecs)}
	if e, ok := there.eventFor(there.codecs[0].Codec); ok {
		there.events = []telephoneEvent{e}
	} else {
		there.events = nil
	}
	if err := p.agree(there, n.sdes.answered(there.crypto)); err != nil {
		return nil, fmt.Errorf("answer: %w", err)
	}
	n.number(there.codecs[0], there.events)
	n.offered = false
	var body strings.Builder
	for i, m := range lines {
		if i == there.index {
			p.audioLine(&body, there.codecs, there.events, there.direction.reply(), n.sdes.ours)
		} else {
			refuse(&body, m)
		}
	}
	return n.describe(body.String()), nil
}

// Accept takes the party's answer to our Offer. It may come more than once, in
// a 183 and in the 200.
func (p *Port) Accept(answer []byte) error {
	lines, err := readSDP(answer)
	if err != nil {
		return fmt.Errorf("read answer: %w", err)
	}
	there, err := p.read(lines)
	if err != nil {
		return fmt.Errorf("read answer: %w", err)
	}
	n := &p.talk
	n.mu.Lock()
	defer n.mu.Unlock()
	if !n.offered {
		return errors.New("read answer: nothing was offered")
	}
	secret, err := n.sdes.accepted(there.crypto)
	if err != nil {
		return err
	}
	return p.agree(there, secret)
}

// read finds the party in its SDP.
func (p *Port) read(lines []mediaLine) (party, error) {
	there, err := find(lines, p.talk.sdes.want, p.talk.codecs)
	if err != nil {
		return party{}, err
	}
	if there.at.Addr().Is4() != p.tx.rtp.Local().Addr().Is4() {
		return party{}, fmt.Errorf("party is at %v, which our socket does not reach", there.at.Addr())
	}
	if p.keys == KeysInBand {
		there.events = nil
	}
	return there, nil
}

// agree puts into effect what the party wants and how it is encrypted; an error
// leaves all as it was. p.talk.mu is held.
func (p *Port) agree(there party, secret sdes) error {
	r, t, n := &p.rx, &p.tx, &p.talk
	r.mu.Lock()
	defer r.mu.Unlock()
	t.mu.Lock()
	defer t.mu.Unlock()
	if err := p.encrypt(secret); err != nil {
		return err
	}
	n.sdes, n.profile, n.mux, r.mux = secret, there.profile, there.mux, there.mux
	r.kinds = [128]kind{0: mulaw, 8: alaw, comfortNoise: comfort}
	r.expect(n.codecs, n.events)         // as we number them …
	r.expect(there.codecs, there.events) // … and as they do
	r.reception.Await(there.direction == sendrecv)
	moved := !there.unnamed && there.at != r.agreed
	if moved {
		if r.latched {
			r.left = r.from
		}
		r.moved = time.Now()
		r.agreed, r.from, r.control, r.latched = there.at, there.at, there.control, false
		t.to = there.at
	}
	t.held = !there.direction.hears()
	t.codec, t.audio = there.codecs[0].Codec, there.codecs[0].payloadType
	t.stream.Count(t.codec)
	t.turner.Length(there.length, t.codec)
	r.clock = t.codec
	e, takes := there.eventFor(t.codec)
	p.pressing.UseEvents(takes)
	p.pressed.Inband(p.keys == KeysInBand || p.keys == KeysAuto && !takes)
	if takes {
		t.event = e
	}
	return nil
}

// expect has payload types mean these from now on. r.mu is held.
func (r *rx) expect(codecs []codec, events []telephoneEvent) {
	for _, e := range events {
		if r.kinds[e.payloadType] = event; e.clock != media.Rate {
			r.kinds[e.payloadType] = fullEvent
		}
	}
	for _, c := range codecs {
		r.kinds[c.payloadType] = [...]kind{media.PCMA: alaw, media.PCMU: mulaw, media.G722: wide, media.Opus: full}[c.Codec]
	}
}

// audioLine writes our m= line with its attributes.
func (p *Port) audioLine(to *strings.Builder, codecs []codec, events []telephoneEvent, d direction, keys []crypto) {
	fmt.Fprintf(to, "m=audio %d %s", p.here, p.talk.profile)
	for _, c := range codecs {
		fmt.Fprintf(to, " %d", c.payloadType)
	}
	for _, e := range events {
		fmt.Fprintf(to, " %d", e.payloadType)
	}
	to.WriteString("\r\n")
	for _, c := range codecs {
		fmt.Fprintf(to, "a=rtpmap:%d %s\r\n", c.payloadType, c.Encoding())
		if c.Codec == media.Opus { // what is lost may be said again (RFC 7587 §6.1)
			fmt.Fprintf(to, "a=fmtp:%d useinbandfec=1\r\n", c.payloadType)
		}
	}
	for _, e := range events {
		fmt.Fprintf(to, "a=rtpmap:%d telephone-event/%d\r\na=fmtp:%d 0-15\r\n", e.payloadType, e.clock, e.payloadType)
	}
	fmt.Fprintf(to, "a=ptime:%d\r\na=%s\r\n", media.FrameTime.Milliseconds(), d)
	if p.talk.mux {
		fmt.Fprintf(to, "a=rtcp:%d\r\na=rtcp-mux\r\n", p.here)
	} else {
		fmt.Fprintf(to, "a=rtcp:%d\r\n", p.here+1)
	}
	for _, key := range keys {
		to.WriteString(key.String())
	}
}

// refuse answers an m= line we do not take (RFC 3264 §6): port 0; the format
// does not matter.
func refuse(to *strings.Builder, m mediaLine) {
	format := "*"
	if strings.Contains(m.protocol, "RTP/") {
		format = "0"
	}
	fmt.Fprintf(to, "m=%s 0 %s %s\r\n", m.kind, m.protocol, format)
}

// describe puts the head before a description. The version goes up when it is
// not the one sent last (RFC 3264 §8). n.mu is held.
func (n *negotiation) describe(body string) []byte {
	family := "IP4"
	if n.here.Is6() {
		family = "IP6"
	}
	if n.last != "" && n.last != body {
		n.version++
	}
	n.last = body
	return fmt.Appendf(nil, "v=0\r\no=- %d %d IN %s %v\r\ns=-\r\nc=IN %s %v\r\nt=0 0\r\n%s",
		n.id, n.version, family, n.here, family, n.here, body)
}
