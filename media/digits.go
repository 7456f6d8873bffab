package media

import (
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"cabline/media/dtmf"
	"cabline/media/g711"
)

// DigitReceiver makes one digit of each key a party presses, however often and
// by however many ways the key arrives. Both kinds of ports have one. It is
// safe for concurrent use, but for Inband and Audio. The zero value has heard no
// key.
type DigitReceiver struct {
	tones *tones // nil: keys are not looked for in the sound

	mu     sync.Mutex
	digits chan Digit // made when it is needed
	event  lastEvent
	spent  bool // it was meant for who listened before, see Moved, or came another way
	last   Digit
	way    way
	at     time.Time
}

// lastEvent is the telephone-event a source sent last.
type lastEvent struct {
	source uint32
	key    byte
	begun  uint32    // when the key was pressed, as it is passed on
	stamp  uint32    // when the event began: that, or a later segment of it
	length uint32    // of the segment, as far as it was heard
	ended  bool      // it has been told that it is over
	heard  time.Time // when a packet of it came last; zero: never
}

const (
	// longestEvent is how long an event can be said to be: a key that is held
	// longer goes on as another segment, with a timestamp of its own and no marker
	// (RFC 4733 §2.5.1.3). By a clock of 48000 that is fullSegment.
	longestEvent = 0xffff
	fullSegment  = longestEvent/6 + 1
)

// again says whether a packet belongs to an event already known; otherwise its
// event is the last one now.
//
// Every packet of an event has its timestamp, the repeated last ones too (RFC
// 4733 §2.2): any one of them is the key, the first that arrives. One of the
// event before may arrive late. But a sender that has been still for a while
// presses anew, whatever its timestamps say: recordings of keys, as test tools
// send them, begin at the same one each time.
func (e *lastEvent) again(p *Packet, is dtmf.Event, now time.Time) bool {
	if p.Source == e.source && now.Sub(e.heard) < eventRest {
		newer := int32(p.Time - e.stamp)
		if goesOn := e.goesOn(p, is.Key); newer == 0 || goesOn {
			if goesOn {
				e.stamp, e.length = p.Time, 0
			}
			if p.Time-e.begun+fullSegment > longestEvent {
				e.begun = e.stamp
			}
			e.heard, e.ended, e.length = now, e.ended || is.End, max(e.length, uint32(is.Duration))
			return true
		}
		if newer < 0 && newer > -maxSkip {
			return true
		}
	}
	*e = lastEvent{p.Source, is.Key, p.Time, p.Time, uint32(is.Duration), is.End, now}
	return false
}

// goesOn says whether a packet is of the next segment of a key that is held.
func (e *lastEvent) goesOn(p *Packet, key byte) bool {
	gap := int32(p.Time - e.stamp - e.length) // some packets may be lost, and division rounds
	return key == e.key && !p.Marker && !e.ended && e.length > fullSegment-longGap && gap >= -1 && gap <= longGap
}

// join makes one event of the segments of a clock that is faster than ours, as
// long as it can be: who hears them by our clock would take each for a key.
func (e *lastEvent) join(p *Packet, is dtmf.Event) {
	if before := int32(p.Time - e.begun); before > 0 && before+int32(is.Duration) <= longestEvent {
		is.Duration += uint16(before)
		is.Put(p.Payload())
		p.Time = e.begun
	}
}

// way is how a key arrived.
type way uint8

const (
	byEvent way = iota // RFC 4733
	byInfo             // SIP INFO
	byTone             // in the sound
)

const (
	// digitQueue is how many keys wait to be read.
	digitQueue = 32
	// twoWays is how close the same key by two ways is one press: a phone that
	// sends both sends them together, and a finger is not that quick.
	twoWays = 250 * time.Millisecond
	// eventRest is how long after the last packet of an event none of it can be
	// under way: senders repeat it every 20 to 50 ms while the key is down.
	eventRest = time.Second
)

