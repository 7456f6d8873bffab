// Package otherhost gives tests another host: a network namespace with a wire
// to ours, and programs that run there. It is for tests alone, and it does not
// log.
package otherhost

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"cabline/internal/lacking"
)

// Host is one until the test ends.
type Host struct {
	name        string
	Wire        string     // the interface at our end
	Here, There netip.Addr // our end of the wire, and its
}

// New makes a host. Where that is not allowed it skips the test, and fails it
// where CI is set: there nobody would see that it is never run.
func New(t *testing.T) Host {
	t.Helper()
	lacking.NeedRoot(t, "a network namespace")
	lacking.Command(t, "ip")
	a, b := byte(rand.N(256)), byte(4*rand.N(64))
	h := Host{fmt.Sprintf("cabl%d-%d-%d", os.Getpid(), a, b), fmt.Sprintf("cb%d", rand.N(1<<30)), netip.AddrFrom4([4]byte{10, 213, a, b + 1}), netip.AddrFrom4([4]byte{10, 213, a, b + 2})}
	t.Cleanup(func() { _ = exec.Command("ip", "netns", "del", h.name).Run() }) // the wire goes with it
	ip(t, lacking.Namespaces,                                                  // in a container that may not
		"netns add "+h.name,
		"link add "+h.Wire+" type veth peer name out netns "+h.name,
		"addr add "+h.Here.String()+"/30 dev "+h.Wire,
		"link set "+h.Wire+" up",
		"-n "+h.name+" addr add "+h.There.String()+"/30 dev out",
		"-n "+h.name+" link set out up",
	)
	return h
}

// Over6 is the host at IPv6, whose wire takes no longer packets than it has to
// (RFC 8200 §5).
func (h Host) Over6(t *testing.T) Host {
	t.Helper()
	lacking.NeedIPv6(t)
	four := h.Here.As4()
	network := netip.AddrFrom16([16]byte{0: 0xfd, 13: four[2], 14: four[3]})
	h.Here = network.Next()
	h.There = h.Here.Next()
	ip(t, lacking.Namespaces,
		"link set "+h.Wire+" mtu 1280",
		"-n "+h.name+" link set out mtu 1280",
		"addr add "+h.Here.String()+"/120 dev "+h.Wire+" nodad",
		"-n "+h.name+" addr add "+h.There.String()+"/120 dev out nodad",
	)
	return h
}

// ip runs ip(8), with one line of arguments after the other. Where that is refused
// the machine lacks something.
func ip(t *testing.T, lacks lacking.Thing, lines ...string) {
	t.Helper()
	for _, line := range lines {
		if out, err := exec.Command("ip", strings.Fields(line)...).CombinedOutput(); err != nil {
			lacking.Skip(t, lacks, "ip", line+":", string(out))
		}
	}
}

// runs bounds what a program there may take.
const runs = time.Minute

// Run runs a test of this very program on the host, with a variable set in its
// environment, and returns what follows answer in what it prints.
func (h Host) Run(t *testing.T, test, variable, value, answer string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), runs)
	defer cancel()
	c := exec.CommandContext(ctx, "ip", "netns", "exec", h.name, os.Args[0], "-test.run=^"+test+"$", "-test.count=1", "-test.v")
	c.Env = append(os.Environ(), variable+"="+value)
	out, err := c.CombinedOutput()
	if err != nil {
		t.Fatalf("%s on the other host: %v\n%s", test, err, out)
	}
	for line := range strings.Lines(string(out)) {
		if said, ok := strings.CutPrefix(strings.TrimSpace(line), answer); ok {
			return said
		}
	}
	t.Fatalf("%s on the other host:\n%s", test, out)
	return ""
}
