package e2e

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"cabline/media/opus"
)

// Network is a piece of loopback that is one test's own, so that tests run side
// by side on the ports everybody knows.
type Network struct {
	Exchange netip.Addr // where Cabline listens
	Client   netip.Addr // where the carrier sends calls from
	Carrier  netip.Addr // where the carrier takes calls, on port 5070
}

// NewNetwork picks three addresses in 127.64/10 that are nobody else's until the
// test ends: a port of theirs is held for that long.
func NewNetwork(t *testing.T) Network {
	t.Helper()
	for range 1000 {
		a, b, c := byte(64+rand.N(64)), byte(rand.N(256)), byte(rand.N(256))&^15
		at := func(host byte) netip.Addr { return netip.AddrFrom4([4]byte{127, a, b, c | host}) }
		if hold, err := net.Listen("tcp4", netip.AddrPortFrom(at(1), 4000).String()); err == nil {
			t.Cleanup(func() { hold.Close() })
			return Network{Exchange: at(11), Client: at(2), Carrier: at(3)}
		}
	}
	t.Fatal("no free addresses")
	return Network{}
}

// Firm is the config of most tests, with the network's addresses in it. The
// lines: the voice menu at …00, forwarding at …01, the menu in English at …02.
const Firm = `data: ./data
firm: {name: Такси Ромашка, country: RU, language: ru, timezone: Europe/Moscow}
sip: {listen: [udp://{exchange}:5060, tcp://{exchange}:5060]}
rtp: {ports: 20000-20999}
web: {listen: http://{exchange}:8480}
trunks:
  - {name: carrier, host: {carrier}:5070, from: [{client}, {carrier}], caller_id: "+74950000000", channels: 100}
lines:
  - {number: "+74950000000", trunk: carrier, branch: Центр, tariff: Стандарт}
  - {number: "+74950000001", trunk: carrier, forward: "+79990000001"}
  - {number: "+74950000002", trunk: carrier, branch: Центр, language: en}
operators:
  - {login: anna, name: Анна, password: secret-of-anna, branches: [Центр]}
  - {login: boris, name: Борис, password: secret-of-boris, branches: [Центр]}
dispatch: {kind: orderbook, token: dispatch-token}
timeouts: {shutdown: 0s}
log: {level: debug, format: json}
`

// Exchange is a running Cabline.
type Exchange struct {
	Network
	Web   string // its pages' address: http://host:port or https://host:port
	Token string // of the dispatch API
	Data  string // the folder of what survives a restart

	http *http.Client // which takes the exchange's own certificate for good

	args   []string
	cmd    *exec.Cmd
	log    *lockedBuffer
	exited chan struct{}
	err    error // of the process; good when exited is closed
}

// lockedBuffer is written by the process and read by the test.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.b.Len() > 64<<20 {
		return len(p), nil
	}
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// binaryVar names the environment variable with the binary under test.
const binaryVar = "CABLINE_BIN"

// Main runs the tests of a package that uses Start, with the binary that
// CABLINE_BIN names, or one built for them.
func Main(m *testing.M) {
	remove := func() {}
	if os.Getenv(binaryVar) == "" {
		var err error
		if remove, err = build(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
	code := m.Run()
	remove()
	os.Exit(code)
}

// build builds the binary and names it in the environment.
func build() (remove func(), err error) {
	dir, err := os.MkdirTemp("", "cabline-e2e-")
	if err != nil {
		return nil, err
	}
	binary := filepath.Join(dir, "cabline")
	tags := ""
	if opus.Built { // then its tests want it
		tags = "opus"
	}
	if out, err := exec.Command("go", "build", "-tags", tags, "-o", binary, "cabline/cmd/cabline").CombinedOutput(); err != nil {
		return nil, fmt.Errorf("build cabline: %w\n%s", err, out)
	}
	return func() { _ = os.RemoveAll(dir) }, os.Setenv(binaryVar, binary)
}

var webAddress = regexp.MustCompile(`listen: (https?://[^\s,}]+)`)

// Start runs `cabline serve` with a config on a network of its own. It is
// stopped when the test ends, which fails unless the program then ends in
// order.
func Start(t *testing.T, config string) *Exchange {
	t.Helper()
	return StartIn(t, NewNetwork(t), config)
}

// StartIn is Start on a network where somebody else is already.
func StartIn(t *testing.T, network Network, config string) *Exchange {
	t.Helper()
	x := &Exchange{Network: network, Token: "dispatch-token"}
	file := filepath.Join(t.TempDir(), "cabline.yaml")
	text := strings.NewReplacer("{exchange}", x.Network.Exchange.String(), "{client}", x.Client.String(), "{carrier}", x.Carrier.String()).Replace(config)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	x.Data = filepath.Join(filepath.Dir(file), "data")
	x.Web = webAddress.FindStringSubmatch(text)[1]
	x.run(t, "serve", "--config", file)
	return x
}

// StartDemo runs `cabline demo`.
func StartDemo(t *testing.T) *Exchange {
	t.Helper()
	x := &Exchange{Network: NewNetwork(t)}
	x.Web = "http://" + x.Network.Exchange.String() + ":8480"
	x.run(t, "demo", "--listen", x.Network.Exchange.String()+":8480", "--no-open")
	return x
}

func (x *Exchange) run(t *testing.T, args ...string) {
	t.Helper()
	binary, err := exec.LookPath(os.Getenv(binaryVar))
	if err != nil {
		t.Fatalf("%s: %v; is Main called by TestMain?", binaryVar, err)
	}
	x.log, x.args = &lockedBuffer{}, args
	x.http = &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}}
	x.begin(t, binary)
	t.Cleanup(func() { x.stop(t) })
	x.wait(t)
}

