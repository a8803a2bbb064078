// Package codec turns linear samples into the payloads of telephony's codecs and back: G.711 and G.722 (ITU-T; RFC 3551)
// in Go, and Opus (RFC 6716, RFC 7587) by libopus in a build with the tag opus. All lists what this build can do both
// ways; nothing else is to be offered to anybody.
//
// Beside them stands what every path of samples needs: concealment of what was lost, conversion between sample rates,
// and between lengths of frames. Samples are mono, 16 bits.
package codec

import (
	"errors"
	"slices"
	"strings"
	"time"
)

// What a codec refuses.
var (
	ErrRate    = errors.New("codec: not at this sample rate")
	ErrPayload = errors.New("codec: the payload can't be decoded")
	ErrFrame   = errors.New("codec: no packet has this length")
)

// Encoder makes payloads. It keeps the state of one stream.
type Encoder interface {
	// Encode appends the payload of a packet of samples to dst.
	Encode(dst []byte, samples []int16) ([]byte, error)
}

// Decoder makes samples. It keeps the state of one stream.
type Decoder interface {
	// Decode appends a payload's samples to dst.
	Decode(dst []int16, payload []byte) ([]int16, error)
	// Conceal appends n samples in the place of packets that were lost. next is the payload that came after them, which
	// may hold a copy of what was lost right before it; nil if none is here.
	Conceal(dst []int16, n int, next []byte) []int16
}

// Options of an encoder; the zero value is for telephony.
type Options struct {
	// Loss is the share of packets that gets lost on the way, in percent. A codec that can spends bits on it.
	Loss int
	// Bitrate in bits a second, of a codec that has several; 0 is what suits the sample rate.
	Bitrate int
}

// Codec is a way to carry speech.
type Codec struct {
	Name     string // as an rtpmap has it
	Clock    int    // of RTP; G.722's is not its sample rate (rfc3551#4.5.2)
	Channels int    // as the rtpmap has it
	Payload  int    // the static type, or one from the dynamic range to offer it by
	Fmtp     string // to offer it with
	// Rates are those at which it takes and gives samples, its own first.
	Rates []int

	encoder func(rate int, o Options) (Encoder, error)
	decoder func(rate int) (Decoder, error)
}

// All are the codecs that this build encodes and decodes, the best first.
func All() []Codec { return append(opus(), g722(), pcma(), pcmu()) }

// Find finds one of All.
func Find(name string, clock, channels int) (Codec, bool) {
	for _, c := range All() {
		if strings.EqualFold(c.Name, name) && c.Clock == clock && c.Channels == max(channels, 1) {
			return c, true
		}
	}
	return Codec{}, false
}

// Takes says whether it can be had at a sample rate.
func (c Codec) Takes(rate int) bool { return slices.Contains(c.Rates, rate) }

// Encoder makes an encoder of samples at that rate.
func (c Codec) Encoder(rate int, o Options) (Encoder, error) {
	if !c.Takes(rate) {
		return nil, ErrRate
	}
	return c.encoder(rate, o)
}

// Decoder makes a decoder to samples at that rate.
func (c Codec) Decoder(rate int) (Decoder, error) {
	if !c.Takes(rate) {
		return nil, ErrRate
	}
	return c.decoder(rate)
}

// Ticks is how much RTP time a number of samples takes.
func (c Codec) Ticks(samples, rate int) uint32 { return uint32(samples * c.Clock / rate) }

// Samples is how many samples an RTP time takes.
func (c Codec) Samples(ticks uint32, rate int) int {
	return int(uint64(ticks) * uint64(rate) / uint64(c.Clock))
}

// Samples of a time.
func Samples(d time.Duration, rate int) int { return int(d * time.Duration(rate) / time.Second) }

// Meet is the sample rate at which two codecs are joined: one that both take, the highest such up to what the
// narrower one has of its own; or else each has its own, and samples are converted in between.
func Meet(a, b Codec) (rateA, rateB int) {
	own := min(a.Rates[0], b.Rates[0])
	if a.Takes(own) && b.Takes(own) {
		return own, own
	}
	return a.Rates[0], b.Rates[0]
}
