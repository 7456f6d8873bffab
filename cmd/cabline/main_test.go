package main

import (
	"bytes"
	"context"
	"net"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"
	"testing"
)

func TestExitCodes(t *testing.T) {
	bad := filepath.Join(t.TempDir(), "cabline.yaml")
	if err := os.WriteFile(bad, []byte("frim: {}"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name string
		args []string
		want int
	}{
		{"help is no problem", []string{"--help"}, 0},
		{"nothing at all is help", nil, 0},
		{"version", []string{"version"}, 0},
		{"example", []string{"example"}, 0},
		{"a bad config is a problem", []string{"check", "--config", bad}, 1},
		{"serve with a bad config", []string{"serve", "--config", bad}, 1},
		{"an unknown command is misuse", []string{"sevre"}, 2},
		{"a missing flag is misuse", []string{"serve"}, 2},
		{"an address that is none is misuse", []string{"demo", "--listen", "here"}, 2},
		{"a level that is none is misuse", []string{"demo", "--log-level", "loud"}, 2},
	} {
		t.Run(c.name, func(t *testing.T) {
			var out, errs bytes.Buffer
			got := run(t.Context(), c.args, terminal{&out, &errs, os.LookupEnv})
			if got != c.want {
				t.Errorf("exit code %d, want %d; %s", got, c.want, errs.String())
			}
			if (got == 0) != (errs.Len() == 0) {
				t.Errorf("exit code %d with standard error %q", got, errs.String())
			}
			if got == exitUsage && strings.Count(errs.String(), "\n") != 1 {
				t.Errorf("misuse takes more than a line: %q", errs.String())
			}
		})
	}
}

// checked runs check on a config and returns both its outputs as one.
func checked(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "cabline.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	run(context.WithoutCancel(t.Context()), []string{"check", "-c", path}, terminal{&out, &out, os.LookupEnv})
	return out.String()
}

func TestCheckSeesPortsThatAreTaken(t *testing.T) {
	sip, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer sip.Close()
	web, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer web.Close()
	got := checked(t, "firm: {name: A}\ndispatch: {token: abc}\nsip: {listen: [udp://"+sip.LocalAddr().String()+"]}\nweb: {listen: http://"+web.Addr().String()+"}\n")
	for _, want := range []string{
		"wrong: sip.listen: udp://" + sip.LocalAddr().String() + ": another program has this port",
		"wrong: web.listen: http://" + web.Addr().String() + ": another program has this port",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("check does not say %q, but\n%s", want, got)
		}
	}
}

func TestTheVersionLine(t *testing.T) {
	setting := func(pairs ...string) (s []debug.BuildSetting) {
		for i := 0; i < len(pairs); i += 2 {
			s = append(s, debug.BuildSetting{Key: pairs[i], Value: pairs[i+1]})
		}
		return s
	}
	platform := []string{"GOOS", "linux", "GOARCH", "amd64"}
	commit := append([]string{"vcs.revision", "0123456789abcdef", "vcs.time", "2026-11-22T10:00:00Z"}, platform...)
	for _, c := range []struct {
		name, version string
		build         debug.BuildInfo
		want          string
	}{
		{"set by the Makefile", "v1.2.3", debug.BuildInfo{GoVersion: "go1.26", Settings: setting(platform...)}, "cabline v1.2.3, go1.26, linux/amd64"},
		{"of a module", "", debug.BuildInfo{GoVersion: "go1.26", Main: debug.Module{Version: "v1.0.0"}, Settings: setting(platform...)}, "cabline v1.0.0, go1.26, linux/amd64"},
		{"of a commit", "", debug.BuildInfo{GoVersion: "go1.26", Main: debug.Module{Version: "v0.0.0-20261122152947-0123456789ab+dirty"}, Settings: setting(commit...)},
			"cabline (no release), commit 0123456789ab of 2026-11-22T10:00:00Z, go1.26, linux/amd64"},
		{"of no repository", "", debug.BuildInfo{GoVersion: "go1.26", Main: debug.Module{Version: "(devel)"}, Settings: setting(platform...)},
			"cabline (no release), go1.26, linux/amd64"},
		{"of a commit with changes", "v1", debug.BuildInfo{GoVersion: "go1.26", Settings: setting(append(commit, "vcs.modified", "true")...)},
			"cabline v1, commit 0123456789ab of 2026-11-22T10:00:00Z with changes, go1.26, linux/amd64"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := versionLine(c.version, &c.build); got != c.want {
				t.Errorf("got %s, want %s", got, c.want)
			}
		})
	}
}
