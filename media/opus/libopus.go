//go:build opus && cgo

package opus

/*
#cgo pkg-config: opus
#cgo noescape opus_decode
#cgo nocallback opus_decode
#cgo noescape opus_encode
#cgo nocallback opus_encode
#include <opus.h>

// What a telephone's sound is worth: 24 kbit/s, of which some say again, more
// roughly, what the packet before said (RFC 6716 §2.1.7).
static int tune(OpusEncoder *e) {
	int wrong = opus_encoder_ctl(e, OPUS_SET_BITRATE(24000));
	wrong |= opus_encoder_ctl(e, OPUS_SET_COMPLEXITY(5));
	wrong |= opus_encoder_ctl(e, OPUS_SET_SIGNAL(OPUS_SIGNAL_VOICE));
	wrong |= opus_encoder_ctl(e, OPUS_SET_INBAND_FEC(1));
	wrong |= opus_encoder_ctl(e, OPUS_SET_PACKET_LOSS_PERC(5));
	return wrong;
}
*/
import "C"

import "unsafe"

// Built says that the program can hear and say Opus.
const Built = true

// state is the memory of one of libopus' coders. It is Go's, and so nobody has
// to give it back: libopus keeps offsets in it and pointers to its own constants.
type state []uint64

func newState(octets C.int) state { return make(state, (octets+7)/8) }

// Decoder hears one stream. The zero value has heard nothing.
type Decoder struct {
	state state
	sound [MaxPacket]int16
}

// Decode is a packet as 16-bit linear samples, which are good until the next
// call; nil: it is none.
func (d *Decoder) Decode(packet []byte) []int16 {
	if Samples(packet) == 0 {
		return nil
	}
	return d.decode(packet, MaxPacket, 0)
}

// Conceal is so many samples in the place of a packet that did not come, made
// from what the packet next to it says of it, if it is there and does, and of
// what was before it. The samples must be a multiple of 2.5 ms; nil: they are not.
func (d *Decoder) Conceal(samples int, next []byte) []int16 {
	if samples <= 0 || samples > MaxPacket || samples%(Rate/400) != 0 {
		return nil
	}
	if Samples(next) > 0 {
		if sound := d.decode(next, samples, 1); sound != nil {
			return sound
		}
	}
	return d.decode(nil, samples, 0)
}

func (d *Decoder) decode(packet []byte, most int, again C.int) []int16 {
	if d.state == nil {
		d.state = newState(C.opus_decoder_get_size(1))
		if C.opus_decoder_init(d.pointer(), Rate, 1) != C.OPUS_OK {
			panic("opus: libopus decodes no mono of 8000 a second")
		}
	}
	n := C.opus_decode(d.pointer(), (*C.uchar)(unsafe.SliceData(packet)), C.opus_int32(len(packet)), (*C.opus_int16)(&d.sound[0]), C.int(most), again)
	if n <= 0 {
		return nil
	}
	return d.sound[:n]
}

func (d *Decoder) pointer() *C.OpusDecoder { return (*C.OpusDecoder)(unsafe.Pointer(&d.state[0])) }

// Encoder says one stream. The zero value has said nothing.
type Encoder struct {
	state  state
	packet [MaxOctets]byte
}

// Encode is 10, 20, 40 or 60 ms of 16-bit linear samples as a packet, which is
// good until the next call; nil: they are of another length.
func (e *Encoder) Encode(samples []int16) []byte {
	if len(samples) == 0 {
		return nil
	}
	if e.state == nil {
		e.state = newState(C.opus_encoder_get_size(1))
		if C.opus_encoder_init(e.pointer(), Rate, 1, C.OPUS_APPLICATION_VOIP) != C.OPUS_OK || C.tune(e.pointer()) != C.OPUS_OK {
			panic("opus: libopus encodes no mono of 8000 a second")
		}
	}
	n := C.opus_encode(e.pointer(), (*C.opus_int16)(&samples[0]), C.int(len(samples)), (*C.uchar)(&e.packet[0]), MaxOctets)
	if n <= 0 {
		return nil
	}
	return e.packet[:n]
}

func (e *Encoder) pointer() *C.OpusEncoder { return (*C.OpusEncoder)(unsafe.Pointer(&e.state[0])) }
