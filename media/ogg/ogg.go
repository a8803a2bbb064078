// Package ogg reads and writes Opus in Ogg files (RFC 7845, RFC 3533): one stream, packet by packet.
package ogg

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// ErrFormat says that it is no Ogg file with Opus in it, or a broken one.
var ErrFormat = errors.New("ogg: not an Ogg file with Opus")

const (
	headLength = 27            // of a page, without its segment table (rfc3533#6)
	maxPacket  = 1275 * 48 * 4 // what a packet of 120 ms may take in one of several streams, and some
	maxTags    = 1 << 20

	flagContinued = 1
	flagFirst     = 2
	flagLast      = 4
)

// Reader reads packets.
type Reader struct {
	Channels int
	Skip     int // samples at 48000 to be left out at the begin (rfc7845#4.2)

	in     *bufio.Reader
	serial uint32
	lacing []byte // segments of the page that are left
	last   bool
}

// NewReader reads what comes before the sound.
func NewReader(r io.Reader) (*Reader, error) {
	o := &Reader{in: bufio.NewReader(r)}
	head, err := o.packet(maxPacket)
	if err != nil || len(head) < 19 || string(head[:8]) != "OpusHead" || head[8]&0xf0 != 0 { // rfc7845#5.1
		return nil, ErrFormat
	}
	o.Channels, o.Skip = int(head[9]), int(binary.LittleEndian.Uint16(head[10:]))
	if o.Channels < 1 || o.Channels > 2 || head[18] != 0 { // more are of other families, with several streams
		return nil, ErrFormat
	}
	tags, err := o.packet(maxTags)
	if err != nil || len(tags) < 8 || string(tags[:8]) != "OpusTags" {
		return nil, ErrFormat
	}
	return o, nil
}

// Next gives the next packet of sound. It ends with io.EOF.
func (o *Reader) Next() ([]byte, error) { return o.packet(maxPacket) }

func (o *Reader) packet(most int) (packet []byte, err error) {
	for {
		if len(o.lacing) == 0 {
			if o.last {
				return nil, io.EOF
			}
			if err := o.page(len(packet) > 0); err != nil {
				return nil, err
			}
			continue
		}
		n := int(o.lacing[0])
		o.lacing = o.lacing[1:]
		if len(packet)+n > most {
			return nil, ErrFormat
		}
		from := len(packet)
		packet = append(packet, make([]byte, n)...)
		if _, err := io.ReadFull(o.in, packet[from:]); err != nil {
			return nil, ErrFormat
		}
		if n < 255 {
			return packet, nil
		}
	}
}

// page reads a page's head; those of other streams are read past.
func (o *Reader) page(within bool) error {
	for {
		var b [headLength]byte
		if _, err := io.ReadFull(o.in, b[:]); err != nil {
			if errors.Is(err, io.EOF) && !within {
				return io.EOF
			}
			return ErrFormat
		}
		if string(b[:4]) != "OggS" || b[4] != 0 {
			return ErrFormat
		}
		lacing := make([]byte, b[26])
		if _, err := io.ReadFull(o.in, lacing); err != nil {
			return ErrFormat
		}
		serial := binary.LittleEndian.Uint32(b[14:])
		if o.serial == 0 && b[5]&flagFirst != 0 {
			o.serial = serial
		}
		if serial != o.serial {
			size := int64(0)
			for _, n := range lacing {
				size += int64(n)
			}
			if _, err := io.CopyN(io.Discard, o.in, size); err != nil {
				return ErrFormat
			}
			continue
		}
		if (b[5]&flagContinued != 0) != within && len(lacing) > 0 {
			return ErrFormat
		}
		o.lacing, o.last = lacing, b[5]&flagLast != 0
		return nil
	}
}

// Writer writes a file. What a crash leaves of it can be read to its last page.
type Writer struct {
	out      io.Writer
	serial   uint32
	sequence uint32
	granule  uint64
	lacing   []byte
	body     []byte
	scratch  []byte
}

const (
	lookahead = 312   // samples at 48000 that libopus needs before its first (rfc7845#5.1)
	pageFull  = 48000 // samples of sound on a page
	vendor    = "parley"
	polynom   = 0x04c11db7
)

// NewWriter begins a file of that many channels, at a rate that was the sound's before (for those who wonder).
func NewWriter(out io.Writer, serial uint32, channels, rate int) (*Writer, error) {
	w := &Writer{out: out, serial: serial}
	head := append([]byte("OpusHead"), 1, byte(channels))
	head = binary.LittleEndian.AppendUint16(head, lookahead)
	head = binary.LittleEndian.AppendUint32(head, uint32(rate))
	head = append(head, 0, 0, 0)
	tags := binary.LittleEndian.AppendUint32([]byte("OpusTags"), uint32(len(vendor)))
	tags = binary.LittleEndian.AppendUint32(append(tags, vendor...), 0)
	w.add(head)
	if err := w.flush(flagFirst); err != nil {
		return nil, err
	}
	w.add(tags)
	return w, w.flush(0)
}

// Packet adds a packet of that many samples at 48000.
func (w *Writer) Packet(packet []byte, samples int) error {
	if len(packet)/255+1+len(w.lacing) > 255 {
		if err := w.flush(0); err != nil {
			return err
		}
	}
	if len(packet)/255+1 > 255 {
		return ErrFormat
	}
	before := w.granule / pageFull
	w.add(packet)
	w.granule += uint64(samples)
	if w.granule/pageFull != before {
		return w.flush(0)
	}
	return nil
}

func (w *Writer) add(packet []byte) {
	for n := len(packet); ; n -= 255 {
		w.lacing = append(w.lacing, byte(min(n, 255)))
		if n < 255 {
			break
		}
	}
	w.body = append(w.body, packet...)
}

func (w *Writer) flush(flags byte) error {
	b := append(w.scratch[:0], "OggS"...)
	b = append(b, 0, flags)
	b = binary.LittleEndian.AppendUint64(b, w.granule)
	b = binary.LittleEndian.AppendUint32(b, w.serial)
	b = binary.LittleEndian.AppendUint32(b, w.sequence)
	b = append(b, 0, 0, 0, 0, byte(len(w.lacing)))
	b = append(append(b, w.lacing...), w.body...)
	binary.LittleEndian.PutUint32(b[sumAt:], checksum(b))
	w.sequence++
	w.lacing, w.body, w.scratch = w.lacing[:0], w.body[:0], b
	if _, err := w.out.Write(b); err != nil {
		return fmt.Errorf("ogg: write: %w", err)
	}
	return nil
}

const sumAt = 22

// checksum of a page whose own field is zero (rfc3533#6).
func checksum(page []byte) (sum uint32) {
	for _, v := range page {
		sum = sum<<8 ^ sums[byte(sum>>24)^v]
	}
	return sum
}

var sums = func() (table [256]uint32) {
	for i := range table {
		r := uint32(i) << 24
		for range 8 {
			if r&0x80000000 != 0 {
				r = r<<1 ^ polynom
			} else {
				r <<= 1
			}
		}
		table[i] = r
	}
	return table
}()

// Close ends the file.
func (w *Writer) Close() error { return w.flush(flagLast) }
