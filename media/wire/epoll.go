//go:build linux

package wire

import (
	"fmt"
	"net/netip"
	"os"
	"runtime"
	"sync"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"cabline/media/faults"
)

// A goroutine for each socket costs twice what a relayed packet needs: one to wake
// for each, and two system calls with the scheduler told. Here a few goroutines
// read all sockets by raw non-blocking system calls. Each has an epoll of its own,
// which Go's netpoller watches as it would a socket: many packets are one wake. To
// wait for it in a system call would keep the runtime's monitor awake, which costs
// more than a small firm's calls. A socket belongs to one reader for life.

// epoll is the wire of such readers.
type epoll struct {
	faults.Line
	readers []*reader
	full    int // fullReader
}

// fullReader is how many sockets a reader gets before the next one gets any: those
// of 500 calls, half of what one can carry on a slow machine. A reader that has
// little to do sleeps between any two packets, and to be woken costs as much as
// the packet.
const fullReader = 500 * 4

// New makes a wire of so many readers; 0: of one for each processor, which sleep
// until the ones before them have enough to do.
func New(readers int) (Wire, error) {
	if readers <= 0 {
		readers = runtime.NumCPU()
	}
	e := &epoll{full: fullReader}
	for range readers {
		r, err := newReader(&e.Line)
		if err != nil {
			e.Close()
			return nil, err
		}
		e.readers = append(e.readers, r)
		go r.run()
	}
	return e, nil
}

func (e *epoll) Open(at netip.AddrPort, to Receiver, buffer int) (Socket, error) {
	fd, err := bindUDP(at)
	if err != nil {
		return nil, fmt.Errorf("bind %v: %w", at, err)
	}
	here, err := boundTo(fd)
	if err != nil {
		_ = unix.Close(fd)
		return nil, fmt.Errorf("bind %v: %w", at, err)
	}
	if buffer > 0 {
		_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, buffer)
		_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_SNDBUF, buffer)
	}
	s := &descriptor{fd: fd, here: here, six: here.Addr().Is6(), reader: e.emptiest(), to: to}
	if err := s.reader.add(s); err != nil {
		_ = unix.Close(fd)
		return nil, fmt.Errorf("watch %v: %w", at, err)
	}
	return s, nil
}

// emptiest is the first reader that is not full, or else the one with the fewest
// sockets.
func (e *epoll) emptiest() (least *reader) {
	fewest := 0
	for _, r := range e.readers {
		r.mu.Lock()
		n := len(r.sockets) - len(r.free)
		r.mu.Unlock()
		if n < e.full {
			return r
		}
		if least == nil || n < fewest {
			least, fewest = r, n
		}
	}
	return least
}

func (e *epoll) Overflowed() (sum uint64) {
	for _, r := range e.readers {
		sum += r.overflowed()
	}
	return sum
}

func (e *epoll) Close() {
	for _, r := range e.readers {
		r.close()
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
	} else if err = unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_V6ONLY, one(!ip.IsUnspecified())); err == nil {
		err = unix.Bind(fd, &unix.SockaddrInet6{Port: int(at.Port()), Addr: ip.As16()})
	}
	if err != nil {
		_ = unix.Close(fd)
		return -1, err
	}
	return fd, nil
}

func one(yes bool) int {
	if yes {
		return 1
	}
	return 0
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

// reader is one goroutine with its epoll.
type reader struct {
	fd   int      // of the epoll …
	file *os.File // … which owns it
	done chan struct{}
	line *faults.Line

	mu      sync.Mutex // held during a read, never while a packet is dealt with
	sockets []*descriptor
	free    []int32
	former  uint64 // datagrams that overflowed sockets which are closed

	// The goroutine's own.
	events [256]unix.EpollEvent
	ready  int         // of the events
	at     *descriptor // whose datagram is dealt with
	buf    [MaxDatagram + TailRoom]byte
	from   unix.RawSockaddrInet6 // the longest we take
}

func newReader(line *faults.Line) (*reader, error) {
	fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("create epoll: %w", err)
	}
	_ = unix.SetNonblock(fd, true) // or it is not given to the netpoller
	r := &reader{fd: fd, line: line, file: os.NewFile(uintptr(fd), "epoll"), done: make(chan struct{})}
	if err := r.file.SetReadDeadline(time.Time{}); err != nil {
		_ = r.file.Close()
		return nil, fmt.Errorf("watch epoll: %w", err)
	}
	return r, nil
}

func (r *reader) close() {
	_ = r.file.Close()
	<-r.done
}

