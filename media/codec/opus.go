//go:build opus && cgo

package codec

/*
#cgo pkg-config: opus
#include <opus.h>

// What libopus takes by variable arguments, which cgo can't pass.
static int parley_tune(OpusEncoder *e, int bitrate, int loss) {
	int err = opus_encoder_ctl(e, OPUS_SET_BITRATE(bitrate));
	if (err == OPUS_OK) err = opus_encoder_ctl(e, OPUS_SET_COMPLEXITY(5));
	if (err == OPUS_OK) err = opus_encoder_ctl(e, OPUS_SET_SIGNAL(OPUS_SIGNAL_VOICE));
	if (err == OPUS_OK) err = opus_encoder_ctl(e, OPUS_SET_INBAND_FEC(loss > 0));
	if (err == OPUS_OK) err = opus_encoder_ctl(e, OPUS_SET_PACKET_LOSS_PERC(loss));
	return err;
}
*/
import "C"

import (
	"fmt"
	"slices"
	"unsafe"
)

const (
	opusOffered = 111  // the payload type that browsers use
	opusLongest = 120  // milliseconds in a packet (rfc6716#2)
	opusPayload = 1275 // octets of a frame at most
)

// opus is mono here: the rtpmap says two channels whatever is sent (rfc7587#7). The encoder is told to keep to the waveform:
// what libopus has for speech on top is a high-pass filter, and phones have one of their own.
func opus() []Codec {
	return []Codec{{
		Name: "opus", Clock: 48000, Channels: 2, Payload: opusOffered, Fmtp: "useinbandfec=1",
		Rates:   []int{48000, 24000, 16000, 12000, 8000},
		encoder: newOpusEncoder, decoder: newOpusDecoder,
	}}
}

// opusEncoder's state is memory of Go's, so that nobody has to free it. It holds no pointers to Go's memory.
type opusEncoder struct {
	state []uint64
	rate  int
}

func words(octets C.int) []uint64 { return make([]uint64, (int(octets)+7)/8) }

func (e *opusEncoder) c() *C.OpusEncoder {
	return (*C.OpusEncoder)(unsafe.Pointer(&e.state[0]))
}

func newOpusEncoder(rate int, o Options) (Encoder, error) {
	e := &opusEncoder{state: words(C.opus_encoder_get_size(1)), rate: rate}
	if err := C.opus_encoder_init(e.c(), C.opus_int32(rate), 1, C.OPUS_APPLICATION_AUDIO); err != C.OPUS_OK {
		return nil, opusError("make an encoder", err)
	}
	bitrate := o.Bitrate
	if bitrate == 0 {
		bitrate = 16000 + rate/3 // about 18 kbit/s of narrow, 21 of wide and 32 of full band (rfc7587#3.1.1)
	}
	if err := C.parley_tune(e.c(), C.int(bitrate), C.int(o.Loss)); err != C.OPUS_OK {
		return nil, opusError("tune an encoder", err)
	}
	return e, nil
}

func (e *opusEncoder) Encode(dst []byte, samples []int16) ([]byte, error) {
	if len(samples) == 0 {
		return dst, ErrFrame
	}
	from := len(dst)
	dst = slices.Grow(dst, opusPayload)[:from+opusPayload]
	n := C.opus_encode(e.c(), (*C.opus_int16)(&samples[0]), C.int(len(samples)), (*C.uchar)(&dst[from]), opusPayload)
	if n < 0 {
		return dst[:from], opusError("encode", n)
	}
	return dst[:from+int(n)], nil
}

type opusDecoder struct {
	state []uint64
	rate  int
}

func (d *opusDecoder) c() *C.OpusDecoder {
	return (*C.OpusDecoder)(unsafe.Pointer(&d.state[0]))
}

func newOpusDecoder(rate int) (Decoder, error) {
	d := &opusDecoder{state: words(C.opus_decoder_get_size(1)), rate: rate}
	if err := C.opus_decoder_init(d.c(), C.opus_int32(rate), 1); err != C.OPUS_OK {
		return nil, opusError("make a decoder", err)
	}
	return d, nil
}

func (d *opusDecoder) Decode(dst []int16, payload []byte) ([]int16, error) {
	out, err := d.decode(dst, payload, opusLongest*d.rate/1000, false)
	if err != nil {
		return dst, fmt.Errorf("%w: %w", ErrPayload, err)
	}
	return out, nil
}

// decode has libopus write behind dst; without a payload it makes n samples up, and with fec it takes the copy of the
// frame before from it.
func (d *opusDecoder) decode(dst []int16, payload []byte, n int, fec bool) ([]int16, error) {
	var in *C.uchar
	if len(payload) > 0 {
		in = (*C.uchar)(&payload[0])
	}
	from := len(dst)
	dst = slices.Grow(dst, n)[:from+n]
	flag := C.int(0)
	if fec {
		flag = 1
	}
	got := C.opus_decode(d.c(), in, C.opus_int32(len(payload)), (*C.opus_int16)(&dst[from]), C.int(n), flag)
	if got < 0 {
		return dst[:from], opusError("decode", got)
	}
	return dst[:from+int(got)], nil
}

// Conceal has libopus make up what is lost, but for the frame right before next, of which that may have a copy
// (rfc6716#2.1.7). libopus wants multiples of 2.5 ms.
func (d *opusDecoder) Conceal(dst []int16, n int, next []byte) []int16 {
	from, want, unit := len(dst), len(dst)+n, d.rate/400
	last := 0
	if len(next) > 0 {
		frame := int(C.opus_packet_get_samples_per_frame((*C.uchar)(&next[0]), C.opus_int32(d.rate)))
		if frame <= n {
			last = frame
		}
	}
	for len(dst)+last+unit <= want {
		part := min(opusLongest*d.rate/1000, (want-last-len(dst))/unit*unit)
		out, err := d.decode(dst, nil, part, false)
		if err != nil || len(out) == len(dst) {
			break
		}
		dst = out
	}
	if last > 0 {
		if out, err := d.decode(dst, next, last, true); err == nil {
			dst = out
		}
	}
	if missing := want - len(dst); missing > 0 {
		dst = append(dst, make([]int16, missing)...)
	}
	return dst[:from+n]
}

func opusError(what string, code C.int) error {
	return fmt.Errorf("codec: opus: %s: %s", what, C.GoString(C.opus_strerror(code)))
}
