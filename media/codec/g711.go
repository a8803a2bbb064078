package codec

import "math/bits"

// G.711 (rfc3551#4.5.14): a sign, a chord of three bits that doubles its step each time, and a step of four bits.

func pcmu() Codec { return g711("PCMU", 0, MuLaw, FromMuLaw) }
func pcma() Codec { return g711("PCMA", 8, ALaw, FromALaw) }

func g711(name string, payload int, compress func(int16) byte, expand func(byte) int16) Codec {
	return Codec{
		Name: name, Clock: 8000, Channels: 1, Payload: payload, Rates: []int{8000},
		encoder: func(int, Options) (Encoder, error) { return companding{compress}, nil },
		decoder: func(rate int) (Decoder, error) {
			return &expanding{expand: expand, lost: NewConcealer(rate)}, nil
		},
	}
}

type companding struct{ compress func(int16) byte }

func (c companding) Encode(dst []byte, samples []int16) ([]byte, error) {
	for _, s := range samples {
		dst = append(dst, c.compress(s))
	}
	return dst, nil
}

type expanding struct {
	expand func(byte) int16
	lost   *Concealer
}

func (e *expanding) Decode(dst []int16, payload []byte) ([]int16, error) {
	from := len(dst)
	for _, b := range payload {
		dst = append(dst, e.expand(b))
	}
	e.lost.Heard(dst[from:])
	return dst, nil
}

func (e *expanding) Conceal(dst []int16, n int, _ []byte) []int16 { return e.lost.Conceal(dst, n) }

const (
	muBias = 0x84
	muClip = 32635
)

// MuLaw compresses a sample.
func MuLaw(s int16) byte {
	v, sign := int(s), byte(0)
	if v < 0 {
		v, sign = -v, 0x80
	}
	v = min(v, muClip) + muBias
	chord := bits.Len(uint(v)) - 8
	return ^(sign | byte(chord<<4) | byte(v>>(chord+3)&0x0f))
}

// FromMuLaw expands one.
func FromMuLaw(b byte) int16 {
	b = ^b
	v := (int16(b&0x0f)<<3+muBias)<<(b>>4&7) - muBias
	if b&0x80 != 0 {
		return -v
	}
	return v
}

// aInvert are the bits that travel inverted, so that silence has edges to keep a line's clock by.
const aInvert = 0x55

// ALaw compresses a sample, of which it takes the upper 13 bits.
func ALaw(s int16) byte {
	v, sign := int(s)>>3, byte(0x80)
	if v < 0 {
		v, sign = -v-1, 0
	}
	chord := max(bits.Len(uint(v))-5, 0)
	return (sign | byte(chord<<4) | byte(v>>max(chord, 1)&0x0f)) ^ aInvert
}

// FromALaw expands one.
func FromALaw(b byte) int16 {
	b ^= aInvert
	chord, v := b>>4&7, int16(b&0x0f)<<4+8
	if chord > 0 {
		v = (v + 0x100) << (chord - 1)
	}
	if b&0x80 == 0 {
		return -v
	}
	return v
}
