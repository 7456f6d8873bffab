package main

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"

	"cabline/media"
	"cabline/media/g711"
	"cabline/media/wav"
)

// sound is mono audio in full scale -1 to 1.
type sound struct {
	rate    int
	samples []float64
}

func (s sound) seconds() float64 { return float64(len(s.samples)) / float64(s.rate) }

// at is the sample at a time, within the sound.
func (s sound) at(seconds float64) int {
	return max(0, min(len(s.samples), int(seconds*float64(s.rate))))
}

const (
	release = 0.08  // seconds: how far a sound may ring on into a pause
	attack  = 0.03  // and begin before it
	ramp    = 0.004 // every edge: a hard one clicks
	floor   = 0.012 // of the peak: quieter is silence
)

// cut takes out a stretch; where it borders on a pause it takes the sound's
// beginning and ringing out with it and drops the silence.
func (s sound) cut(from, to float64, pauseBefore, pauseEnd bool) sound {
	a, b := s.at(from), s.at(to)
	if pauseBefore {
		a = s.at(from - attack)
	}
	if pauseEnd {
		b = s.at(to + release)
	}
	clip := sound{s.rate, append([]float64(nil), s.samples[a:b]...)}
	clip = clip.trim(pauseBefore, pauseEnd)
	clip.fade()
	return clip
}

// fade lets the edges begin and end at nothing.
func (s sound) fade() {
	edge := s.at(ramp)
	for i := range edge {
		gain := float64(i) / float64(edge)
		s.samples[i] *= gain
		s.samples[len(s.samples)-1-i] *= gain
	}
}

// trim drops silence, but for a breath of it.
func (s sound) trim(start, end bool) sound {
	quiet := s.peak() * floor
	a, b := 0, len(s.samples)
	if start {
		for a < b && math.Abs(s.samples[a]) < quiet {
			a++
		}
		a = max(0, a-s.at(0.008))
	}
	if end {
		for b > a && math.Abs(s.samples[b-1]) < quiet {
			b--
		}
		b = min(len(s.samples), b+s.at(0.02))
	}
	s.samples = s.samples[a:b]
	return s
}

func (s sound) peak() float64 {
	peak := 0.0
	for _, v := range s.samples {
		peak = max(peak, math.Abs(v))
	}
	return peak
}

// loudness is the root mean square of the loudest parts, which are the vowels:
// words differ in how much of them is silence before a plosive.
func (s sound) loudness() float64 {
	window := s.rate / 50
	var sum float64
	n := 0
	top := s.peak() * 0.2
	for i := 0; i+window <= len(s.samples); i += window {
		var power float64
		for _, v := range s.samples[i : i+window] {
			power += v * v
		}
		if rms := math.Sqrt(power / float64(window)); rms > top {
			sum, n = sum+rms*rms, n+1
		}
	}
	if n == 0 {
		return s.peak() / 3
	}
	return math.Sqrt(sum / float64(n))
}

// gap is the silence between clips while they are mastered in one piece.
const gap = 0.5

// mastering is the telephone band and its loudness: EBU R128 measured over all
// clips of a language, so that one gain fits all.
const mastering = "highpass=f=180,lowpass=f=3600"

// master makes clips equally loud and fit for the telephone, at media.Rate.
func master(clips []sound) ([]sound, error) {
	var all sound
	for _, c := range clips {
		all.rate = c.rate
		gain := 0.12 / max(c.loudness(), 0.001)
		for _, v := range c.samples {
			all.samples = append(all.samples, v*gain)
		}
		all.samples = append(all.samples, make([]float64, int(gap*float64(c.rate)))...)
	}
	done, err := telephone(all, -19)
	if err != nil {
		return nil, err
	}
	out := make([]sound, len(clips))
	begin := 0
	for i, c := range clips {
		scale := float64(media.Rate) / float64(c.rate)
		from, to := int(float64(begin)*scale), int(float64(begin+len(c.samples))*scale)
		out[i] = sound{media.Rate, done.samples[from:min(to, len(done.samples))]}
		out[i].fade() // the band filter rings over the edges
		begin += len(c.samples) + int(gap*float64(c.rate))
	}
	return out, nil
}