// Digits are the keys. The channel drops when it is full and is never closed.
func (r *DigitReceiver) Digits() <-chan Digit {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.queue()
}

// queue is where keys wait; r.mu is held.
func (r *DigitReceiver) queue() chan Digit {
	if r.digits == nil {
		r.digits = make(chan Digit, digitQueue)
	}
	return r.digits
}

// Event takes a telephone-event packet. It is false when nobody should get it:
// it is none of a key, or of one that has come another way and is passed on.
func (r *DigitReceiver) Event(p *Packet, now time.Time) bool {
	e, ok := dtmf.Parse(p.Payload())
	if !ok {
		return false
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.event.again(p, e, now) {
		r.event.join(p, e)
		if r.way == byEvent {
			r.at = now // some tell by INFO when the key is released
		}
		return !r.spent
	}
	r.spent = !r.press(Digit(e.Key), byEvent, now)
	return !r.spent
}

// Moved is called when somebody else begins to listen to the party: a key that
// is still down was pressed for who listened before. The driver does not hear
// the 1 that called them.
func (r *DigitReceiver) Moved() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.spent = true
}

// Info takes a key by SIP INFO. It is false when the key is none, or has come
// another way already.
func (r *DigitReceiver) Info(d Digit, now time.Time) bool {
	if !dtmf.Valid(byte(d)) {
		return false
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.press(d, byInfo, now)
}

func (r *DigitReceiver) press(d Digit, by way, now time.Time) bool {
	if by != r.way && d == r.last && now.Sub(r.at) < twoWays {
		return false
	}
	r.last, r.way, r.at = d, by, now
	select {
	case r.queue() <- d:
	default:
	}
	return true
}

// DigitSender presses keys towards a party, one after another: events where
// the party takes them, INFO where that was said, tones otherwise. Both kinds of
// ports have one. It is safe for concurrent use, once Clock and Say are set.
type DigitSender struct {
	busy  atomic.Bool // the party hears a key now, and nothing else
	Clock *Clock
	// Say says the packets, from the clock's goroutine, with the marks Event or
	// PCMA set; it must not block.
	Say func(*Packet)

	mu      sync.Mutex
	events  bool
	info    func(Digit) // not nil: keys go this way
	retold  lastEvent   // of another party, whose key was pressed another way
	queue   []Digit
	running bool
	stop    func()
	closed  bool

	// Of the steps alone; they do not overlap.
	digit  Digit
	frame  int
	way    way
	tell   func(Digit)
	source uint32
	packet Packet
	buf    [HeaderSize + FrameSize + 64]byte
}

// A key lasts 100 ms; the next one follows another 100 ms later. The last
// packet of an event is sent three times (RFC 4733 §2.5.1.4).
const (
	keyFrames  = 5
	endFrames  = 3
	nextKey    = 10 // frames
	keyVolume  = 10 // -dBm0
	maxPending = 32 // keys not yet sent
)

// UseEvents sets whether the party takes telephone-event; at first it does not.
func (s *DigitSender) UseEvents(yes bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.events = yes
}

// UseInfo has keys told to the party by SIP INFO, whatever it takes besides:
// press is called for each from the clock's goroutine and must not block. The
// party is not kept from hearing others meanwhile. nil ends it.
func (s *DigitSender) UseInfo(press func(Digit)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.info = press
}

// InSound says that the party's only keys are tones.
func (s *DigitSender) InSound() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.now() == byTone
}

// now is how keys go; s.mu is held.
func (s *DigitSender) now() way {
	switch {
	case s.info != nil:
		return byInfo
	case s.events:
		return byEvent
	}
	return byTone
}

// Busy says that a key is being sent which the party hears.
func (s *DigitSender) Busy() bool { return s.busy.Load() }

