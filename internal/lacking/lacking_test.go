package lacking_test

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"cabline/internal/lacking"
)

// witness is a test that remembers how it ended.
type witness struct {
	testing.TB
	ended string
}

func (w *witness) Helper()           {}
func (w *witness) Skip(said ...any)  { w.end("skipped: ", said) }
func (w *witness) Fatal(said ...any) { w.end("failed: ", said) }

func (w *witness) end(how string, said []any) {
	w.ended = how + strings.TrimSpace(fmt.Sprintln(said...))
	panic(w)
}

// ending is how a test ends that does so.
func ending(t *testing.T, do func(testing.TB)) (how string) {
	w := &witness{TB: t}
	defer func() {
		if p := recover(); p != nil && p != any(w) {
			panic(p)
		}
		how = w.ended
	}()
	do(w)
	return ""
}

func TestWhatIsLackingSkipsAndFailsWhereCIIsSet(t *testing.T) {
	for name, c := range map[string]struct {
		do        func(testing.TB)
		skips, ci string
	}{
		"a thing":           {func(t testing.TB) { lacking.Skip(t, lacking.Mounts) }, "skipped: this machine lacks mounts", "failed: this machine lacks mounts"},
		"a thing, and why":  {func(t testing.TB) { lacking.Skip(t, lacking.Mounts, "mount:", os.ErrPermission) }, "skipped: this machine lacks mounts: mount: permission denied", "failed: this machine lacks mounts: mount: permission denied"},
		"what is optional":  {func(t testing.TB) { lacking.Skip(t, lacking.IPv6) }, "skipped: this machine lacks IPv6 on the loopback", "skipped: this machine lacks IPv6 on the loopback"},
		"a program":         {func(t testing.TB) { lacking.Command(t, "no-such-program") }, "skipped: this machine lacks no-such-program: testdata/install.sh test installs it", "failed: this machine lacks no-such-program: testdata/install.sh test installs it"},
		"a program it has":  {func(t testing.TB) { lacking.Command(t, "no-such-program", "go") }, "", ""},
		"what others run":   {func(t testing.TB) { lacking.Errand(t, "CABLINE_NO_SUCH_VARIABLE") }, "skipped: it is run by others", "skipped: it is run by others"},
		"an errand that is": {func(t testing.TB) { lacking.Errand(t, "PATH") }, "", ""},
	} {
		for ci, want := range map[string]string{"": c.skips, "true": c.ci} {
			t.Setenv("CI", ci)
			if got := ending(t, c.do); got != want {
				t.Errorf("%s, with CI=%s: %q, want %q", name, ci, got, want)
			}
		}
	}
}
