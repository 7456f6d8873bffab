package config

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"reflect"

	"github.com/goccy/go-yaml/token"
)

// maxSize bounds the file, in bytes.
const maxSize = 1 << 20

// Env looks a variable up, as os.LookupEnv does.
type Env func(name string) (string, bool)

// Load reads a file. warnings are what works but will surprise somebody. What
// is wrong inside the file comes as an error of type Problems, all of it at once.
func Load(path string, env Env) (cfg *Config, warnings Problems, err error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, nil, fmt.Errorf("config: %w", err)
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxSize+1))
	if err != nil {
		return nil, nil, fmt.Errorf("config: %w", err)
	}
	return Parse(path, text, env)
}

// Parse reads the text of a file; path is for messages, and its folder is where
// relative paths start.
func Parse(path string, text []byte, env Env) (cfg *Config, warnings Problems, err error) {
	if len(text) > maxSize {
		return nil, nil, Problems{{File: path, Line: 1, Col: 1, Text: "the file is larger than 1 MB"}}
	}
	r := &reader{file: path, at: map[any]*token.Position{}}
	cfg = Default()
	root := r.parse(text)
	readable := len(r.problems) == 0
	if root != nil {
		readable = r.section("", root, reflect.ValueOf(cfg).Elem())
	}
	if readable {
		r.rules(cfg, env)
	}
	if len(r.problems) > 0 {
		return nil, nil, r.problems.sorted()
	}
	absolute(filepath.Dir(path), &cfg.Data, &cfg.SIP.Cert, &cfg.SIP.Key, &cfg.Web.Cert, &cfg.Web.Key, &cfg.Prompts, &cfg.Recording.Folder,
		&cfg.Dispatch.Events.TLS.CA, &cfg.Dispatch.Gootax.API.TLS.CA, &cfg.Dispatch.Taximaster.TLS.CA, &cfg.Dispatch.HTTPJSON.TLS.CA)
	for i := range cfg.Trunks {
		absolute(filepath.Dir(path), &cfg.Trunks[i].CA)
	}
	return cfg, r.warnings.sorted(), nil
}

// absolute makes relative paths start at a folder, not wherever the program was
// started: a service starts at /.
func absolute(folder string, paths ...*string) {
	for _, p := range paths {
		if *p != "" && !filepath.IsAbs(*p) {
			*p = filepath.Join(folder, *p)
		}
	}
}
