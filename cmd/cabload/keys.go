package main

import (
	"encoding/binary"

	"golang.org/x/sys/unix"
)

// speech is how an end speaks.
type speech struct {
	silent bool // it says nothing but keys, and a packet now and then
	keys   []keypress
}

// keypress is a key an end presses, as RFC 4733 §2.5 sends it: one packet a
// frame while it is down, the last one three times.
type keypress struct {
	key   byte
	after uint32 // frame of the stream when it goes down
	held  uint32 // frames so far
	time  uint32 // RTP time of its beginning
}

const (
	keyFrames = 5 // 100 ms
	keyVolume = 10
	keyEnds   = 0x80
	stillHere = 5000 / phases // frames between two packets of one who says nothing: who is not heard at all is asked for its audio
)

// press says the frame of a key, if one is down; the audio pauses meanwhile.
func (e *engine) press(s *stream, now int64) bool {
	if len(s.keys) == 0 || s.event == 0 || s.number < s.keys[0].after {
		return false
	}
	k := &s.keys[0]
	packet := [headerSize + 4]byte(s.packet[:])
	packet[1] = s.event
	if k.held == 0 {
		packet[1] |= 0x80 // marker
		k.time = binary.BigEndian.Uint32(packet[4:])
		if ear := e.ears[leg{s.via, s.far}]; ear != nil {
			ear.pressed = now
		}
	}
	k.held++
	binary.BigEndian.PutUint32(packet[4:], k.time)
	packet[12], packet[13] = eventOf(k.key), keyVolume
	binary.BigEndian.PutUint16(packet[14:], uint16(k.held*frame))
	times := 1
	if k.held == keyFrames {
		packet[13] |= keyEnds
		times = 3
		s.keys = s.keys[1:]
	}
	for range times {
		binary.BigEndian.PutUint16(packet[2:], uint16(s.number))
		s.via.send(packet[:], &s.to)
		s.number++
	}
	return true
}

// eventOf is the event code of a key (RFC 4733 §3.2, table 3).
func eventOf(key byte) byte {
	switch key {
	case '*':
		return 10
	case '#':
		return 11
	}
	return key - '0'
}

// farOf is an address as socket.receive gives it.
func farOf(a unix.RawSockaddrInet4) uint64 {
	return uint64(binary.BigEndian.Uint32(a.Addr[:]))<<16 | uint64(a.Port)
}
