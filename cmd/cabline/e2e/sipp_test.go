//go:build e2e

package e2e

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math/bits"
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
	"cabline/internal/lacking"
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
	until(t, "sipp listens", func() bool { return listens(w.Carrier, 5070) })
	return s
}

func runSipp(t *testing.T, scenario string, o sippOptions, at netip.AddrPort, exchange netip.Addr) *sipp {
	t.Helper()
	binary := lacking.Command(t, "sipp")
	s := &sipp{name: scenario, dir: t.TempDir(), done: make(chan struct{})}
	if o.Transport == "" {
		o.Transport = "u1"
	}
	host, port := at.Addr().String(), fmt.Sprint(at.Port())
	s.cmd = exec.Command(binary, exchange.String()+":5060", "-sf", scenario+".xml", "-i", host, "-p", port, "-mi", host, "-mp", "7000",
		"-bind_local", "-t", o.Transport, "-s", o.Number, "-key", "from", clientPhone,
		"-d", fmt.Sprint(o.Wait.Milliseconds()), "-m", "1", "-nostdin", "-timeout", "180", "-timeout_error",
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
func listens(host netip.Addr, port int) bool {
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
	case <-time.After(3*time.Minute + patience):
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
	done chan struct{}

	mu   sync.Mutex
	reel telephone.Reel
}

// listenIn needs a raw socket, as sipp does to play a capture.
func listenIn(t *testing.T, host netip.Addr) *tap {
	t.Helper()
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		lacking.Skip(t, lacking.Root, "to listen in on the loopback and for sipp's captures:", err)
	}
	p := &tap{fd: fd, done: make(chan struct{})}
	tv := unix.NsecToTimeval(int64(100 * time.Millisecond))
	check(t, unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &tv))
	check(t, p.hearOnly(host))
	check(t, unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: bits.ReverseBytes16(unix.ETH_P_IP)})) // in network byte order
	stop := make(chan struct{})
	go p.work(stop)
	t.Cleanup(func() {
		close(stop)
		<-p.done
		unix.Close(fd)
	})
	return p
}

// hearOnly has the kernel give us what comes to one host, once. Else the audio of
// all other tests would overflow the buffer while we wait for a processor.
func (p *tap) hearOnly(host netip.Addr) error {
	const load, equal = unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K
	const kind = 0xfffff000 + 4 // SKF_AD_OFF + SKF_AD_PKTTYPE
	to := host.As4()
	program := []unix.SockFilter{
		{Code: load, K: kind}, {Code: equal, K: unix.PACKET_OUTGOING, Jt: 3}, // all is seen twice
		{Code: load, K: 16}, {Code: equal, K: binary.BigEndian.Uint32(to[:]), Jf: 1},
		{Code: unix.BPF_RET, K: 1 << 16}, {Code: unix.BPF_RET, K: 0},
	}
	err := unix.SetsockoptInt(p.fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, 4<<20)
	return errors.Join(err, unix.SetsockoptSockFprog(p.fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER,
		&unix.SockFprog{Len: uint16(len(program)), Filter: &program[0]}))
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
		if n, _, err := unix.Recvfrom(p.fd, buf, 0); err == nil {
			p.take(buf[:n])
		}
	}
}

// take files a packet of RTP.
func (p *tap) take(ip []byte) {
	if len(ip) < 20+8+12 || ip[0] != 0x45 || ip[9] != unix.IPPROTO_UDP {
		return
	}
	udp := ip[20:]
	if binary.BigEndian.Uint16(udp[2:]) < 7000 || udp[8]>>6 != 2 {
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
