// Package wav reads and writes WAV files of the telephone's kinds: 16-bit PCM,
// A-law and µ-law, mono or stereo. It is a leaf: it knows nothing of clips or
// calls and does not log.
package wav

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// Format is the format tag of a file (RFC 2361).
type Format uint16

const (
	PCM   Format = 1 // 16 bits, little-endian
	ALaw  Format = 6
	MuLaw Format = 7

	extensible Format = 0xFFFE // the tag proper stands further behind
)

// size is the bytes of one sample, 0 for a format we do not know.
func (f Format) size() int {
	switch f {
	case PCM:
		return 2
	case ALaw, MuLaw:
		return 1
	}
	return 0
}

// Audio is what is in a file. The samples of two channels alternate, left
// first.
type Audio struct {
	Format   Format
	Rate     int // samples a second
	Channels int // 1 or 2
	Data     []byte
}

// Errors of files that are none.
var (
	ErrNoWAV   = errors.New("not a WAV file")
	ErrNoAudio = errors.New("a WAV file without audio")
)

// maxRate is the highest sampling rate anybody has.
const maxRate = 192_000

// Parse reads a file. Data is a part of it, not a copy: as much as is there of
// what the header promises, in whole samples.
func Parse(file []byte) (Audio, error) {
	if len(file) < 12 || string(file[:4]) != "RIFF" || string(file[8:12]) != "WAVE" {
		return Audio{}, ErrNoWAV
	}
	var a Audio
	for rest := file[12:]; len(rest) >= 8; {
		name, promised := string(rest[:4]), binary.LittleEndian.Uint32(rest[4:])
		rest = rest[8:]
		body := rest[:min(uint64(promised), uint64(len(rest)))]
		switch {
		case name == "fmt ":
			var err error
			if a, err = parseFormat(body); err != nil {
				return Audio{}, err
			}
		case name == "data" && a.Channels > 0:
			if a.Data = body[:len(body)-len(body)%a.frame()]; len(a.Data) == 0 {
				return Audio{}, ErrNoAudio
			}
			return a, nil
		}
		rest = rest[min(len(body)+len(body)%2, len(rest)):] // chunks begin at even places
	}
	return Audio{}, ErrNoAudio
}

func parseFormat(b []byte) (Audio, error) {
	if len(b) < 16 {
		return Audio{}, fmt.Errorf("%w: its format is cut short", ErrNoWAV)
	}
	le := binary.LittleEndian
	a := Audio{Format: Format(le.Uint16(b)), Channels: int(le.Uint16(b[2:])), Rate: int(le.Uint32(b[4:]))}
	bits := int(le.Uint16(b[14:]))
	if a.Format == extensible && len(b) >= 26 {
		a.Format = Format(le.Uint16(b[24:]))
	}
	if a.Channels < 1 || a.Channels > 2 || a.Rate < 1 || a.Rate > maxRate || a.Format.size() == 0 || bits != 8*a.Format.size() {
		return Audio{}, fmt.Errorf("a WAV file of format %d, %d bits, %d channels, %d Hz; it must be PCM of 16 bits, A-law or µ-law, mono or stereo",
			a.Format, bits, a.Channels, a.Rate)
	}
	return a, nil
}

// frame is the bytes of one sample of all channels.
func (a Audio) frame() int { return a.Format.size() * a.Channels }

// HeaderSize is RIFF and WAVE, a fmt chunk of 18 bytes, the head of data.
const HeaderSize = 12 + 8 + 18 + 8

// Header is what stands before so many bytes of audio in a file.
func Header(f Format, rate, channels, size int) []byte {
	le, frame := binary.LittleEndian, f.size()*channels
	b := make([]byte, 0, HeaderSize)
	b = append(b, "RIFF"...)
	b = le.AppendUint32(b, uint32(HeaderSize-8+size+size%2))
	b = append(b, "WAVEfmt "...)
	b = le.AppendUint32(b, 18)
	b = le.AppendUint16(b, uint16(f))
	b = le.AppendUint16(b, uint16(channels))
	b = le.AppendUint32(b, uint32(rate))
	b = le.AppendUint32(b, uint32(rate*frame))
	b = le.AppendUint16(b, uint16(frame))
	b = le.AppendUint16(b, uint16(8*f.size()))
	b = le.AppendUint16(b, 0) // nothing more about the format
	b = append(b, "data"...)
	return le.AppendUint32(b, uint32(size))
}

// Bytes is the audio as a file.
func (a Audio) Bytes() []byte {
	n := len(a.Data)
	b := append(Header(a.Format, a.Rate, a.Channels, n), a.Data...)
	return append(b, make([]byte, n%2)...)
}
