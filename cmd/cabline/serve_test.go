package main

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const serveFile = `data: data
firm: {name: Ромашка}
sip: {listen: [udp://127.0.0.1:0, tcp://127.0.0.1:0]}
web: {listen: https://127.0.0.1:0}
operators: [{login: anna, password: long enough}]
dispatch: {token: dispatch-token}
`

// Serve opens, says so in a line, and ends in order when it is told to; a second
// time it finds what the first one left behind.
func TestServeOpensAndEndsInOrder(t *testing.T) {
	path := filepath.Join(t.TempDir(), "cabline.yaml")
	if err := os.WriteFile(path, []byte(serveFile), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, time := range []string{"first", "second"} {
		ctx, stop := context.WithCancel(t.Context())
		defer stop()
		read, write := io.Pipe()
		ended := make(chan int, 1)
		go func() {
			code := run(ctx, []string{"serve", "-c", path}, terminal{io.Discard, write, os.LookupEnv})
			write.Close()
			ended <- code
		}()
		var said []string
		for lines := bufio.NewScanner(read); lines.Scan(); {
			said = append(said, lines.Text())
			var line struct{ Level, Message string }
			if err := json.Unmarshal(lines.Bytes(), &line); err != nil {
				t.Errorf("the %s time: a line that is no JSON: %s", time, lines.Text())
			}
			if strings.Contains(line.Message, "open") {
				stop()
			}
			if line.Level == "error" {
				t.Errorf("the %s time: %s", time, lines.Text())
			}
		}
		if code := <-ended; code != exitOK || ctx.Err() == nil {
			t.Fatalf("the %s time: exit code %d; it said\n%s", time, code, strings.Join(said, "\n"))
		}
	}
	if _, err := os.Stat(filepath.Join(filepath.Dir(path), "data", "cabline.db")); err != nil {
		t.Errorf("the data folder is not beside the config: %v", err)
	}
}
