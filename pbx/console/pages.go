package console

import (
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"mime"
	"net/http"
	"path"
	"regexp"
	"strings"
	"time"
)

// pages are the files of the bundle, read where they are: in the binary.
type pages struct {
	from  fs.FS
	files map[string]page
}

type page struct {
	kind  string // Content-Type
	etag  string
	cache string // Cache-Control
}

// maxFile and maxFiles bound a bundle from a folder of somebody's own.
const (
	maxFile  = 16 << 20
	maxFiles = 2000
)

// hashed is a name with the content's hash in it, as esbuild makes them: the
// file behind it never changes.
var hashed = regexp.MustCompile(`-[0-9A-Z]{8}\.[a-z0-9]+$`)

func loadPages(from fs.FS) (*pages, error) {
	p := &pages{from: from, files: map[string]page{}}
	err := fs.WalkDir(from, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		if info.Size() > maxFile || len(p.files) >= maxFiles {
			return fmt.Errorf("%s: too large a bundle", name)
		}
		p.files[name], err = newPage(from, name)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read the console's pages: %w", err)
	}
	return p, nil
}

func newPage(from fs.FS, name string) (page, error) {
	file, err := open(from, name)
	if err != nil {
		return page{}, err
	}
	defer file.Close()
	sum := sha256.New()
	if _, err := io.Copy(sum, file); err != nil {
		return page{}, err
	}
	made := page{kind: mime.TypeByExtension(path.Ext(name)), etag: `"` + base64.RawURLEncoding.EncodeToString(sum.Sum(nil)[:12]) + `"`, cache: "no-cache"}
	if made.kind == "" {
		made.kind = "application/octet-stream"
	}
	if hashed.MatchString(name) {
		made.cache = "public, max-age=31536000, immutable"
	}
	return made, nil
}

// open opens a file as net/http serves it.
func open(from fs.FS, name string) (io.ReadSeekCloser, error) {
	file, err := from.Open(name)
	if err != nil {
		return nil, err
	}
	if seeker, ok := file.(io.ReadSeekCloser); ok {
		return seeker, nil
	}
	return nil, errors.Join(fmt.Errorf("%s: %w", name, errors.ErrUnsupported), file.Close())
}

// routePages serves the pages by their names, and what else the bundle holds
// by its path.
func (c *Console) routePages() {
	named := map[string]string{"GET /{$}": "index.html", "GET /orders": "orders.html", "GET /calls": "calls.html", "GET /notices": "notices.html"}
	if c.Demo {
		named["GET /demo"] = "demo.html"
	}
	for pattern, name := range named {
		c.mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) { c.pages.serve(w, r, name) })
	}
	c.mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		name := strings.TrimPrefix(r.URL.Path, "/")
		if _, there := c.pages.files[name]; !there || !safe(r.Method) {
			http.NotFound(w, r)
			return
		}
		c.pages.serve(w, r, name)
	})
}

// placeholder stands for every page where the bundle was not built. Its style
// is in it: it must need no other file.
const placeholder = "placeholder.html"

func (p *pages) serve(w http.ResponseWriter, r *http.Request, name string) {
	file, there := p.files[name]
	if !there {
		name = placeholder
		if file, there = p.files[name]; !there {
			http.NotFound(w, r)
			return
		}
		w.Header().Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'self'")
	}
	content, err := open(p.from, name)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	defer content.Close()
	w.Header().Set("Content-Type", file.kind)
	w.Header().Set("Cache-Control", file.cache)
	w.Header().Set("ETag", file.etag)
	http.ServeContent(w, r, name, time.Time{}, content)
}
