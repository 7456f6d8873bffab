//go:build linux

package rtp

import (
	"fmt"
	"net/netip"
	"runtime"
	"sync"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Go's netpoller costs twice what a relayed packet needs: a goroutine to wake,
// a processor to find for it, two system calls with the scheduler told. Here a
// few locked threads each wait on an epoll of their own and move packets by
// raw non-blocking system calls. A socket belongs to one thread for life.

// epoll is the wire of such threads.
type epoll struct {
	threads []*thread
	full    int // fullThread
}

// fullThread is how many sockets a thread gets before the next one gets any: those
// of 500 calls, half of what one can carry on a slow machine. A thread that has
// little to do sleeps between any two packets, and to be woken costs as much as
// the packet.
const fullThread = 500 * 4

func newWire(threads int) (wire, error) {
	e := &epoll{full: fullThread}
	for range threads {
		t, err := newThread()
		if err != nil {
			e.close()
			return nil, err
		}
		e.threads = append(e.threads, t)
		go t.run()
	}
	return e, nil
}

func (e *epoll) open(at netip.AddrPort, to receiver) (socket, error) {
	fd, err := bindUDP(at)
	if err != nil {
		return nil, fmt.Errorf("bind %v: %w", at, err)
	}
	here, err := boundTo(fd)
	if err != nil {
		_ = unix.Close(fd)
		return nil, fmt.Errorf("bind %v: %w", at, err)
	}
	s := &descriptor{fd: fd, here: here, thread: e.emptiest(), to: to}
	if err := s.thread.add(s); err != nil {
		_ = unix.Close(fd)
		return nil, fmt.Errorf("watch %v: %w", at, err)
	}
	return s, nil
}

// emptiest is the first thread that is not full, or else the one with the fewest
// sockets.
func (e *epoll) emptiest() (least *thread) {
	fewest := 0
	for _, t := range e.threads {
		t.mu.Lock()
		n := len(t.sockets) - len(t.free)
		t.mu.Unlock()
		if n < e.full {
			return t
		}
		if least == nil || n < fewest {
			least, fewest = t, n
		}
	}
	return least
}

func (e *epoll) close() {
	for _, t := range e.threads {
		t.close()
	}
}

func bindUDP(at netip.AddrPort) (int, error) {
	ip := at.Addr().Unmap()
	family, level, class := unix.AF_INET6, unix.IPPROTO_IPV6, unix.IPV6_TCLASS
	if ip.Is4() {
		family, level, class = unix.AF_INET, unix.IPPROTO_IP, unix.IP_TOS
	}
	fd, err := unix.Socket(family, unix.SOCK_DGRAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return -1, err
	}
	_ = unix.SetsockoptInt(fd, level, class, expedited) // a wish
	if ip.Is4() {
		err = unix.Bind(fd, &unix.SockaddrInet4{Port: int(at.Port()), Addr: ip.As4()})
	} else if err = unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_V6ONLY, 1); err == nil {
		err = unix.Bind(fd, &unix.SockaddrInet6{Port: int(at.Port()), Addr: ip.As16()})
	}
	if err != nil {
		_ = unix.Close(fd)
		return -1, err
	}
	return fd, nil
}

func boundTo(fd int) (netip.AddrPort, error) {
	sa, err := unix.Getsockname(fd)
	if err != nil {
		return netip.AddrPort{}, err
	}
	switch sa := sa.(type) {
	case *unix.SockaddrInet4:
		return netip.AddrPortFrom(netip.AddrFrom4(sa.Addr), uint16(sa.Port)), nil
	case *unix.SockaddrInet6:
		return netip.AddrPortFrom(netip.AddrFrom16(sa.Addr), uint16(sa.Port)), nil
	}
	return netip.AddrPort{}, unix.EAFNOSUPPORT
}

// thread is one locked thread with its epoll.
type thread struct {
	epoll, stop int // stop: an eventfd
	done        chan struct{}

	mu      sync.Mutex // held during a read, never while a packet is dealt with
	sockets []*descriptor
	free    []int32

	// The thread's own.
	buf  [maxDatagram + tailRoom]byte
	from unix.RawSockaddrInet6 // the longest we take
}

// wakeUp is the place in the table which no socket has.
const wakeUp = -1

func newThread() (*thread, error) {
	ep, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("create epoll: %w", err)
	}
	stop, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	if err == nil {
		err = unix.EpollCtl(ep, unix.EPOLL_CTL_ADD, stop, &unix.EpollEvent{Events: unix.EPOLLIN, Fd: wakeUp})
	}
	if err != nil {
		_ = unix.Close(ep)
		return nil, fmt.Errorf("create eventfd: %w", err)
	}
	return &thread{epoll: ep, stop: stop, done: make(chan struct{})}, nil
}

