// Package web holds what people look at: the operator's console, the order
// book, the call history and the demo, as one folder of static files. It knows
// nothing of HTTP, sessions or calls, and it does not log. The sources are the
// TypeScript beside this file; README.md tells how the pages are built.
package web

import (
	"embed"
	"io/fs"
)

// all: because a bundle may hold names that begin with a dot or an underscore.
//
//go:embed all:dist
var dist embed.FS

// Files is the bundle with index.html, orders.html, calls.html and demo.html at
// its root. Where the bundle was not built, placeholder.html stands there alone
// and says how to build it.
func Files() fs.FS {
	files, err := fs.Sub(dist, "dist")
	if err != nil {
		panic(err) // the name is a constant: cannot happen
	}
	return files
}
