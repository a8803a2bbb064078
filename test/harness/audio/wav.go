// Package audio reads, writes, sends and compares speech for the tests: 16-bit mono WAV files,
// G.711 over RTP (RFC 3551, RFC 3550), and a measure of how alike what was said and what was
// heard are.
package audio

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"os"
)

// Clip is mono sound.
type Clip struct {
	Rate    int // samples a second
	Samples []int16
}

// Seconds is the clip's length.
func (c Clip) Seconds() float64 { return float64(len(c.Samples)) / float64(c.Rate) }

var errNotWAV = errors.New("audio: not a WAV file of 16-bit samples")

// ReadWAV reads a file of 16-bit PCM; of several channels it keeps the first. A file whose
// writer did not live to fill in the lengths is read to its end.
func ReadWAV(name string) (Clip, error) {
	b, err := os.ReadFile(name)
	if err != nil {
		return Clip{}, err
	}
	c, err := parseWAV(b)
	if err != nil {
		return Clip{}, fmt.Errorf("read %s: %w", name, err)
	}
	return c, nil
}

func parseWAV(b []byte) (Clip, error) {
	if len(b) < 12 || string(b[:4]) != "RIFF" || string(b[8:12]) != "WAVE" {
		return Clip{}, errNotWAV
	}
	var c Clip
	channels := 0
	for b = b[12:]; len(b) >= 8; {
		id, size := string(b[:4]), int(binary.LittleEndian.Uint32(b[4:8]))
		b = b[8:]
		if size > len(b) || (id == "data" && size == 0) {
			size = len(b)
		}
		switch {
		case id == "fmt " && size >= 16:
			if binary.LittleEndian.Uint16(b[14:]) != 16 {
				return Clip{}, errNotWAV
			}
			channels = int(binary.LittleEndian.Uint16(b[2:]))
			c.Rate = int(binary.LittleEndian.Uint32(b[4:]))
		case id == "data" && channels > 0:
			c.Samples = samples(b[:size], channels)
			return c, nil
		}
		b = b[min(len(b), size+size%2):]
	}
	return Clip{}, errNotWAV
}

// ReadRaw reads headerless little-endian 16-bit mono samples.
func ReadRaw(name string, rate int) (Clip, error) {
	b, err := os.ReadFile(name)
	if err != nil {
		return Clip{}, err
	}
	return Clip{Rate: rate, Samples: samples(b, 1)}, nil
}

func samples(b []byte, channels int) []int16 {
	out := make([]int16, len(b)/(2*channels))
	for i := range out {
		out[i] = int16(binary.LittleEndian.Uint16(b[2*channels*i:]))
	}
	return out
}

// WriteWAV writes the clip.
func (c Clip) WriteWAV(name string) error {
	var b bytes.Buffer
	size := 2 * len(c.Samples)
	b.WriteString("RIFF")
	header := []any{
		uint32(36 + size), [8]byte([]byte("WAVEfmt ")), uint32(16), uint16(1), uint16(1),
		uint32(c.Rate), uint32(2 * c.Rate), uint16(2), uint16(16), [4]byte([]byte("data")), uint32(size), c.Samples,
	}
	for _, field := range header {
		if err := binary.Write(&b, binary.LittleEndian, field); err != nil {
			return err
		}
	}
	return os.WriteFile(name, b.Bytes(), 0o600)
}

// At gives the clip at another sample rate, by straight lines between samples: enough to
// compare speech by, not to listen to.
func (c Clip) At(rate int) Clip {
	if c.Rate == rate || c.Rate == 0 {
		return c
	}
	out := Clip{Rate: rate, Samples: make([]int16, len(c.Samples)*rate/c.Rate)}
	for i := range out.Samples {
		at := float64(i) * float64(c.Rate) / float64(rate)
		left := int(at)
		right := min(left+1, len(c.Samples)-1)
		part := at - float64(left)
		out.Samples[i] = int16(float64(c.Samples[left])*(1-part) + float64(c.Samples[right])*part)
	}
	return out
}

// Padded is the clip with silence before and after it.
func (c Clip) Padded(before, after float64) Clip {
	out := make([]int16, int(before*float64(c.Rate)), int((before+after)*float64(c.Rate))+len(c.Samples))
	out = append(out, c.Samples...)
	return Clip{Rate: c.Rate, Samples: append(out, make([]int16, int(after*float64(c.Rate)))...)}
}

// Sweep is a tone that rises from 300 to 3000 Hz: a sound that is like itself at one moment alone.
func Sweep(length float64) Clip {
	const rate = 8000
	c := Clip{Rate: rate, Samples: make([]int16, int(length*rate))}
	phase := 0.0
	for i := range c.Samples {
		phase += 2 * math.Pi * (300 + 2700*float64(i)/float64(len(c.Samples))) / rate
		c.Samples[i] = int16(8000 * math.Sin(phase))
	}
	return c
}
