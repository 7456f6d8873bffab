//go:build e2e

package e2e

import (
	"bytes"
	"context"
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"cabline/cmd/cabline/selftest"
	"cabline/internal/lacking"
)

// sniffer is tshark on the loopback.
type sniffer struct {
	cmd   *exec.Cmd
	file  string
	probe netip.Addr // nobody's; what is sent there shows how far the capture is
}

// sniff captures all that passes on the loopback's test addresses, or on those of
// one test's network alone. It returns when something sent was captured, so that
// nothing is missed.
func sniff(t *testing.T, only ...Network) *sniffer {
	t.Helper()
	lacking.NeedRoot(t, "to capture")
	tshark := lacking.Command(t, "tshark")
	s := &sniffer{file: filepath.Join(t.TempDir(), "wire.pcap"), probe: NewNetwork(t).Exchange}
	filter := "net 127.64.0.0/10"
	if len(only) > 0 {
		filter = fmt.Sprintf("host %s or host %s", only[0].Exchange, s.probe)
	}
	s.cmd = exec.Command(tshark, "-i", "lo", "-n", "-Q", "-F", "pcap", "-B", "64", "-f", filter, "-w", s.file)
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	check(t, s.cmd.Start())
	t.Cleanup(func() {
		_ = s.cmd.Process.Kill()
		_ = s.cmd.Wait()
	})
	probe := netip.AddrPortFrom(s.probe, 9)
	until(t, "tshark captures", func() bool {
		send(t, probe.Addr(), probe, []byte("probe"))
		return len(s.frames(t)) > 0
	})
	return s
}

// send puts a datagram on the wire, from an address.
func send(t *testing.T, from netip.Addr, to netip.AddrPort, payload []byte) {
	t.Helper()
	conn, err := net.ListenUDP("udp4", net.UDPAddrFromAddrPort(netip.AddrPortFrom(from, 0)))
	check(t, err)
	defer conn.Close()
	_, err = conn.WriteToUDPAddrPort(payload, to)
	check(t, err)
}

// stream sends pieces over TCP to where nobody listened before.
func stream(t *testing.T, from, to netip.AddrPort, pieces ...[]byte) {
	t.Helper()
	there, err := net.ListenTCP("tcp4", net.TCPAddrFromAddrPort(to))
	check(t, err)
	defer there.Close()
	conn, err := (&net.Dialer{LocalAddr: net.TCPAddrFromAddrPort(from)}).Dial("tcp4", there.Addr().String())
	check(t, err)
	defer conn.Close()
	far, err := there.Accept()
	check(t, err)
	defer far.Close()
	for _, piece := range pieces {
		_, err := conn.Write(piece)
		check(t, err)
		_, err = io.ReadFull(far, make([]byte, len(piece))) // so that they are no one segment
		check(t, err)
	}
}

func (s *sniffer) frames(t *testing.T) []Frame {
	t.Helper()
	file, err := os.ReadFile(s.file)
	if err != nil || len(file) < 24 {
		return nil
	}
	frames, err := ReadCapture(bytes.NewReader(file))
	check(t, err)
	return frames
}

// stop ends the capture when a last datagram is in it, and returns it all.
func (s *sniffer) stop(t *testing.T) []Frame {
	t.Helper()
	last := netip.AddrPortFrom(s.probe, 10)
	until(t, "tshark has captured all", func() bool {
		send(t, last.Addr(), last, []byte("last"))
		for _, f := range s.frames(t) {
			if f.To == last {
				return true
			}
		}
		return false
	})
	check(t, s.cmd.Process.Signal(os.Interrupt))
	_ = s.cmd.Wait()
	return s.frames(t)
}

var certified = regexp.MustCompile(`станция (\S+), клиент (\S+), сеть (\S+), операторы (\S+)`)

