package main

import (
	"bytes"
	"encoding/json"
	"io"
	"os"
	"time"

	"github.com/mattn/go-isatty"
	"github.com/rs/zerolog"

	"cabline/cmd/cabline/config"
)

// newLogger writes to a stream, for eyes or for machines, and keeps secrets to
// itself.
func newLogger(to io.Writer, cfg config.Log, secrets []string) zerolog.Logger {
	level, err := zerolog.ParseLevel(cfg.Level)
	if err != nil {
		level = zerolog.InfoLevel
	}
	seen := isTerminal(to)
	var out io.Writer = newCensor(to, secrets)
	if cfg.Format == "console" || cfg.Format == "auto" && seen {
		out = zerolog.ConsoleWriter{Out: out, NoColor: !seen, TimeFormat: time.TimeOnly}
	}
	return zerolog.New(out).Level(level).With().Timestamp().Logger()
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && isatty.IsTerminal(f.Fd())
}

// censor blots secrets out of what is written, line by line as zerolog does.
type censor struct {
	to      io.Writer
	secrets [][]byte
}

// shortestSecret is how long a secret must be to be blotted out: a shorter one
// would take half the words with it.
const shortestSecret = 6

func newCensor(to io.Writer, secrets []string) censor {
	c := censor{to: to}
	for _, s := range secrets {
		if len(s) < shortestSecret {
			continue
		}
		c.secrets = append(c.secrets, []byte(s))
		if quoted, err := json.Marshal(s); err == nil && string(quoted) != `"`+s+`"` {
			c.secrets = append(c.secrets, bytes.Trim(quoted, `"`))
		}
	}
	return c
}

// Write writes p without the secrets. It says that it wrote all of p.
func (c censor) Write(p []byte) (int, error) {
	clean := p
	for _, s := range c.secrets {
		if bytes.Contains(clean, s) {
			clean = bytes.ReplaceAll(clean, s, []byte("(secret)"))
		}
	}
	if _, err := c.to.Write(clean); err != nil {
		return 0, err
	}
	return len(p), nil
}
