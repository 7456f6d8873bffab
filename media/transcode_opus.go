package media

import "cabline/media/opus"

// opusIn hears the Opus of one source.
type opusIn struct {
	decoder opus.Decoder
	source  uint32
	seq     uint16 // of the last packet …
	length  int    // … its samples; 0: none has come
	next    uint32 // the time at which the source goes on
	packet  Packet
	buf     [HeaderSize + opus.MaxPacket + tailRoom]byte
}

// maxConcealed is how many packets in a row are made up when they do not come:
// what is made up of more is a drone.
const maxConcealed = 3

// hearOpus says what a packet of Opus says, and before it what those said that
// were lost before it, as far as that can be known or made up. One that is no
// Opus counts as lost; one that comes late is not said, its place is taken.
func (t *Transcoder) hearOpus(p *Packet, into Codec, say func(*Packet)) {
	o := t.heard
	if o == nil || o.source != p.Source {
		o = &opusIn{source: p.Source}
		t.heard = o
	}
	step := p.Seq - o.seq
	if o.length > 0 && int16(step) <= 0 && int16(step) > -maxMisorder {
		return
	}
	// In a pause (DTX) timestamps go on and sequence numbers do not.
	if lost := step - 1; o.length > 0 && lost <= maxConcealed && p.Time-o.next == uint32(lost)*uint32(o.length) {
		for i := range lost {
			var after []byte
			if i == lost-1 {
				after = p.Payload()
			}
			o.packet = Packet{Seq: o.seq + 1 + i, Time: o.next, Source: p.Source, At: p.At}
			t.tell(&o.packet, o.decoder.Conceal(o.length, after), into, say)
			o.next += uint32(o.length)
		}
	}
	sound := o.decoder.Decode(p.Payload())
	if sound == nil {
		sound = o.decoder.Conceal(max(o.length, FrameSize), nil)
	}
	o.seq, o.length, o.next = p.Seq, len(sound), p.Time+uint32(len(sound))
	t.tell(p, sound, into, say)
}

// tell says samples as p, in a codec with a byte for each.
func (t *Transcoder) tell(p *Packet, sound []int16, into Codec, say func(*Packet)) {
	if len(sound) == 0 {
		return
	}
	p.Buf, p.Start, p.Codec = t.heard.buf[:HeaderSize+len(sound)], HeaderSize, into
	t.octets(p.Payload(), sound, into)
	t.pass(p, say)
}

// opusOut says Opus to the party.
type opusOut struct {
	encoder opus.Encoder
	sound   [maxPacking]int16
	buf     [maxOpus]byte
}

// maxOpus is the longest packet we say, with room on both sides.
const maxOpus = HeaderSize + opus.MaxOctets + tailRoom

// sayOpus says a packet in Opus, whole frames of it.
func (t *Transcoder) sayOpus(p *Packet, say func(*Packet)) {
	if t.said == nil {
		t.said = new(opusOut)
	}
	if t.packing == nil {
		t.packing = newPacking(FrameTime, Opus)
	}
	t.packing.take(p, func(p *Packet) {
		sound := t.said.sound[:len(p.Payload())]
		t.samples(sound, p.Payload(), p)
		n := copy(t.said.buf[HeaderSize:], t.said.encoder.Encode(sound))
		if n == 0 {
			return
		}
		p.Buf, p.Start, p.Codec = t.said.buf[:HeaderSize+n], HeaderSize, Opus
		say(p)
	})
}
