package telephone

import (
	"encoding/binary"
	"math"
	"math/rand/v2"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/zaf/g711"

	"cabline/cmd/internal/siptext"
)

// sound is the audio of one call: what we say, a tone or silence, and all we
// hear, kept with its times.
type sound struct {
	call *Call
	wire wire
	opt  Options

	source uint32 // SSRC

	mu      sync.Mutex // guards wire, too, which a call may exchange
	theirs  siptext.Audio
	codec   uint8
	event   uint8
	running bool
	stop    chan struct{}
	tone    []byte // A-law, a second of it
	keys    []byte // to be pressed
	tones   []byte // A-law, said once before the tone goes on
	lapse   int    // frames that are to be passed over
	still   bool   // nothing is sent, and time goes on
	lossy   uint16 // each so manieth packet is lost; 0: none
	missing uint32 // each so manieth packet to us is said to be lost; 0: nothing is said
	came    uint32 // packets
	reel    Reel
}

// wire is what a call's packets go over.
type wire interface {
	// describe is our session description: an offer, or with answers what we take
	// of theirs.
	describe(a siptext.Audio, version int, answers bool) []byte
	// agree takes theirs.
	agree(body []byte, answers bool)
	// write sends an RTP packet with a header of twelve octets, with a canary
	// wherever there is room for one.
	write(packet []byte, to netip.AddrPort, canary string) (sent []byte)
	close()
}

const (
	rate      = 8000
	frameSize = rate / 50
	quiet     = 0xd5 // A-law nought
)

func openSound(c *Call) (*sound, error) {
	s := &sound{call: c, opt: c.phone.opt, stop: make(chan struct{}), source: rand.Uint32()}
	var err error
	if c.phone.opt.Network == "ws" {
		s.wire, err = openWeb(s, c.phone.self.Addr())
	} else {
		s.wire, err = openPlain(s, c.phone.self.Addr())
	}
	return s, err
}

func (s *sound) close() {
	s.mute()
	s.way().close()
}

// way is what packets go over now.
func (s *sound) way() wire {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.wire
}

// offer is what we would like, as a session description.
func (s *sound) offer(direction string, version int) []byte {
	return s.way().describe(siptext.Audio{Types: s.opt.Codecs, Event: s.opt.Event, Direction: direction}, version, false)
}

// answer is what we take of their offer.
func (s *sound) answer(version int) []byte {
	s.mu.Lock()
	a := siptext.Audio{Types: []uint8{s.codec}, Event: s.event}
	switch s.theirs.Direction {
	case "sendonly":
		a.Direction = "recvonly"
	case "recvonly":
		a.Direction = "sendonly"
	case "inactive":
		a.Direction = "inactive"
	}
	s.mu.Unlock()
	return s.way().describe(a, version, true)
}

// agree chooses our first codec that they have; false: they have described
// nothing. answers says that it is the answer to an offer of ours.
func (s *sound) agree(body []byte, answers bool) bool {
	theirs, err := siptext.ParseSDP(body)
	if err != nil {
		return false
	}
	s.way().agree(body, answers)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.theirs, s.event = theirs, 0
	if s.opt.Event != 0 {
		s.event = theirs.Event
	}
	for _, want := range s.opt.Codecs {
		if slices.Contains(theirs.Types, want) {
			s.codec = want
			break
		}
	}
	return true
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
	binary.BigEndian.PutUint32(packet[8:], s.source)
	seq, stamp := uint16(rand.Uint32()), rand.Uint32()
	for n, pressing := 0, 0; ; n++ {
		s.mu.Lock()
		codec, event, to, tone, at := s.codec, s.event, s.theirs.Addr, s.tone, n
		still, lossy := s.still, s.lossy
		var key byte
		if len(s.keys) > 0 && event != 0 {
			key = s.keys[0]
		} else if len(s.tones) > 0 {
			tone, s.tones, at = s.tones[:frameSize], s.tones[frameSize:], 0
		}
		if pressing == 0 {
			n, at, seq, s.lapse = n+s.lapse, at+s.lapse, seq+uint16(s.lapse), 0
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
			fill(packet[12:], tone, at, codec)
		}
		binary.BigEndian.PutUint16(packet[2:], seq)
		if !still {
			seq++
		}
		if !still && (lossy == 0 || seq%lossy != 0) {
			s.write(packet[:size], to)
		}
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
	p.mu.Unlock()
	s.record(true, "RTP", s.way().write(packet, to, canary))
}

func (s *sound) record(out bool, kind string, b []byte) {
	p := s.call.phone
	p.mu.Lock()
	defer p.mu.Unlock()
	p.record(out, kind, s.call.id, b)
}

// hear takes an RTP packet that came.
func (s *sound) hear(packet []byte) {
	s.record(false, "RTP", packet)
	if len(packet) >= 12 {
		s.mu.Lock()
		s.reel.File(packet, s.event, time.Now())
		report, to := s.missed(packet), s.theirs.Addr
		s.mu.Unlock()
		if report == nil {
			return
		}
		if w, ok := s.way().(*plain); ok {
			s.record(true, "RTCP", report)
			_, _ = w.rtcp.WriteToUDPAddrPort(report, netip.AddrPortFrom(to.Addr(), to.Port()+1))
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
