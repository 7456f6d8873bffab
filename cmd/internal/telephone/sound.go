package telephone

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/zaf/g711"

	"cabline/cmd/internal/siptext"
)

// sound is the audio of one call: what we say, a tone or silence, and all we
// hear, kept with its times.
type sound struct {
	call *Call
	rtp  *net.UDPConn
	rtcp *net.UDPConn
	opt  Options

	mu      sync.Mutex
	theirs  siptext.Audio
	codec   uint8
	event   uint8
	running bool
	stop    chan struct{}
	tone    []byte // A-law, a second of it
	keys    []byte // to be pressed
	lapse   int    // frames that are to be passed over
	reel    Reel
}

const (
	rate      = 8000
	frameSize = rate / 50
	quiet     = 0xd5 // A-law nought
)

// openSound binds an even port and the odd one above it.
func openSound(c *Call) (*sound, error) {
	s := &sound{call: c, opt: c.phone.opt, stop: make(chan struct{})}
	host := c.phone.self.Addr()
	for range 64 {
		var err error
		if s.rtp, err = net.ListenUDP("udp4", net.UDPAddrFromAddrPort(netip.AddrPortFrom(host, 0))); err != nil {
			return nil, fmt.Errorf("open audio: %w", err)
		}
		port := s.addr().Port()
		if port%2 == 0 {
			s.rtcp, err = net.ListenUDP("udp4", net.UDPAddrFromAddrPort(netip.AddrPortFrom(host, port+1)))
			if err == nil {
				c.phone.workers.Go(s.hear)
				c.phone.workers.Go(s.hearControl)
				return s, nil
			}
		}
		s.rtp.Close()
	}
	return nil, errors.New("open audio: no pair of free ports")
}

func (s *sound) addr() netip.AddrPort { return s.rtp.LocalAddr().(*net.UDPAddr).AddrPort() }

func (s *sound) close() {
	s.mute()
	s.rtp.Close()
	s.rtcp.Close()
}

// offer is what we would like.
func (s *sound) offer() siptext.Audio {
	return siptext.Audio{Addr: s.addr(), Types: s.opt.Codecs, Event: s.opt.Event}
}

// answer is what we take of their offer.
func (s *sound) answer() siptext.Audio {
	s.mu.Lock()
	defer s.mu.Unlock()
	a := siptext.Audio{Addr: s.addr(), Types: []uint8{s.codec}, Event: s.event}
	switch s.theirs.Direction {
	case "sendonly":
		a.Direction = "recvonly"
	case "recvonly":
		a.Direction = "sendonly"
	case "inactive":
		a.Direction = "inactive"
	}
	return a
}

// agree chooses our first codec that they have.
func (s *sound) agree(theirs siptext.Audio) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.theirs, s.event = theirs, 0
	if s.opt.Event != 0 {
		s.event = theirs.Event
	}
	for _, want := range s.opt.Codecs {
		for _, have := range theirs.Types {
			if want == have {
				s.codec = want
				return
			}
		}
	}
}

// speak begins to send; once.
func (s *sound) speak() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.running {
		s.running = true
		s.call.phone.workers.Go(s.talk)
	}
}

// Lapse has us go on as if so much time had passed: by that much in sequence
// numbers and timestamps.
func (c *Call) Lapse(d time.Duration) {
	c.sound.mu.Lock()
	defer c.sound.mu.Unlock()
	c.sound.lapse += int(d / (20 * time.Millisecond))
}

// mute ends sending; hearing goes on, so that a test sees what comes too late.
func (s *sound) mute() {
	s.mu.Lock()
	defer s.mu.Unlock()
	select {
	case <-s.stop:
	default:
		close(s.stop)
	}
}

// talk sends a frame each 20 ms until the call ends: audio, or a key's event
// in its place (RFC 4733 §2.5.1).
func (s *sound) talk() {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	packet := make([]byte, 12+frameSize)
	packet[0] = 2 << 6
	binary.BigEndian.PutUint32(packet[8:], rand.Uint32())
	seq, stamp := uint16(rand.Uint32()), rand.Uint32()
	for n, pressing := 0, 0; ; n++ {
		s.mu.Lock()
		codec, event, to, tone := s.codec, s.event, s.theirs.Addr, s.tone
		var key byte
		if len(s.keys) > 0 && event != 0 {
			key = s.keys[0]
		}
		if pressing == 0 {
			n, seq, s.lapse = n+s.lapse, seq+uint16(s.lapse), 0
		}
		s.mu.Unlock()
		binary.BigEndian.PutUint32(packet[4:], stamp+uint32(n*frameSize))
		size := 12 + frameSize
		if key != 0 {
			size = s.eventFrame(packet, event, key, pressing, stamp+uint32((n-pressing)*frameSize))
			if pressing++; pressing == keyFrames {
				pressing = 0
				s.mu.Lock()
				s.keys = s.keys[1:]
				s.mu.Unlock()
			}
		} else {
			packet[1] = codec
			fill(packet[12:], tone, n, codec)
		}
		binary.BigEndian.PutUint16(packet[2:], seq)
		seq++
		s.write(packet[:size], to)
		select {
		case <-tick.C:
		case <-s.stop:
			return
		}
	}
}

