// Package play gives the sound of files, WAV and Opus in Ogg (RFC 7845), as mono samples, and as packets of a stream (RFC 3550):
// announcements, and music on hold.
package play

import (
	"errors"
	"fmt"
	"io"

	"parley/media/codec"
	"parley/media/ogg"
	"parley/media/rtp"
	"parley/media/wav"
)

// ErrFormat says that a file is of no format that this build can play.
var ErrFormat = errors.New("play: not a WAV file, or one of Opus in a build that has it")

// Config of a File; the zero value plays once.
type Config struct {
	// Loop plays it again and again, as music on hold.
	Loop bool
}

// File plays a file at a sample rate.
type File struct {
	c     Config
	in    io.ReadSeeker
	rate  int
	next  func() ([]int16, error) // mono samples at the rate
	ready []int16
	ended bool
	empty bool // nothing has come since it began
}

const (
	chunk = 1024 // samples read at a time
	usual = 25   // what all rates that are in use are multiples of: 11025, 44100
)

// Open begins to play.
func Open(in io.ReadSeeker, rate int, c Config) (*File, error) {
	f := &File{c: c, in: in, rate: rate}
	return f, f.begin()
}

func (f *File) begin() error {
	if _, err := f.in.Seek(0, io.SeekStart); err != nil {
		return fmt.Errorf("play: %w", err)
	}
	var magic [4]byte
	if _, err := io.ReadFull(f.in, magic[:]); err != nil {
		return ErrFormat
	}
	if _, err := f.in.Seek(0, io.SeekStart); err != nil {
		return fmt.Errorf("play: %w", err)
	}
	f.empty = true
	switch string(magic[:]) {
	case "RIFF":
		return f.beginWAV()
	case "OggS":
		return f.beginOgg()
	}
	return ErrFormat
}

func (f *File) beginWAV() error {
	r, err := wav.NewReader(f.in)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrFormat, err)
	}
	if r.Rate%usual != 0 { // an odd rate would take a filter for every sample of a second
		return ErrFormat
	}
	convert, buf := codec.NewResampler(r.Rate, f.rate), make([]int16, chunk*r.Channels)
	var out []int16
	f.next = func() ([]int16, error) {
		n, err := r.Read(buf)
		out = convert.Convert(out[:0], mono(buf[:n], r.Channels))
		return out, err
	}
	return nil
}

// mono mixes channels, in place.
func mono(samples []int16, channels int) []int16 {
	if channels == 1 {
		return samples
	}
	for i := range len(samples) / channels {
		sum := 0
		for _, s := range samples[i*channels : (i+1)*channels] {
			sum += int(s)
		}
		samples[i] = int16(sum / channels)
	}
	return samples[:len(samples)/channels]
}

func (f *File) beginOgg() error {
	r, err := ogg.NewReader(f.in)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrFormat, err)
	}
	opus, ok := codec.Find("opus", 48000, 2)
	if !ok {
		return ErrFormat
	}
	own := opus.Rates[0]
	d, err := opus.Decoder(own)
	if err != nil {
		return err
	}
	convert, skip := codec.NewResampler(own, f.rate), r.Skip
	var decoded, out []int16
	f.next = func() ([]int16, error) {
		packet, err := r.Next()
		if err != nil {
			return nil, err
		}
		if decoded, err = d.Decode(decoded[:0], packet); err != nil {
			return nil, err
		}
		n := min(skip, len(decoded))
		skip -= n
		out = convert.Convert(out[:0], decoded[n:])
		return out, nil
	}
	return nil
}

// Read fills samples; where the sound ends, the rest is silence, and ok is false from then on.
func (f *File) Read(samples []int16) (ok bool) {
	for len(f.ready) < len(samples) && !f.ended {
		more, err := f.next()
		f.ready = append(f.ready, more...)
		f.empty = f.empty && len(more) == 0
		if err != nil && (!f.c.Loop || f.empty || f.begin() != nil) {
			f.ended = true
		}
	}
	n := copy(samples, f.ready)
	clear(samples[n:])
	f.ready = f.ready[:copy(f.ready, f.ready[n:])]
	return n > 0
}

// Stream makes packets of samples, for one who sends them at their pace.
type Stream struct {
	encoder codec.Encoder
	codec   codec.Codec
	rate    int
	out     rtp.Packet
	begun   bool
}

// NewStream makes a stream of a codec's at a sample rate; rand gives the random numbers that RTP wants (rfc3550#5.1).
func NewStream(c codec.Codec, payload uint8, rate int, rand func() uint32) (*Stream, error) {
	e, err := c.Encoder(rate, codec.Options{})
	if err != nil {
		return nil, err
	}
	return &Stream{encoder: e, codec: c, rate: rate, out: rtp.Packet{
		Type: payload, Sequence: uint16(rand()), Timestamp: rand(), SSRC: rand(),
	}}, nil
}

// Packet is the next packet. Its payload is good until the next call.
func (s *Stream) Packet(samples []int16) (*rtp.Packet, error) {
	payload, err := s.encoder.Encode(s.out.Payload[:0], samples)
	if err != nil {
		return nil, err
	}
	if s.begun {
		s.out.Sequence++
	}
	p := s.out
	p.Payload, p.Marker = payload, !s.begun
	s.begun, s.out.Payload = true, payload
	s.out.Timestamp += s.codec.Ticks(len(samples), s.rate)
	return &p, nil
}
