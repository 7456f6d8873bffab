// Package lacking is how a test says that it cannot run: what the machine it runs
// on has not. No test skips otherwise (a house rule), so that what a machine leaves
// out has a name, and a machine that runs everything on every change (CI) leaves
// nothing out but what is optional there. It is for tests alone, and it does not
// log.
package lacking

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// Thing is what a machine may lack. A program is one by its name.
type Thing string

// What no package can be installed for.
const (
	IPv6        Thing = "IPv6 on the loopback"
	Root        Thing = "root"
	Namespaces  Thing = "network namespaces"
	Mounts      Thing = "mounts"
	Descriptors Thing = "/proc/self/fd"
	Speech      Thing = "recorded speech"
)

// optional may be lacking where CI is set, too: containers often have no IPv6.
var optional = []Thing{IPv6}

// Skip skips a test that lacks something, and fails it where CI is set: there
// nobody would see that it is never run.
func Skip(t testing.TB, what Thing, why ...any) {
	t.Helper()
	said := "this machine lacks " + string(what)
	if len(why) > 0 {
		said += ": " + strings.TrimSpace(fmt.Sprintln(why...))
	}
	if os.Getenv("CI") != "" && !slices.Contains(optional, what) {
		t.Fatal(said)
	}
	t.Skip(said)
}

// Command is the path of the first of these programs that is installed.
func Command(t testing.TB, names ...string) string {
	t.Helper()
	for _, name := range names {
		if found, err := exec.LookPath(name); err == nil {
			return found
		}
	}
	Skip(t, Thing(names[0]), "testdata/install.sh test installs it")
	return ""
}

// NeedBrowser is for tests with pages.
func NeedBrowser(t testing.TB) {
	t.Helper()
	Command(t, "node")
	Command(t, "chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
}

// NeedRoot is for what only root may do.
func NeedRoot(t testing.TB, what string) {
	t.Helper()
	if os.Geteuid() != 0 {
		Skip(t, Root, what, "needs it")
	}
}

// NeedIPv6 is for tests at ::1.
func NeedIPv6(t testing.TB) {
	t.Helper()
	l, err := net.Listen("tcp6", "[::1]:0")
	if err != nil {
		Skip(t, IPv6, err)
	}
	_ = l.Close()
}

// Unraced is for tests that count allocations: under the race detector sync.Pool
// forgets on purpose. "make unit" runs them again without it.
func Unraced(t testing.TB) {
	t.Helper()
	if raced {
		t.Skip("the race detector empties pools")
	}
}

// Errand is for tests that are no tests but what another one has this program do
// in a process of its own: they are told what in a variable.
func Errand(t testing.TB, variable string) string {
	t.Helper()
	told := os.Getenv(variable)
	if told == "" {
		t.Skip("it is run by others")
	}
	return told
}

// Patience is for tests that take long; who asks for -short has none.
func Patience(t testing.TB, why string) {
	t.Helper()
	if testing.Short() {
		t.Skip(why)
	}
}