// keyFrames is the length of a key press in frames: five of the event, three
// of its end, and a pause before the next one.
const keyFrames = 12

// eventFrame writes frame number n of a key press; it returns the packet's size.
func (s *sound) eventFrame(packet []byte, event, key byte, n int, began uint32) int {
	code := eventOf(key)
	if n >= 8 { // the pause: silence, which is event-free audio
		packet[1] = s.codec
		fill(packet[12:], nil, 0, s.codec)
		return 12 + frameSize
	}
	packet[1] = event
	if n == 0 {
		packet[1] |= 0x80
	}
	binary.BigEndian.PutUint32(packet[4:], began)
	packet[12], packet[13] = code, 10
	if n >= 5 {
		packet[13] |= 0x80
	}
	binary.BigEndian.PutUint16(packet[14:], uint16(min(n+1, 5)*frameSize))
	return 16
}

func eventOf(key byte) byte {
	for i := range keyNames {
		if keyNames[i] == key {
			return byte(i)
		}
	}
	return 0
}

const keyNames = "0123456789*#ABCD"

// fill writes frame number n of a tone that is a second long.
func fill(payload, tone []byte, n int, codec uint8) {
	for i := range payload {
		payload[i] = quiet
		if tone != nil {
			payload[i] = tone[(n*frameSize+i)%len(tone)]
		}
	}
	if codec == 0 {
		copy(payload, g711.Alaw2Ulaw(payload))
	}
}

func (s *sound) write(packet []byte, to netip.AddrPort) {
	if !to.IsValid() {
		return
	}
	p := s.call.phone
	p.mu.Lock()
	canary := p.canary(s.call)
	packet = extend(packet, canary)
	p.record(true, "RTP", s.call.id, packet)
	p.mu.Unlock()
	if canary != "" && binary.BigEndian.Uint16(packet[2:])%50 == 0 {
		report := report(binary.BigEndian.Uint32(packet[8:]), canary)
		_, _ = s.rtcp.WriteToUDPAddrPort(report, netip.AddrPortFrom(to.Addr(), to.Port()+1))
	}
	_, _ = s.rtp.WriteToUDPAddrPort(packet, to) // lost packets are the network's right
}

func (s *sound) hear() {
	buf := make([]byte, 2048)
	for {
		n, err := s.rtp.Read(buf)
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			continue // an ICMP error of a port that closed
		}
		s.call.phone.mu.Lock()
		s.call.phone.record(false, "RTP", s.call.id, buf[:n])
		s.call.phone.mu.Unlock()
		if n >= 12 {
			s.mu.Lock()
			s.reel.File(buf[:n], s.event, time.Now())
			s.mu.Unlock()
		}
	}
}

func (s *sound) hearControl() {
	buf := make([]byte, 2048)
	for {
		n, err := s.rtcp.Read(buf)
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err == nil {
			s.call.phone.mu.Lock()
			s.call.phone.record(false, "RTCP", s.call.id, buf[:n])
			s.call.phone.mu.Unlock()
		}
	}
}

// Tone says a tone from now on, silence for 0. The frequency is whole, in Hz.
func (c *Call) Tone(hz int) {
	var tone []byte
	if hz > 0 {
		tone = Sine(hz, time.Second)
	}
	c.sound.mu.Lock()
	c.sound.tone = tone
	c.sound.mu.Unlock()
}

// Press presses keys, one after another, as RFC 4733 events.
func (c *Call) Press(keys string) {
	c.sound.mu.Lock()
	c.sound.keys = append(c.sound.keys, keys...)
	c.sound.mu.Unlock()
}

// Keys are those the other side pressed so far.
func (c *Call) Keys() string {
	c.sound.mu.Lock()
	defer c.sound.mu.Unlock()
	return c.sound.reel.Pressed()
}

// Sine is a tone in A-law, at a quarter of full scale.
func Sine(hz int, length time.Duration) []byte {
	tone := make([]byte, int(length*rate/time.Second))
	for i := range tone {
		tone[i] = g711.EncodeAlawFrame(int16(8000 * math.Sin(2*math.Pi*float64(hz)*float64(i)/rate)))
	}
	return tone
}
