package sip

import (
	"fmt"
	"net"
	"net/netip"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"cabline/pbx/sip/locate/locatetest"
)

// The same as TestToTheMomentADeadFirstTargetOverTCPIsLeftForTheSecond on the wire,
// by the DNS; what a full queue does is Linux' way.
func TestADeadFirstTargetOfSRVOverTCPIsLeftForTheSecond(t *testing.T) {
	for illness, first := range map[string]func(*testing.T) int{
		"it refuses connections": refusingPort,
		"it swallows the SYN":    swallowingPort,
		"it is silent":           silentPort,
	} {
		for method, set := range asks {
			t.Run(method+", "+illness, func(t *testing.T) {
				listener, err := net.Listen("tcp4", "127.0.0.1:0")
				if err != nil {
					t.Fatal(err)
				}
				defer listener.Close()
				second := listener.Addr().(*net.TCPAddr).Port
				names := locatetest.Start(t, fmt.Sprintf("gw.test. 300 IN A 127.0.0.1\n_sip._tcp.carrier.test. 300 IN SRV 0 1 %d gw.test.\n"+
					"_sip._tcp.carrier.test. 300 IN SRV 1 1 %d gw.test.\n", first(t), second))
				began := time.Now()
				b := start(t, answerAll, func(c *Config) {
					c.DNS = []netip.AddrPort{names.Addr}
					c.Trunks[0].Target, c.Trunks[0].Transport, c.Trunks[0].From = "carrier.test", "tcp", nil
					set(&c.Trunks[0])
				})
				var done <-chan dialed
				if method == "INVITE" {
					done = b.dial(t.Context(), driver)
				}
				_ = listener.(*net.TCPListener).SetDeadline(time.Now().Add(forAMoment))
				conn, err := listener.Accept()
				if err != nil {
					t.Fatal(err)
				}
				carrier := stream(t, conn)
				came := carrier.want(method)
				if took, most := time.Since(began), 3*search(); took > most { // three times: the machine may be busy
					t.Errorf("%s is there after %v, more than %v", method, took, most)
				}
				b.follow(carrier, method, came, done)
			})
		}
	}
}

// refusingPort is one of 127.0.0.1 where nobody listens, and nobody will: it is
// bound until the test ends.
func refusingPort(t *testing.T) int { return boundPort(t, -1) }

// swallowingPort is one whose queue is full: the kernel drops whoever connects.
func swallowingPort(t *testing.T) int {
	port := boundPort(t, 0)
	for {
		conn, err := net.DialTimeout("tcp4", fmt.Sprintf("127.0.0.1:%d", port), 300*time.Millisecond)
		if err != nil {
			return port
		}
		t.Cleanup(func() { conn.Close() })
	}
}

// silentPort is one where connections are made and nobody reads.
func silentPort(t *testing.T) int { return boundPort(t, 100) }

// boundPort binds a port of 127.0.0.1, and listens there unless the queue is negative.
func boundPort(t *testing.T, queue int) int {
	t.Helper()
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Close(fd) })
	if err := unix.Bind(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		t.Fatal(err)
	}
	if queue >= 0 {
		if err := unix.Listen(fd, queue); err != nil {
			t.Fatal(err)
		}
	}
	at, err := unix.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	return at.(*unix.SockaddrInet4).Port
}
