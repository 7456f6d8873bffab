package media

import (
	"cabline/media/g711"
	"cabline/media/g722"
)

// Transcoder turns the packets that are said to one party into its codec. It is
// for one stream, of whoever speaks, and has one user at a time.
type Transcoder struct {
	source  uint32
	decoder *g722.Decoder // of the source; nil: it has not been needed
	encoder *g722.Encoder // of the party
}

// Turn changes p's payload in place: every codec here has a byte a sample of
// 8000 a second, or of what it has besides (G.722).
func (t *Transcoder) Turn(p *Packet, into Codec) {
	if p.Codec == into || p.Event {
		return
	}
	b := p.Payload()
	switch {
	case p.Codec == G722:
		t.decode(p, into)
	case into == G722:
		t.encode(p)
	case into == PCMU:
		g711.ToMuLaw(b)
	default:
		g711.ToALaw(b)
	}
	p.Codec = into
}

func (t *Transcoder) decode(p *Packet, into Codec) {
	if t.decoder == nil || t.source != p.Source {
		t.decoder, t.source = new(g722.Decoder), p.Source
	}
	b, encode := p.Payload(), g711.EncodeALaw
	if into == PCMU {
		encode = g711.EncodeMuLaw
	}
	for i, c := range b {
		b[i] = encode(t.decoder.Decode(c))
	}
}

func (t *Transcoder) encode(p *Packet) {
	if t.encoder == nil {
		t.encoder = new(g722.Encoder)
	}
	b, decode := p.Payload(), g711.DecodeALaw
	if p.Codec == PCMU {
		decode = g711.DecodeMuLaw
	}
	for i, c := range b {
		b[i] = t.encoder.Encode(decode(c))
	}
}