var measured = regexp.MustCompile(`(?s)\{[^{}]*"input_i"[^{}]*\}`)

// telephone limits a sound to the telephone's band and brings it to a loudness
// in LUFS.
func telephone(s sound, lufs float64) (sound, error) {
	folder, err := os.MkdirTemp("", "render")
	if err != nil {
		return s, err
	}
	defer os.RemoveAll(folder)
	in, out := filepath.Join(folder, "in.wav"), filepath.Join(folder, "out.wav")
	if err := writePCM(in, s); err != nil {
		return s, err
	}
	norm := fmt.Sprintf("loudnorm=I=%g:TP=-3:LRA=7", lufs)
	report, err := exec.Command("ffmpeg", "-hide_banner", "-nostats", "-i", in, "-ac", "1",
		"-af", mastering+","+norm+":print_format=json", "-f", "null", "-").CombinedOutput()
	if err != nil {
		return s, fmt.Errorf("run ffmpeg: %w: %s", err, report)
	}
	var m struct {
		I      string `json:"input_i"`
		TP     string `json:"input_tp"`
		LRA    string `json:"input_lra"`
		Thresh string `json:"input_thresh"`
		Offset string `json:"target_offset"`
	}
	if err := json.Unmarshal(measured.Find(report), &m); err != nil {
		return s, fmt.Errorf("read ffmpeg's measurement: %w", err)
	}
	norm += fmt.Sprintf(":linear=true:measured_I=%s:measured_TP=%s:measured_LRA=%s:measured_thresh=%s:offset=%s", m.I, m.TP, m.LRA, m.Thresh, m.Offset)
	if report, err = exec.Command("ffmpeg", "-hide_banner", "-nostats", "-i", in, "-ac", "1",
		"-af", mastering+","+norm+fmt.Sprintf(":print_format=summary,aresample=%d", media.Rate), "-c:a", "pcm_s16le", out).CombinedOutput(); err != nil {
		return s, fmt.Errorf("run ffmpeg: %w: %s", err, report)
	}
	return readPCM(out)
}

// readPCM reads the WAV files which festival and ffmpeg write: mono, 16 bits.
func readPCM(file string) (sound, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return sound{}, err
	}
	a, err := wav.Parse(data)
	if err != nil {
		return sound{}, fmt.Errorf("%s: %w", file, err)
	}
	if a.Format != wav.PCM || a.Channels != 1 {
		return sound{}, fmt.Errorf("%s: format %d, %d channels; want PCM, mono", file, a.Format, a.Channels)
	}
	s := sound{a.Rate, make([]float64, len(a.Data)/2)}
	for i := range s.samples {
		s.samples[i] = float64(int16(binary.LittleEndian.Uint16(a.Data[2*i:]))) / 32768
	}
	return s, nil
}

func writePCM(file string, s sound) error {
	a := wav.Audio{Format: wav.PCM, Rate: s.rate, Channels: 1, Data: make([]byte, 2*len(s.samples))}
	for i, v := range s.samples {
		binary.LittleEndian.PutUint16(a.Data[2*i:], uint16(linear(v)))
	}
	return os.WriteFile(file, a.Bytes(), 0o644)
}

func writeALaw(file string, s sound) error {
	a := wav.Audio{Format: wav.ALaw, Rate: s.rate, Channels: 1, Data: make([]byte, len(s.samples))}
	for i, v := range s.samples {
		a.Data[i] = g711.EncodeALaw(linear(v))
	}
	return os.WriteFile(file, a.Bytes(), 0o644)
}

func linear(v float64) int16 { return int16(max(-32768, min(32767, math.Round(v*32768)))) }
