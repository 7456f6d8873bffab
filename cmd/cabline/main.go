// Command cabline is the telephone exchange of a taxi firm. This package reads
// the command line and the config, and wires the rooms of the house together;
// it knows how to start them and nothing of what they do. It sets up the log.
package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"strings"
	"syscall"

	"github.com/alecthomas/kong"

	"cabline/cmd/cabline/config"
)

// What the program ends with.
const (
	exitOK      = 0
	exitProblem = 1
	exitUsage   = 2
)

// version is set by the Makefile.
var version = ""

// commands is the command line.
type commands struct {
	Serve    serveCommand    `cmd:"" help:"Run the exchange."`
	Demo     demoCommand     `cmd:"" help:"Try everything in the browser: no carrier, no config."`
	Check    checkCommand    `cmd:"" help:"Say what is wrong with a config, or that nothing is."`
	Selftest selftestCommand `cmd:"" help:"Prove something about this exchange."`
	Example  exampleCommand  `cmd:"" help:"Print a config with every key explained."`
	Version  versionCommand  `cmd:"" help:"Print the version."`
}

// terminal is what a command talks to.
type terminal struct {
	out, err io.Writer
	env      config.Env
}

func main() {
	// The first signal ends the program in order, another one at once; serve takes
	// the second for a word not to wait for calls.
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop)
	os.Exit(run(ctx, os.Args[1:], terminal{os.Stdout, os.Stderr, os.LookupEnv}))
}

// run is the program; it returns the exit code.
func run(ctx context.Context, args []string, to terminal) int {
	helped := false
	parser, err := kong.New(&commands{},
		kong.Name("cabline"),
		kong.Description("The telephone exchange of a taxi firm, in one program."),
		kong.UsageOnError(),
		kong.Writers(to.out, to.err),
		kong.Exit(func(int) { helped = true }), // --help
		kong.BindTo(ctx, (*context.Context)(nil)),
		kong.Bind(to),
	)
	if err != nil {
		panic(err) // a mistake in the table of commands
	}
	if len(args) == 0 {
		args = []string{"--help"}
	}
	command, err := parser.Parse(args)
	if helped {
		return exitOK
	}
	if err != nil {
		fmt.Fprintf(to.err, "cabline: %v; see cabline --help\n", err)
		return exitUsage
	}
	if err := command.Run(); err != nil {
		for line := range strings.Lines(err.Error()) {
			fmt.Fprintln(to.err, strings.TrimSuffix(line, "\n"))
		}
		return exitProblem
	}
	return exitOK
}

type exampleCommand struct{}

// Run prints the example.
func (exampleCommand) Run(to terminal) error {
	_, err := io.WriteString(to.out, config.Example)
	return err
}

type versionCommand struct{}

// Run prints the version, what it was built of, and by what.
func (versionCommand) Run(to terminal) error {
	build, ok := debug.ReadBuildInfo()
	if !ok {
		return fmt.Errorf("version: the binary does not say how it was built")
	}
	_, err := fmt.Fprintln(to.out, versionLine(version, build))
	return err
}

func versionLine(version string, build *debug.BuildInfo) string {
	settings := map[string]string{}
	for _, s := range build.Settings {
		settings[s.Key] = s.Value
	}
	if version == "" && !strings.HasPrefix(build.Main.Version, "v0.0.0-") { // which is the commit again
		version = build.Main.Version
	}
	if version == "" || version == "(devel)" {
		version = "(no release)"
	}
	line := "cabline " + version
	if revision := settings["vcs.revision"]; revision != "" {
		line += fmt.Sprintf(", commit %.12s of %s", revision, settings["vcs.time"])
		if settings["vcs.modified"] == "true" {
			line += " with changes"
		}
	}
	return fmt.Sprintf("%s, %s, %s/%s", line, build.GoVersion, settings["GOOS"], settings["GOARCH"])
}