// begin starts a process of the exchange.
func (x *Exchange) begin(t *testing.T, binary string) {
	t.Helper()
	x.exited = make(chan struct{})
	x.cmd = exec.Command(binary, x.args...)
	x.cmd.Stdout, x.cmd.Stderr = x.log, x.log
	x.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	x.cmd.Env = append(os.Environ(), "DISPLAY=", "WAYLAND_DISPLAY=")
	if err := x.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		x.err = x.cmd.Wait()
		close(x.exited)
	}()
}

// Kill is kill -9. Restart must follow.
func (x *Exchange) Kill(t *testing.T) {
	t.Helper()
	if err := x.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	<-x.exited
}

// Restart starts the exchange again after Kill, with all it left behind.
func (x *Exchange) Restart(t *testing.T) {
	t.Helper()
	x.begin(t, x.cmd.Path)
	x.wait(t)
}

// PID is the process of the exchange.
func (x *Exchange) PID() int { return x.cmd.Process.Pid }

func (x *Exchange) wait(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := x.healthy(ctx); err != nil {
		t.Fatal(err)
	}
}

// healthy waits until the exchange says that it is ready.
func (x *Exchange) healthy(ctx context.Context) error {
	for {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, x.Web+"/healthz", nil)
		if err != nil {
			return err
		}
		if resp, err := x.http.Do(req); err == nil {
			resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				return nil
			}
		}
		select {
		case <-time.After(20 * time.Millisecond):
		case <-x.exited:
			return fmt.Errorf("cabline ended at once: %w", x.err)
		case <-ctx.Done():
			return errors.New("cabline did not become ready")
		}
	}
}

// Log is what the exchange has written so far.
func (x *Exchange) Log() string { return x.log.String() }

const orderly = 30 * time.Second // for the program to end in

// stop ends the exchange and looks at what it leaves behind.
func (x *Exchange) stop(t *testing.T) {
	pid := x.cmd.Process.Pid
	_ = syscall.Kill(pid, syscall.SIGTERM) // it may have ended already, which shows below
	select {
	case <-x.exited:
	case <-time.After(orderly):
		t.Errorf("cabline did not end within %s of SIGTERM; its goroutines are in the log", orderly)
		_ = syscall.Kill(pid, syscall.SIGQUIT)
		select {
		case <-x.exited:
		case <-time.After(orderly):
			_ = syscall.Kill(-pid, syscall.SIGKILL)
			<-x.exited
		}
	}
	if x.err != nil {
		t.Errorf("cabline ended with %v", x.err)
	}
	if syscall.Kill(-pid, 0) == nil { // the group is its own, so whoever is left is its child
		t.Error("cabline left processes behind")
		_ = syscall.Kill(-pid, syscall.SIGKILL)
	}
	x.http.CloseIdleConnections()
	_, address, _ := strings.Cut(x.Web, "://")
	if conn, err := net.Dial("tcp", address); err == nil {
		conn.Close()
		t.Error("somebody still listens at the exchange's address")
	}
	log := x.Log()
	for _, bad := range []string{"panic:", "DATA RACE", `"level":"panic"`, "goroutine 1 ["} {
		if strings.Contains(log, bad) {
			t.Errorf("%q is in the log", bad)
		}
	}
	if t.Failed() {
		t.Logf("cabline's log:\n%s", tail(log, 200))
	}
}

// tail is the last lines of a text.
func tail(text string, lines int) string {
	all := strings.Split(text, "\n")
	return strings.Join(all[max(0, len(all)-lines):], "\n")
}
