package main

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"runtime"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"cabline/cmd/internal/siptext"
)

// The engine is one locked thread which sends every stream's packets and reads
// what comes back. It wakes every millisecond and never waits for a socket.
// Streams take turns in twenty phases, so that packets are spread evenly. What
// it measures is set by orders run on its thread, so nothing here is locked.
type engine struct {
	run     uint16
	sockets [2][]*socket // by side
	streams []*stream    // by id
	phases  [phases][]*stream
	seats   map[seat]*stream
	owner   map[leg]uint32 // which stream was first heard on a leg
	ears    map[leg]*ear   // of callers who are spoken to; nil: nobody listens
	direct  bool           // no PBX between: far addresses do not tell legs apart

	orders chan func()
	stop   chan struct{}
	done   chan struct{}

	heard  uint64 // packets of one party that the other heard
	window window
}

// leg is where a packet came in: our socket and the far address. A PBX has a
// port for each, so it stands for one leg of one call.
type leg struct {
	at   *socket
	from uint64
}

const (
	phases         = 20 // one a millisecond, in a frame of 20 ms
	socketsPerSide = 8
	headerSize     = 12 // RTP without extensions
)

// side of the PBX a stream comes from.
type side int

const (
	callerSide side = iota
	calleeSide
)

// seat is one end of one call.
type seat struct {
	of side
	n  int
}

// stream is the audio that one leg says.
type stream struct {
	id        uint32
	via       *socket
	to        unix.RawSockaddrInet4
	far       uint64 // the same, as socket.receive gives it
	packet    [headerSize + frame]byte
	number    uint32
	magnitude uint8
	silent    bool  // says nothing but keys and a packet now and then
	event     uint8 // payload type of keys
	keys      []keypress

	heardOn leg // where it comes out of the PBX
	base    uint32
	last    uint32
	arrived []uint64 // bits, from base on
}

// window is what is measured: packets sent from its beginning to its end.
type window struct {
	from, until int64 // nanoseconds since 1970

	sent, refused                            uint64
	dropped                                  uint64 // by our own sockets, before it began
	received, duplicated, reordered, strayed uint64
	delays                                   []uint32 // of each packet, nanoseconds
	unstamped                                uint64   // packets that are not ours
	worstLateness                            time.Duration
}

func startEngine(callers, callees netip.Addr, direct bool) (*engine, error) {
	e := &engine{run: uint16(rand.Uint32()), seats: map[seat]*stream{}, owner: map[leg]uint32{}, direct: direct,
		orders: make(chan func(), 64), stop: make(chan struct{}), done: make(chan struct{})}
	for i, host := range []netip.Addr{callers, callees} {
		for range socketsPerSide {
			s, err := openSocket(host)
			if err != nil {
				e.closeSockets()
				return nil, err
			}
			s.side = side(i)
			e.sockets[i] = append(e.sockets[i], s)
		}
	}
	go e.work()
	return e, nil
}

func (e *engine) close() {
	close(e.stop)
	<-e.done
	e.closeSockets()
}

func (e *engine) closeSockets() {
	for _, s := range slices.Concat(e.sockets[:]...) {
		s.close()
	}
}

// do runs f on the engine's thread and waits for it.
func (e *engine) do(f func()) {
	ran := make(chan struct{})
	e.order(func() { f(); close(ran) })
	select {
	case <-ran:
	case <-e.done:
	}
}

// order has f run on the engine's thread, in the order they were given.
func (e *engine) order(f func()) {
	select {
	case e.orders <- f:
	case <-e.done:
	}
}

// address is where call number n of a side wants its audio.
func (e *engine) address(from side, n int) netip.AddrPort {
	return e.sockets[from][n%socketsPerSide].addr
}

var errCodec = errors.New("the PBX answered neither A-law nor µ-law")

// speak begins call number n's stream towards the PBX.
func (e *engine) speak(from side, n int, theirs siptext.Audio, style speech) error {
	if len(theirs.Types) == 0 {
		return errCodec
	}
	to, payloadType := theirs.Addr, theirs.Types[0]
	if payloadType != 0 && payloadType != 8 {
		return fmt.Errorf("payload type %d: %w", payloadType, errCodec)
	}
	if !to.Addr().Unmap().IsLoopback() {
		return fmt.Errorf("audio address %s is not on loopback", to)
	}
	s := &stream{via: e.sockets[from][n%socketsPerSide], to: rawAddr(to), magnitude: aMedium, event: theirs.Event, silent: style.silent, keys: style.keys}
	s.far = farOf(s.to)
	if payloadType == 0 {
		s.magnitude = uMedium
	}
	s.packet[0], s.packet[1] = 2<<6, payloadType
	binary.BigEndian.PutUint32(s.packet[4:], rand.Uint32())
	binary.BigEndian.PutUint32(s.packet[8:], rand.Uint32())
	e.order(func() {
		s.id = uint32(len(e.streams))
		e.streams = append(e.streams, s)
		p := s.id % phases
		e.phases[p] = append(e.phases[p], s)
		e.seats[seat{from, n}] = s
	})
	return nil
}