func (r *reader) run() {
	defer close(r.done)
	raw, err := r.file.SyscallConn()
	for look := r.look; err == nil; {
		if err = raw.Read(look); err != nil {
			return // closed
		}
		now := time.Now()
		r.line.Each(r.ready, func(i int) {
			s, size := r.read(r.events[i].Fd)
			if r.at = s; s != nil {
				s.to.Receive(r.buf[:size:size+TailRoom], r.sender(), now)
			}
		}, r.hurt)
	}
}

// hurt leaves the one out whose datagram was dealt with.
func (r *reader) hurt(int) {
	if r.at != nil {
		r.at.to.Hurt()
	}
}

// look asks without waiting which sockets have something, and reports false when
// none has: then the netpoller tells of the next one.
func (r *reader) look(fd uintptr) (any bool) {
	n, _, errno := syscall.RawSyscall6(unix.SYS_EPOLL_PWAIT, fd,
		uintptr(unsafe.Pointer(&r.events)), uintptr(len(r.events)), 0, 0, 0)
	if errno != 0 {
		panic(fmt.Sprintf("epoll: %v", errno)) // the descriptor is ours: a bug
	}
	r.ready = int(n)
	return r.ready > 0
}

// read takes one datagram; level-triggered, epoll tells of the next one again.
// A socket which was closed since epoll told of it yields nothing, whoever has
// its place or its number now.
func (r *reader) read(place int32) (*descriptor, int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := r.sockets[place]
	if s == nil {
		return nil, 0
	}
	length := uint32(unsafe.Sizeof(r.from))
	n, _, errno := syscall.RawSyscall6(unix.SYS_RECVFROM, uintptr(s.fd),
		uintptr(unsafe.Pointer(&r.buf)), MaxDatagram, unix.MSG_DONTWAIT,
		uintptr(unsafe.Pointer(&r.from)), uintptr(unsafe.Pointer(&length)))
	if errno != 0 {
		return nil, 0
	}
	return s, int(n)
}

// sender is where the datagram read last came from.
func (r *reader) sender() netip.AddrPort {
	if r.from.Family == unix.AF_INET {
		sa := (*unix.RawSockaddrInet4)(unsafe.Pointer(&r.from))
		return netip.AddrPortFrom(netip.AddrFrom4(sa.Addr), swap(sa.Port))
	}
	return netip.AddrPortFrom(netip.AddrFrom16(r.from.Addr).Unmap(), swap(r.from.Port))
}

func (r *reader) add(s *descriptor) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.free) == 0 {
		r.free = append(r.free, int32(len(r.sockets)))
		r.sockets = append(r.sockets, nil)
	}
	s.place = r.free[len(r.free)-1]
	if err := unix.EpollCtl(r.fd, unix.EPOLL_CTL_ADD, s.fd, &unix.EpollEvent{Events: unix.EPOLLIN, Fd: s.place}); err != nil {
		return err
	}
	r.free = r.free[:len(r.free)-1]
	r.sockets[s.place] = s
	return nil
}

// overflowed is how many datagrams came while the socket they were for was full. The
// reader waits meanwhile: half a millisecond, of 500 calls.
func (r *reader) overflowed() uint64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	sum := r.former
	for _, s := range r.sockets {
		if s != nil {
			sum += s.overflowed()
		}
	}
	return sum
}

// descriptor is a socket of a reader.
type descriptor struct {
	fd     int
	place  int32
	to     Receiver
	reader *reader
	here   netip.AddrPort
	six    bool // it is of IPv6, and knows IPv4 by mapped addresses
}

func (s *descriptor) Local() netip.AddrPort { return s.here }

// overflowed asks the kernel, which may be done while the socket is open.
func (s *descriptor) overflowed() uint64 {
	const dropped = 8 // SK_MEMINFO_DROPS of sock_diag(7)
	var info [dropped + 1]uint32
	size := uint32(unsafe.Sizeof(info))
	_, _, errno := syscall.RawSyscall6(unix.SYS_GETSOCKOPT, uintptr(s.fd), unix.SOL_SOCKET, unix.SO_MEMINFO,
		uintptr(unsafe.Pointer(&info)), uintptr(unsafe.Pointer(&size)), 0)
	if errno != 0 {
		return 0 // an old kernel (before 4.12)
	}
	return uint64(info[dropped])
}

func (s *descriptor) Send(b []byte, to netip.AddrPort) bool {
	var errno syscall.Errno
	if ip := to.Addr(); ip.Is4() && !s.six {
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

func (s *descriptor) Close() {
	r := s.reader
	r.mu.Lock()
	defer r.mu.Unlock()
	r.sockets[s.place] = nil
	r.free = append(r.free, s.place)
	r.former += s.overflowed()
	_ = unix.Close(s.fd) // leaves the epoll by itself
}

// swap turns a port into network order and back.
func swap(port uint16) uint16 {
	b := (*[2]byte)(unsafe.Pointer(&port))
	return uint16(b[0])<<8 | uint16(b[1])
}