func (t *thread) close() {
	_, _ = unix.Write(t.stop, []byte{1, 0, 0, 0, 0, 0, 0, 0})
	<-t.done
	_ = unix.Close(t.stop)
	_ = unix.Close(t.epoll)
}

func (t *thread) run() {
	defer close(t.done)
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	var events [256]unix.EpollEvent
	for {
		n, err := unix.EpollWait(t.epoll, events[:], -1)
		if err != nil && err != unix.EINTR {
			panic(fmt.Sprintf("epoll: %v", err)) // the descriptor is ours: a bug
		}
		now := time.Now()
		for _, ev := range events[:max(n, 0)] {
			if ev.Fd == wakeUp {
				return
			}
			if s, size := t.read(ev.Fd); s != nil {
				s.to.receive(t.buf[:size:size+tailRoom], t.sender(), now)
			}
		}
	}
}

// read takes one datagram; level-triggered, epoll tells of the next one again.
// A socket which was closed since epoll told of it yields nothing, whoever has
// its place or its number now.
func (t *thread) read(place int32) (*descriptor, int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	s := t.sockets[place]
	if s == nil {
		return nil, 0
	}
	length := uint32(unsafe.Sizeof(t.from))
	n, _, errno := syscall.RawSyscall6(unix.SYS_RECVFROM, uintptr(s.fd),
		uintptr(unsafe.Pointer(&t.buf)), maxDatagram, unix.MSG_DONTWAIT,
		uintptr(unsafe.Pointer(&t.from)), uintptr(unsafe.Pointer(&length)))
	if errno != 0 {
		return nil, 0
	}
	return s, int(n)
}

// sender is where the datagram read last came from.
func (t *thread) sender() netip.AddrPort {
	if t.from.Family == unix.AF_INET {
		sa := (*unix.RawSockaddrInet4)(unsafe.Pointer(&t.from))
		return netip.AddrPortFrom(netip.AddrFrom4(sa.Addr), swap(sa.Port))
	}
	return netip.AddrPortFrom(netip.AddrFrom16(t.from.Addr), swap(t.from.Port))
}

func (t *thread) add(s *descriptor) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.free) == 0 {
		t.free = append(t.free, int32(len(t.sockets)))
		t.sockets = append(t.sockets, nil)
	}
	s.place = t.free[len(t.free)-1]
	if err := unix.EpollCtl(t.epoll, unix.EPOLL_CTL_ADD, s.fd, &unix.EpollEvent{Events: unix.EPOLLIN, Fd: s.place}); err != nil {
		return err
	}
	t.free = t.free[:len(t.free)-1]
	t.sockets[s.place] = s
	return nil
}

// descriptor is a socket of a thread.
type descriptor struct {
	fd     int
	place  int32
	to     receiver
	thread *thread
	here   netip.AddrPort
}

func (s *descriptor) local() netip.AddrPort { return s.here }

func (s *descriptor) send(b []byte, to netip.AddrPort) bool {
	var errno syscall.Errno
	if ip := to.Addr(); ip.Is4() {
		sa := unix.RawSockaddrInet4{Family: unix.AF_INET, Port: swap(to.Port()), Addr: ip.As4()}
		_, _, errno = syscall.RawSyscall6(unix.SYS_SENDTO, uintptr(s.fd),
			uintptr(unsafe.Pointer(unsafe.SliceData(b))), uintptr(len(b)), unix.MSG_DONTWAIT,
			uintptr(unsafe.Pointer(&sa)), unsafe.Sizeof(sa))
	} else {
		sa := unix.RawSockaddrInet6{Family: unix.AF_INET6, Port: swap(to.Port()), Addr: ip.As16()}
		_, _, errno = syscall.RawSyscall6(unix.SYS_SENDTO, uintptr(s.fd),
			uintptr(unsafe.Pointer(unsafe.SliceData(b))), uintptr(len(b)), unix.MSG_DONTWAIT,
			uintptr(unsafe.Pointer(&sa)), unsafe.Sizeof(sa))
	}
	return errno == 0
}

func (s *descriptor) close() {
	t := s.thread
	t.mu.Lock()
	defer t.mu.Unlock()
	t.sockets[s.place] = nil
	t.free = append(t.free, s.place)
	_ = unix.Close(s.fd) // leaves the epoll by itself
}

// swap turns a port into network order and back.
func swap(port uint16) uint16 {
	b := (*[2]byte)(unsafe.Pointer(&port))
	return uint16(b[0])<<8 | uint16(b[1])
}