// hush ends call number n's stream and forgets it.
func (e *engine) hush(from side, n int) {
	e.order(func() {
		at := seat{from, n}
		s := e.seats[at]
		if s == nil {
			return // it never spoke
		}
		delete(e.seats, at)
		if first, taken := e.owner[s.heardOn]; taken && first == s.id {
			delete(e.owner, s.heardOn)
		}
		ours := leg{s.via, s.far} // whoever was heard here may be heard elsewhere now
		if other, taken := e.owner[ours]; taken {
			delete(e.owner, ours)
			if o := e.streams[other]; o != nil {
				o.heardOn = leg{}
			}
		}
		e.streams[s.id] = nil
		turn := &e.phases[s.id%phases]
		*turn = slices.DeleteFunc(*turn, func(other *stream) bool { return other == s })
	})
}

func (e *engine) work() {
	defer close(e.done)
	runtime.LockOSThread() // for good: the timer slack below is the thread's
	_ = unix.Prctl(unix.PR_SET_TIMERSLACK, 1000, 0, 0, 0)
	started := time.Now()
	for tick := 1; ; tick++ {
		due := time.Duration(tick) * time.Millisecond
		sleep(due - time.Since(started))
		e.window.worstLateness = max(e.window.worstLateness, time.Since(started)-due)
		select {
		case <-e.stop:
			return
		default:
		}
		for len(e.orders) > 0 {
			(<-e.orders)()
		}
		e.say(e.phases[tick%phases])
		e.listen()
	}
}

// sleep does not go through the runtime's timers, which wake up another thread
// for it.
func sleep(d time.Duration) {
	if d > 0 {
		left := unix.NsecToTimespec(int64(d))
		for unix.Nanosleep(&left, &left) == unix.EINTR {
		}
	}
}

func (e *engine) say(turn []*stream) {
	for _, s := range turn {
		h := s.packet[:headerSize]
		binary.BigEndian.PutUint16(h[2:], uint16(s.number))
		binary.BigEndian.PutUint32(h[4:], binary.BigEndian.Uint32(h[4:])+frame)
		now := time.Now().UnixNano()
		if e.press(s, now) {
			continue
		}
		if s.silent && s.number%stillHere != 0 {
			s.number++
			continue
		}
		stamp{sent: now, stream: s.id, number: s.number, run: e.run}.write(s.packet[headerSize:], s.magnitude)
		taken := s.via.send(s.packet[:], &s.to)
		s.number++
		if now >= e.window.from && now < e.window.until {
			e.window.sent++
			if !taken {
				e.window.refused++
			}
		}
	}
}

func (e *engine) listen() {
	for i := range e.sockets {
		for _, sock := range e.sockets[i] {
			for {
				packet, from, at, ok := sock.receive()
				if !ok {
					break
				}
				e.hear(sock, packet, from, at)
			}
		}
	}
}

// hear files one packet that came out of the PBX.
func (e *engine) hear(at *socket, packet []byte, from uint64, arrived int64) {
	if len(packet) < headerSize {
		return
	}
	if e.ears != nil && at.side == callerSide {
		e.heed(leg{at, from}, packet, arrived)
		return
	}
	st, ok := readStamp(packet[headerSize:])
	if !ok && arrived >= e.window.from && arrived < e.window.until {
		e.window.unstamped++
	}
	if !ok || st.run != e.run || int(st.stream) >= len(e.streams) || e.streams[st.stream] == nil {
		return // telephone-events, comfort noise, announcements; a call that is over
	}
	s := e.streams[st.stream]
	counted := st.sent >= e.window.from && st.sent < e.window.until
	if on := (leg{at, from}); !e.direct && s.heardOn != on {
		first, taken := e.owner[on]
		if s.heardOn.at != nil || taken && first != s.id {
			if counted {
				e.window.strayed++
			}
			return
		}
		e.owner[on], s.heardOn = s.id, on
	}
	e.heard++
	if !counted {
		return
	}
	bit := st.number - s.base
	if bit >= uint32(len(s.arrived)*64) {
		return
	}
	if s.arrived[bit/64]&(1<<(bit%64)) != 0 {
		e.window.duplicated++
		return
	}
	s.arrived[bit/64] |= 1 << (bit % 64)
	if st.number < s.last {
		e.window.reordered++
	}
	s.last = st.number
	e.window.received++
	e.window.delays = append(e.window.delays, uint32(min(max(arrived-st.sent, 0), 4e9)))
}