// Lets says whether a packet of another party or a player may be said as it is:
// nobody speaks while a key is being pressed. The tones of another party's key
// become silence where the key goes another way: a gateway would press it once
// more. A telephone-event is cut to its size; to a party who takes none its key is
// pressed another way, once.
func (s *DigitSender) Lets(p *Packet) bool {
	if !p.Event {
		return !s.Busy() && (!p.Key || s.InSound() || hush(p))
	}
	e, ok := dtmf.Parse(p.Payload())
	if !ok {
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.now() == byEvent {
		p.Buf = p.Buf[:p.Start+dtmf.PayloadSize]
		return !s.Busy()
	}
	if !s.retold.again(p, e, time.Now()) {
		s.enqueue(Digit(e.Key))
	}
	return false
}

// Send queues a key and returns at once. What is no key is dropped, and so is
// one when too many wait.
func (s *DigitSender) Send(d Digit) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.enqueue(d)
}

// enqueue is Send with the lock held.
func (s *DigitSender) enqueue(d Digit) {
	if !dtmf.Valid(byte(d)) || s.closed || len(s.queue) == maxPending {
		return
	}
	s.queue = append(s.queue, d)
	if s.now() != byInfo {
		s.busy.Store(true)
	}
	if !s.running {
		s.running = true
		s.stop = s.Clock.Start(s.step)
	}
}

// Close drops the keys not yet sent; when it returns nothing is said any more.
func (s *DigitSender) Close() {
	s.mu.Lock()
	s.closed = true
	stop := s.stop
	s.mu.Unlock()
	if stop != nil {
		stop()
	}
}

// step is one frame of a key.
func (s *DigitSender) step() (more bool) {
	fault := true
	defer func() {
		if fault {
			s.drop()
		}
	}()
	more = s.frameOfKey()
	fault = false
	return more
}

// drop forgets all keys after a fault, which must not leave the party unable to hear.
func (s *DigitSender) drop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.queue, s.running, s.frame = nil, false, 0
	s.busy.Store(false)
}

func (s *DigitSender) frameOfKey() bool {
	if s.frame == 0 && !s.next() {
		return false
	}
	switch s.way {
	case byTone:
		s.toneFrame()
	case byEvent:
		s.eventFrame()
	case byInfo:
		if s.frame == 0 {
			s.tell(s.digit)
		}
	}
	s.frame = (s.frame + 1) % nextKey
	return true
}

// next takes a key off the queue.
func (s *DigitSender) next() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed || len(s.queue) == 0 {
		s.queue, s.running = nil, false
		s.busy.Store(false)
		return false
	}
	s.digit, s.queue = s.queue[0], s.queue[1:]
	s.way, s.tell = s.now(), s.info
	s.busy.Store(s.way != byInfo)
	s.source = rand.Uint32()
	return true
}

func (s *DigitSender) eventFrame() {
	if s.frame >= keyFrames+endFrames-1 {
		return
	}
	dtmf.Event{
		Key:      byte(s.digit),
		End:      s.frame >= keyFrames-1,
		Volume:   keyVolume,
		Duration: uint16(FrameSize * min(s.frame+1, keyFrames)),
	}.Put(s.buf[HeaderSize:])
	s.packet = Packet{Buf: s.buf[:HeaderSize+dtmf.PayloadSize], Event: true}
	s.send(0)
}

func (s *DigitSender) toneFrame() {
	frame := s.buf[HeaderSize : HeaderSize+FrameSize]
	for i := range frame {
		frame[i] = g711.SilenceALaw
		if s.frame < keyFrames {
			frame[i] = g711.EncodeALaw(dtmf.Tones(byte(s.digit), s.frame*FrameSize+i))
		}
	}
	s.packet = Packet{Buf: s.buf[:HeaderSize+FrameSize], Codec: PCMA}
	s.send(uint32(s.frame) * FrameSize)
}

func (s *DigitSender) send(stamp uint32) {
	s.packet.Start, s.packet.Marker = HeaderSize, s.frame == 0
	s.packet.Time, s.packet.Seq, s.packet.Source = stamp, uint16(s.frame), s.source
	s.Say(&s.packet)
}