// selftestConfig is a firm whose trunks say who calls in every way there is.
const selftestConfig = `data: ./data
firm: {name: Такси Ромашка, country: RU, language: ru, timezone: Europe/Moscow}
trunks:
  - {name: plain, host: 203.0.113.9, from: [203.0.113.9], caller_id: "+74950000000"}
  - {name: cloud, host: sip.carrier.example, register: true, auth_user: sip01@carrier.example, password: secret-of-trunk, domain: carrier.example,
     from_user: sip01, outbound_proxy: ip.carrier.example, caller_id: "+74950000002", identity: pai, number_format: national, srtp: required}
lines:
  - {number: "+74950000000", trunk: plain, branch: Центр}
  - {number: "+74950000001", trunk: plain, forward: "+79990000001"}
  - {number: "+74950000002", trunk: cloud, branch: Центр, language: en}
operators:
  - {login: anna, password: secret-of-anna}
dispatch: {token: dispatch-token}
masking: {operators_see_numbers: false}
`

// The certificate is true: what cabline selftest masking finds to be clean is
// clean to an oracle that sees every frame on the wire, over all flows.
func TestTheSelftestOfMaskingIsTrueToACaptureOfBothLegs(t *testing.T) {
	t.Parallel()
	config := filepath.Join(t.TempDir(), "cabline.yaml")
	check(t, os.WriteFile(config, []byte(selftestConfig), 0o600))
	wire := sniff(t)
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	selftestOf := exec.CommandContext(ctx, os.Getenv(binaryVar), "selftest", "masking", "--config", config)
	out, err := selftestOf.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "маскировка доказана на каждом транке") {
		t.Fatalf("%v\n%s", err, out)
	}
	t.Logf("\n%s", out)
	places := certified.FindAllStringSubmatch(string(out), -1)
	if len(places) != 2 {
		t.Fatalf("%d trunks were certified", len(places))
	}

	// Without this the oracle might be blind: leaks are planted, one on the way to
	// an operator's browser and cut in two there.
	exchange := netip.MustParseAddrPort(places[0][1])
	secret := []byte("call " + strings.TrimPrefix(selftest.ClientNumber, "+7"))
	send(t, exchange.Addr(), netip.MustParseAddrPort(places[0][3]), secret)
	send(t, exchange.Addr(), netip.MustParseAddrPort(places[1][3]), []byte(base64.StdEncoding.EncodeToString(secret)))

	stream(t, netip.AddrPortFrom(exchange.Addr(), 0), netip.AddrPortFrom(netip.MustParseAddr(places[0][4]), 0), secret[:10], secret[10:])

	desks := map[netip.Addr]string{}
	for _, place := range places {
		desks[netip.MustParseAddr(place[4])] = selftest.Anna
	}
	place := selftest.Place{Target: "+79990000001"}
	oracle := Oracle{Exchange: exchange.Addr(), Desks: desks, Secrets: func(party string) []string {
		if party == "" { // RTP before the SDP was seen, junk: both parties' numbers
			return append(selftest.Secrets(selftest.ClientNumber, place), selftest.Secrets(selftest.DriverNumber, place)...)
		}
		return selftest.Secrets(party, place)
	}}
	found, looked := oracle.Search(wire.stop(t))
	t.Logf("frames of the exchange, by who got them: %v", looked)
	planted := 0
	for _, f := range found {
		if bytes.HasPrefix(f.Payload, secret[:4]) || strings.HasPrefix(string(f.Payload), base64.StdEncoding.EncodeToString(secret)[:6]) {
			planted++
			continue
		}
		t.Error(f)
	}
	if planted != 3 {
		t.Errorf("the oracle found %d of 3 planted leaks", planted)
	}
	for _, party := range []string{selftest.ClientNumber, selftest.DriverNumber, selftest.Anna} {
		if looked[party] < 300 {
			t.Errorf("only %d frames reached %s", looked[party], party)
		}
	}
}

// Whoever breaks the config so that a number would be told gets no certificate.
func TestTheSelftestOfMaskingFailsWhereAConfigTells(t *testing.T) {
	t.Parallel()
	config := filepath.Join(t.TempDir(), "cabline.yaml")
	text := strings.Replace(strings.Replace(selftestConfig, "language: ru, time", "language: en, time", 1), "from_user: sip01,", `from_user: "79160000417",`, 1) // the client of the test
	check(t, os.WriteFile(config, []byte(text), 0o600))
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	out, err := exec.CommandContext(ctx, os.Getenv(binaryVar), "selftest", "masking", "--config", config).CombinedOutput()
	if err == nil || !strings.Contains(string(out), "masking alarm") || !strings.Contains(string(out), "NOT PROVEN") {
		t.Errorf("%v\n%s", err, out)
	}
}
