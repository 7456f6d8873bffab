package prompts

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"sync"
	"time"

	"cabline/media"
	"cabline/media/g711"
	"cabline/media/wav"
)

// maxClip bounds one recording, in bytes of its file: five minutes of PCM.
const maxClip = 5 * 60 * media.Rate * 2

// errNoRecording is the text's own trouble, not its file's.
var errNoRecording = errors.New("no recording")

// loadClips loads the recordings of all texts and words, by text; unused are
// the firm's own files which nothing needs.
func loadClips(lang string, own fs.FS, t texts, words []string) (clips map[string]sound, unused []string, err error) {
	clips = map[string]sound{}
	used := map[string]bool{}
	var wrong []error
	for _, s := range t.all() {
		words = append(words, s.texts()...)
	}
	for _, text := range words {
		if _, ok := clips[text]; ok {
			continue
		}
		name := lang + "/" + clipName(text)
		clip, err := loadClip(own, name)
		if errors.Is(err, errNoRecording) {
			err = fmt.Errorf("«%s» has no recording: add %s.wav, or put the text back", text, name)
		}
		if err != nil {
			wrong = append(wrong, err)
		}
		clips[text], used[name+".wav"] = clip, true
	}
	return clips, unusedIn(own, lang, used), errors.Join(wrong...)
}

// sound is a clip, which is read when it is first said if it is a shipped one: most
// firms never need most of them.
type sound func() media.Clip

// loadClip finds a recording, the firm's own before the shipped one, of which the
// tests know that they will do.
func loadClip(own fs.FS, name string) (sound, error) {
	if own != nil {
		clip, err := readClip(own, name)
		if !errors.Is(err, fs.ErrNotExist) {
			return func() media.Clip { return clip }, err
		}
	}
	if _, err := fs.Stat(shipped, name+".wav"); err != nil {
		return nil, errNoRecording
	}
	return sync.OnceValue(func() media.Clip {
		clip, _ := readClip(shipped, name)
		return clip
	}), nil
}

func readClip(from fs.FS, name string) (media.Clip, error) {
	clip := media.Clip{Name: name}
	data, err := readBounded(from, name+".wav")
	if err == nil {
		clip.ALaw, err = decode(data)
	}
	if err != nil {
		return clip, fmt.Errorf("%s.wav: %w", name, err)
	}
	return clip, nil
}

// decode reads a WAV file as A-law, which is not copied. The error tells how to
// make a file that will do.
func decode(file []byte) ([]byte, error) {
	const mend = "ffmpeg -i IN -ar 8000 -ac 1 -c:a pcm_alaw OUT.wav"
	a, err := wav.Parse(file)
	switch {
	case err != nil:
		return nil, fmt.Errorf("%w (%s)", err, mend)
	case a.Rate != media.Rate || a.Channels != 1:
		return nil, fmt.Errorf("%d Hz, %d channels: must be 8000 Hz, mono (%s)", a.Rate, a.Channels, mend)
	}
	switch a.Format {
	case wav.PCM:
		coded := make([]byte, len(a.Data)/2)
		for i := range coded {
			coded[i] = g711.EncodeALaw(int16(binary.LittleEndian.Uint16(a.Data[2*i:])))
		}
		return coded, nil
	case wav.MuLaw:
		coded := slices.Clone(a.Data)
		g711.ToALaw(coded)
		return coded, nil
	}
	return a.Data, nil
}

func readBounded(from fs.FS, name string) ([]byte, error) {
	info, err := fs.Stat(from, name)
	if err != nil {
		return nil, err
	}
	if info.Size() > maxClip {
		return nil, fmt.Errorf("%d bytes are too long; %d at most", info.Size(), maxClip)
	}
	return fs.ReadFile(from, name)
}

// unusedIn lists the firm's files in the language's folder that are not used.
func unusedIn(own fs.FS, lang string, used map[string]bool) []string {
	if own == nil {
		return nil
	}
	files, _ := fs.ReadDir(own, lang) // no folder: nothing is unused
	var unused []string
	for _, f := range files {
		if p := path.Join(lang, f.Name()); !used[p] {
			unused = append(unused, p)
		}
	}
	return unused
}

// silence is a clip that lasts so long, sentencePause at most.
func silence(d time.Duration) media.Clip {
	n := int(d * media.Rate / time.Second)
	return media.Clip{Name: quiet.Name, ALaw: quiet.ALaw[:n:n]}
}

var quiet = media.Silence(sentencePause)
