package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"os/exec"
	"runtime"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"cabline/cmd/internal/siptext"
)

// What a relayed packet costs differs from machine to machine, and on one from
// day to day. So beside each exchange a bare relay is measured: a process of its
// own whose one thread waits for an epoll, receives and sends, and knows nothing
// of what passes. What an exchange costs as a multiple of that can be compared.

// bareRelay is such a process.
type bareRelay struct {
	cmd   *exec.Cmd
	hold  io.Closer // its standard input: it ends when this closes
	ports []uint16  // of each call two, for the caller and for the callee
}

// bareHost is where it receives.
var bareHost = netip.AddrFrom4([4]byte{127, 0, 0, 17})

func startBareRelay(calls int) (*bareRelay, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	r := &bareRelay{cmd: exec.Command(self, "relay", fmt.Sprintf("--calls=%d", calls))}
	r.cmd.Stderr = os.Stderr
	in, err := r.cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := r.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := r.cmd.Start(); err != nil {
		return nil, err
	}
	r.hold = in
	if err := json.NewDecoder(out).Decode(&r.ports); err != nil {
		return nil, errors.Join(fmt.Errorf("start the bare relay: %w", err), r.end())
	}
	return r, nil
}

func (r *bareRelay) end() error {
	_ = r.hold.Close()
	return r.cmd.Wait()
}

// bare measures the bare relay at the same numbers of calls.
func (b bench) bare(ctx context.Context, steps []int, length time.Duration) (all []talks, err error) {
	r, err := startBareRelay(steps[len(steps)-1])
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, r.end()) }()
	e, err := startEngine(b.Caller.Addr(), b.Callee.Addr(), false)
	if err != nil {
		return nil, err
	}
	defer e.close()
	b.PID = process(r.cmd.Process.Pid)
	up := 0
	for _, n := range steps {
		for ; up < n; up++ {
			for from, port := range r.ports[2*up : 2*up+2] {
				to := siptext.Audio{Addr: netip.AddrPortFrom(bareHost, port), Types: []uint8{8}}
				if err := e.speak(side(from), up, to, speech{}); err != nil {
					return nil, err
				}
			}
		}
		if err := pause(ctx, settling); err != nil {
			return nil, err
		}
		b.quiet(ctx)
		t, err := b.measure(ctx, e, n, length)
		if err != nil {
			return nil, err
		}
		all = append(all, t)
	}
	return all, nil
}

// bareLeg is one of its sockets. Where it sends to is where the latest packet
// came from.
type bareLeg struct {
	fd   int
	from unix.RawSockaddrInet4
}

// relayBare is the process itself: it tells out its ports, and moves packets until
// in ends.
func relayBare(calls int, in io.Reader, out io.Writer) error {
	legs := make([]bareLeg, 2*calls)
	ports := make([]uint16, len(legs))
	ep, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return err
	}
	for i := range legs {
		if legs[i].fd, ports[i], err = bindUDP(netip.AddrPortFrom(bareHost, 0)); err != nil {
			return err
		}
		if err = unix.EpollCtl(ep, unix.EPOLL_CTL_ADD, legs[i].fd, &unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(i)}); err != nil {
			return err
		}
	}
	if err := json.NewEncoder(out).Encode(ports); err != nil {
		return err
	}
	failed := make(chan error)
	go func() { failed <- moveBare(ep, legs) }() // ends with the process
	go func() {
		_, err := io.Copy(io.Discard, in)
		failed <- err
	}()
	return <-failed
}

func moveBare(ep int, legs []bareLeg) error {
	runtime.LockOSThread()
	var events [256]unix.EpollEvent
	var packet [1500]byte
	for {
		n, err := unix.EpollWait(ep, events[:], -1)
		if err != nil && err != unix.EINTR {
			return fmt.Errorf("wait for packets: %w", err)
		}
		for _, ev := range events[:max(n, 0)] {
			in, out := &legs[ev.Fd], &legs[ev.Fd^1]
			length := uint32(unix.SizeofSockaddrInet4)
			size, _, errno := unix.RawSyscall6(unix.SYS_RECVFROM, uintptr(in.fd), uintptr(unsafe.Pointer(&packet)), uintptr(len(packet)),
				unix.MSG_DONTWAIT, uintptr(unsafe.Pointer(&in.from)), uintptr(unsafe.Pointer(&length)))
			if errno == 0 && out.from.Port != 0 {
				_, _, _ = unix.RawSyscall6(unix.SYS_SENDTO, uintptr(out.fd), uintptr(unsafe.Pointer(&packet)), size,
					unix.MSG_DONTWAIT, uintptr(unsafe.Pointer(&out.from)), unix.SizeofSockaddrInet4)
			}
		}
	}
}
