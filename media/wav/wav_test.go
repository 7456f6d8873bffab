package wav_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"cabline/internal/lacking"
	"cabline/media/wav"
)

func TestFilesAreReadAsTheyWereWritten(t *testing.T) {
	for _, f := range []wav.Format{wav.PCM, wav.ALaw, wav.MuLaw} {
		for channels := 1; channels <= 2; channels++ {
			want := wav.Audio{Format: f, Rate: 8000, Channels: channels, Data: []byte("12345678")}
			if f != wav.PCM && channels == 1 {
				want.Data = []byte("odd")
			}
			file := want.Bytes()
			if len(file)%2 != 0 {
				t.Errorf("format %d, %d channels: %d bytes", f, channels, len(file))
			}
			got, err := wav.Parse(file)
			if d := cmp.Diff(want, got); err != nil || d != "" {
				t.Errorf("format %d, %d channels: %v\n%s", f, channels, err, d)
			}
		}
	}
}

// file is a WAV file of these chunks.
func file(chunks ...string) []byte {
	return []byte("RIFF\x00\x00\x00\x00WAVE" + strings.Join(chunks, ""))
}

const (
	monoALaw   = "fmt \x10\x00\x00\x00\x06\x00\x01\x00\x40\x1f\x00\x00\x40\x1f\x00\x00\x01\x00\x08\x00"
	stereoPCM  = "fmt \x10\x00\x00\x00\x01\x00\x02\x00\x40\x1f\x00\x00\x00\x7d\x00\x00\x04\x00\x10\x00"
	extendedMu = "fmt \x28\x00\x00\x00\xfe\xff\x01\x00\x40\x1f\x00\x00\x40\x1f\x00\x00\x01\x00\x08\x00" +
		"\x16\x00\x08\x00\x04\x00\x00\x00\x07\x00\x00\x00\x00\x00\x10\x00\x80\x00\x00\xaa\x00\x38\x9b\x71"
)

func TestFilesOfOthers(t *testing.T) {
	for _, tt := range []struct {
		name string
		file []byte
		want string
	}{
		{"chunks nobody knows are passed over", file("LIST\x03\x00\x00\x00abc\x00", monoALaw, "fact\x04\x00\x00\x00\x00\x00\x00\x00", "data\x02\x00\x00\x00hi"), "hi"},
		{"a stream which promises all there is", file(monoALaw, "data\xff\xff\xff\xffhi"), "hi"},
		{"a file cut short", file(monoALaw, "data\x09\x00\x00\x00hi"), "hi"},
		{"half a sample at the end is left out", file(stereoPCM, "data\x07\x00\x00\x0012345678"), "1234"},
		{"the extensible form", file(extendedMu, "data\x02\x00\x00\x00hi"), "hi"},
		{"chunks behind the audio do not matter", file(monoALaw, "data\x02\x00\x00\x00hi", "LIST\xff\xff\xff\xff"), "hi"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if a, err := wav.Parse(tt.file); err != nil || string(a.Data) != tt.want {
				t.Errorf("%v %q", err, a.Data)
			}
		})
	}
}

func TestFilesThatAreRefused(t *testing.T) {
	for name, b := range map[string][]byte{
		"nothing":                 nil,
		"no RIFF":                 bytes.Repeat([]byte("x"), 100),
		"no chunks":               file(),
		"no format":               file("data\x02\x00\x00\x00hi"),
		"no audio":                file(monoALaw),
		"empty audio":             file(monoALaw, "data\x00\x00\x00\x00"),
		"less than a sample":      file(stereoPCM, "data\x03\x00\x00\x00123"),
		"half a chunk":            file(monoALaw, "da"),
		"a format cut short":      file("fmt \x10\x00\x00\x00\x06\x00"),
		"a format of no channels": file(strings.Replace(monoALaw, "\x06\x00\x01", "\x06\x00\x00", 1), "data\x02\x00\x00\x00hi"),
		"three channels":          file(strings.Replace(monoALaw, "\x06\x00\x01", "\x06\x00\x03", 1), "data\x02\x00\x00\x00hi"),
		"A-law of 16 bits":        file(strings.Replace(stereoPCM, "\x01\x00\x02", "\x06\x00\x02", 1), "data\x04\x00\x00\x001234"),
		"MP3 in WAV":              file(strings.Replace(monoALaw, "\x06\x00\x01", "\x55\x00\x01", 1), "data\x02\x00\x00\x00hi"),
		"4 GHz":                   file(strings.Replace(monoALaw, "\x40\x1f\x00\x00", "\xff\xff\xff\xff", 1), "data\x02\x00\x00\x00hi"),
	} {
		if a, err := wav.Parse(b); err == nil {
			t.Errorf("%s is read as %+v", name, a)
		}
	}
}

func TestSoxReadsWhatWeWriteAndWeWhatItWrites(t *testing.T) {
	sox := lacking.Command(t, "sox")
	ours, theirs := filepath.Join(t.TempDir(), "ours.wav"), filepath.Join(t.TempDir(), "theirs.wav")
	want := wav.Audio{Format: wav.ALaw, Rate: 8000, Channels: 2, Data: bytes.Repeat([]byte{0xd5, 0x55, 0x2a, 0x80}, 200)}
	if err := os.WriteFile(ours, want.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command(sox, ours, theirs).CombinedOutput(); err != nil || len(out) > 0 {
		t.Fatalf("%v: %s", err, out)
	}
	b, err := os.ReadFile(theirs)
	if err != nil {
		t.Fatal(err)
	}
	got, err := wav.Parse(b)
	if d := cmp.Diff(want, got); err != nil || d != "" {
		t.Errorf("%v %s", err, d)
	}
}

func FuzzParse(f *testing.F) {
	f.Add(file(monoALaw, "data\x02\x00\x00\x00hi"))
	f.Add(file(extendedMu, "LIST\x03\x00\x00\x00abc\x00", "data\x02\x00\x00\x00hi"))
	f.Fuzz(func(t *testing.T, b []byte) {
		a, err := wav.Parse(b)
		if err != nil {
			return
		}
		if len(a.Data) == 0 || len(a.Data) > len(b) {
			t.Errorf("%d bytes of audio in %d", len(a.Data), len(b))
		}
		again, err := wav.Parse(a.Bytes())
		if d := cmp.Diff(a, again); err != nil || d != "" {
			t.Errorf("%v %s", err, d)
		}
	})
}
