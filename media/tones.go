package media

import (
	"time"

	"cabline/media/dtmf"
	"cabline/media/g711"
	"cabline/media/g722"
	"cabline/media/opus"
)

// tones looks for keys in the sound of a party.
type tones struct {
	detector dtmf.Detector
	samples  [FrameSize]int16
	wide     g722.Decoder
	full     *opus.Decoder // nil: it has not been needed
	source   uint32
	next     uint32 // the timestamp at which its sound goes on
}

// longGap is a silence in timestamps that is no loss of one key's packets.
const longGap = Rate / 10 // samples

// Inband sets whether keys are looked for in the sound too: for parties who
// send no events. At first they are not.
func (r *DigitReceiver) Inband(yes bool) {
	switch {
	case !yes:
		r.tones = nil
	case r.tones == nil:
		r.tones = new(tones)
	}
}

// Audio takes a packet of audio, before anyone changes it, and returns the key
// whose press it makes certain, some 30 ms after the press began. It is false
// when there is none, or it has come another way already. The packets of the
// press are marked, but for the first 25 ms. Audio has one user at a time.
func (r *DigitReceiver) Audio(p *Packet, now time.Time) (d Digit, ok bool) {
	if r.tones == nil {
		return 0, false
	}
	follows := r.tones.follow(p)
	if p.Key = r.tones.detector.Down(); !follows {
		return 0, false
	}
	for payload := p.Payload(); len(payload) > 0; {
		samples, rest := r.tones.decode(payload, p.Codec)
		for payload = rest; len(samples) > 0; {
			var key byte
			if key, samples = r.tones.detector.Hear(samples); key == 0 {
				continue
			}
			p.Key = true
			r.mu.Lock()
			if r.press(Digit(key), byTone, now) {
				d, ok = Digit(key), true
			}
			r.mu.Unlock()
		}
	}
	p.Key = p.Key || r.tones.detector.Down()
	return d, ok
}

// follow is false for a packet that comes late: its place is taken.
func (t *tones) follow(p *Packet) bool {
	gap := int32(p.Time - t.next)
	switch {
	case p.Source != t.source || gap > longGap || gap < -maxSkip:
		t.detector.Pause()
	case gap < 0:
		return false
	}
	t.source, t.next = p.Source, p.Time+uint32(p.Samples())
	return true
}

// decode is the beginning of a payload, a frame at most, and the rest of it.
func (t *tones) decode(payload []byte, c Codec) (samples []int16, rest []byte) {
	if c == Opus {
		if t.full == nil {
			t.full = new(opus.Decoder)
		}
		return t.full.Decode(payload), nil
	}
	n := min(len(payload), len(t.samples))
	samples = t.samples[:n]
	decode := g711.DecodeALaw
	switch c {
	case PCMU:
		decode = g711.DecodeMuLaw
	case G722:
		decode = t.wide.Decode
	}
	for i, b := range payload[:n] {
		samples[i] = decode(b)
	}
	return samples, payload[n:]
}

// hush makes silence of a packet of audio: A-law, which every port can turn. It
// is false for one of Opus, whose silence is nothing (DTX).
func hush(p *Packet) bool {
	if p.Codec == Opus {
		return false
	}
	p.Codec = PCMA
	for i, b := 0, p.Payload(); i < len(b); i++ {
		b[i] = g711.SilenceALaw
	}
	return true
}

// Retell presses a key that was found in the sound towards whoever hears that
// sound, where it is a party who takes keys otherwise; that party hears no more
// of the tones than nobody takes for a key, see DigitSender.Lets. Another one
// hears all of them and needs nothing.
func Retell(d Digit, to Sink) {
	other, ok := to.(interface {
		Port
		KeysInSound() bool
	})
	if ok && !other.KeysInSound() {
		other.SendDigit(d)
	}
}
