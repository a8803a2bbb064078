// Package wav reads and writes WAV files of linear samples of 16 bits, and reads those of G.711 (RFC 2361).
package wav

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"parley/media/codec"
)

// ErrFormat says that it is no WAV file, or none of a format that is read.
var ErrFormat = errors.New("wav: not a WAV file of 16-bit samples, or of G.711")

// Formats of samples (rfc2361#A).
const (
	formatLinear = 1
	formatALaw   = 6
	formatMuLaw  = 7
	formatOther  = 0xfffe // what follows says which
)

const (
	maxChannels = 8
	minRate     = 1000
	maxRate     = 192000
	maxHeader   = 1 << 16 // of a chunk before the samples that is read past
)

// Reader reads samples from a file.
type Reader struct {
	Rate, Channels int

	in     *bufio.Reader
	left   int64 // octets of samples; to the end of the file if its writer did not say
	format uint16
}

// NewReader reads a file's head.
func NewReader(r io.Reader) (*Reader, error) {
	w := &Reader{in: bufio.NewReader(r)}
	var head [12]byte
	if _, err := io.ReadFull(w.in, head[:]); err != nil || string(head[:4]) != "RIFF" || string(head[8:]) != "WAVE" {
		return nil, ErrFormat
	}
	for {
		var chunk [8]byte
		if _, err := io.ReadFull(w.in, chunk[:]); err != nil {
			return nil, ErrFormat
		}
		size := int64(binary.LittleEndian.Uint32(chunk[4:]))
		switch name := string(chunk[:4]); {
		case name == "data" && w.Rate != 0:
			w.left = size
			if size == 0 || size >= 0xffffffff-maxHeader {
				w.left = 1 << 62
			}
			return w, nil
		case name == "fmt ":
			if err := w.readFormat(size); err != nil {
				return nil, err
			}
		case size > maxHeader:
			return nil, ErrFormat
		default:
			if _, err := io.CopyN(io.Discard, w.in, size+size%2); err != nil {
				return nil, ErrFormat
			}
		}
	}
}

func (w *Reader) readFormat(size int64) error {
	if size < 16 || size > maxHeader {
		return ErrFormat
	}
	b := make([]byte, size+size%2)
	if _, err := io.ReadFull(w.in, b); err != nil {
		return ErrFormat
	}
	w.format = binary.LittleEndian.Uint16(b)
	if w.format == formatOther && size >= 26 {
		w.format = binary.LittleEndian.Uint16(b[24:])
	}
	channels, rate, bits := int(binary.LittleEndian.Uint16(b[2:])), int(binary.LittleEndian.Uint32(b[4:])), binary.LittleEndian.Uint16(b[14:])
	known := w.format == formatLinear && bits == 16 || (w.format == formatALaw || w.format == formatMuLaw) && bits == 8
	if !known || channels < 1 || channels > maxChannels || rate < minRate || rate > maxRate {
		return ErrFormat
	}
	w.Channels, w.Rate = channels, rate
	return nil
}

// Read reads samples, those of the channels by turns, as many as fit and whole for all channels. It ends with io.EOF.
func (w *Reader) Read(samples []int16) (n int, err error) {
	samples = samples[:len(samples)/w.Channels*w.Channels]
	width := int64(2)
	if w.format != formatLinear {
		width = 1
	}
	want := min(int64(len(samples)), w.left/width)
	if want == 0 {
		return 0, io.EOF
	}
	b := make([]byte, want*width)
	got, err := io.ReadFull(w.in, b)
	if errors.Is(err, io.ErrUnexpectedEOF) {
		err = nil
	}
	n = got / int(width) / w.Channels * w.Channels
	w.left -= int64(got)
	if n == 0 && err == nil {
		err = io.EOF
	}
	for i := range n {
		switch w.format {
		case formatALaw:
			samples[i] = codec.FromALaw(b[i])
		case formatMuLaw:
			samples[i] = codec.FromMuLaw(b[i])
		default:
			samples[i] = int16(binary.LittleEndian.Uint16(b[2*i:]))
		}
	}
	return n, err
}

// Writer writes a file of linear samples. Until it is closed the lengths in its head say that there are none, so that what a
// crash leaves is read to its end.
type Writer struct {
	out      io.WriteSeeker
	buffered *bufio.Writer
	size     int64
	scratch  []byte
}

const headLength = 44

// NewWriter writes a file's head.
func NewWriter(out io.WriteSeeker, rate, channels int) (*Writer, error) {
	if channels < 1 || channels > maxChannels || rate < minRate || rate > maxRate {
		return nil, ErrFormat
	}
	w := &Writer{out: out, buffered: bufio.NewWriter(out)}
	b := append([]byte("RIFF"), 0, 0, 0, 0)
	b = append(b, "WAVEfmt "...)
	b = binary.LittleEndian.AppendUint32(b, 16)
	b = binary.LittleEndian.AppendUint16(b, formatLinear)
	b = binary.LittleEndian.AppendUint16(b, uint16(channels))
	b = binary.LittleEndian.AppendUint32(b, uint32(rate))
	b = binary.LittleEndian.AppendUint32(b, uint32(2*rate*channels))
	b = binary.LittleEndian.AppendUint16(b, uint16(2*channels))
	b = binary.LittleEndian.AppendUint16(b, 16)
	b = append(b, "data\x00\x00\x00\x00"...)
	_, err := w.buffered.Write(b)
	return w, err
}

// Write writes samples, those of the channels by turns.
func (w *Writer) Write(samples []int16) error {
	w.scratch = w.scratch[:0]
	for _, s := range samples {
		w.scratch = binary.LittleEndian.AppendUint16(w.scratch, uint16(s))
	}
	n, err := w.buffered.Write(w.scratch)
	w.size += int64(n)
	return err
}

// Close fills in the lengths. The file stays open.
func (w *Writer) Close() error {
	if err := w.buffered.Flush(); err != nil {
		return fmt.Errorf("wav: write: %w", err)
	}
	for at, size := range map[int64]int64{4: w.size + headLength - 8, headLength - 4: w.size} {
		if _, err := w.out.Seek(at, io.SeekStart); err != nil {
			return fmt.Errorf("wav: write lengths: %w", err)
		}
		if err := binary.Write(w.out, binary.LittleEndian, uint32(min(size, 0xffffffff))); err != nil {
			return fmt.Errorf("wav: write lengths: %w", err)
		}
	}
	_, err := w.out.Seek(0, io.SeekEnd)
	return err
}
