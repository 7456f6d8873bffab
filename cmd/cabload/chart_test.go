package main

import (
	"encoding/xml"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestACurveIsSaved(t *testing.T) {
	curve := []point{
		{0, 0, holdings{RSS: 40 << 10, Goroutines: 20, FDs: 30}},
		{1800, 150, holdings{RSS: 90 << 10, Goroutines: 900, FDs: 700, Ports: 300}},
		{3600, 0, holdings{RSS: 41 << 10, Goroutines: 21, FDs: 31}},
	}
	for name, want := range map[string][]string{
		"soak.csv": {"seconds,calls,\"RSS, MB\",goroutines,descriptors,pairs of RTP ports\n0.0,0,40,20,30,0\n1800.0,150,90,900,700,300\n3600.0,0,41,21,31,0\n"},
		"soak.svg": {"calls &lt; 20/s", "60 min", ">900<", ">pairs of RTP ports<", `points="70.0,118.0 410.0,34.0 750.0,118.0"`},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), name)
			if err := save(path, "calls < 20/s", curve); err != nil {
				t.Fatal(err)
			}
			text, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			for _, w := range want {
				if !strings.Contains(string(text), w) {
					t.Errorf("no %q in\n%s", w, text)
				}
			}
			if strings.HasSuffix(name, ".svg") {
				for d := xml.NewDecoder(strings.NewReader(string(text))); ; {
					if _, err := d.Token(); err == io.EOF {
						break
					} else if err != nil {
						t.Fatal(err)
					}
				}
			}
		})
	}
	if save(filepath.Join(t.TempDir(), "soak.png"), "", curve) == nil {
		t.Error("a picture was promised")
	}
	if save(filepath.Join(t.TempDir(), "empty.svg"), "", nil) != nil {
		t.Error("no points at all")
	}
}
