//go:build opus

package rtp

import (
	"bytes"
	"encoding/binary"
	"testing"
	"time"

	"cabline/media"
	"cabline/media/opus"
	"cabline/media/wire"
)

// full says frames of a tone in Opus.
func (f *phone) full(hz float64, frames int) {
	f.t.Helper()
	var e opus.Encoder
	for k := range frames {
		var sound [160]int16
		for i := range sound {
			sound[i] = sample(hz, k*160+i)
		}
		f.say(bytes.Clone(e.Encode(sound[:])), 960)
	}
}

// heardFull is the Opus heard from a packet on, linear.
func (f *phone) heardFull(from int) (samples []int16) {
	var d opus.Decoder
	for _, p := range f.all()[from:] {
		if p.PayloadType == 111 {
			samples = append(samples, d.Decode(p.Payload)...)
		}
	}
	return samples
}

func TestALegOfOpusHearsAndIsHeardByEverybody(t *testing.T) {
	onBothWires(t, Config{}, func(t *testing.T, r *Relay) {
		for _, other := range []string{"8", "0", "9"} {
			a, b := newPhone(t), newPhone(t)
			pa, pb := openWide(t, r, media.Opus, media.PCMA), openWide(t, r, media.PCMA, media.PCMU, media.G722)
			a.call(pa, "111 8 110", isOpus, fullKey)
			b.call(pb, other)
			media.Cross(pa, pb)
			a.full(440, 50)
			if b.packet.PayloadType == 9 {
				b.wide(1000, 50)
			} else {
				b.hum(1000, 50)
			}
			until(t, "both heard all", func() bool { return len(a.all()) == 50 && len(b.all()) == 50 })
			if p := power(append(b.sound(), b.heardWide()...)[1600:], 440); p < 0.95 {
				t.Errorf("of what %s heard %.2f is a's 440 Hz", other, p)
			}
			if p := power(a.heardFull(0)[1600:], 1000); p < 0.95 {
				t.Errorf("of what a heard %.2f is the 1000 Hz of %s", p, other)
			}
			for i, p := range b.all() {
				if i > 0 && p.Timestamp-b.all()[i-1].Timestamp != 160 {
					t.Errorf("%v after %v", p.Header, b.all()[i-1].Header)
				}
			}
			a.pressFull('7', 110)
			if keys := pressed(t, pa, 1); keys != "7" {
				t.Errorf("a pressed %q", keys)
			}
			media.Cross(pa, pb)()
			before := len(a.all())
			if err := pa.Play(t.Context(), media.Speech{media.Tone("prompt", []float64{700}, media.FrameTime*50)}); err != nil {
				t.Fatal(err)
			}
			until(t, "a heard the prompt", func() bool { return len(a.all()) == before+50 })
			if p := power(a.heardFull(before)[1600:], 700); p < 0.95 {
				t.Errorf("of the prompt %.2f is its tone", p)
			}
			for i, p := range a.all()[before:] {
				if i > 0 && p.Timestamp-a.all()[before+i-1].Timestamp != 960 {
					t.Errorf("%v after %v", p.Header, a.all()[before+i-1].Header)
				}
			}
			if s := pa.Stats(); s.Soundless > 0 || s.Sampled == 0 || s.MOS() < 3.5 {
				t.Errorf("%+v is rated %.2f", s, s.MOS())
			}
		}
	})
}

func TestALegOfOpusHearsPacketsOfAnyLength(t *testing.T) {
	onBothWires(t, Config{}, func(t *testing.T, r *Relay) {
		a, b := newPhone(t), newPhone(t)
		pa, pb := openWide(t, r, media.Opus), openPort(t, r, LatchFirst)
		a.call(pa, "111", isOpus)
		b.call(pb, "8", "a=ptime:30") // asks for them, and says them
		media.Cross(pa, pb)
		b.humIn(1000, 40, 240)
		a.full(440, 60)
		until(t, "both heard all", func() bool { return len(a.all()) == 60 && len(b.all()) == 40 })
		if p := power(a.heardFull(0)[1600:], 1000); p < 0.95 {
			t.Errorf("of what a heard %.2f is b's 1000 Hz", p)
		}
		if p := power(b.sound()[1600:], 440); p < 0.95 || len(b.all()[0].Payload) != 240 {
			t.Errorf("of what b heard in packets of %d %.2f is a's 440 Hz", len(b.all()[0].Payload), p)
		}
	})
}

func TestKeysInTheSoundOfOpusAreDigits(t *testing.T) {
	onBothWires(t, Config{}, func(t *testing.T, r *Relay) {
		a, p := newPhone(t), openWide(t, r, media.Opus)
		a.call(p, "111", isOpus)
		for _, hz := range [][]float64{{770, 1336}, {697, 1209}} {
			var to media.Transcoder
			sound := append(media.Tone("", hz, 5*media.FrameTime).ALaw, media.Silence(5*media.FrameTime).ALaw...)
			for at := uint32(0); len(sound) > 0; at, sound = at+160, sound[160:] {
				to.Turn(&media.Packet{Buf: append(make([]byte, 12), sound[:160]...), Start: 12, Time: at}, media.Opus,
					func(pk *media.Packet) { a.say(bytes.Clone(pk.Payload()), 960) })
			}
		}
		if keys := pressed(t, p, 2); keys != "51" {
			t.Errorf("keys are %q", keys)
		}
	})
}

func TestTurningOpusInTheRelayDoesNotAllocate(t *testing.T) {
	onBothWires(t, Config{}, func(t *testing.T, r *Relay) {
		a, b := newPhone(t), newPhone(t)
		pa, pb := openWide(t, r, media.Opus), openPort(t, r, LatchFirst)
		a.call(pa, "111", isOpus)
		b.call(pb, "0")
		media.Cross(pa, pb)
		b.packet.PayloadType, b.packet.Payload = 0, make([]byte, 160)
		datagram, err := b.packet.Marshal()
		if err != nil {
			t.Fatal(err)
		}
		datagram = append(datagram, make([]byte, wire.TailRoom)...)[:len(datagram)]
		a.close() // what it keeps would count
		sound, from := bytes.Clone(datagram[12:]), b.addr()
		n := testing.AllocsPerRun(200, func() {
			copy(datagram[12:], sound)
			b.packet.SequenceNumber++
			b.packet.Timestamp += 160
			binary.BigEndian.PutUint16(datagram[2:], b.packet.SequenceNumber)
			binary.BigEndian.PutUint32(datagram[4:], b.packet.Timestamp)
			pb.receive(datagram, from, time.Now())
		})
		if n > 0 || pa.Stats().Sent < 200 {
			t.Errorf("%v allocations a packet, %d sent", n, pa.Stats().Sent)
		}
	})
}
