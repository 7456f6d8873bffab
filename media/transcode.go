package media

import (
	"time"

	"cabline/media/g711"
	"cabline/media/g722"
)

// Transcoder turns the packets that are said to one party into its codec, and
// into packets of the length it asked for. It is for one stream, of whoever
// speaks, and has one user at a time.
type Transcoder struct {
	source  uint32
	decoder *g722.Decoder // of the source; nil: it has not been needed
	encoder *g722.Encoder // of the party
	packing *packing      // nil: packets go as they come

	heard *opusIn // of the source; nil: it has not been needed
	said  *opusOut
}

// Length sets how long the packets are which the party asks for in its codec
// (a=ptime, RFC 8866 §6.4).
func (t *Transcoder) Length(d time.Duration, c Codec) {
	if k := newPacking(d, c); k == nil || t.packing == nil || k.size != t.packing.size {
		t.packing = k
	}
}

// Turn has say say what p says, in the party's codec: p itself, changed in place
// where both have a byte a sample of 8000 a second, or of what it has besides
// (G.722); with Opus on one side none, one or some packets, which are good until
// say returns.
func (t *Transcoder) Turn(p *Packet, into Codec, say func(*Packet)) {
	switch {
	case p.Event || p.Codec == into && (t.packing == nil || into == Opus):
		say(p)
	case p.Codec == Opus:
		t.hearOpus(p, into, say)
	case into == Opus:
		t.sayOpus(p, say)
	default:
		t.turn(p, into)
		t.pass(p, say)
	}
}

// pass says a packet of a byte a sample, or what the packing makes of it.
func (t *Transcoder) pass(p *Packet, say func(*Packet)) {
	if t.packing == nil {
		say(p)
		return
	}
	t.packing.take(p, say)
}

// turn changes p's payload in place.
func (t *Transcoder) turn(p *Packet, into Codec) {
	b := p.Payload()
	switch {
	case p.Codec == into:
	case p.Codec == G722 || into == G722:
		var sound [FrameSize]int16
		for len(b) > 0 {
			n := min(len(b), len(sound))
			t.samples(sound[:n], b, p)
			t.octets(b, sound[:n], into)
			b = b[n:]
		}
	case into == PCMU:
		g711.ToMuLaw(b)
	default:
		g711.ToALaw(b)
	}
	p.Codec = into
}

// samples fills a sound with what the bytes of p say, which has one for each.
func (t *Transcoder) samples(sound []int16, b []byte, p *Packet) {
	switch p.Codec {
	case PCMA:
		for i := range sound {
			sound[i] = g711.DecodeALaw(b[i])
		}
	case PCMU:
		for i := range sound {
			sound[i] = g711.DecodeMuLaw(b[i])
		}
	case G722:
		if t.decoder == nil || t.source != p.Source {
			t.decoder, t.source = new(g722.Decoder), p.Source
		}
		for i := range sound {
			sound[i] = t.decoder.Decode(b[i])
		}
	}
}

// octets writes a sound in a codec with a byte for each sample.
func (t *Transcoder) octets(b []byte, sound []int16, into Codec) {
	switch into {
	case PCMA:
		for i, s := range sound {
			b[i] = g711.EncodeALaw(s)
		}
	case PCMU:
		for i, s := range sound {
			b[i] = g711.EncodeMuLaw(s)
		}
	case G722:
		if t.encoder == nil {
			t.encoder = new(g722.Encoder)
		}
		for i, s := range sound {
			b[i] = t.encoder.Encode(s)
		}
	}
}
