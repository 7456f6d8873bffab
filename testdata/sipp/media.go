//go:build ignore

// Command media makes what sipp plays: tones as raw A-law for rtp_stream, and
// captures for play_pcap_audio with tones (PCMA) and key presses (RFC 4733,
// payload type 101). Run it in the root of the project: go run testdata/sipp/media.go
package main

import (
	"bytes"
	"encoding/binary"
	"log"
	"math"
	"os"
	"time"

	"github.com/zaf/g711"
)

const (
	rate  = 8000
	frame = rate / 50
)

func main() {
	for name, hz := range map[string]float64{"440": 440, "1000": 1000} {
		tone := sine(hz)
		write("testdata/audio/"+name+".al", tone)
		write("testdata/sipp/tone_"+name+".pcap", spoken(tone, 5*time.Second))
	}
	for event, name := range map[byte]string{0: "0", 1: "1", 2: "2", 5: "5", 9: "9"} {
		write("testdata/sipp/key_"+name+".pcap", pressed(event))
	}
}

func write(path string, b []byte) {
	if err := os.WriteFile(path, b, 0o644); err != nil {
		log.Fatal(err)
	}
}

func sine(hz float64) []byte {
	b := make([]byte, rate)
	for i := range b {
		b[i] = g711.EncodeAlawFrame(int16(8000 * math.Sin(2*math.Pi*hz*float64(i)/rate)))
	}
	return b
}

func spoken(tone []byte, length time.Duration) []byte {
	c := newCapture()
	for n := range int(length / (20 * time.Millisecond)) {
		at := n * frame % len(tone)
		c.rtp(n, 8, n == 0, uint32(n*frame), 0xcab0+uint32(len(tone)), tone[at:at+frame])
	}
	return c.Bytes()
}

// pressed is one key for 100 ms: five packets while it is down, and its end
// three times (RFC 4733 §2.5.1.4).
func pressed(event byte) []byte {
	c := newCapture()
	for n := range 8 {
		payload := []byte{event, 10, 0, 0}
		if n >= 5 {
			payload[1] |= 0x80
		}
		binary.BigEndian.PutUint16(payload[2:], uint16(min(n+1, 5)*frame))
		c.rtp(n, 101, n == 0, 0x1000*uint32(event+1), 0xcab1, payload)
	}
	return c.Bytes()
}

// capture is a pcap file of Ethernet frames. sipp takes from it the payloads of
// the UDP packets and their times, and puts its own addresses.
type capture struct{ bytes.Buffer }

func newCapture() *capture {
	c := &capture{}
	c.Write([]byte{0xd4, 0xc3, 0xb2, 0xa1, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0, 0, 1, 0, 0, 0})
	return c
}

// rtp adds packet number n, 20 ms after the one before.
func (c *capture) rtp(n int, payloadType byte, marker bool, stamp, source uint32, payload []byte) {
	rtp := make([]byte, 12, 12+len(payload))
	rtp[0], rtp[1] = 0x80, payloadType
	if marker {
		rtp[1] |= 0x80
	}
	binary.BigEndian.PutUint16(rtp[2:], uint16(n+1))
	binary.BigEndian.PutUint32(rtp[4:], stamp)
	binary.BigEndian.PutUint32(rtp[8:], source)
	rtp = append(rtp, payload...)

	packet := make([]byte, 14+20+8, 14+20+8+len(rtp))
	packet[12] = 0x08 // IPv4
	ip, udp := packet[14:34], packet[34:42]
	ip[0], ip[8], ip[9] = 0x45, 64, 17
	binary.BigEndian.PutUint16(ip[2:], uint16(28+len(rtp)))
	copy(ip[12:], []byte{127, 0, 0, 1, 127, 0, 0, 1})
	var sum uint32
	for i := 0; i < 20; i += 2 {
		sum += uint32(binary.BigEndian.Uint16(ip[i:]))
	}
	binary.BigEndian.PutUint16(ip[10:], ^uint16(sum+sum>>16))
	binary.BigEndian.PutUint16(udp[0:], 4000)
	binary.BigEndian.PutUint16(udp[2:], 4000)
	binary.BigEndian.PutUint16(udp[4:], uint16(8+len(rtp)))
	packet = append(packet, rtp...)

	micros := n * 20000
	for _, v := range []uint32{uint32(micros / 1e6), uint32(micros % 1e6), uint32(len(packet)), uint32(len(packet))} {
		_ = binary.Write(c, binary.LittleEndian, v)
	}
	c.Write(packet)
}
