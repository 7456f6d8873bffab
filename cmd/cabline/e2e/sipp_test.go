//go:build e2e

package e2e

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"cabline/cmd/internal/telephone"
)

// scenarios is where sipp runs: the files in the scenarios are named from there.
const scenarios = "../../../testdata/sipp"

// sipp is a running sipp. Done waits for its end; what is not as the scenario
// says is an error.
type sipp struct {
	cmd  *exec.Cmd
	name string
	dir  string
	done chan struct{}

	stderr bytes.Buffer // these two are good when done is closed
	err    error
}

// sippOptions are what differs between calls.
type sippOptions struct {
	Wait      time.Duration // -d, of the scenario's own pause
	Transport string        // u1 (the zero value) or t1
	Number    string        // whom to call
}

// client runs a scenario as the caller.
func (w *world) sippClient(t *testing.T, scenario string, o sippOptions) *sipp {
	return runSipp(t, scenario, o, netip.AddrPortFrom(w.Client, 5062), w.Network.Exchange)
}

// driver runs a scenario as whoever is called. It must run before the call.
func (w *world) sippDriver(t *testing.T, scenario string, o sippOptions) *sipp {
	check(t, w.people.Close())
	s := runSipp(t, scenario, o, netip.AddrPortFrom(w.Carrier, 5070), w.Network.Exchange)
	until(t, "sipp listens", func() bool { return s.listens(w.Carrier, 5070) })
	return s
}

func runSipp(t *testing.T, scenario string, o sippOptions, at netip.AddrPort, exchange netip.Addr) *sipp {
	t.Helper()
	binary, err := exec.LookPath("sipp")
	if err != nil {
		t.Fatal("sipp is not installed; make test installs it (package sip-tester)")
	}
	s := &sipp{name: scenario, dir: t.TempDir(), done: make(chan struct{})}
	if o.Transport == "" {
		o.Transport = "u1"
	}
	host, port := at.Addr().String(), fmt.Sprint(at.Port())
	s.cmd = exec.Command(binary, exchange.String()+":5060", "-sf", scenario+".xml", "-i", host, "-p", port, "-mi", host, "-mp", "7000",
		"-bind_local", "-t", o.Transport, "-s", o.Number, "-key", "from", clientPhone,
		"-d", fmt.Sprint(o.Wait.Milliseconds()), "-m", "1", "-nostdin", "-timeout", "60", "-timeout_error",
		"-trace_err", "-error_file", filepath.Join(s.dir, "errors"), "-trace_msg", "-message_file", filepath.Join(s.dir, "messages"))
	s.cmd.Dir = scenarios
	s.cmd.Stderr = &s.stderr
	check(t, s.cmd.Start())
	go func() {
		s.err = s.cmd.Wait()
		close(s.done)
	}()
	t.Cleanup(func() {
		_ = s.cmd.Process.Kill()
		<-s.done
	})
	return s
}

// listens looks into the kernel's tables whether the port is taken.
func (s *sipp) listens(host netip.Addr, port int) bool {
	b := host.As4()
	entry := fmt.Sprintf("%08X:%04X", binary.LittleEndian.Uint32(b[:]), port)
	for _, table := range []string{"/proc/net/udp", "/proc/net/tcp"} {
		if text, err := os.ReadFile(table); err == nil && strings.Contains(string(text), entry) {
			return true
		}
	}
	return false
}

// ends waits until sipp has played its scenario to the end, and fails the test
// if it could not.
func (s *sipp) ends(t *testing.T) {
	t.Helper()
	select {
	case <-s.done:
	case <-time.After(70 * time.Second):
		t.Fatalf("sipp %s does not end", s.name)
	}
	if s.err != nil {
		errors, _ := os.ReadFile(filepath.Join(s.dir, "errors"))
		messages, _ := os.ReadFile(filepath.Join(s.dir, "messages"))
		t.Fatalf("sipp %s: %v\n%s%s\n%s", s.name, s.err, s.stderr.String(), errors, tail(string(messages), 120))
	}
}

// tap listens in on the audio that reaches an address: sipp does not record.
type tap struct {
	fd   int
	host netip.Addr
	done chan struct{}

	mu   sync.Mutex
	reel telephone.Reel
}

// listenIn needs a raw socket, as sipp does to play a capture.
func listenIn(t *testing.T, host netip.Addr) *tap {
	t.Helper()
	const ipv4 = unix.ETH_P_IP<<8 | unix.ETH_P_IP>>8 // in network byte order
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, ipv4)
	if err != nil {
		t.Skip("listening in on the loopback, and sipp's captures, need root: ", err)
	}
	tv := unix.NsecToTimeval(int64(100 * time.Millisecond))
	check(t, unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &tv))
	p := &tap{fd: fd, host: host, done: make(chan struct{})}
	stop := make(chan struct{})
	go p.work(stop)
	t.Cleanup(func() {
		close(stop)
		<-p.done
		unix.Close(fd)
	})
	return p
}

func (p *tap) work(stop <-chan struct{}) {
	defer close(p.done)
	buf := make([]byte, 4096)
	for {
		select {
		case <-stop:
			return
		default:
		}
		n, from, err := unix.Recvfrom(p.fd, buf, 0)
		link, ok := from.(*unix.SockaddrLinklayer)
		if err != nil || !ok || link.Pkttype == unix.PACKET_OUTGOING { // all is seen twice
			continue
		}
		p.take(buf[:n])
	}
}

// take files a packet of RTP to our host.
func (p *tap) take(ip []byte) {
	if len(ip) < 20+8+12 || ip[0] != 0x45 || ip[9] != unix.IPPROTO_UDP {
		return
	}
	udp := ip[20:]
	if netip.AddrFrom4([4]byte(ip[16:20])) != p.host || binary.BigEndian.Uint16(udp[2:]) < 7000 || udp[8]>>6 != 2 {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.reel.File(udp[8:], 101, time.Now())
}

// heard is what came to that host so far, of one call.
func (p *tap) heard() Recording {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.reel.Recording()
}

func (p *tap) keys() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.reel.Pressed()
}
