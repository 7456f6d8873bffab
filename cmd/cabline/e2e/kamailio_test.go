//go:build e2e

package e2e

import (
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"cabline/internal/lacking"
)

// kamailio is a carrier that others made: a registrar, and a proxy with all that
// belongs to one. What it does stands in testdata/kamailio/carrier.cfg.
type kamailio struct {
	t      *testing.T
	dir    string
	host   netip.Addr
	cmd    *exec.Cmd
	exited chan struct{}
	said   *lockedBuffer // of the process that runs
}

// kamailioOptions are how one is set up.
type kamailioOptions struct {
	transport string // towards the exchange
	proxy     bool   // it is an outbound proxy, and has to be named in a Route
	shows     string // a PEM file with its certificate and key
}

// peoplePort is where everybody but the exchange finds it.
const peoplePort = 5080

// trunkPort is where the exchange does.
func (o kamailioOptions) trunkPort() uint16 {
	if o.transport == "tls" {
		return 5061
	}
	return 5060
}

// startKamailio starts one at the carrier's address, before a driver. It ends with
// the test.
func startKamailio(t *testing.T, n Network, driver netip.AddrPort, o kamailioOptions) *kamailio {
	t.Helper()
	k := &kamailio{t: t, dir: t.TempDir(), host: n.Carrier}
	config, err := os.ReadFile("../../../testdata/kamailio/carrier.cfg")
	check(t, err)
	trunk := netip.AddrPortFrom(n.Carrier, o.trunkPort())
	fill := map[string]string{
		"trunk": o.transport + ":" + trunk.String(), "people": "udp:" + netip.AddrPortFrom(n.Carrier, peoplePort).String(),
		"carrier": n.Carrier.String(), "exchange": n.Exchange.String(), "driver": driver.String(),
		"tls": "no", "tlsmodule": "", "alias": "no",
	}
	if o.transport == "tls" {
		fill["tls"] = "yes"
		fill["tlsmodule"] = fmt.Sprintf("loadmodule \"tls.so\"\nmodparam(\"tls\", \"tls_method\", \"TLSv1.2+\")\nmodparam(\"tls\", \"certificate\", %q)\nmodparam(\"tls\", \"private_key\", %[1]q)", o.shows)
	}
	text := string(config)
	if o.proxy {
		fill["alias"] = "yes" // calls come by the connection of the registration, else by one of Kamailio's own
		text = "#!define PROXY\n" + text
	}
	for what, with := range fill {
		text = strings.ReplaceAll(text, "{"+what+"}", with)
	}
	check(t, os.WriteFile(filepath.Join(k.dir, "carrier.cfg"), []byte(text), 0o600))
	k.begin()
	t.Cleanup(func() {
		k.end()
		if t.Failed() {
			t.Logf("Kamailio:\n%s", tail(k.said.String(), 100))
		}
	})
	return k
}

// begin starts a process of it, with nothing in its memory.
func (k *kamailio) begin() {
	k.t.Helper()
	binary := lacking.Command(k.t, "kamailio", "/usr/sbin/kamailio") // which is not in everybody's path
	k.said, k.exited = &lockedBuffer{}, make(chan struct{})
	k.cmd = exec.Command(binary, "-DD", "-E", "-f", filepath.Join(k.dir, "carrier.cfg"), "-Y", k.dir, "-w", k.dir, "-m", "32", "-M", "4")
	k.cmd.Stdout, k.cmd.Stderr = k.said, k.said
	k.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM} // it ends its children
	if err := k.cmd.Start(); err != nil {
		k.t.Fatal(err)
	}
	cmd, exited := k.cmd, k.exited
	go func() { _ = cmd.Wait(); close(exited) }()
	until(k.t, "Kamailio listens", func() bool {
		select {
		case <-exited:
			k.t.Fatalf("Kamailio ended at once:\n%s", tail(k.said.String(), 100))
		default:
		}
		return listens(k.host, peoplePort)
	})
}

// end ends the process and its children.
func (k *kamailio) end() {
	k.t.Helper()
	_ = k.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-k.exited:
	case <-time.After(orderly):
		k.t.Error("Kamailio does not end")
	}
	_ = syscall.Kill(-k.cmd.Process.Pid, syscall.SIGKILL) // the group is its own: its children, should one be left
	<-k.exited
}

// notes waits until its log has so many lines that a pattern fits, and returns
// what the pattern's brackets hold in each.
func (k *kamailio) notes(n int, pattern string) (found [][]string) {
	k.t.Helper()
	re := regexp.MustCompile(pattern)
	until(k.t, fmt.Sprintf("Kamailio notes %d times %s", n, pattern), func() bool {
		found = re.FindAllStringSubmatch(k.said.String(), -1)
		return len(found) >= n
	})
	return found
}
