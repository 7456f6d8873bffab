package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"cabline/cmd/cabline/config"
)

func TestSecretsNeverReachTheLog(t *testing.T) {
	const token, quoted, short = "dispatch-token", `to"ken\one`, "abc"
	secrets := []string{token, quoted, short, ""}
	for _, format := range []string{"json", "console"} {
		t.Run("in the format "+format, func(t *testing.T) {
			var out bytes.Buffer
			log := newLogger(&out, config.Log{Level: "debug", Format: format}, secrets)
			log.Info().Str("header", "Bearer "+token).Bytes("body", []byte(quoted)).Err(fmt.Errorf("token %s: %w", token, errors.New(token))).
				Msg("said " + token + " aloud, and abc")
			for _, secret := range []string{token, quoted, `to\"ken\\one`} {
				if strings.Contains(out.String(), secret) {
					t.Errorf("the log has %s: %s", secret, out.String())
				}
			}
			if strings.Count(out.String(), "(secret)") < 5 || !strings.Contains(out.String(), "and abc") {
				t.Errorf("the log lacks what it should say: %s", out.String())
			}
		})
	}
}

func TestTheLogIsJSONWhereNoTerminalIs(t *testing.T) {
	file, err := os.CreateTemp(t.TempDir(), "log")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	log := newLogger(file, config.Log{Level: "warn", Format: "auto"}, nil)
	log.Info().Msg("below the level")
	log.Warn().Int("port", 5060).Msg("above it")
	text, err := os.ReadFile(file.Name())
	if err != nil {
		t.Fatal(err)
	}
	var line map[string]any
	if err := json.Unmarshal(text, &line); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	if line["message"] != "above it" || line["level"] != "warn" || line["port"] != 5060.0 || line["time"] == nil {
		t.Errorf("the line says %v", line)
	}
}

type fullDisk struct{}

func (fullDisk) Write([]byte) (int, error) { return 0, errors.New("no space left") }

func TestTheCensorSaysWhatItWrote(t *testing.T) {
	if n, err := newCensor(&bytes.Buffer{}, []string{"secret"}).Write([]byte("a secret thing")); n != len("a secret thing") || err != nil {
		t.Errorf("%d bytes, error %v", n, err)
	}
	if _, err := newCensor(fullDisk{}, nil).Write([]byte("a")); err == nil {
		t.Error("a full disk is no error")
	}
}
