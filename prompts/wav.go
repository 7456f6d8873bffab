package prompts

import (
	"encoding/binary"
	"errors"
	"fmt"

	"cabline/media"
	"cabline/media/g711"
)

// Format tags of WAV files (RFC 2361).
const (
	formatPCM        = 1
	formatALaw       = 6
	formatMuLaw      = 7
	formatExtensible = 0xFFFE // the tag stands at the end of the chunk
)

// decode reads a WAV file as A-law: 8000 samples a second, one channel, A-law,
// µ-law or 16-bit PCM. A-law is not copied.
func decode(data []byte) ([]byte, error) {
	if len(data) < 12 || string(data[:4]) != "RIFF" || string(data[8:12]) != "WAVE" {
		return nil, errors.New("not a WAV file")
	}
	var format uint16
	for rest := data[12:]; len(rest) >= 8; {
		name, size := string(rest[:4]), binary.LittleEndian.Uint32(rest[4:])
		rest = rest[8:]
		body := rest[:min(uint64(size), uint64(len(rest)))] // a stream's size may be unknown and huge
		switch {
		case name == "fmt ":
			var err error
			if format, err = readFormat(body); err != nil {
				return nil, err
			}
		case name == "data" && format != 0:
			return toALaw(format, body)
		}
		rest = rest[min(len(body)+len(body)%2, len(rest)):]
	}
	return nil, errors.New("a WAV file without audio")
}

func readFormat(body []byte) (uint16, error) {
	if len(body) < 16 {
		return 0, errors.New("a WAV file with a broken format")
	}
	format, channels := binary.LittleEndian.Uint16(body), binary.LittleEndian.Uint16(body[2:])
	rate, bits := binary.LittleEndian.Uint32(body[4:]), binary.LittleEndian.Uint16(body[14:])
	if format == formatExtensible && len(body) >= 26 {
		format = binary.LittleEndian.Uint16(body[24:])
	}
	known := format == formatPCM && bits == 16 || format == formatALaw || format == formatMuLaw
	if !known || channels != 1 || rate != media.Rate {
		return 0, fmt.Errorf("%d Hz, %d channels, %d bits, format %d: must be 8000 Hz, mono, A-law, µ-law or PCM of 16 bits "+
			"(ffmpeg -i IN -ar 8000 -ac 1 -c:a pcm_alaw OUT.wav)", rate, channels, bits, format)
	}
	return format, nil
}

func toALaw(format uint16, body []byte) ([]byte, error) {
	switch format {
	case formatMuLaw:
		body = append([]byte(nil), body...)
		g711.ToALaw(body)
	case formatPCM:
		coded := make([]byte, len(body)/2)
		for i := range coded {
			coded[i] = g711.EncodeALaw(int16(binary.LittleEndian.Uint16(body[2*i:])))
		}
		body = coded
	}
	if len(body) == 0 {
		return nil, errors.New("a WAV file without audio")
	}
	return body, nil
}
