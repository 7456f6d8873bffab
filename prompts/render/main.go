// Render makes the recordings of package prompts: speech by festival, mastered
// for the telephone by ffmpeg, and the music by itself. It is a tool for people
// who change texts or words; the exchange never runs it.
//
//	go run ./prompts/render [-own DIR] [-only NAME] [-say] [ru] [en] [music]
package main

import (
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

func main() {
	into := flag.String("into", "prompts", "the folder to write ru/, en/ and music.wav into")
	own := flag.String("own", "", "a firm's folder with texts/ of its own: render its texts")
	show := flag.Bool("say", false, "print what festival says, phone by phone, instead of writing files")
	flag.Parse()
	what := flag.Args()
	if len(what) == 0 {
		what = []string{"ru", "en", "music"}
	}
	if err := render(what, *into, *own, *show); err != nil {
		fmt.Fprintln(os.Stderr, "render:", err)
		os.Exit(1)
	}
}

func render(what []string, into, own string, show bool) error {
	var texts fs.FS
	if own != "" {
		texts = os.DirFS(own)
	}
	for _, w := range what {
		var err error
		switch w {
		case "music":
			err = renderMusic(into)
		default:
			err = renderLanguage(w, texts, into, show)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", w, err)
		}
	}
	return nil
}

// sweep removes the recordings of a folder, so that none is left over.
func sweep(folder string, keep []string) error {
	files, err := filepath.Glob(filepath.Join(folder, "*.wav"))
	if err != nil {
		return err
	}
	for _, f := range files {
		if !slices.Contains(keep, strings.TrimSuffix(filepath.Base(f), ".wav")) {
			if err := os.Remove(f); err != nil {
				return err
			}
		}
	}
	return nil
}
